"""Generators: each way in and out, and what the outside sees of them."""

import gc
import sys
import weakref

gc.disable()


def show(*values):
    print(*values, sys.exc_info()[1])


class Manager:
    def __init__(self, name, swallow=()):
        self.name, self.swallow = name, swallow

    def __enter__(self):
        return self

    def __exit__(self, kind, error, tb):
        show("exit", self.name, kind and kind.__name__)
        return kind is not None and issubclass(kind, self.swallow)


def bare():
    yield 1
    yield 2
    return "end"


def in_try():
    try:
        yield 1
    finally:
        show("finally")


def in_with():
    with Manager("with"):
        yield 1
        yield 2


def in_swallowing():
    with Manager("swallow", (GeneratorExit, KeyError)):
        yield 1
    show("after with")


def in_loops():
    for i in range(2):
        for j in "ab":
            while True:
                got = yield i, j
                if got:
                    break


def in_nested_try():
    try:
        try:
            yield 1
        except ValueError as error:
            show("inner", repr(error))
            yield 2
        else:
            yield 3
        finally:
            yield 4
    finally:
        show("outer finally")


def in_handler():
    try:
        raise KeyError("k")
    except KeyError as error:
        assert sys.exc_info()[1] is error
        got = yield "in except"
        assert sys.exc_info()[1] is error, sys.exc_info()
        show("got", got)
        yield "again"
        assert sys.exc_info()[1] is error
    yield sys.exc_info()[1]


def in_finally():
    try:
        raise OSError("o")
    finally:
        got = yield "in finally"
        show("got", got)


def stubborn():
    while True:
        try:
            yield "no"
        except GeneratorExit:
            yield "still no"


def returns_on_close():
    try:
        yield 1
    except GeneratorExit:
        return "closed value"


def raises_on_close():
    try:
        yield 1
    except GeneratorExit:
        raise LookupError("on close") from None


def reraises():
    try:
        yield 1
    except ValueError:
        raise
    except KeyError as error:
        raise RuntimeError("changed") from error


def stops():
    yield 1
    raise StopIteration("inside")


def stops_by_next():
    yield next(iter(()))


def stops_in_try():
    try:
        yield 1
        raise StopIteration("inside try")
    finally:
        show("cleanup")


def catches_stop():
    try:
        yield 1
        next(iter(()))
    except StopIteration as error:
        show("own stop", repr(error))
    return "fine"


def empty():
    return "empty"
    yield


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except BaseException as error:
        found = type(error).__name__, error.args, repr(error.__cause__), repr(error.__context__)
        error.__traceback__ = None
        return found


ways = {
    "close": lambda g: g.close() in (None, "closed value"),
    "throw ValueError": lambda g: g.throw(ValueError("v")),
    "throw KeyError": lambda g: g.throw(KeyError("k")),
    "throw StopIteration": lambda g: g.throw(StopIteration("s")),
    "throw GeneratorExit": lambda g: g.throw(GeneratorExit),
    "send": lambda g: g.send("sent"),
    "next": next,
    "list": list,
}
makers = (bare, in_try, in_with, in_swallowing, in_loops, in_nested_try, in_handler, in_finally, stubborn,
          returns_on_close, raises_on_close, reraises, stops, stops_by_next, stops_in_try, catches_stop, empty)
sys.unraisablehook = lambda unraisable: print("unraisable", repr(unraisable.exc_value))
for make in makers:
    for name, way in ways.items():
        for steps in range(3):
            if make in (stubborn, in_loops) and name == "list":
                continue  # endless
            if steps == 0 and name == "throw StopIteration":
                continue  # asserts of debug builds do not know it
            g = make()
            before = [outcome(next, g) for _ in range(steps)]
            result = outcome(way, g)
            after = g.gi_frame is None, g.gi_running, outcome(next, g)
            print(make.__name__, name, steps, before, result, after)
            print(outcome(g.close) in (None, "closed value"), outcome(g.close) in (None, "closed value"))
            del g


# Collection of what is suspended.


class Witness:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("gone", self.name)


def holding(name):
    held = Witness(name)
    try:
        yield held
    except GeneratorExit:
        print("exit", name)
        raise
    finally:
        print("finally", name)


def holding_bare(name):
    held = Witness(name)
    yield 1
    yield held


for make in (holding, holding_bare):
    g = make("dropped")
    next(g)
    del g
    g = make("closed")
    next(g)
    g.close()
    print("closed")
    g = make("exhausted")
    list(g)
    print("exhausted")
    g = make("never started")
    del g
    g = make("cycle")
    next(g)
    box = [g]
    box.append(box)
    alive = weakref.ref(g)
    del g, box
    print(alive() is not None)
    gc.collect()
    print(alive() is None)


def cyclic():
    me = yield
    yield me


g = cyclic()
next(g)
g.send(g)
del g
print(gc.collect() > 0)


def fails_when_collected():
    try:
        yield 1
    finally:
        raise ValueError("while collected")


g = fails_when_collected()
next(g)
sys.unraisablehook = lambda unraisable: print("unraisable", repr(unraisable.exc_value))
del g
sys.unraisablehook = sys.__unraisablehook__


# Recursion and expressions.


def walk(tree):
    if isinstance(tree, list):
        for one in tree:
            yield from walk(one)
    else:
        got = yield tree
        if got == "stop":
            return
        if got == "raise":
            raise KeyError(tree)


tree = [1, [2, [3, [4]], 5], [[6]]]
print(list(walk(tree)))
g = walk(tree)
print(next(g), next(g), g.send("x"), outcome(g.send, "raise"), outcome(next, g))
g = walk(tree)
print(next(g), next(g), next(g), g.close(), g.gi_frame)

expression = ((i, j) for i in range(3) if i for j in "ab" if (i, j) != (1, "b"))
print(next(expression), expression.gi_running, list(expression))
expression = (10 // i for i in (5, 0))
print(next(expression), outcome(next, expression), outcome(next, expression))
expression = (i for i in range(3))
print(next(expression), outcome(expression.throw, ValueError("into")), list(expression))
print(sorted(x * 2 for x in {1, 2, 3}), any(x > 1 for x in range(5)), dict((x, x) for x in "a"))
nested = ((x + y for y in range(2)) for x in range(2))
print([list(one) for one in nested])
print(outcome(lambda: [next(iter(())) for _ in (1,)]), outcome(lambda: list(next(iter(())) for _ in (1,))))
lazy = (lambda: (yield 5))
print(list(lazy()))


# Exceptions that are handled outside while a generator goes on.


def sees():
    yield repr(sys.exc_info()[1])
    try:
        raise KeyError("own")
    except KeyError:
        yield repr(sys.exc_info()[1])
    yield repr(sys.exc_info()[1])


g = sees()
try:
    raise ValueError("outer")
except ValueError:
    print(next(g), next(g), repr(sys.exc_info()[1]))
print(next(g), sys.exc_info()[1])


def context_of_outer():
    yield
    raise KeyError("has a context")


g = context_of_outer()
next(g)
try:
    raise ValueError("outer")
except ValueError:
    print(outcome(next, g))


def running():
    yield g.gi_running, outcome(next, g), g.gi_frame is sys._getframe(), g.gi_suspended


g = running()
print(next(g), g.gi_running, g.gi_suspended)
