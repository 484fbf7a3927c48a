"""Asynchronous generators: asend, athrow, aclose, collection, errors that become others."""

import asyncio
import gc
import sys

gc.disable()


def show(*values):
    print(*values, sys.exc_info()[1])


async def outcome(awaitable):
    try:
        return await awaitable
    except BaseException as error:
        found = type(error).__name__, error.args, repr(error.__cause__)
        error.__traceback__ = None
        return found


async def plain(n):
    for i in range(n):
        got = yield i
        if got:
            show("got", got)


async def waiting(n):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            try:
                got = yield i
                if got:
                    show("got", got)
            except KeyError as error:
                await asyncio.sleep(0)
                show("caught", repr(error))
                yield "caught"
    finally:
        await asyncio.sleep(0)
        show("finally")


async def bare():
    yield 1
    yield 2


async def stubborn():
    while True:
        try:
            yield "no"
        except GeneratorExit:
            yield "still no"


async def awaits_on_close():
    try:
        yield 1
    except GeneratorExit:
        await asyncio.sleep(0)
        show("closed after await")


async def raises_on_close():
    try:
        yield 1
    finally:
        raise LookupError("on close")


async def stops(error):
    yield 1
    await asyncio.sleep(0)
    raise error


async def with_context():
    async with Context():
        yield "inside"
        yield "inside again"
    yield "after"


class Context:
    async def __aenter__(self):
        await asyncio.sleep(0)

    async def __aexit__(self, kind, error, tb):
        await asyncio.sleep(0)
        show("aexit", kind and kind.__name__)
        return kind is KeyError


async def delegating(n):
    async for x in waiting(n):
        yield x, [y async for y in plain(x)], {y async for y in bare() if y != x}


async def in_handler():
    try:
        raise OSError("o")
    except OSError as error:
        got = yield "in handler"
        assert sys.exc_info()[1] is error
        await asyncio.sleep(0)
        assert sys.exc_info()[1] is error
        yield got
    assert sys.exc_info()[1] is None


async def empty():
    return
    yield


ways = {
    "anext": lambda g: g.__anext__(),
    "asend": lambda g: g.asend("sent"),
    "athrow KeyError": lambda g: g.athrow(KeyError("k")),
    "athrow ValueError": lambda g: g.athrow(ValueError("v")),
    "athrow GeneratorExit": lambda g: g.athrow(GeneratorExit()),
    "athrow StopAsyncIteration": lambda g: g.athrow(StopAsyncIteration("s")),
    "aclose": lambda g: g.aclose(),
}
makers = {
    "plain": lambda: plain(3), "waiting": lambda: waiting(2), "bare": bare, "stubborn": stubborn,
    "awaits on close": awaits_on_close, "raises on close": raises_on_close,
    "StopIteration": lambda: stops(StopIteration("x")), "StopAsyncIteration": lambda: stops(StopAsyncIteration("x")),
    "ValueError": lambda: stops(ValueError("x")), "with": with_context, "delegating": lambda: delegating(2),
    "in handler": in_handler, "empty": empty,
}


async def main():
    for what, make in makers.items():
        for how, way in ways.items():
            for steps in range(3):
                if steps == 0 and how == "athrow StopAsyncIteration":
                    continue  # asserts of debug builds do not know it
                g = make()
                before = [await outcome(g.__anext__()) for _ in range(steps)]
                if steps == 0 and how == "asend":
                    result = await outcome(g.asend(None))
                else:
                    result = await outcome(way(g))
                print(what, how, steps, before, result, g.ag_running, type(g.ag_await).__name__)
                print([await outcome(g.__anext__()) for _ in range(2)])
                for _ in range(2):
                    closed = await outcome(g.aclose())
                print(closed, g.ag_frame is None)
                if what == "stubborn":
                    await outcome(g.athrow(KeyError("end")))
                del g
    dropped = [waiting(3), bare(), awaits_on_close(), with_context(), plain(2)]
    for g in dropped:
        print(await g.__anext__())
    while dropped:
        dropped.pop(0)
        del g
        g = None
        for _ in range(5):
            await asyncio.sleep(0)
    cycle = waiting(3)
    await cycle.__anext__()
    box = [cycle]
    box.append(box)
    del cycle, box
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    async for x in waiting(5):
        if x == 1:
            break
    for _ in range(5):
        await asyncio.sleep(0)
    expression = (x async for x in waiting(3) if x)
    print(await expression.__anext__())
    await expression.aclose()
    g = waiting(2)
    one, two = g.__anext__(), g.__anext__()
    print(step(one)[0], step(two), step(one))
    print(await outcome(g.aclose()))
    global left
    left = waiting(9)
    print(await left.__anext__())


# By hand, without a loop.
def step(awaitable):
    try:
        return "suspended", awaitable.send(None)
    except BaseException as error:
        return type(error).__name__, error.args


def by_hand():
    g = in_handler()
    print(step(g.__anext__()), step(g.asend(5)), step(g.__anext__()))
    g = bare()
    print(step(g.__anext__()))
    print(step(g.aclose()), step(g.__anext__()))
    g = bare()
    step(g.__anext__())
    del g
    print("dropped without hooks")


sys.unraisablehook = lambda unraisable: print("unraisable", repr(unraisable.exc_value))
by_hand()
asyncio.run(main())
