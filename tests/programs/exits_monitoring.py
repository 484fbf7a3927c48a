# requires: 3.12
"""What sys.monitoring reports of lines, starts, returns, yields and unwinding."""

import sys

from exits_trace import cases, run

trace = sys.modules["exits_trace"].__file__
monitoring = sys.monitoring
tool = monitoring.PROFILER_ID
# Not RERAISE and EXCEPTION_HANDLED: a handler that a probe needs reports them.
names = ["PY_START", "PY_RETURN", "PY_YIELD", "PY_UNWIND", "PY_RESUME", "PY_THROW", "RAISE", "LINE", "STOP_ITERATION"]
seen = []


def callback(name):
    def function(code, where, *more):
        if code.co_filename == trace and code.co_name != "run":
            line = where - code.co_firstlineno if name == "LINE" else ""
            seen.append((name, code.co_name, line, *(type(one).__name__ for one in more)))
    return function


monitoring.use_tool_id(tool, "program")
for name in names:
    monitoring.register_callback(tool, getattr(monitoring.events, name), callback(name))
for name, case in cases.items():
    for chosen in (names[:7], ["LINE"], ["PY_UNWIND", "LINE"], names):
        monitoring.set_events(tool, sum(getattr(monitoring.events, one) for one in chosen))
        run(case)
        monitoring.set_events(tool, 0)
        print(name, *chosen)
        for event in seen:
            print("   ", *event)
        seen.clear()
monitoring.free_tool_id(tool)
