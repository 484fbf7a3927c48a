"""Coroutines, asynchronous loops and contexts."""
import asyncio
import contextlib


class Context:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return True


async def numbers(n):
    for i in range(n):
        yield i
        await asyncio.sleep(0)


async def loop(n):
    async for i in numbers(n):
        if i == 1:
            break
    else:
        return "all"
    return "some"


async def nested_loop(n):
    async for i in numbers(n):
        async for j in numbers(i):
            if j:
                n = 1
        if i: continue
    async for i in numbers(n): n = 3
    async for i in numbers(0):
        n = 2


async def within(n):
    with contextlib.suppress(ValueError):
        async for i in numbers(n):
            n = 1


async def context(x):
    async with Context():
        if x:
            raise ValueError
    async with Context() as a, Context():
        if x:
            return 1
    return [i async for i in numbers(2)
            if i]


async def recovered(n, stop=None):
    try:
        raise KeyError(n)
    except KeyError:
        async for i in numbers(n):
            if i == stop:
                break
    try:
        raise KeyError(n)
    except KeyError as error:
        async for i in numbers(n):
            error = i


async def waiting(x):
    if await context(x):
        return 1
    while not await loop(x): x = 1
    return await asyncio.gather(
        loop(0),
        loop(3),
    )


async def main():
    await waiting(0)
    await waiting(1)
    await loop(1)
    await loop(3)
    await nested_loop(2)
    await within(1)
    await recovered(2)
    await recovered(3, 1)


asyncio.run(main())
