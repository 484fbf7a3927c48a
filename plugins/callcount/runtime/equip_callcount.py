"""Runtime of callcount: keeps one list of counters for each module, and adds them to the file of counts at exit.

Only builtin modules are imported, since any other may be instrumented itself. The files are written
and read as bytes here, so that no codec, json or io module runs.

A *run* is the process that loads this first, and all processes below it that count into the same
file. Its file, `.counts.json.<process>-<start>.run` beside the counts, names the living processes of
the run, `#<process> <start>` each, and has the counts of those that have ended, as `counts.json` has
them. A process that ends adds its own, under a lock, and writes `counts.json` from the sum; the last
one removes the run's file. Both are replaced by renaming, so that they are whole whoever is killed.
"""

import posix
import sys
import time

_known = "atexit" in sys.modules
import atexit

OPTIONS = globals().get("OPTIONS", {})

_COLUMNS = ("calls", "returns", "raises", "yields")
_columns = [name for name in _COLUMNS if name == "calls" or OPTIONS.get(name)]

_LINE = b"#%d %d\n"  # a living process in a run's file

_modules = {}  # (file, keys) -> counters: for each key one of each column
_written = {}  # (file, keys) -> what the counters were when they were last written, or at the fork
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
    """The counters of a module: as many as there are columns for each line of `keys`."""
    names = (file, keys)
    counters = _modules.get(names)
    if counters is None:
        # A module that is loaded twice, or by two threads at once, goes on with the same list.
        counters = _modules.setdefault(names, [0] * (len(_columns) * (keys.count("\n") + 1)))
    return counters


# Counts as text: what is in counts.json. File and function stay quoted, so that reading is splitting.


def _quote(text):
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"%s"' % text
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


def _add(total, file, key, counts):
    row = total.setdefault(file, {}).setdefault(key, {})
    for column, count in counts:
        row[column] = row.get(column, 0) + count


def _render(total):
    files = []
    for file, functions in sorted(total.items()):
        rows = []
        for key, row in sorted(functions.items()):
            value = "%d" % row.get("calls", 0)
            if len(row) > 1:
                value = "{%s}" % ", ".join('"%s": %d' % (name, row[name]) for name in _COLUMNS if name in row)
            rows.append("    %s: %s" % (key, value))
        files.append("  %s: {\n%s\n  }" % (file, ",\n".join(rows)))
    return ("{\n" + ",\n".join(files) + "\n}\n").encode("utf-8")


def _parse(data):
    """The living processes, and file -> function -> column -> count, both as far as they are whole."""
    alive, total, file = [], {}, None
    for line in data.decode("utf-8", "replace").split("\n"):
        try:
            if line.startswith("#"):
                process, start = line[1:].split(" ")
                alive.append((int(process), int(start)))
            elif line.startswith('  "'):
                file = line[2:].removesuffix(": {")
            elif line.startswith('    "') and file:
                line = line[4:].removesuffix(",")
                if line.endswith("}"):
                    key, _, row = line.removesuffix("}").rpartition(": {")
                    row = [count.split(": ") for count in row.split(", ")]
                    _add(total, file, key, [(column[1:-1], int(count)) for column, count in row])
                else:
                    key, _, count = line.rpartition(": ")
                    _add(total, file, key, [("calls", int(count))])
        except ValueError:
            pass  # somebody else's line
    return alive, total


# Files.


def _read(descriptor):
    parts = []
    while part := posix.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _content(path):
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return _read(descriptor)
    finally:
        posix.close(descriptor)


def _write(path, data):
    temporary, flags = _temporary(_me), posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
    try:
        descriptor = posix.open(temporary, flags, 0o666)
    except FileExistsError:
        # Another interpreter of this process writes at the same time, since it could not be alone.
        temporary = _beside(b"%d-%d-%d.tmp" % (*_me, id(_modules)))
        descriptor = posix.open(temporary, flags, 0o666)
    try:
        try:
            while data:
                data = data[posix.write(descriptor, data):]
        finally:
            posix.close(descriptor)
        posix.replace(temporary, path)
    except OSError:
        _remove(temporary)
        raise


