"""What sys.settrace reports."""
import sys


def traced(a):
    b = a
    if b:
        b = [i
             for i in range(2)]
    else:
        b = 0
    while b:
        b = b[1:]
    return b


def traced_match(a):
    try:
        if a:
            match a:
                case (x, y) if y:
                    pass
        else:
            a = 2
    finally:
        a += (1,) if isinstance(a, tuple) else 1


def traced_comparison(a):
    if a:
        0 < a < 3
    else: a = 1
    for b in range(2):
        b < a < 0


events = []


def tracer(frame, event, arg):
    code = frame.f_code
    if code.co_name.startswith("traced"):
        events.append((event, frame.f_lineno - code.co_firstlineno))
    return tracer


for function, *values in [(traced, 1), (traced_match, 1, (1, 0), (1, 2), 0), (traced_comparison, -1, 1, 4, 0)]:
    for value in values:
        sys.settrace(tracer)
        function(value)
        sys.settrace(None)
        print(events)
        events.clear()
