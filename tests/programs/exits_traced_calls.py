"""Lines and exceptions of a call that spans lines, as a trace function sees them; and in other threads."""

import sys
import threading

events = []


def raises(*values):
    raise ValueError("from the callee")


def called(x):
    return [x,
            raises(
                x,
                x + 1)]


def quiet(x):
    return x + 1


class Shown:
    def __add__(self, _):
        return self

    def __repr__(self):
        raise ValueError("from the repr")


def trace(frame, event, argument):
    if frame.f_code.co_name in ("called", "quiet"):
        events.append((event, frame.f_code.co_name, frame.f_lineno))
        return trace


def traced(function, *arguments):
    sys.settrace(trace)
    try:
        function(*arguments)
    except ValueError as error:
        sys.settrace(None)
        print(error, error.__traceback__.tb_next.tb_lineno)
    sys.settrace(None)


traced(called, 1)
traced(quiet, 1)
for target in (lambda: traced(quiet, 2), lambda: traced(called, Shown())):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
print(events)

if hasattr(sys, "monitoring"):
    monitoring, raised = sys.monitoring, []
    monitoring.use_tool_id(2, "raises")
    monitoring.register_callback(2, monitoring.events.RAISE, lambda code, *_: raised.append(code.co_name))
    monitoring.set_events(2, monitoring.events.RAISE)
    thread = threading.Thread(target=lambda: quiet(3))
    thread.start()
    thread.join()
    try:
        called(1)
    except ValueError:
        pass
    monitoring.set_events(2, 0)
    print([name for name in raised if name in ("called", "quiet", "raises", "enter")])
