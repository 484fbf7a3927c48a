"""Runtime of tracer: keeps the calls in progress of each thread, and streams what happens to them.

A probe only notes an event; `_flush` makes text of many at a time: when 512 are waiting, when the last
time is a quarter of a second ago, at exit and, in a forked process, at the end of each call that is no
deeper than the fork was; text for stderr is written at once. A program that is killed loses no more.

Nothing here takes a lock. What belongs together, a call and its event, is done by instructions in a row
without a call or a loop, between which CPython runs neither signal handlers nor other threads: hence
`events += (event,)`, not `append`. So Ctrl-C may come anywhere. (No `while` stands right in a `try` whose
`finally` matters: CPython 3.13.0 leaves its jump back, where Ctrl-C comes, out of the handler's range.) A
call whose end was never seen, since Ctrl-C or the recursion limit hit its probe, is ended when its caller
ends or the next call begins.

Only builtin modules are imported, as any other may be instrumented itself; and what a thread calls while
it is in here is not traced.
"""

import _thread
import posix
import sys

_known = {name for name in ("_functools", "atexit", "time") if name in sys.modules}
import atexit
import time
from _functools import partial

# Bound now, as all that is used later: a program may replace what modules hold.
from builtins import (
    AttributeError, BaseException, BlockingIOError, Exception, KeyboardInterrupt, OSError, bool, bytearray, bytes,
    complex, dict, enumerate, eval, float, frozenset, id, int, issubclass, len, list, object, range, repr, set, str, tuple,
    type, zip,
)
from posix import (
    F_TLOCK, O_CLOEXEC, O_CREAT, O_WRONLY, close, dup2, fstat, ftruncate, getpid, listdir, lockf, open as posix_open,
    pwrite, stat, write as posix_write,
)

_now = time.perf_counter_ns
_cpu_now = time.thread_time_ns
_sleep = time.sleep
_references = sys.getrefcount
_get_ident = _thread.get_ident
_get_native_id = _thread.get_native_id
_module_type = type(sys)

OPTIONS = globals().get("OPTIONS", {})

_CHROME = OPTIONS.get("format") == "chrome"
_OUTPUT = OPTIONS.get("output") or ("trace.json" if _CHROME else None)
_ROOM = OPTIONS.get("max_repr", 120)
_SHORTEST = int(OPTIONS.get("min_duration_us", 0) * 1000)
_SAMPLE = OPTIONS.get("sample", 1)
_CPU = OPTIONS.get("cpu", False)
_USER_REPR = OPTIONS.get("user_repr", False)

_BATCH = 512
_PERIOD = 250_000_000


class _Probe(partial):
    """What modules get, by other names: a program that lists its functions takes none for one. Who pickles
    a function by value takes it along; where that arrives, nothing is traced."""

    def __reduce__(self):
        return eval, ("lambda *_: None",)

    def __copy__(self):
        return self

    def __deepcopy__(self, _):
        return self

    if hasattr(partial, "__get__"):
        # From 3.14 on `inspect.isroutine` would take it for a method.
        __set__ = None


class _Hiding(_thread._local):
    """Whether a probe of a thread hides what it does: that is an event for audit hooks, which may be traced themselves."""

    now = False

    def __reduce__(self):
        return eval, ("type('', (), {'now': True})",)

    __copy__ = _Probe.__copy__
    __deepcopy__ = _Probe.__deepcopy__


class _Function:
    __slots__ = ("name", "json", "parameters", "keys", "suspends", "is_async")


class _Thread:
    # outermost: how many outermost calls there were; skipped: the one in progress that is not traced.
    __slots__ = ("busy", "stack", "number", "head", "ident", "name", "tries", "outermost", "skipped", "floor")


class _Call:
    # start and cpu are of the slice that runs, or of the suspension. begun: whether the begin of the
    # slice is noted; how and values, what to note. track: number of the track of its task, 0 for none,
    # -1 if it will have one. What can suspend has also sums, and the number of its flow while it sleeps.
    __slots__ = ("function", "task", "track", "start", "cpu", "begun", "how", "values", "run", "run_cpu", "asleep",
                 "flow")


