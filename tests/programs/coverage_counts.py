"""Counts that only follow from others: ways that meet again, that leave in the middle, that never end."""
import asyncio
import contextlib


closed = []


class Stop(Exception):
    pass


def fails(n, at):
    if n == at:
        raise Stop(n)
    return n


def nested(rows, columns):
    total = 0
    for row in range(rows):
        if row == 1:
            continue
        column = 0
        while column < columns:
            column += 1
            if column % 2:
                total += 1
            elif column == 4:
                break
            else:
                total += 2
        else:
            total += 100
    return total


def diamonds(a, b, c):
    if a:
        x = 1
    else:
        x = 2
    if b:
        x += 1
    if c and a or b:
        x *= 2
    return x


def leaves_in_the_middle(items, at):
    done = []
    for item in items:
        done.append(fails(item, at))
        if item > 3:
            done.append(fails(item + 10, at))
        done.append(item)
    return done


def one_line(at): return fails(1, at)


def cleans(at, log):
    for i in range(3):
        try:
            fails(i, at)
            with contextlib.suppress(KeyError):
                fails(i + 3, at)
                log.append(i)
        except Stop:
            log.append("stop")
            if at == 1:
                raise
            continue
        else:
            log.append("else")
        finally:
            log.append("finally")
    return log


def chained(at):
    try:
        try:
            return fails(1, at)
        finally:
            fails(2, at)
    except Stop as error:
        raise ValueError(at) from error


def chosen(value):
    match value:
        case 0:
            return "zero"
        case int() if value > 10:
            return "big"
        case [first, *_]:
            return first
        case {"key": inner}:
            return chosen(inner)
        case str():
            pass
    return "other"


def generated(n):
    try:
        for i in range(n):
            got = yield i
            if got:
                n = got
    finally:
        closed.append(n)


def delegates(n):
    result = yield from generated(n)
    return result


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))


async def ticks(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def waits(n):
    total = 0
    async for i in ticks(n):
        total += i
        if i == 3:
            break
    async with contextlib.AsyncExitStack():
        await asyncio.sleep(0)
    return total


async def cancelled():
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        print("cancelled")
        raise


async def main():
    task = asyncio.ensure_future(cancelled())
    print(await asyncio.gather(waits(2), waits(9)))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except (Stop, ValueError) as error:
        return type(error).__name__


for n in range(6):
    print(nested(n, n), diamonds(n & 1, n & 2, n & 4))
    print(attempt(leaves_in_the_middle, range(n + 2), 4), attempt(leaves_in_the_middle, range(9), 10 + n))
    print(attempt(one_line, n), attempt(cleans, n, []), attempt(chained, n))
for value in (0, 1, 11, [1], {"key": [2]}, "text"):
    print(chosen(value))
print(list(generated(3)), list(delegates(2)))
kept = [generated(4), delegates(4), generated(5)]
for one in kept:
    print(next(one), one.send(7))
kept[0].close()
del kept[1]
try:
    kept[1].throw(Stop)
except Stop:
    print("thrown")
never = generated(1)
suspended = generated(9)
next(suspended)
print(closed, ackermann(2, 3))
asyncio.run(main())
print(attempt(one_line, 1), [attempt(lambda: fails(i, 2)) for i in range(4)])
