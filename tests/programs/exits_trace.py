"""What sys.settrace and sys.setprofile report of functions that return, raise, yield and unwind."""

import sys


class Manager:
    def __init__(self, swallow=False):
        self.swallow = swallow

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self.swallow


def plain(a):
    b = a
    return b


def implicit(a):
    if a:
        a = 0


def raises(a):
    b = a
    raise ValueError(b)


def unwinds(a):
    try:
        raises(a)
    finally:
        a = 0


def catches(a):
    try:
        unwinds(a)
    except KeyError:
        return 1
    except ValueError as error:
        a = error.args
    else:
        return 2
    return a


def with_manager(swallow):
    with Manager(swallow):
        raises(
            1
        )
    return "swallowed"


def return_in_finally():
    for i in range(2):
        try:
            return i
        finally:
            i += 1


def return_in_with():
    with Manager() as m:
        return m.swallow


def from_loop(n):
    while n:
        n -= 1
        if n == 1:
            raise LookupError(
                n)


def reraises():
    try:
        raises(1)
    except ValueError:
        pass
        raise


def nested():
    try:
        try:
            raises(1)
        except ValueError as error:
            raise KeyError(1) from error
        finally:
            b = 1
    except KeyError:
        return b


def star():
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2)])
    except* ValueError:
        a = 1
    except* KeyError:
        a = 2
    return a


def generator(n):
    try:
        for i in range(n):
            got = yield i
            if got:
                raise KeyError(got)
    finally:
        n = None
    return i


def delegating(n):
    result = yield from generator(n)
    return result


def by_list():
    return list(delegating(2))


def by_send():
    g = delegating(3)
    next(g)
    try:
        g.send("key")
    except KeyError:
        return None


def by_throw():
    g = generator(3)
    next(g)
    try:
        g.throw(OSError)
    except OSError:
        pass


def by_close():
    g = generator(3)
    next(g)
    g.close()


def expression():
    return sum(x
               for x in range(2)
               if x)


def lambdas():
    return (lambda x:
            x + 1)(1)


class Suspend:
    def __await__(self):
        got = yield 1
        return got


async def inner(n):
    async with AsyncManager():
        return await Suspend()


class AsyncManager:
    async def __aenter__(self):
        pass

    async def __aexit__(self, *exception):
        return False


async def asynchronous(n):
    async for x in numbers(n):
        await inner(x)
    raise ValueError(n)


async def numbers(n):
    for i in range(n):
        yield i


def by_coroutine():
    c = asynchronous(2)
    try:
        while True:
            c.send(None)
    except ValueError:
        return 1


def class_body():
    class Local:
        x = 1

        def method(self):
            return 1

    try:
        class Broken:
            y = 1 / 0
    except ZeroDivisionError:
        pass
    return Local().method()


def run(call):
    try:
        call()
    except Exception as error:
        error.__traceback__ = None


cases = {
    "plain": lambda: plain(1), "implicit": lambda: (implicit(0), implicit(1)), "raises": lambda: raises(1),
    "unwinds": lambda: unwinds(1), "catches": lambda: catches(1), "with": lambda: with_manager(False),
    "with swallowing": lambda: with_manager(True), "return in finally": return_in_finally,
    "return in with": return_in_with, "loop": lambda: from_loop(3), "loop ends": lambda: from_loop(1),
    "reraises": reraises, "nested": nested, "star": star, "list": by_list, "send": by_send, "throw": by_throw,
    "close": by_close, "expression": expression, "lambda": lambdas, "coroutine": by_coroutine, "class": class_body,
}
events = []


def tracer(frame, event, arg):
    if frame.f_code.co_filename == __file__ and frame.f_code.co_name != "run":
        if event == "exception":
            arg = arg[0].__name__
        elif not isinstance(arg, (int, str, type(None))):
            arg = type(arg).__name__
        events.append((event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, arg))
    return tracer


def profiler(frame, event, arg):
    if frame.f_code.co_filename == __file__ and frame.f_code.co_name != "run":
        arg = getattr(arg, "__name__", None) if event.startswith("c_") else type(arg).__name__
        events.append((event, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, arg))


for name, case in cases.items():
    for install, function in ((sys.settrace, tracer), (sys.setprofile, profiler)):
        install(function)
        run(case)
        install(None)
        print(name, install.__name__)
        for event in events:
            if event[3] not in ("settrace", "setprofile"):
                print("   ", *event)
        events.clear()