class _File:
    __slots__ = ("descriptor", "path", "identity", "position", "pending", "limit", "deadline", "busy", "process",
                 "stopping", "forked", "label", "ended", "numbers", "threads", "crowd")


class _Local(_thread._local):
    """What a thread has: None until it has something, since an exception would be told to tracers (3.12)."""

    thread = None


_local = _Local()
_threads = {}
_MAX_INDENT = 40  # deeper calls have their depth as a number
_events = []  # (what, thread, function, task, time, CPU time, values, depth)
_flows = {}  # of calls that are suspended
_tracks = {}  # number -> name of the task
_file = _File()

# References that an element has which nothing but its list, and the question, knows.
_probe = [_Call()]
_DEAD = _references(_probe[-1])


# Values: shown without running code of the program's, unless `user_repr` asks for it.

# By id, as a metaclass may hash and compare by code of its own.
_BRACKETS = {id(list): "[]", id(tuple): "()", id(dict): "{}", id(set): "{}", id(frozenset): ("frozenset({", "})")}
_PLAIN = {id(kind) for kind in (float, complex, bool, type(None), type(...), type(NotImplemented))}
_BIG = 1 << 256
_SMALL = 1 << 60 if _ROOM > 20 else 0
_function_type = type(lambda: 0)
_function_name = _function_type.__dict__["__qualname__"].__get__
_type_name = type.__dict__["__qualname__"].__get__
_type_module = type.__dict__["__module__"].__get__
_arguments = BaseException.__dict__["args"].__get__


def _name(kind):
    name, module = _type_name(kind), _type_module(kind)
    if type(name) is not str:
        return "?"
    return name if type(module) is not str or module == "builtins" else module + "." + name


def _show(value, room, depth):
    kind = type(value)
    if room < 0:
        room = 0
    if kind is str or kind is bytes or kind is bytearray:
        return repr(value) if len(value) <= room else repr(value[:room]) + "..."
    if kind is int:
        return repr(value) if -_BIG < value < _BIG else "<int of %d bits>" % value.bit_length()
    if id(kind) in _PLAIN:
        return repr(value)
    if id(kind) in _BRACKETS:
        return _show_items(kind, value, room, depth)
    if kind is range:
        parts = (value.start, value.stop, value.step)
        return "range" + _show(parts[:2] if value.step == 1 else parts, room, depth + 1)
    if _USER_REPR:
        text = str.__str__(repr(value))
        return text[:room] + "..." if len(text) > room else text
    if issubclass(kind, BaseException):
        values = _arguments(value)
        return _name(kind) + (_show(values, room, depth) if len(values) != 1
                              else "(" + _show(values[0], room, depth + 1) + ")")
    if kind is _function_type and type(_function_name(value)) is str:
        return "<function %s>" % _function_name(value)
    if kind is type:
        return "<class %s>" % _name(value)
    return "<%s at 0x%x>" % (_name(kind), id(value))


def _show_items(kind, value, room, depth):
    if not value and (kind is set or kind is frozenset):
        return kind.__name__ + "()"
    shown = []
    for index, item in enumerate(value.items() if kind is dict else value):
        if index == 20 or room <= 0 or depth == 5:
            shown.append("... %d more" % (len(value) - index))
            break
        text = _show(item[0] if kind is dict else item, room, depth + 1)
        if kind is dict:
            text += ": " + _show(item[1], room - len(text), depth + 1)
        shown.append(text)
        room -= len(text) + 2
    opening, closing = _BRACKETS[id(kind)]
    return opening + ", ".join(shown) + ("," if kind is tuple and len(value) == 1 else "") + closing


def _text(value):
    """A bounded text of any value; nothing but Ctrl-C is raised."""
    if value is None:
        return "None"
    if type(value) is int and -_SMALL < value < _SMALL:
        return repr(value)
    try:
        text = _show(value, _ROOM, 0)
        return text if len(text) <= _ROOM + 3 else text[:_ROOM] + "..."
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass
    try:
        return "<%s at 0x%x>" % (_name(type(value)), id(value))
    except Exception:
        return "..."


