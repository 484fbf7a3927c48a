"""Variables of comprehensions that have the names of the function's own, in cells and out of them."""

import sys


def same_name():
    x = 10
    functions = [lambda: x for x in range(2)]
    return [function() for function in functions], x


def captured(x):
    functions = [lambda: x for x in range(2)]

    def inner():
        return x
    return [function() for function in functions], x, inner()


def raising(x):
    try:
        values = [1 / x for x in (1, 0)]
    except ZeroDivisionError:
        values = x

    def inner():
        return x
    return values, inner()


def nested(x):
    rows = [[x + y for x in range(y)] for y in range(x)]
    return rows, {x: [x for x in range(x)] for x in range(3)}, x


def cells(a, x):
    def inner():
        nonlocal a
        a += 1
        return a, x
    y = [a for a in range(x)]
    return inner(), y, a


def only_inside():
    return [len for len in range(3)], len([1])


def parameter(a):
    return [a for a in (1, 2)]


def tried(a):
    try:
        [1 for v in a for w in a]
    except ValueError:
        pass

    def v():
        return v
    return v.__name__


def tried_lambda(a):
    try:
        made = [lambda: v for v in a]
    except ValueError:
        made = []
    v = 3
    return [one() for one in made], (lambda: v)()


def deleted(a, x):
    del a
    values = [a for a in range(x)]
    try:
        return values, a
    except NameError as error:
        return values, type(error).__name__


def deleted_within(a):
    def inner():
        nonlocal a
        del a
    inner()
    y = 1
    return y


def late(a):
    x = a
    return (lambda: x)()


def generator(a):
    del a
    yield from [a for a in range(2)]


short = lambda a, x=3: (a, [x for x in range(x)], x)


class Body:
    x = 1
    y = [x for x in range(2)]


async def asynchronous(x):
    async def values():
        for i in range(x):
            yield i
    return [x async for x in values()], x


def run(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


print(same_name(), captured(5), raising(5), nested(3), cells(1, 2), only_inside())
print(parameter(1), tried((1, 2)), tried_lambda((1, 2)))
print(deleted(1, 2), deleted_within(1), late(1), list(generator(1)), short(1), Body.x, Body.y)
print(run(asynchronous(3)), [x for x in range(2)], {k: v for k, v in zip("ab", "cd")})
print(sorted(name for name in globals() if not name.startswith("_")))
