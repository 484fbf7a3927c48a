"""Conditions: several lines, chains, constants, one-liners."""


def chain(x):
    if x == 1:
        return "one"
    elif x == 2:
        y = "two"
    elif x == 3:
        y = "three"
    else:
        y = "many"
    return y


def lonely(x):
    if x:
        x = 2


def several(a, b, c):
    if (
        a
        and b
        or c
    ):
        return 1
    if not (
        a or
        b
    ): return 2
    while (a and
           b):
        a -= 1
    return 3


def one_line(x):
    if x: return 1
    if x is None: y = 2
    if x == 0: pass
    else: y = 3
    return 4


def raising(x):
    if x: raise ValueError(x)
    if x is None:
        raise TypeError
    return x


def constants(x):
    if True:
        x += 1
    if 0:
        x += 2
    if not False:
        x += 3
    else:
        x += 4
    if __debug__:
        x += 5
    while 0:
        x += 6
    if x and True:
        x += 7
    return x


def ternaries(x, y):
    a = 1 if x else 2
    b = (
        1
        if x
        else 2
    )
    return (a or
            b) if y else (
            a and b)


def asserts(x):
    assert x, "no"
    assert x or not x, (
        "never")
    if x: assert x
    return x


def chained(a, b, c):
    if a < b < c:
        return 1
    if a < b and \
       b > c:
        return 2
    return 3


def both_ways(x):
    if x:
        if x > 1:
            y = 1
    else:
        if x is None:
            y = 2
    for y in (1,):
        if x:
            if x > 1:
                x = 0
            else:
                x = 3


chain(1)
chain(3)
lonely(0)
several(1, 0, 0)
several(0, 1, 1)
one_line(0)
one_line(None)
raising(0)
try:
    raising(1)
except ValueError:
    pass
constants(1)
ternaries(0, 1)
asserts(1)
try:
    asserts(0)
except AssertionError:
    pass
chained(1, 2, 3)
chained(3, 2, 1)
both_ways(2)
both_ways(0)