# Threads and tasks: looked at without running code of the modules that make them.


def _begin_thread():
    thread = _Thread()
    thread.busy = _file.stopping
    thread.stack = []
    thread.ident = _get_ident()
    thread.name = thread.skipped = None
    thread.tries = thread.outermost = 0
    thread.floor = 0 if _file.forked else -1
    if len(_threads) >= _file.crowd:
        for number in list(_threads):
            # Has ended, with all of its calls.
            if _references(_threads.get(number)) <= _DEAD and not _threads[number].stack:
                del _threads[number]
        _file.crowd = 2 * len(_threads) + 64
    _file.threads += 1
    thread.number = _file.threads
    thread.head = '"pid":%d,"tid":%d,"ts":' % (_file.process, thread.number)
    _threads[thread.number] = thread
    _local.thread = thread
    return thread


def _find_name(thread):
    name = None
    try:
        active = sys.modules.get("threading")
        active = active and active.__dict__.get("_active")
        if type(active) is dict and thread.ident in active:
            name = object.__getattribute__(active[thread.ident], "__dict__")["_name"]
    except Exception:
        pass
    if type(name) is not str:
        name = "MainThread" if _get_native_id() == _file.process else None
    thread.tries += 1
    if name is None and thread.tries > 20:
        name = "thread %d" % thread.number
    if name is not None:
        event = ("thread", thread, None, None, 0, 0, name, 0)
        events = _events
        thread.name = name
        events += (event,)


def _task():
    """Name of the asyncio task that runs in this thread."""
    try:
        modules = sys.modules
        module = modules.get("_asyncio") if type(modules) is dict else None
        if type(module) is not _module_type:
            return None
        names = module.__dict__
        loop = names["_get_running_loop"]()
        if loop is None:
            return None
        # CPython 3.11 has no current_task in C.
        find = names.get("current_task") or names["_current_tasks"].get
        task = find(loop)
        name = None if task is None else names["Task"].get_name(task)
        return name if type(name) is str else None
    except Exception:
        return None


# Probes.


def register(module, functions):
    """What snippets of a module call when a function begins. `functions` has a line for each: kind
    (function, generator, coroutine, async generator by first letter), name and parameters."""
    known = []
    for line in functions.split("\n"):
        kind, name, parameters = line.split("\t")
        function = _Function()
        function.name = module + ":" + name
        function.json = '"name":%s,"cat":%s' % (_quote(name), _quote(module))
        function.parameters = parameters.split(",") if parameters else []
        function.keys = [_quote(name) + ":" for name in function.parameters]
        function.suspends = kind != "f"
        function.is_async = kind == "c" or kind == "a"
        known.append(function)

    local, events, now, references, text, file = _local, _events, _now, _references, _text, _file
    dead, at_once = _DEAD, not _SHORTEST

    def enter(number, values):
        nonlocal events
        thread = local.thread
        if thread is None:
            thread = _begin_thread()
        if thread.busy:
            return None
        thread.busy = True
        try:
            if thread.skipped is not None:
                if references(thread.skipped) > dead:
                    return None
                thread.skipped = None
            stack = thread.stack
            if stack and references(stack[-1]) <= dead:
                _drop_dead(thread)
            function = known[number]
            call = _Call()
            call.function = function
            call.track = 0
            if stack:
                above = stack[-1]
                call.task = above.task
                in_task = above.function.is_async
            else:
                call.task = None
                in_task = False
                if _SAMPLE > 1:
                    thread.outermost += 1
                    if (thread.outermost - 1) % _SAMPLE:
                        call.begun = None
                        thread.skipped = call
                        return call
            if function.suspends:
                call.run = call.run_cpu = call.asleep = call.flow = 0
                if function.is_async and not in_task:
                    call.task = _task()
                    if call.task is not None:
                        call.track = -1
            if thread.name is None:
                _find_name(thread)
            values = [text(value) for value in values]
            depth = len(stack)
            call.start = start = now()
            call.cpu = cpu = _cpu_now() if _CPU else 0
            if at_once and not call.track:
                call.begun = True
                stack += (call,)
                events += (("call", thread, function, call.task, start, cpu, values, depth),)
            else:
                call.begun = False
                call.how = "call"
                call.values = values
                stack += (call,)
                if at_once:
                    _note_begin(thread)
            if len(events) >= file.limit or start > file.deadline:
                _flush(start)
            return call
        finally:
            thread.busy = file.stopping

    return _Probe(enter)


