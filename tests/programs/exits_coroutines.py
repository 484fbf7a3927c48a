"""Coroutines: awaits of all sorts, thrown into, cancelled, dropped."""

import asyncio
import contextvars
import gc
import inspect
import sys
import types
import warnings

gc.disable()


def show(*values):
    print(*values, sys.exc_info()[1])


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except BaseException as error:
        found = type(error).__name__, error.args, repr(error.__cause__)
        error.__traceback__ = None
        return found


class Suspend:
    """Suspends n times."""

    def __init__(self, n):
        self.n = n

    def __await__(self):
        got = []
        for i in range(self.n):
            got.append((yield i))
        return got


class ByIterator:
    def __init__(self):
        self.n = 0

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        self.n += 1
        if self.n > 2:
            raise StopIteration("iterated")
        return self.n


class NotReady:
    def __await__(self):
        return 5


@types.coroutine
def old_style():
    got = yield "old"
    return got


async def inner(n):
    try:
        return await Suspend(n)
    except KeyError as error:
        show("inner caught", repr(error))
        return await Suspend(1)
    finally:
        show("inner finally")


async def outer(n):
    try:
        result = await inner(n)
        return result, await ByIterator(), await old_style()
    except ValueError as error:
        show("outer caught", repr(error))
        await Suspend(1)
        return sys.exc_info()[1]


async def at_once():
    return await inner(0)


async def stops():
    await Suspend(1)
    raise StopIteration("in coroutine")


async def awaits_wrong(what):
    return await what


async def conditional(x):
    return (await Suspend(1) if x else 5) or await at_once()


async def in_expressions():
    return [await Suspend(0), *(await Suspend(1)), {await old_style(): await old_style()}, f"{await old_style()}"]


ways = {
    "send": lambda c: c.send("value"),
    "throw KeyError": lambda c: c.throw(KeyError("k")),
    "throw ValueError": lambda c: c.throw(ValueError("v")),
    "throw StopIteration": lambda c: c.throw(StopIteration("s")),
    "close": lambda c: c.close(),
}
for make, arguments in ((outer, (2,)), (at_once, ()), (stops, ()), (awaits_wrong, (NotReady(),)), (awaits_wrong, (5,)),
                        (conditional, (0,)), (conditional, (1,)), (in_expressions, ())):
    for name, way in ways.items():
        for steps in range(5):
            if steps == 0 and name == "throw StopIteration":
                continue  # asserts of debug builds do not know it
            c = make(*arguments)
            before = [outcome(c.send, None if not i else i) for i in range(steps)]
            if name == "throw StopIteration" and not hasattr(c.cr_await, "throw"):
                continue  # 3.11 lets it escape, others take it for the end of the delegation
            state = inspect.getcoroutinestate(c), type(c.cr_await).__name__, c.cr_running
            line = c.cr_frame and c.cr_frame.f_lineno - c.cr_code.co_firstlineno
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = outcome(way, c) if steps or name != "send" else outcome(c.send, None)
                after = inspect.getcoroutinestate(c), type(c.cr_await).__name__
                print(make.__name__, name, steps, before, state, line, result, after)
                print(outcome(c.close), outcome(c.send, None))
                del c

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    c = outer(1)
    del c
c = outer(3)
c.send(None)
del c
print("dropped")
try:
    c = awaits_wrong(None)
    c.send(None)
except TypeError as error:
    print(error)
c = outer(2)
c.send(None)
try:
    awaits_wrong(c).send(None)
except BaseException as error:
    print(type(error).__name__, error)
try:
    both = awaits_wrong(c.cr_await)
    both.send(None)
except BaseException as error:
    print(type(error).__name__, error)
c.close()


# With asyncio.


class Context:
    def __init__(self, name, swallow=()):
        self.name, self.swallow = name, swallow

    async def __aenter__(self):
        await asyncio.sleep(0)
        show("enter", self.name)
        return self

    async def __aexit__(self, kind, error, tb):
        await asyncio.sleep(0)
        show("exit", self.name, kind and kind.__name__)
        return kind is not None and issubclass(kind, self.swallow)


class Countdown:
    def __init__(self, n, fail=None):
        self.n, self.fail = n, fail

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        self.n -= 1
        if self.n == self.fail:
            raise LookupError("in anext")
        if self.n < 0:
            raise StopAsyncIteration
        return self.n


async def future():
    loop = asyncio.get_running_loop()
    f = loop.create_future()
    loop.call_soon(f.set_result, "result")
    g = loop.create_future()
    loop.call_soon(g.set_exception, OSError("future"))
    try:
        return await f, await g
    except OSError as error:
        return await f, repr(error)


async def swallowing():
    async with Context("a"), Context("b", KeyError):
        raise KeyError("swallowed")
    return "went on"


async def returning():
    async with Context("r"):
        async for x in Countdown(3):
            async with Context(x):
                if x == 1:
                    return x
    return "not reached"


async def failing_iteration():
    try:
        async for x in Countdown(3, fail=1):
            show("item", x)
        else:
            show("not reached")
    except LookupError as error:
        return [x async for x in Countdown(2)], {x: x async for x in Countdown(2) if await asyncio.sleep(0, x)}


async def cancelled(log):
    try:
        log.append("started")
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        log.append("cancelled")
        await asyncio.sleep(0)
        raise
    finally:
        await asyncio.sleep(0)
        log.append("finally")


async def uncancelled():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
        return "survived"


async def shielded(log):
    task = asyncio.ensure_future(cancelled(log))
    try:
        await asyncio.wait_for(asyncio.shield(task), 0)
    except TimeoutError:
        task.cancel()
        return type(await asyncio.gather(task, return_exceptions=True)).__name__


variable = contextvars.ContextVar("variable", default=0)


async def with_variable(n):
    variable.set(n)
    await asyncio.sleep(0)
    return variable.get() == n


async def failing(n):
    await asyncio.sleep(0)
    raise ValueError(n)


async def grouped():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(failing(1))
            group.create_task(failing(2))
            group.create_task(uncancelled())
            await asyncio.sleep(100)
    except* ValueError as errors:
        texts = sorted(str(error) for error in errors.exceptions)
    return texts


async def queued():
    queue = asyncio.Queue(2)
    out = []

    async def put():
        for i in range(6):
            await queue.put(i)
        await queue.put(None)

    async def take():
        while (item := await queue.get()) is not None:
            out.append(item)

    await asyncio.gather(put(), take())
    return out


async def main():
    print(await future())
    print(await swallowing())
    print(await returning())
    print(await failing_iteration())
    log = []
    task = asyncio.create_task(cancelled(log))
    await asyncio.sleep(0)
    task.cancel("why")
    try:
        await task
    except asyncio.CancelledError as error:
        print(error.args, log, task.cancelled())
    task = asyncio.create_task(uncancelled())
    await asyncio.sleep(0)
    task.cancel()
    print(await task)
    print(await shielded(log := []), log)
    print(await asyncio.gather(*(with_variable(n) for n in range(5))))
    print(await grouped())
    print(await queued())
    results = await asyncio.gather(failing(1), at_once(), return_exceptions=True)
    print(results)
    task = asyncio.create_task(failing(3))
    await asyncio.wait([task])
    print(repr(task.exception()), [frame.f_code.co_name for frame in task.get_stack()])


asyncio.run(main())
