"""yield from: to generators, iterators with and without throw and close, lists; seen from both sides."""

import sys


def show(*values):
    print(*values, sys.exc_info()[1])


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except BaseException as error:
        found = type(error).__name__, error.args, repr(error.__cause__)
        error.__traceback__ = None
        return found


def inner(name="inner"):
    got = None
    try:
        while got != "stop":
            try:
                got = yield name, got
            except KeyError as error:
                show("inner caught", repr(error))
                got = "caught"
            except IndexError:
                return "returned in handler"
        return "inner value"
    finally:
        show("inner finally")


def outer(iterable):
    try:
        result = yield from iterable
        show("result", result)
        return result
    except ValueError as error:
        show("outer caught", repr(error))
        yield "from handler"
    finally:
        show("outer finally")


def bare_outer(iterable):
    result = yield from iterable
    yield "then", result


class Iterator:
    def __init__(self):
        self.n = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.n += 1
        if self.n > 3:
            raise StopIteration("iterator value")
        return self.n


class Full(Iterator):
    def send(self, value):
        show("send", value)
        if value == "stop":
            raise StopIteration("sent stop")
        return value

    def throw(self, kind, *rest):
        show("throw", repr(kind) if isinstance(kind, BaseException) else kind.__name__)
        if isinstance(kind, KeyError):
            return "throw answered"
        if isinstance(kind, IndexError):
            raise StopIteration("throw stopped")
        raise kind

    def close(self):
        show("close")


class BadClose(Iterator):
    def close(self):
        raise LookupError("bad close")


makers = {
    "generator": inner, "list": lambda: [1, 2, 3], "iterator": Iterator, "full": Full, "bad close": BadClose,
    "nested": lambda: bare_outer(inner("deep")), "nested twice": lambda: outer(bare_outer(inner("deeper"))),
    "expression": lambda: (x for x in (1, 2)), "not iterable": lambda: 5, "empty": lambda: (),
}
ways = {
    "next": next,
    "send": lambda g: g.send("value"),
    "stop": lambda g: g.send("stop"),
    "throw KeyError": lambda g: g.throw(KeyError("k")),
    "throw IndexError": lambda g: g.throw(IndexError("i")),
    "throw ValueError": lambda g: g.throw(ValueError("v")),
    "throw GeneratorExit": lambda g: g.throw(GeneratorExit()),
    "close": lambda g: g.close(),
}
for around in (outer, bare_outer):
    for what, make in makers.items():
        for how, way in ways.items():
            g = around(make() if what != "not iterable" else 5)
            started = outcome(next, g)
            before = type(g.gi_yieldfrom).__name__
            result = outcome(way, g)
            waiting = type(g.gi_yieldfrom).__name__
            rest = [outcome(next, g) for _ in range(2)]
            print(around.__name__, what, how, started, before, result, waiting, rest)
            print(outcome(g.close), g.gi_frame, g.gi_running)


def line_of(g):
    return g.gi_frame.f_lineno - g.gi_code.co_firstlineno


def states():
    a = 1
    yield a
    b = yield from inner()
    try:
        c = yield b
    finally:
        d = 4
        yield d


g = states()
print(g.gi_frame.f_locals, g.gi_yieldfrom, line_of(g))
for send in (None, None, "x", "stop", "c", None):
    print(outcome(g.send, send))
    if g.gi_frame is not None:
        print(sorted(g.gi_frame.f_locals), type(g.gi_yieldfrom).__name__, line_of(g), g.gi_running)


def many(n):
    """Far jumps: a long body around the delegation."""
    x = n
    result = []
    for i in range(n):
        if i % 2:
            x = (x + 1) * 2 - (x - 1) * 2 + x % 7
            x = [x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7][i % 8]
        else:
            x = {1: x, 2: x + 1, 3: x + 2, 4: x + 3, 5: x + 4}.get(x % 7, x) % 100
        try:
            with Quiet():
                value = yield from some(i)
                result.append((x, value))
        except ValueError as error:
            result.append(str(error))
        finally:
            x += i
    return result


class Quiet:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False


def some(i):
    try:
        yield i
    except KeyError:
        return "key"
    return i


g = many(6)
events = [None, None, KeyError("k"), None, ValueError("v"), KeyError("k"), None, None, None]
for event in events:
    step = g.throw if event is not None else g.send
    print(outcome(step, event))