def leave(call, value, how="return"):
    """The end of a slice of a call: `how` is return, raise or yield."""
    file = _file
    thread = _local.thread
    if thread is None:
        thread = _begin_thread()
    if thread.busy:
        return
    thread.busy = True
    try:
        stack = thread.stack
        if not stack or stack[-1] is not call:
            if thread.skipped is call:
                thread.skipped = None
            if call not in stack:
                return
            _end_above(thread, call)
        cpu = _cpu_now() if _CPU else 0
        now = _now()
        function = call.function
        span, span_cpu = now - call.start, cpu - call.cpu
        if function.suspends:
            slept = call.asleep
            span += call.run
            span_cpu += call.run_cpu
        else:
            slept = 0
        if not call.begun:
            # A slice to which a flow leads is kept, or the flow would lead nowhere.
            whole = span + slept if how != "yield" else now - call.start
            if whole < _SHORTEST and not (function.suspends and call.flow):
                _end_unseen(thread, how)
                return
            _note_begin(thread)
        try:
            text = _text(value)
        except Exception:
            text = "..."  # at the recursion limit
        depth = len(stack) - 1
        events = _events
        if how == "yield":
            call.run = span
            call.run_cpu = span_cpu
            call.start = now
            file.numbers += 1
            call.flow = file.numbers
            _flows[call.flow] = None
            del stack[-1]
            events += ((how, thread, function, call.task, now, cpu, (text, call.flow), depth),)
        else:
            del stack[-1]
            events += ((how, thread, function, call.task, now, cpu, (text, span, span_cpu, slept), depth),)
            if call.track > 0 and call.track in _tracks:
                events += (("track ends", thread, None, None, now, cpu, (call.track, _tracks[call.track]), depth),)
                del _tracks[call.track]
        if len(events) >= file.limit or now > file.deadline or depth <= thread.floor:
            if depth < thread.floor:
                thread.floor = depth
            _flush(now)
    finally:
        thread.busy = file.stopping


def resume(call, value, error):
    """A call that was suspended goes on: with what was sent, or with what was thrown in."""
    file = _file
    thread = _local.thread
    if thread is None:
        thread = _begin_thread()
    if thread.busy:
        return
    thread.busy = True
    try:
        stack = thread.stack
        if thread.skipped is not None:
            if _references(thread.skipped) > _DEAD:
                return
            thread.skipped = None
        if call.begun is None:
            if not stack:
                thread.skipped = call
            return
        if stack and _references(stack[-1]) <= _DEAD:
            _drop_dead(thread)
        if call in stack:
            # Its suspension was not seen.
            _end_above(thread, call)
            _end_unseen(thread, "lost")
        above = stack[-1] if stack else None
        if above is not None and (above.function.is_async or not call.function.is_async):
            call.task = above.task
        elif call.task is None and call.function.is_async:
            call.task = _task()
        values = (_text(value), "sent") if error is None else (_text(error), "thrown")
        now = _now()
        cpu = _cpu_now() if _CPU else 0
        slept = call.asleep + now - call.start
        call.asleep = slept
        call.start = now
        call.cpu = cpu
        call.begun = False
        call.how = "resume"
        call.values = values
        if call.flow in _flows:
            del _flows[call.flow]
        else:
            call.flow = 0
        stack += (call,)
        if not _SHORTEST:
            _note_begin(thread)
            if len(_events) >= file.limit or now > file.deadline:
                _flush(now)
    finally:
        thread.busy = file.stopping


