"""Tracebacks, lines and columns; warnings; frames; exc_info; recursion."""
import sys
import traceback
import warnings


def fail(x):
    y = x + 1
    return (y /
            (x - x))


def middle(x):
    try:
        return [fail(i) for i in
                (x,)]
    except KeyError:
        raise


def handle():
    try:
        middle(1)
    except ZeroDivisionError:
        for line in traceback.format_exc().splitlines():
            print(line.split('"')[-1] if line.startswith("  File") else line)
        print(sys.exc_info()[0].__name__)
    print(sys.exc_info())


handle()


def warned():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        inner_warn()
        print(seen[0].lineno, seen[0].message)


def inner_warn():
    warnings.warn("w", stacklevel=2)


warned()


def frames():
    frame = sys._getframe()
    return frame.f_lineno, frame.f_code.co_name, sorted(frame.f_locals), frame.f_back.f_lineno


print(frames())


def deep(n):
    return deep(n + 1)


try:
    deep(0)
except RecursionError as error:
    print(str(error)[:32])


try:
    assert fail, "fine"
    assert not fail, "message"
except AssertionError as error:
    print(error)


def add_note():
    try:
        raise ValueError("v")
    except ValueError as error:
        error.add_note("note")
        try:
            raise TypeError("t")
        except TypeError as other:
            return repr(other.__context__), error.__notes__


print(add_note())


# What a line's first instruction raises is for the `try` around that line, a trace function's
# exception too.
def guarded(out):
    try:
        out.append(1)
        out.append(2)
    except ValueError as error:
        out.append(str(error))
    return out


def raise_in(offset):
    line = guarded.__code__.co_firstlineno + offset

    def trace(frame, event, arg):
        if frame.f_code is guarded.__code__ and event == "line" and frame.f_lineno == line:
            raise ValueError(f"line {offset}")
        return trace

    import sys
    sys.settrace(trace)
    try:
        return guarded([])
    except ValueError as error:
        return f"out: {error}"
    finally:
        sys.settrace(None)


for offset in range(1, 7):
    print(raise_in(offset))
