"""Functions and classes: decorators, nesting, defaults, one-liners, docstrings."""
import functools


def decorator(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper


def with_argument(
    value,
):
    """A docstring."""
    def inner(function):
        return function
    return inner


@decorator
@with_argument(
    1
)
def decorated(a, b=2,
              *, c=3):
    """A docstring
    of two lines."""
    return a


class Base:
    """A docstring."""
    attribute = 1
    if attribute:
        other = 2
    else:
        other = 3
    for i in range(2):
        pass

    def method(self): return 1

    @property
    def value(self):
        return self.attribute

    @staticmethod
    def never(): return 2

    class Inner:
        def deep(self):
            def deeper():
                return 1
            if self:
                return deeper()


@decorator
class Decorated: pass


class Empty(Base): ...
class Error(Exception): pass
def short(x): return x
def unused(x): return x


f = lambda x: (
    x
    if x
    else 0
)
g = [lambda: 1, lambda: 2]


def annotated(x: int = 1, *args: "str") -> "a" "b":
    y: int
    z: int = x
    return z


def empty():
    pass


def only_docstring():
    """Nothing else."""


decorated(1)
Base().method()
Base().value
Base.Inner().deep()
short(1)
f(1)
annotated()
only_docstring()