def _note_begin(thread):
    """Notes the begin of the calls in progress for which that was put off."""
    stack, events = thread.stack, _events
    index = len(stack)
    while index and not stack[index - 1].begun:
        index -= 1
    for depth in range(index, len(stack)):
        call = stack[depth]
        values = call.values if call.how == "call" else call.values + (call.flow,)
        if call.track == -1:
            _file.numbers += 1
            call.track = _file.numbers
            _tracks[call.track] = call.task
            events += (("track", thread, None, None, call.start, call.cpu, (call.track, call.task), depth),)
        call.begun = True
        call.values = None
        events += ((call.how, thread, call.function, call.task, call.start, call.cpu, values, depth),)
        if call.how == "resume":
            call.flow = 0


def _end_unseen(thread, how):
    """Ends the innermost call: its end is lost, or not worth noting."""
    stack, events = thread.stack, _events
    cpu = 0
    if _CPU:
        # The clock of another thread, at exit, cannot be asked.
        cpu = _cpu_now() if thread.ident == _get_ident() else stack[-1].cpu
    now = _now()
    depth = len(stack) - 1
    call = stack[-1]
    function = call.function
    del stack[-1]
    if call.begun:
        events += (("lost", thread, function, call.task, now, cpu, None, depth),)
    if function.suspends:
        if call.flow:
            _flows[call.flow] = None  # the slice that it leads to was not noted
        call.run += now - call.start
        call.run_cpu += cpu - call.cpu
        call.start = now
    if how != "yield" and call.track > 0 and call.track in _tracks:
        events += (("track ends", thread, None, None, now, cpu, (call.track, _tracks[call.track]), depth),)
        del _tracks[call.track]


def _end_above(thread, call):
    stack = thread.stack
    while stack[-1] is not call:
        _end_unseen(thread, "lost")


def _drop_dead(thread):
    stack = thread.stack
    while stack and _references(stack[-1]) <= _DEAD:
        _end_unseen(thread, "lost")


# Formats. Both make text of events, and keep nothing but the last label.

_ESCAPES = {code: "\\u%04x" % code for code in (*range(32), 127)}
_PLAIN_LINES = dict(_ESCAPES)
_ESCAPES.update({34: '\\"', 92: "\\\\"})


def _quote(text):
    if text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + text.translate(_ESCAPES) + '"'


