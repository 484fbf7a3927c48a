"""What a callee raises reaches the handler of the line that called it, wherever a probe stands."""

import sys
import traceback


def raises(*values, **names):
    raise ValueError("from the callee")


def called(x):
    return raises(
        x,
        1,
        2)


def by_keyword(x):
    return raises(
        x=x,
    )


def by_stars(x):
    return raises(
        *(x,), **{"a":
                  1})


def items(n):
    for i in range(n):
        yield i
    raise ValueError("from the generator")


def looped(n):
    total = 0
    for x in items(n):
        total += x
    return "swallowed", total


def summed(n):
    return sum(x for x in items(n))


def delegated(n):
    total = yield from items(n)
    return "swallowed", total


class Raising:
    @property
    def a(self):
        raise ValueError("from the property")

    def __getitem__(self, index):
        raise ValueError("from the item")

    def __getattr__(self, name):
        raise ValueError("from the attribute")

    def __enter__(self):
        raise ValueError("from the entry")

    def __exit__(self, *_):
        pass


class Leaving:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        raise ValueError("from the exit")


def read(x):
    return (x
            .a
            )


def missing(x):
    return (x
            .b
            )


def indexed(x):
    return (
        x[
            1
        ])


def entered(x):
    with x:
        pass


def left():
    with Leaving():
        pass


def tested():
    while raises():
        pass


def handled(x):
    try:
        for i in range(x):
            try:
                raises(
                    i)
            finally:
                i += 1
    except ValueError as error:
        return "handled", str(error), i


def resumed():
    raises((yield))
    yield "went on"


for function in [
    lambda: called(1), lambda: by_keyword(1), lambda: by_stars(1), lambda: looped(5), lambda: summed(5),
    lambda: list(delegated(3)), lambda: read(Raising()), lambda: missing(Raising()), lambda: indexed(Raising()),
    lambda: entered(Raising()), left, tested, lambda: handled(3),
]:
    seen = set()
    for _ in range(30):  # until it is specialised
        try:
            result = function()
        except ValueError as error:
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)[1:]]
            result = str(error), lines, sys.exc_info()[1] is error
        seen.add(repr(result))
    print(seen)

for _ in range(3):
    generator = resumed()
    next(generator)
    try:
        print(generator.send(1))
    except ValueError as error:
        print(error)
