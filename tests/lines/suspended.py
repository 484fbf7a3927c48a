"""Generators, coroutines, asynchronous loops and contexts."""


def gen(n):
    yield
    x = yield n
    for i in range(n):
        yield i
    for i in range(n): yield i
    while n: yield n; n -= 1
    try:
        yield 1
    except ValueError:
        yield 2
    finally:
        yield 3
    return 4


def over_lines(n):
    x = (yield
         n)
    y = [(yield 1),
         (yield 2),
         (
             yield 3
         )]
    z = yield from (
        gen(n)
    )
    yield (
        x,
        y)


def delegating(n):
    yield from gen(n)
    r = yield from gen(n)
    return r


def drive(g, *sent):
    try:
        g.send(None)
        for s in sent:
            if isinstance(s, type):
                g.throw(s)
            else:
                g.send(s)
        while True: g.send(None)
    except (StopIteration, ValueError, KeyError):
        pass


drive(gen(2), 1, 2)
drive(gen(0), 1, ValueError)
drive(gen(0), 1, 2, ValueError, 1)
drive(gen(0), 1, KeyError)
drive(over_lines(1))
drive(over_lines(0), 1, 2, 3, 4, ValueError)
drive(delegating(1))
drive(delegating(0), 1, ValueError)
drive(delegating(0), KeyError)
g = gen(1); next(g); g.close()
g = delegating(1); next(g); g.close()
g = (i
     for i in range(3)
     if i)
drive(g)
drive(i for i in range(3))
drive((yield_
       for yield_ in (1, 2)), 1)


class Wait:
    def __init__(self, n=1): self.n = n

    def __await__(self):
        for i in range(self.n): yield i
        return self.n


class Items:
    def __init__(self, n): self.n = n

    def __aiter__(self): return self

    async def __anext__(self):
        if not self.n: raise StopAsyncIteration
        self.n -= 1
        await Wait()
        return self.n


class Context:
    def __init__(self, swallows=True): self.swallows = swallows

    async def __aenter__(self):
        await Wait()
        return self

    async def __aexit__(self, *a):
        await Wait(2)
        return self.swallows


async def awaits(n):
    await Wait(n)
    x = await Wait(n)
    y = (await Wait(n)) + await Wait(
        n)
    return await Wait(
        n
    )


async def loops(n):
    async for i in Items(n):
        i
    else:
        n
    async for i in Items(n): i
    async for i in Items(n): await Wait()
    async for i in Items(n):
        if i == 1: continue
        if i == 0: break
    async for i in \
            Items(n):
        await Wait()
    async for i in Items(n): pass
    x = [i async for i in Items(n)]
    y = [await Wait(i)
         async for i in Items(n)
         if i]
    z = [i + j
         async for i in Items(n)
         for j in range(i)]
    w = {i: await Wait() for i in range(n)}
    async for i in (j async for j in Items(n)): i
    return [i
            async for i in
            agen(n)]


async def agen(n):
    for i in range(n):
        await Wait()
        yield i
    async with Context(): yield 1
    try:
        yield 2
    finally:
        await Wait()


async def contexts(how):
    async with Context() as c:
        if how == 1:
            return
        if how == 2:
            raise ValueError
        await Wait()
    async with Context(), Context() as d: c
    async with Context(): 1 / 0
    async with Context(): await Wait()
    for i in range(2):
        async with Context():
            if how == 3: continue
            if how == 4: break
    async with (Context() as a,
                Context() as b):
        a, b
    async with Context():
        return 1


async def raises(n):
    try:
        async with Context(False):
            1 / 0
    except ZeroDivisionError:
        await Wait()
    finally:
        await Wait()
    try:
        async for i in Items(2):
            raise KeyError
    except KeyError: pass


async def in_one_line(n):
    n += (n and 1 if n < 2 else [i async for i in Items(n)] != 3) and n
    n = [i async for i in Items(2)] if n else n; n = [i async for i in Items(1)]


for n in range(5):
    drive(in_one_line(n))
    drive(awaits(n))
    drive(loops(n))
    drive(contexts(n))
    drive(raises(n))
    drive(awaits(n), KeyError)
    drive(loops(n), ValueError)
    drive(contexts(n), ValueError)
c = contexts(1); c.send(None); c.close()
