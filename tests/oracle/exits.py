"""Runs a module as `python -m NAME` would, and writes which functions of its folder were entered,
left, suspended and resumed, as sys.monitoring has it (CPython 3.12 and later):

    python exits.py LOG NAME

The lines are those of tests/plugins/exits in its mode `events`:

    START qualname
    RETURN qualname type            and EXIT qualname at once
    RAISE qualname type True        and EXIT qualname at once
    YIELD qualname type
    RESUME qualname                 the plugin adds the type of what was sent in
    RESUME qualname THROW type

Module and class bodies and the compiler's own scopes are left out. Where sys.monitoring says
something else than equip promises, this file mends it:

- RESUME has no value: sys.monitoring does not tell what was sent in. Who compares drops the type.
- An asynchronous generator's `yield` shows the compiler's wrapper; what it holds is told instead.
- throw() into a generator that has not started reports PY_THROW and PY_UNWIND though no code of it
  runs: both come from an instruction before RESUME 0, and are left out. close() of one reports nothing.
- From 3.13 on, close() and collection of a generator that waits at a plain `yield` outside of any try
  clear its frame without running it, which reports nothing (3.13) or depends on whether its RESUME
  has been instrumented (3.14 on). equip promises on_resume, on_raise and on_exit with GeneratorExit,
  which is what 3.12 reports. So the bit of RESUME that allows this is taken out of the code that runs.
- A delegation (`yield from`, `await`) of which throw() makes the inner one yield again reports nothing
  for the outer one, since its frame does not run; nor does equip. One of which throw() makes the inner
  one return reports PY_THROW with StopIteration for the outer one; CPython 3.11 reports nothing, its
  generator type jumps past the end of the delegation. Who compares drops that line.
- From 3.15 on a generator expression has a RESUME of its own that runs at creation; it reports
  nothing.

An exception that the interpreter raises before RESUME (RecursionError) is one of the caller's, on
both sides.
"""

import atexit
import dis
import gc
import importlib.machinery
import os
import runpy
import sys
import types

LOG = os.path.abspath(sys.argv[1])
NAME = sys.argv[2]
FOLDER = os.getcwd() + os.sep
GENERATORS = 0x20 | 0x80 | 0x200
OPTIMIZED = 0x1  # functions, but not class and module bodies

lines = []
starts = {}


def start_of(code):
    """The offset of the last RESUME of the prologue: nothing of the program runs before it."""
    start = starts.get(code)
    if start is None:
        where = 7 if sys.version_info >= (3, 15) else 3
        resumes = (one.offset for one in dis.get_instructions(code) if one.opname == "RESUME" and one.arg & where == 0)
        start = starts[code] = next(resumes)
    return start


def ours(code, offset):
    return (code.co_flags & OPTIMIZED and code.co_filename.startswith(FOLDER)
            and not code.co_name.startswith("<generic parameters") and code.co_name != "__annotate__"
            and offset >= start_of(code))


def started(code, offset):
    if ours(code, offset):
        lines.append(f"START {code.co_qualname}")


def returned(code, offset, value):
    if ours(code, offset):
        lines.append(f"RETURN {code.co_qualname} {type(value).__name__}")
        lines.append(f"EXIT {code.co_qualname}")


def unwound(code, offset, exception):
    if ours(code, offset):
        lines.append(f"RAISE {code.co_qualname} {type(exception).__name__} True")
        lines.append(f"EXIT {code.co_qualname}")


def yielded(code, offset, value):
    if ours(code, offset):
        if type(value).__name__ == "async_generator_wrapped_value":
            (value,) = gc.get_referents(value)
        lines.append(f"YIELD {code.co_qualname} {type(value).__name__}")


def resumed(code, offset):
    if ours(code, offset):
        lines.append(f"RESUME {code.co_qualname}")


def thrown(code, offset, exception):
    if ours(code, offset):
        lines.append(f"RESUME {code.co_qualname} THROW {type(exception).__name__}")


def without_shortcut(code):
    """The same code, its frame never cleared without running it."""
    raw = bytearray(code.co_code)
    bit = 8 if sys.version_info >= (3, 15) else 4
    if code.co_flags & GENERATORS and sys.version_info >= (3, 13):
        for one in dis.get_instructions(code):
            if one.opname == "RESUME":
                raw[one.offset + 1] &= ~bit
    consts = tuple(without_shortcut(one) if isinstance(one, types.CodeType) else one for one in code.co_consts)
    return code.replace(co_code=bytes(raw), co_consts=consts)


def main():
    get_code = importlib.machinery.SourceFileLoader.get_code

    def compiled(loader, name):
        code = get_code(loader, name)
        return without_shortcut(code) if loader.path.startswith(FOLDER) else code

    importlib.machinery.SourceFileLoader.get_code = compiled
    process = os.getpid()

    def dump():
        if os.getpid() == process:
            with open(LOG, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(line + "\n" for line in lines)

    atexit.register(dump)
    monitoring, events = sys.monitoring, sys.monitoring.events
    tool = monitoring.OPTIMIZER_ID
    monitoring.use_tool_id(tool, "oracle")
    callbacks = [(events.PY_START, started), (events.PY_RETURN, returned), (events.PY_UNWIND, unwound),
                 (events.PY_YIELD, yielded), (events.PY_RESUME, resumed), (events.PY_THROW, thrown)]
    for event, callback in callbacks:
        monitoring.register_callback(tool, event, callback)
    sys.argv = [FOLDER + NAME + ".py"]
    sys.path[0] = FOLDER[:-1]
    monitoring.set_events(tool, sum(event for event, _ in callbacks))
    runpy.run_module(NAME, run_name="__main__", alter_sys=True)


main()
