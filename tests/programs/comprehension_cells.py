"""Comprehensions whose variables are cells of the function: inlined ones take the slot over for a while, and give it
back before anything else may read it, exceptions and probes included."""


class Wanted(Exception):
    pass


def check(value):
    if value == 2:
        raise Wanted(value)
    return value


def in_finally(a, b=2):
    try:
        y = 0
    finally:
        try:
            z = [check(b + x) for x in a]
        except Wanted as error:
            x = [error.args, b]
        else:
            x = z
        def g(): return x, y
    return g


def on_two_lines(x, a):
    try:
        z \
            = [x for x in a]
    except Wanted:
        pass
    return lambda: (x, z)


def and_more(x, a):
    try:
        z \
            = [x for x in a]
        z = [check(x) for x in a if x]
    except Wanted:
        pass
    return lambda: (x, z)


def in_a_row(x, a):
    z \
        = [x for x in a]
    [x
        for x in a if not x]
    return lambda: (x, z)


def dropped(a, c=0):
    try:
        [check(
            c) for a in range(2) if c]
    except* Wanted:
        pass
    return lambda: a


def conditional(a, d=4):
    g = lambda: a
    y = [a for a in range(4) if d > a]
    z = [a for a in range(4) if a > d if a]
    return g() + len(y) + len(z)


def in_a_loop(a, items):
    found = []
    for item in items:
        try:
            if item:
                found += [check(a) for a in item if a != 1]
        except Wanted:
            found.append(a)
    return found, lambda: a


async def awaiting(a, c=0):
    if c:
        pass
    try:
        [check(
            c) for a in range(3) if c != 1]
    except* Wanted:
        pass
    return lambda: a


def yielding(items):
    try:
        yield 1
        yield [(lambda: other)() for other in items if check(other)]
    except Wanted as error:
        yield error.args


def finished(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value


class Holder:
    a = 5
    pairs = [(lambda: a)() for a in range(3)]
    rest = a


for items in ([], [1], [0]):
    print(in_finally(items)())
    print(on_two_lines("x", items)(), and_more("x", items)(), in_a_row("x", items)())
for c in range(3):
    print(dropped("a", c)(), conditional(c), finished(awaiting("a", c))())
found, last = in_a_loop("a", [[], [0, 1], [2], [3]])
print(found, last())
print(list(yielding([1])), list(yielding([2])))
print(Holder.pairs, Holder.rest)
