"""Calls functions of every sort again and again; prints how much the total count of references grew."""

import gc
import sys


class Error(Exception):
    pass


class Thing:
    count = 0

    def method(self, *rest, key=None, **more):
        self.count += 1
        return self

    @staticmethod
    def static(one, two=()):
        return two

    @property
    def value(self):
        return [self.count, *range(2)]


def plain(argument):
    local = argument
    del argument
    return local


def branches(number):
    if number % 2:
        return None
    for _ in range(2):
        if number % 3 == 0:
            return "three"
    while number:
        number = 0
    return {"n": number}


def generator(limit):
    try:
        for number in range(limit):
            got = yield number
            if got:
                return got
    finally:
        limit = None
    return limit


def delegating(limit):
    result = yield from generator(limit)
    return result


def closure(argument):
    captured = [argument]

    def inner(more):
        nonlocal captured
        captured = [more]
        return captured

    return inner(argument) and captured


def comprehending(argument):
    squares = [number * number for number in range(3) if number]
    lazily = sum(number for number in squares)
    return {key: argument for key in squares}, {lazily}, lambda: squares


def raising(argument):
    try:
        raise Error(argument)
    except Error as error:
        return error.args
    finally:
        argument = None


def passing_on(argument):
    kept = [argument]
    with Manager():
        raise Error(kept)


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return True


def making_classes(argument):
    class Local(Thing):
        attribute = argument

    return Local.attribute


async def awaiting(argument):
    return [number async for number in numbers(argument)]


async def numbers(limit):
    for number in range(limit):
        yield number


def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value


def matching(argument):
    match argument:
        case {"key": value}:
            return value
        case [first, *_]:
            return first
        case _:
            return argument


def each(number):
    thing = Thing()
    thing.method(1, key=2, other=3).method()
    thing.static(one=1)
    thing.value
    plain(thing)
    branches(number)
    list(generator(3))
    unfinished = generator(3)
    next(unfinished)
    unfinished.close()
    list(delegating(2))
    closure(number)
    comprehending(number)
    raising(thing)
    passing_on(thing)
    run(awaiting(2))
    matching({"key": thing})
    matching([thing])
    matching(number)


def main(rounds):
    # Classes are caught in cycles: fewer of them, and collected.
    for number in range(3_000):
        each(number)
        making_classes(number % 7)
    gc.collect()
    before = sys.gettotalrefcount()
    for number in range(rounds):
        each(number % 250)
    for number in range(1_000):
        making_classes(number % 7)
    gc.collect()
    print(sys.gettotalrefcount() - before)
