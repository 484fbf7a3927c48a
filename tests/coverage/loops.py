"""Loops: else, break, continue, generators, forever."""


def found(items, wanted):
    for item in items:
        if item == wanted:
            break
    else:
        return "none"
    return "found"


def until(n):
    while n:
        n -= 1
        if n == 3:
            continue
        if n == 1:
            break
    else:
        n = -1
    return n


def forever(n):
    while True:
        n += 1
        if n > 5:
            break
    while 1:
        n += 1
        if n > 7:
            return n


def nested(rows):
    total = 0
    for row in rows:
        for cell in row:
            if not cell:
                continue
            total += cell
    return total


def last(rows):
    for row in rows:
        row.append(1)


def never():
    for item in ():
        print(item)
    for item in (1,):
        return item


def one_line(n):
    for i in range(n): n += i
    while n: n -= 1
    for i in range(3):
        if i: break
    else: n = 3
    return n


def many_lines(n):
    for i in range(
        n
    ):
        n += 1
    for (
        a,
        b,
    ) in [
        (1, 2),
        (3, 4),
    ]:
        if (
            a
        ): continue
        n = 2
    return [
        i
        for i in range(n)
        if i % 2
    ]


def numbers(n):
    for i in range(n):
        if i == 2:
            yield "two"
        else:
            yield i
    yield from range(
        n
    )


def delegating(n):
    got = yield from numbers(n)
    if got:
        return 1
    return 2


found([1, 2], 2)
until(5)
until(0)
forever(1)
nested([[1, 0], []])
last([[], []])
never()
one_line(2)
many_lines(2)
list(numbers(2))
next(numbers(4))
list(delegating(3))
half = numbers(5)
next(half)
half.close()
