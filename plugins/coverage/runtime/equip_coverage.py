"""Runtime of coverage: keeps one list of hits for each module, and writes a file of data for each process.

Only builtin modules are imported, since any other may be instrumented itself. A file of data is replaced by
renaming, so that it is whole whoever is killed; putting files together is the reader's work.
"""

import posix
import sys
import time

_known = "atexit" in sys.modules
import atexit

OPTIONS = globals().get("OPTIONS", {})

_COUNTS = OPTIONS.get("mode") == "counts"

_modules = {}  # map -> (file, hits, the list of them, names of those that are none of it, functions that note exceptions)
_inherited = {}  # map -> what the counters were at the fork
_exit = posix._exit
_process = posix.getpid()
_time = time.time_ns
frame = sys._getframe


def _folder():
    folder = posix.environ.get(b"EQUIP_OUTPUT_DIR", b"")
    name = (OPTIONS.get("output") or "equip-coverage").encode("utf-8", "surrogateescape")
    if name.startswith(b"/"):
        return name
    try:
        here = posix.getcwdb()
    except OSError:
        here = b"."
    if folder and not folder.startswith(b"/"):
        folder = here + b"/" + folder
    return (folder or here) + b"/" + name


_path = _folder()  # now: the program may change its folder


def register(file, map, probes, noting, counters):
    """The hits of a module. One that is loaded twice, or by two threads at once, goes on with the same ones.

    With counters, which are ranges of numbers, an object that has an attribute for each of them."""
    if map not in _modules:
        raised = hits = [0] * (probes + 1)  # the last for what is not to be noted
        names = {}
        if counters is not None:
            names = {"p%d" % number: number for first, end in counters for number in range(first, end)}
            hits = type("Counts", (), {"__slots__": ("raised", *names), "__module__": __name__})()
            for name in names:
                setattr(hits, name, 0)
            hits.raised = raised
        _modules.setdefault(map, (file, hits, raised, names, noting))
    return _modules[map][1]


def _so_far():
    """The hits of each module, where functions that have not ended yet count as left by an exception at their line."""
    functions = {}
    counts = {}
    for map, (file, hits, listed, names, noting) in list(_modules.items()):
        counts[map] = listed[:-1]
        for name, number in names.items():
            counts[map][number] = getattr(hits, name)
        for name, first_line, first, lines in noting:
            functions[file, first_line, name] = counts[map], first, lines
    for one in sys._current_frames().values():
        while one is not None:
            code = one.f_code
            function = functions.get((code.co_filename, code.co_firstlineno, code.co_qualname))
            if function is not None:
                hits, first, lines = function
                if one.f_lineno in lines:
                    hits[first + lines.index(one.f_lineno)] += 1
            one = one.f_back
    return counts


def _render():
    modules = []
    for map, counts in _so_far().items():
        before = _inherited.get(map)
        if before:
            counts = [count - old for count, old in zip(counts, before)]
        modules.append('{"map": %s, "counts": %s}' % (map, counts))
    return ('{"format": "equip coverage 1", "python": "%d.%d", "modules": [\n%s\n]}\n'
            % (sys.version_info[0], sys.version_info[1], ",\n".join(modules))).encode("utf-8")


def _write(data):
    try:
        posix.mkdir(_path)
    except OSError:
        pass  # it is there, or writing says why not
    # Several interpreters of a process may start at once.
    name = b"%s/%d-%d-%d" % (_path, _process, _started, id(_modules))
    descriptor = posix.open(name + b".tmp", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o666)
    try:
        while data:
            data = data[posix.write(descriptor, data):]
    finally:
        posix.close(descriptor)
    posix.replace(name + b".tmp", name + b".json")


def dump():
    """Writes what was hit so far; a place that cannot be written is one line on stderr."""
    try:
        _write(_render())
    except OSError as error:
        try:
            sys.stderr.write("coverage: %s: %s\n" % (_path.decode("utf-8", "replace"), error.strerror))
        except Exception:
            pass


def _leave(status):
    """Exit to the system with specified status, without normal exit processing."""
    try:
        dump()
    except Exception:
        pass
    _exit(status)


def _forked():
    global _process, _started
    _process, _started = posix.getpid(), _time()
    if _COUNTS:
        _inherited.update(_so_far())


_started = _time()
_leave.__name__ = _leave.__qualname__ = "_exit"
posix._exit = _leave
if "os" in sys.modules:
    sys.modules["os"]._exit = _leave
posix.register_at_fork(after_in_child=_forked)
atexit.register(dump)
if not _known:
    # A program that has not imported it finds it as it would have.
    sys.modules.pop("atexit", None)
