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


events = []


def tracer(frame, event, arg):
    if frame.f_code.co_name == "traced":
        events.append((event, frame.f_lineno - traced.__code__.co_firstlineno))
    return tracer


sys.settrace(tracer)
traced(1)
sys.settrace(None)
print(events)
