"""A debugger's jumps (frame.f_lineno = n) within functions that loop, try, with and yield."""

import sys
import warnings


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        return kind is KeyError


def loop(out):
    out.append(1)
    for item in range(3):
        out.append(item)
        out.append("b")
    out.append("end")
    return out


def trying(out):
    out.append(0)
    try:
        out.append(1)
        out.append(2)
        raise ValueError
    except ValueError:
        out.append("caught")
        out.append("more")
    finally:
        out.append("finally")
    out.append("end")
    return out


def with_manager(out):
    out.append(1)
    with Manager():
        out.append(2)
        out.append(3)
        raise KeyError
    out.append("end")
    return out


def raising(out):
    out.append(1)
    out.append(2)
    raise ValueError(list(out))
    out.append("unreachable")
    return out


def generator(out):
    out.append(1)
    yield 1
    out.append(2)
    try:
        yield 2
        out.append(3)
    finally:
        out.append("finally")
    out.append("end")


def consume(out):
    for _ in generator(out):
        pass
    return out


def in_loop_try(out):
    for item in range(3):
        try:
            if item == 1:
                raise KeyError
            out.append(item)
        except KeyError:
            out.append("key")
        else:
            out.append("else")
    return out


def jump(target, code, source, to, times=1):
    first = code.co_firstlineno
    left = [times]
    events = []

    def trace(frame, event, arg):
        if frame.f_code is not code:
            return None if frame.f_code is not target.__code__ else trace
        events.append(event[0] + str(frame.f_lineno - first))
        if event == "line" and frame.f_lineno == first + source and left[0]:
            left[0] -= 1
            frame.f_lineno = first + to
        return trace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.settrace(trace)
        try:
            return target([]), events
        except Exception as error:
            sys.settrace(None)
            return type(error).__name__, str(error), events
        finally:
            sys.settrace(None)


for target in (loop, trying, with_manager, raising, in_loop_try):
    code = target.__code__
    last = max(line for *_, line in code.co_lines() if line) - code.co_firstlineno
    for source in range(1, last + 1):
        for to in range(2, last + 2):  # the first line is where `before` stands
            if source != to:
                print(target.__name__, source, to, *jump(target, code, source, to))
code = generator.__code__
for source in range(1, 10):
    for to in range(2, 11):
        if source != to:
            print("generator", source, to, *jump(consume, code, source, to))
