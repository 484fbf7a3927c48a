"""What a program sees of its own frames, and what a debugger can do with them."""

import sys
import warnings


def shape(one, *, two=2, **rest):
    frame = sys._getframe()
    code = frame.f_code
    inner = [item for item in (one, two)]
    print(code.co_varnames, code.co_cellvars, code.co_freevars, code.co_nlocals, inner)
    print(sorted(frame.f_locals), sorted(locals()))
    return lambda: two


def generator():
    code = sys._getframe().f_code
    yield code.co_varnames
    yield sorted(locals())


class Body:
    names = sorted(locals())
    code = sys._getframe().f_code.co_varnames


def jumping(out):
    out.append(1)
    out.append(2)
    for item in range(3):
        out.append(item)
        out.append("skipped")
    return out


def jump(target, source):
    first = target.__code__.co_firstlineno

    def trace(frame, event, arg):
        if frame.f_code is not target.__code__:
            return None
        if event == "line" and frame.f_lineno == first + source[0]:
            frame.f_lineno = first + source[1]
        return trace

    # A slot without a value would be a warning here, and get None.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sys.settrace(trace)
        try:
            return target([])
        except Exception as error:
            return type(error).__name__, str(error)
        finally:
            sys.settrace(None)


print(shape(1, extra=3)())
print(list(generator()))
print(Body.names, Body.code)
print(sorted(name for name in globals() if not name.startswith("__") and not name.startswith("__equip.")))
print(jump(jumping, (2, 3)))
print(jump(jumping, (1, 6)))


def straight(out):
    out.append(1)
    out.append(2)
    out.append(3)
    return out


print(jump(straight, (2, 3)))