def _remove(path):
    try:
        posix.unlink(path)
    except OSError:
        pass


def _temporary(process):
    return _beside(b"%d-%d.tmp" % process)


def _exists(path):
    try:
        posix.stat(path)
        return True
    except OSError:
        return False


def _beside(name):
    folder, _, counts = _path.rpartition(b"/")
    return folder + b"/." + counts + b"." + name


# Processes.


def _status(process):
    """When a process started, and its parent; None of one that has ended. The start, which tells a
    process from a later one of that number, is 0 where there is no /proc."""
    if _proc:
        try:
            fields = _content(b"/proc/%d/stat" % process).rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in b"ZX" else (int(fields[19]), int(fields[1]))
    try:
        posix.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass  # somebody else's
    return 0, posix.getppid() if process == posix.getpid() else 0


def _lives(process):
    status = _status(process[0])
    return status is not None and status[0] == process[1]


def _own():
    process = posix.getpid()
    status = _status(process)
    return process, status[0] if status else 0


def _kin():
    """Tells whether a run is that of this process: it has a process above it, or itself, started anew
    by exec. Where one above has ended, which cuts off what is above that, the process group counts."""
    above = set()
    session, top = posix.getsid(0), 0
    process = posix.getpid()
    while process and (status := _status(process)):
        above.add((process, status[0]))
        if posix.getsid(process) == session:
            top = process
        process = status[1]
    orphan = _proc and top != session  # else they lead up to the one that began the session

    def is_kin(run):
        try:
            if not above.isdisjoint(run):
                return True
            group = posix.getpgrp()
            return orphan and any(_lives(process) and posix.getpgid(process[0]) == group for process in run)
        except OSError:
            return False

    return is_kin


def _enter():
    """The run's file: that of the family, else a new one. Removes what killed processes left."""
    global _first
    prefix = _beside(b"")
    folder, _, start = prefix.rpartition(b"/")
    is_kin = None
    for name in posix.listdir(folder or b"/"):
        if not name.startswith(start) or not name.endswith((b".run", b".tmp", b".lock")):
            continue
        path = folder + b"/" + name
        try:
            if name.endswith(b".run"):
                alive = _parse(_content(path))[0]
            else:
                process, _, began = name[len(start):].rpartition(b".")[0].partition(b"-")
                alive = [(int(process), int(began.partition(b"-")[0]))]
            is_kin = is_kin or _kin()
            if name.endswith(b".run") and is_kin(alive):
                _first = False
                _join(path)
                return path
            if not any(_lives(process) for process in alive):
                posix.unlink(path)
        except (OSError, ValueError):
            pass
    _first = True
    path = prefix + b"%d-%d.run" % _me
    _write(path, _LINE % _me)
    return path


def _alone():
    """The path of a file that only one interpreter of this process can have at a time: locks are a process's. None
    if there can be none, or who has it does not give it back."""
    path = _beside(b"%d-%d.lock" % _me)
    for _ in range(2000):
        try:
            posix.close(posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o666))
            return path
        except FileExistsError:
            time.sleep(0.001)
        except OSError:
            break
    return None


def _together(path):
    if path is not None:
        _remove(path)


def _locked(path):
    """The run's file, open, and locked until it is closed."""
    while True:
        descriptor = posix.open(path, posix.O_RDWR | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC, 0o666)
        try:
            posix.lockf(descriptor, posix.F_LOCK, 0)
        except OSError:
            pass  # a file system without locks
        mine = posix.fstat(descriptor)
        try:
            now = posix.stat(path)
        except OSError:
            now = None
        if now and (mine.st_dev, mine.st_ino) == (now.st_dev, now.st_ino):
            return descriptor
        posix.close(descriptor)  # replaced or removed while this one waited


