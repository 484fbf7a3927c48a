"""A debugger's jump where the stack is deep: out of an `async with` within a `with`, in a coroutine."""

import sys
import warnings

# Of locals that are not bound at the place; a probe may have some of its own.
warnings.simplefilter("ignore", RuntimeWarning)


class Manager:
    def __init__(self, out, number):
        self.out, self.number = out, number

    def __enter__(self):
        self.out.append(self.number)

    def __exit__(self, *_):
        self.out.append(-self.number)
        return True

    async def __aenter__(self):
        self.__enter__()

    async def __aexit__(self, *_):
        return self.__exit__()


async def target(out):
    out.append(1)
    for _ in range(1):
        with Manager(out, 2):
            async with Manager(out, 3):
                out.append(4)
            out.append(5)
    out.append(6)


def jump(source, to):
    first = target.__code__.co_firstlineno
    left = [1]

    def trace(frame, event, arg):
        if frame.f_code is not target.__code__:
            return None
        if event == "line" and frame.f_lineno == first + source and left:
            left.pop()
            frame.f_lineno = first + to
        return trace

    out = []
    coroutine = target(out)
    sys.settrace(trace)
    try:
        coroutine.send(None)
    except StopIteration:
        pass
    except ValueError as error:
        out.append(str(error))
    finally:
        sys.settrace(None)
        coroutine.close()
    return out


for source in range(2, 8):
    for to in range(2, 8):
        if source != to:
            print(source, to, jump(source, to))
