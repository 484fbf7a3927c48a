"""Runtime of callcount: keeps one list of counters for each module, and writes them at exit.

Only builtin modules are imported, since any other may be instrumented itself. The file is written
as bytes made here, so that no codec, json or io module runs.
"""

import posix
import sys

_known = "atexit" in sys.modules
import atexit

OPTIONS = globals().get("OPTIONS", {})

_modules = {}  # (file, keys) -> counters
_process = posix.getpid()


def _output():
    folder = posix.environ.get(b"EQUIP_OUTPUT_DIR", b"")
    name = (OPTIONS.get("output") or "counts.json").encode("utf-8", "surrogateescape")
    if name.startswith(b"/"):
        return name
    try:
        here = posix.getcwdb()
    except OSError:
        here = b"."
    if folder and not folder.startswith(b"/"):
        folder = here + b"/" + folder
    return (folder or here) + b"/" + name


_path = _output()  # now: the program may change its folder


def register(file, keys):
    """The counters of a module: one for each line of `keys`."""
    names = (file, keys)
    counters = _modules.get(names)
    if counters is None:
        # A module that is loaded twice, or by two threads at once, goes on with the same list.
        counters = _modules.setdefault(names, [0] * (keys.count("\n") + 1))
    return counters


def _quote(text):
    out = ['"']
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= code < 127:
            out.append(char)
        elif code < 0x10000:
            out.append("\\u%04x" % code)
        else:
            code -= 0x10000
            out.append("\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF)))
    out.append('"')
    return "".join(out)


def counts():
    """file -> function -> count, of what was called."""
    total = {}
    for (file, keys), counters in list(_modules.items()):
        functions = total.setdefault(file, {})
        for key, count in zip(keys.split("\n"), list(counters)):
            if count:
                functions[key] = functions.get(key, 0) + count
    return {file: functions for file, functions in total.items() if functions}


def dump():
    """Writes the counts; a place that cannot be written is one line on stderr."""
    if posix.getpid() != _process:
        return  # a fork that ends: its parent counts
    lines = []
    for file, functions in sorted(counts().items()):
        rows = ",\n".join("    %s: %d" % (_quote(key), count) for key, count in sorted(functions.items()))
        lines.append("  %s: {\n%s\n  }" % (_quote(file), rows))
    data = ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")
    temporary = _path + b".%d" % _process
    try:
        descriptor = posix.open(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o666)
        try:
            while data:
                data = data[posix.write(descriptor, data):]
        finally:
            posix.close(descriptor)
        posix.replace(temporary, _path)
    except OSError as error:
        try:
            posix.unlink(temporary)
        except OSError:
            pass
        try:
            sys.stderr.write("callcount: %s: %s\n" % (_path.decode("utf-8", "replace"), error.strerror))
        except Exception:
            pass


atexit.register(dump)
if not _known:
    # A program that has not imported it finds it as it would have.
    sys.modules.pop("atexit", None)
