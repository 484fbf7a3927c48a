"""Runtime of exits: keeps the events of a program, or checks the state of each call.

Only builtin modules are imported, since any other may be instrumented itself; and what the probes
call is written in C where it can be, so that it takes no room where a program recurses to the limit.
"""

import posix
import sys

_known = "atexit" in sys.modules
import atexit

OPTIONS = globals().get("OPTIONS", {})

_process = posix.getpid()
_output = (OPTIONS.get("output") or "exits.log").encode("utf-8", "surrogateescape")
if not _output.startswith(b"/"):
    _output = posix.getcwdb() + b"/" + _output  # now: the program may change its folder

_events = []
exits_note = _events.append
exits_type = type
exits_info = sys.exc_info

# A mark is [qualname, how far].
_open = {}  # id of the mark -> mark
_wrong = []
_delegation_is_seen = sys.version_info >= (3, 12)


def exits_opened(qualname):
    mark = [qualname, "running"]
    _open[id(mark)] = mark
    return mark


# No function of its own calls another: each needs as much room as `exits_opened` did.
def exits_check(site, mark, qualname):
    if mark.__class__ is not list or _open.get(id(mark)) is not mark:
        _wrong.append(("not open", site, qualname, "%s" % (mark,)))
        return
    if mark[0] != qualname:
        _wrong.append(("of another function", site, qualname, mark[0]))
    state = mark[1]
    if site == "on_yield":
        # CPython 3.11 itself jumps past the end of a delegation where throw() ended it.
        if state != "running" and _delegation_is_seen:
            _wrong.append(("yields while " + state, qualname))
        mark[1] = "suspended"
    elif site == "on_resume":
        if state != "suspended":
            _wrong.append(("resumed while " + state, qualname))
        mark[1] = "running"
    elif site == "on_exit":
        if state != "after" and state != "on_raise":
            _wrong.append(("exits while " + state, qualname))
        del _open[id(mark)]
    else:
        if state != "running" and (_delegation_is_seen or state != "suspended"):
            _wrong.append((site + " while " + state, qualname))
        mark[1] = site


def _unheld():
    """Marks of calls that have ended: nobody else has them."""
    alone = {0: ["", ""]}
    unheld = sys.getrefcount(alone[0])
    return [_open[key][:] for key in list(_open) if sys.getrefcount(_open[key]) <= unheld]


def _dump():
    if posix.getpid() != _process:
        return  # a fork that ends
    lines = [" ".join(event) for event in _events]
    lines += ["WRONG " + " ".join(map(str, one)) for one in _wrong]
    lines += ["WRONG never closed %s while %s" % (one[0], one[1]) for one in _unheld()]
    data = "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
    descriptor = posix.open(_output, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o666)
    while data:
        data = data[posix.write(descriptor, data):]
    posix.close(descriptor)


atexit.register(_dump)
if not _known:
    # A program that has not imported it finds it as it would have.
    sys.modules.pop("atexit", None)
