"""`with`: what leaves it, and how it goes on."""
import contextlib


class Quiet:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return True


def branching(x):
    with Quiet():
        if x:
            y = 1
    with Quiet():
        if x:
            y = 2
        else:
            y = 3
    return y


def last(x):
    with Quiet():
        if x:
            y = 1


def nested(x):
    with Quiet() as a:
        with Quiet() as b:
            if x:
                a = b
    with (
        Quiet() as a,
        Quiet() as b,
    ):
        for i in range(x):
            a = i
    return a


def in_loop(items):
    for item in items:
        with Quiet():
            if item == 1:
                continue
            if item == 2:
                break
            item.none
        if item:
            item = 0


def returning(x):
    with Quiet():
        if x:
            return 1
    return 2


def swallowing(x):
    with Quiet():
        if x:
            raise ValueError
        x = 1
    while x is None or x:
        with Quiet():
            x = 0
    return x


def one_line(x):
    with Quiet(): x = 1
    if x:
        with Quiet(): x = 2
    return x


def one_line_return(x):
    with Quiet():
        if x: return 1
    return 2


def one_line_raise(x):
    with Quiet():
        if x: raise ValueError
    return 2


def try_within(x):
    with contextlib.suppress(ValueError):
        try:
            if x:
                raise ValueError
        finally:
            x = 1
    if x: return 2


branching(0)
branching(1)
last(0)
nested(0)
nested(1)
in_loop([1, 3, 2])
returning(1)
swallowing(1)
swallowing(0)
one_line(1)
one_line_return(0)
one_line_raise(0)
one_line_raise(1)
try_within(0)
try_within(1)
