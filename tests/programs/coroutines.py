"""Coroutines, asynchronous generators, async with and for, cancellation, task groups by hand."""
import asyncio


class Resource:
    def __init__(self, name):
        self.name = name

    async def __aenter__(self):
        await asyncio.sleep(0)
        print("enter", self.name)
        return self

    async def __aexit__(self, kind, value, tb):
        print("exit", self.name, kind and kind.__name__)
        return kind is KeyError


async def numbers(n):
    try:
        for i in range(n):
            await asyncio.sleep(0)
            got = yield i
            if got:
                print("got", got)
    finally:
        print("numbers done")


async def consume():
    async with Resource("a") as a, Resource("b"):
        async for i in numbers(3):
            if i == 1:
                continue
            print(a.name, i)
        return [x async for x in numbers(2)], [await value(i) for i in range(2)]


async def value(x):
    return x * 2


async def swallow():
    async with Resource("s"):
        raise KeyError("k")
    return "went on"


async def cancelled():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        print("cancelled")
        raise


async def main():
    print(await consume())
    print(await swallow())
    task = asyncio.create_task(cancelled())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("seen")
    gen = numbers(5)
    print(await gen.asend(None), await gen.asend("x"))
    try:
        await gen.athrow(ValueError("v"))
    except ValueError as error:
        print("athrow", error)
    gen = numbers(5)
    await gen.__anext__()
    await gen.aclose()
    print(await asyncio.gather(*(value(i) for i in range(5))))
    results = await asyncio.gather(value(1), failing(), return_exceptions=True)
    print(results[0], repr(results[1]))


async def failing():
    raise RuntimeError("no")


asyncio.run(main())