def _chrome(batch, label):
    lines = []
    # Numbers of flows and tracks differ from process to process, so that files can be merged.
    process, base = _file.process, _file.process << 30
    for what, thread, function, task, now, cpu, values, depth in batch:
        place = "%s%d.%03d" % (thread.head, now // 1000, now % 1000)
        if _CPU:
            place += ',"tts":%d.%03d' % (cpu // 1000, cpu % 1000)
        if what == "call":
            pairs = [key + _quote(text) for key, text in zip(function.keys, values)]
            if task is not None and function.is_async:
                pairs.append('"asyncio task":' + _quote(task))
            line = '{"ph":"B",%s,%s,"args":{%s}},\n' % (place, function.json, ",".join(pairs))
        elif what == "return" or what == "raise":
            text, span, span_cpu, slept = values
            more = ""
            if function.suspends:
                more = ',"run_us":%.3f,"suspended_us":%.3f' % (span / 1000, slept / 1000)
            if _CPU:
                more += ',"cpu_us":%.3f' % (span_cpu / 1000)
            line = '{"ph":"E",%s,%s,"args":{"%s":%s%s}},\n' % (place, function.json, what, _quote(text), more)
        elif what == "yield":
            text, flow = values
            line = ('{"ph":"s",%s,"name":"suspended","cat":"flow","id":%d},\n'
                    '{"ph":"E",%s,%s,"args":{"yield":%s}},\n'
                    % (place, base + flow, place, function.json, _quote(text)))
        elif what == "resume":
            text, way, flow = values
            line = '{"ph":"B",%s,%s,"args":{"%s":%s}},\n' % (place, function.json, way, _quote(text))
            if flow:
                line += ('{"ph":"f","bp":"e",%s,"name":"suspended","cat":"flow","id":%d},\n' % (place, base + flow))
        elif what == "lost":
            line = '{"ph":"E",%s,%s,"args":{"end":"not seen"}},\n' % (place, function.json)
        elif what == "track" or what == "track ends":
            line = ('{"ph":"%s",%s,"name":%s,"cat":"task","id":%d},\n'
                    % ("b" if what == "track" else "e", place, _quote(values[1]), base + values[0]))
        elif what == "flow ends":
            line = '{"ph":"f","bp":"e",%s,"name":"suspended","cat":"flow","id":%d},\n' % (place, base + values)
        elif what == "exit":
            line = '{"ph":"%s",%s,"name":"exit","cat":"tracer"},\n' % (values, place)
        else:
            line = ('{"ph":"M","pid":%d,"tid":%d,"name":"thread_name","args":{"name":%s}},\n'
                    % (process, thread.number, _quote(values)))
        lines.append(line)
    return "".join(lines), label


def _duration(span):
    if span < 1_000_000:
        return "%.1fus" % (span / 1000)
    return "%.1fms" % (span / 1_000_000) if span < 1_000_000_000 else "%.2fs" % (span / 1_000_000_000)


def _lines(batch, label):
    lines = []
    for what, thread, function, task, now, cpu, values, depth in batch:
        if function is None:
            continue
        if label != (thread.number, thread.name, task):
            label = (thread.number, thread.name, task)
            line = "== process %d, " % _file.process if _file.forked else "== "
            line += (thread.name or "thread %d" % thread.number) + (", task " + task if task else "")
            lines.append(line.translate(_PLAIN_LINES) + "\n")
        if what == "call":
            parameters = function.parameters
            line = "-> %s(%s)" % (function.name, ", ".join([a + "=" + b for a, b in zip(parameters, values)]))
        elif what == "return" or what == "raise":
            text, span, span_cpu, slept = values
            line = ("<- %s = %s" if what == "return" else "!! %s raises %s") % (function.name, text)
            line += "  [run %s, suspended %s" % (_duration(span), _duration(slept)) if function.suspends else (
                "  [" + _duration(span))
            line += ", cpu %s]" % _duration(span_cpu) if _CPU else "]"
        elif what == "yield":
            line = ".. %s %s %s" % (function.name, "waits for" if function.is_async else "yields", values[0])
        elif what == "resume":
            line = ">> %s %s %s" % (function.name, "is sent" if values[1] == "sent" else "is thrown", values[0])
        else:
            line = "<- %s: end not seen" % function.name
        # A line is bounded, however deep the call is.
        indent = "  " * (depth + 1) if depth < _MAX_INDENT else "  " * _MAX_INDENT + "(%d) " % depth
        lines.append(indent + line.translate(_PLAIN_LINES) + "\n")
    return "".join(lines), label


_format = _chrome if _CHROME else _lines


# The file. A process has its own: the first that comes takes the name itself, and keeps a lock on it as
# long as it lives; any other, forked or not, puts its number behind.


def _place():
    folder = posix.environ.get(b"EQUIP_OUTPUT_DIR", b"")
    name = _OUTPUT.encode("utf-8", "surrogateescape")
    if name[:1] == b"/":
        return name
    try:
        here = posix.getcwdb()
    except OSError:
        here = b"."
    if folder and folder[:1] != b"/":
        folder = here + b"/" + folder
    return (folder or here) + b"/" + name


def _identity(status):
    return status.st_dev, status.st_ino


def _is_regular(status):
    return status.st_mode & 0o170000 == 0o100000


def _is_ours(path):
    """Whether this process has the file open, as another interpreter in it may. To open and close it
    would drop the lock."""
    try:
        status = stat(path)
        for name in listdir(b"/dev/fd") if _is_regular(status) else ():
            try:
                if _identity(fstat(int(name))) == _identity(status):
                    return True
            except OSError:
                pass
    except OSError:
        pass
    return False


def _aside(descriptor):
    """Moves it out of the way of a program that counts on the numbers of its own."""
    for number in range(1000, 1020):
        try:
            fstat(number)
        except OSError:
            try:
                dup2(descriptor, number, False)
            except OSError:
                break
            close(descriptor)
            return number
    return descriptor


def _take(path):
    """Opens a file that nobody else writes; None if somebody does."""
    if _is_ours(path):
        return None
    descriptor = _aside(posix_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666))
    status = fstat(descriptor)
    is_regular = _is_regular(status)
    if is_regular:
        try:
            lockf(descriptor, F_TLOCK, 0)
        except OSError as error:
            # Where there are no locks at all, the number of the process has to do.
            if path == _path or error.errno in (11, 13):
                close(descriptor)
                return None
        ftruncate(descriptor, 0)
    _file.path = path
    _file.identity = _identity(status)
    _file.position = 0 if is_regular else None
    _file.descriptor = descriptor
    return descriptor


def _open():
    own = _path + b".%d" % _file.process
    paths = [own] + [own + b".%d" % number for number in range(1, 10)]
    if not _file.forked:
        paths.insert(0, _path)
    try:
        for path in paths:
            if _take(path) is not None:
                return
        _fail(own, "others are writing it")
    except OSError as error:
        _fail(path, error.strerror)


def _fail(path, why):
    """Ends tracing, with one line on stderr."""
    _file.ended = _file.stopping = True
    _file.pending = b""
    try:
        posix_write(2, b"tracer: %s: %s\n" % (path, why.encode("utf-8", "replace")))
    except Exception:
        pass


def _header():
    if not _CHROME:
        return b""
    try:
        command = " ".join(sys.orig_argv)[:200]
    except Exception:
        command = "python"
    line = '[\n{"ph":"M","pid":%d,"tid":0,"name":"process_name","args":{"name":%s}},\n'
    return (line % (_file.process, _quote(command))).encode("utf-8", "backslashreplace")


def _write():
    file = _file
    process = file.process
    try:
        if file.descriptor < 0:
            _open()
        elif file.identity is not None and _identity(fstat(file.descriptor)) != file.identity:
            # The program has closed all files, and opened its own.
            file.descriptor = -1
    except OSError:
        file.descriptor = -1
    try:
        if file.descriptor < 0 and not file.ended:
            descriptor = _aside(posix_open(file.path, O_WRONLY | O_CLOEXEC))
            if _identity(fstat(descriptor)) != file.identity:
                close(descriptor)
                return _fail(file.path, "closed by the program")
            file.descriptor = descriptor
            lockf(descriptor, F_TLOCK, 0)
        while file.pending and not file.ended:
            # At its own position, so that a write that Ctrl-C kept from being noted is only repeated.
            if file.position is None:
                written = posix_write(file.descriptor, file.pending)
            else:
                written = pwrite(file.descriptor, file.pending, file.position)
            rest = file.pending[written:]
            if file.process != process:
                return
            file.pending = rest
            if file.position is not None:
                file.position += written
    except BlockingIOError:
        file.pending = b""
    except OSError as error:
        _fail(file.path or b"stderr", error.strerror)


def _flush(now):
    """Writes what is waiting. If another thread is writing, that one goes on with it; where it lags far
    behind, this one waits a little."""
    file = _file
    if file.busy:
        return _await_writer(16 * _BATCH, 100)
    file.busy = True
    try:
        file.deadline = now + _PERIOD
        _drain()
        if file.pending:
            _write()
    finally:
        file.busy = False


def _await_writer(enough, tries):
    while _file.busy and len(_events) > enough and tries:
        tries -= 1
        _sleep(0.001)


def _drain():
    file, events = _file, _events
    process = file.process
    left = len(events)
    while left > 0:
        # Few at a time: what Ctrl-C interrupts is done again.
        batch = events[:64]
        count = len(batch)
        left -= count
        if file.ended:
            data, label = b"", None
        else:
            text, label = _format(batch, file.label)
            data = text.encode("utf-8", "backslashreplace")
        if file.process != process:
            return  # forked by a signal handler
        file.pending += data
        file.label = label
        del events[:count]


# Exit and fork.


def finish():
    """Ends what is open, and the file. Calls of later finalisers are text, or left out."""
    file = _file
    if getpid() != file.process:
        return
    thread = _local.thread
    if thread is None:
        thread = _begin_thread()
    thread.busy = True
    try:
        if _CHROME and not file.ended:
            _end_all(thread)
        _await_writer(-1, 1000)
        _flush(_now())
        if _CHROME and not file.ended and not file.busy:
            line = '{"ph":"M","pid":%d,"tid":0,"name":"process_labels","args":{"labels":"complete"}}\n]\n'
            file.pending += (line % file.process).encode("utf-8")
            _write()
            file.ended = True
        file.limit = 1
    finally:
        thread.busy = file.stopping


def _end_all(thread):
    # Daemon threads go on: from now on they count as busy, once they have left the probe they are in.
    _file.stopping = 2
    others = [other for other in list(_threads.values()) if other is not thread]
    tries = 0
    for other in others:
        if not other.busy:
            other.busy = 2
        while other.busy != 2 and tries < 200:
            tries += 1
            _sleep(0.001)
    for other in [*others, thread]:
        while other.stack:
            _end_unseen(other, "lost")
    now, cpu = _now(), _cpu_now() if _CPU else 0
    events = _events
    # Flows of calls that never went on end here, in a slice that says what this is.
    if _flows:
        events += (("exit", thread, None, None, now, cpu, "B", 0),)
        events += [("flow ends", thread, None, None, now, cpu, flow, 0) for flow in list(_flows)]
        events += (("exit", thread, None, None, now, cpu, "E", 0),)
    events += [("track ends", thread, None, None, now, cpu, track, 0) for track in list(_tracks.items())]
    _flows.clear()
    _tracks.clear()


def _forked():
    """A forked child begins with the calls that are in progress where it forked."""
    file, events = _file, _events
    if file.descriptor > 2 and not file.ended:
        try:
            if _identity(fstat(file.descriptor)) == file.identity:
                close(file.descriptor)
        except OSError:
            pass
        file.descriptor = -1
    file.process = getpid()
    file.forked = True
    file.busy = False
    file.label = None
    file.pending = _header()
    file.deadline = 0
    del events[:]
    _flows.clear()
    _tracks.clear()
    _threads.clear()
    thread = _local.thread
    if thread is None:
        return
    _threads[thread.number] = thread
    thread.head = '"pid":%d,"tid":%d,"ts":' % (file.process, thread.number)
    cpu = _cpu_now() if _CPU else 0
    if thread.name is not None:
        events += (("thread", thread, None, None, 0, 0, thread.name, 0),)
    thread.floor = len(thread.stack)
    for depth, call in enumerate(thread.stack):
        call.cpu = cpu
        if call.begun:
            events += (("call", thread, call.function, call.task, call.start, cpu, (), depth),)


_file.process = getpid()
_file.forked = _file.busy = _file.stopping = _file.ended = False
_file.numbers = _file.threads = _file.deadline = 0
_file.crowd = 64
_file.label = _file.identity = _file.path = None
_file.limit = _BATCH
_file.pending = _header()
if _OUTPUT is None:
    _file.descriptor, _file.position, _file.limit = 2, None, 1
else:
    _file.descriptor = -1
    _path = _place()  # now: the program may change its folder
    _open()  # now: so that processes which this one starts see that the name is taken
posix.register_at_fork(after_in_child=_forked)
atexit.register(finish)
# For probes of CPython 3.11, where whoever traces or profiles would see the functions above, and calls of C functions, but not of
# what is called so; and whether a type is that of functions or methods.
gettrace, settrace, getprofile, setprofile, kind_of = map(
    _Probe, (sys.gettrace, sys.settrace, sys.getprofile, sys.setprofile, type))
is_python = _Probe(frozenset((_function_type, type(gettrace.__copy__))).__contains__)
hiding = _Hiding()
leave, resume = _Probe(leave), _Probe(resume)
for _module in ("_functools", "atexit", "time"):
    if _module not in _known:
        # A program that has not imported it finds it as it would have.
        sys.modules.pop(_module, None)
