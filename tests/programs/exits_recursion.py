"""Recursion to the limit: RecursionError stays one, and the program goes on."""

import sys


def down(n):
    return down(n + 1) + 1


def guarded(n):
    try:
        return guarded(n + 1)
    finally:
        n = None


def catching(n):
    try:
        return catching(n + 1)
    except RecursionError:
        raise


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False


def with_manager(n):
    with Manager():
        return with_manager(n + 1)


def generator(n):
    yield n
    yield from generator(n + 1)


async def coroutine(n):
    return await coroutine(n + 1)


class Attribute:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __repr__(self):
        return repr(self)

    def __eq__(self, other):
        return other == self


def mutual(n):
    return lambda_(n)


lambda_ = lambda n: mutual(n + 1)


def fits(n):
    return fits(n - 1) + 1 if n else 0


def attempt(name, call):
    try:
        result = call()
    except BaseException as error:
        print(name, type(error).__name__, isinstance(error, RecursionError))
    else:
        print(name, "returned", result)
    assert sys.exc_info()[1] is None


for _ in range(3):
    attempt("down", lambda: down(0))
    attempt("guarded", lambda: guarded(0))
    attempt("catching", lambda: catching(0))
    attempt("with", lambda: with_manager(0))
    attempt("generator", lambda: sum(1 for _ in generator(0)))
    attempt("coroutine", lambda: coroutine(0).send(None))
    attempt("mutual", lambda: mutual(0))
    attempt("attribute", lambda: Attribute().x)
    attempt("repr", lambda: repr(Attribute()))
    attempt("eq", lambda: Attribute() == Attribute())
    attempt("fits", lambda: fits(400))
sys.setrecursionlimit(5000)
attempt("fits", lambda: fits(3000))
attempt("down", lambda: down(0))
