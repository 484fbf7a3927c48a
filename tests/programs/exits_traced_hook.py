"""A traced, then profiled program whose audit hook runs code of its own: to trace is an event for it."""

import sys

busy = 0


def hook(event, args):
    global busy
    busy += 1
    try:
        work(event)
    finally:
        busy -= 1


def work(event):
    return busy if event.startswith("sys.") else -busy


def halved(n):
    return [half(n) for _ in range(2)]


def half(n):
    return n // 2


def main():
    log = []

    def trace(frame, event, arg):
        log.append((frame.f_code.co_name, event, frame.f_lineno - frame.f_code.co_firstlineno))
        return trace

    def profile(frame, event, arg):
        log.append((frame.f_code.co_name, event, getattr(arg, "__name__", arg)))

    sys.addaudithook(hook)
    sys.settrace(trace)
    halved(4)
    sys.settrace(None)
    sys.setprofile(profile)
    halved(len("four"))
    sys.setprofile(None)
    for entry in log:
        print(*entry)
    print(busy)


if __name__ == "__main__":
    main()
