"""Many tasks, threads with generators of their own, deep unwinding, counts of references."""

import asyncio
import gc
import os
import sys
import threading
import weakref

gc.disable()
TASKS = 100_000 if os.environ.get("EQUIP_TEST_ALL") else 10_000


async def leaf(n):
    await asyncio.sleep(0)
    if n % 7 == 0:
        raise ValueError(n)
    return n


async def numbers(n):
    try:
        for i in range(n):
            yield i
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)


async def task(n, found):
    try:
        value = await leaf(n)
        async for i in numbers(n % 3):
            value += i
    except ValueError as error:
        value = -error.args[0]
    finally:
        found[n] = True
    return value


async def sleeper():
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        raise


async def main():
    found = {}
    results = await asyncio.gather(*(task(n, found) for n in range(TASKS)))
    print(len(found) == TASKS, sum(results) == sum(
        -n if n % 7 == 0 else n + sum(range(n % 3)) for n in range(TASKS)))
    sleepers = [asyncio.create_task(sleeper()) for _ in range(TASKS // 10)]
    await asyncio.sleep(0)
    for one in sleepers:
        one.cancel()
    results = await asyncio.gather(*sleepers, return_exceptions=True)
    print({type(result).__name__ for result in results})


asyncio.run(main())


# One generator for each thread.


def counting(name, n):
    total = 0
    try:
        while n:
            try:
                got = yield total
                total += got
                n -= 1
            except KeyError as error:
                assert error.args == (name,)
                total += 1000
        return total
    finally:
        assert sys.exc_info()[0] in (None, GeneratorExit)


def delegating(name, n):
    result = yield from counting(name, n)
    return name, result


def work(name, rounds, results):
    out = []
    for _ in range(rounds):
        g = delegating(name, 20)
        next(g)
        try:
            for i in range(30):
                if i % 5 == 0:
                    g.throw(KeyError(name))
                g.send(i)
        except StopIteration as stop:
            out.append(stop.value)
        closed = delegating(name, 5)
        next(closed)
        closed.send(1)
        if _ % 2:
            closed.close()
    results[name] = set(out), len(out)


sys.setswitchinterval(1e-5)
results = {}
threads = [threading.Thread(target=work, args=(name, 200, results)) for name in "abcdefgh"]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(results.items()))
sys.setswitchinterval(0.005)


# References: none kept, none lost.


class Thing:
    pass


def takes(thing, how):
    try:
        if how == "raise":
            raise ValueError(thing)
        return thing
    finally:
        thing = None


def gives(thing):
    yield thing
    got = yield [thing]
    yield got


async def awaits(thing):
    await Suspend(thing)
    return thing


class Suspend:
    def __init__(self, thing):
        self.thing = thing

    def __await__(self):
        return (yield self.thing)


def rounds(thing, n):
    for _ in range(n):
        takes(thing, "return")
        try:
            takes(thing, "raise")
        except ValueError as error:
            assert error.args[0] is thing
        list(gives(thing))
        g = gives(thing)
        next(g)
        g.close()
        g = gives(thing)
        next(g)
        try:
            g.throw(KeyError(thing))
        except KeyError:
            pass
        g = gives(thing)
        g.send(None), g.send(None), g.send(thing)
        del g
        c = awaits(thing)
        c.send(None)
        try:
            c.send(thing)
        except StopIteration:
            pass
        c = awaits(thing)
        c.send(None)
        c.close()
        sum(1 for _ in (thing, thing))
        (lambda x: x)(thing)


thing = Thing()
before = sys.getrefcount(thing)
rounds(thing, 300)
gc.collect()
print(sys.getrefcount(thing) - before)
alive = weakref.ref(thing)
g = gives(thing)
print(next(g) is thing)
del thing
print(alive() is not None)
next(g)
g.close()
print(alive() is None)


def returned():
    return Thing()


def raised():
    raise ValueError(Thing())


def yielded():
    yield Thing()
    yield 1


alive = weakref.ref(returned())
print(alive())
try:
    raised()
except ValueError as error:
    alive = weakref.ref(error.args[0])
print(alive())
g = yielded()
alive = weakref.ref(next(g))
print(alive())


def unwind(n):
    held = Thing()
    alive.append(weakref.ref(held))
    with Quiet():
        try:
            if n:
                unwind(n - 1)
        finally:
            raise LookupError(n)


class Quiet:
    def __enter__(self):
        pass

    def __exit__(self, kind, error, tb):
        return False


alive = []
for _ in range(20):
    try:
        unwind(100)
    except LookupError as error:
        assert error.args == (100,)
        assert alive[0]() is not None
        depth, one = 0, error
        while one.__context__ is not None:
            one, depth = one.__context__, depth + 1
    del one
    gc.collect()
    assert all(one() is None for one in alive), _
    alive.clear()
print("unwound", depth)