def _state(descriptor, path):
    """The living processes of a run, and its counts so far."""
    data = _read(descriptor)
    if not data and not _first:
        # All others have ended, before this one was written down: what they left is the sum.
        try:
            data = _content(_path)
        except OSError:
            pass
    return _parse(data)


def _join(path):
    descriptor = _locked(path)
    try:
        if posix.fstat(descriptor).st_size:
            posix.write(descriptor, _LINE % _me)
        else:
            _write(path, _LINE % _me + _render(_state(descriptor, path)[1]))
    finally:
        posix.close(descriptor)


def dump(ending=True):
    """Adds what was counted since the last time to the run's counts, and writes these; a place that
    cannot be written is one line on stderr."""
    global _first
    total, now = {}, {}
    for names, counters in list(_modules.items()):
        now[names] = counters = list(counters)
        written = _written.get(names)
        if counters == written:
            continue
        file = _quote(names[0])
        for index, key in enumerate(names[1].split("\n")):
            index *= len(_columns)
            counts = counters[index:index + len(_columns)]
            if written:
                counts = [count - old for count, old in zip(counts, written[index:])]
            if any(counts):
                _add(total, file, _quote(key), zip(_columns, counts))
    if not (total or ending):
        return
    alone = _alone()
    try:
        if _run is None:
            if _me[0] == _process:  # a fork would write over its parent's counts
                _write(_path, _render(total))
            return
        descriptor = _locked(_run)
        try:
            alive, so_far = _state(descriptor, _run)
            for file, functions in total.items():
                for key, row in functions.items():
                    _add(so_far, file, key, row.items())
            if ending and _me in alive:
                alive.remove(_me)
            for process in alive[:]:
                if not _lives(process):
                    alive.remove(process)
                    _remove(_temporary(process))  # killed while it wrote
            data = _render(so_far)
            if alive:
                _write(_run, b"".join(_LINE % process for process in alive) + data)
                _written.update(now)
            _write(_path, data)
            if not alive:
                _written.update(now)
                posix.unlink(_run)
                _first = False
        finally:
            posix.close(descriptor)
    except OSError as error:
        if _me[0] == _process:
            try:
                sys.stderr.write("callcount: %s: %s\n" % (_path.decode("utf-8", "replace"), error.strerror))
            except Exception:
                pass
    finally:
        _together(alone)


def _watch():
    # multiprocessing ends its forked children by os._exit: atexit does not run (before 3.13), or what
    # was registered before the fork is forgotten. These run what threading runs last, and multiprocessing.
    if "multiprocessing.process" in sys.modules:
        callbacks = getattr(sys.modules.get("threading"), "_threading_atexits", None)
        if type(callbacks) is list and _last not in callbacks:
            callbacks.insert(0, _last)


def _last():
    try:
        dump(False)
        finalizers = getattr(sys.modules.get("multiprocessing.util"), "_finalizer_registry", None)
        if type(finalizers) is dict:
            finalizers[-sys.maxsize, id(_last)] = _last_of_all
    except Exception:
        pass


def _last_of_all():
    dump(False)


def _forked():
    global _me, _first
    _first = False
    for names, counters in list(_modules.items()):
        _written[names] = list(counters)
    try:
        _me = _own()
        _watch()
        if _run is not None:
            alone = _alone()
            try:
                _join(_run)
            finally:
                _together(alone)
    except Exception:
        pass  # said at the end, if it is still so


_proc = _exists(b"/proc/self/stat")
_me = _own()
_first = True  # nobody of this run has written counts.json yet
_mine = _alone()
try:
    _run = _enter()
except OSError:
    _run = None  # said at the end, if it is still so
finally:
    _together(_mine)
_watch()
posix.register_at_fork(after_in_child=_forked)
atexit.register(dump)
if not _known:
    # A program that has not imported it finds it as it would have.
    sys.modules.pop("atexit", None)
