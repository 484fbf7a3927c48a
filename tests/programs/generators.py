"""Generators: send, throw, close, return values, delegation, collection."""
import gc


def log(*args):
    print(*args)


def echo():
    got = None
    try:
        while True:
            got = yield got
            if got == "stop":
                return "stopped"
    except ValueError as error:
        log("caught", error)
        yield "after throw"
    finally:
        log("finally", got)


def delegate():
    result = yield from echo()
    log("delegated", result)
    return result


g = echo()
print(next(g), g.send(1), g.throw(ValueError("x")))
g.close()
g = delegate()
next(g)
print(g.send(5), g.gi_yieldfrom is not None)
try:
    g.send("stop")
except StopIteration as stop:
    print("value", stop.value)
g = delegate()
next(g)
g.close()
print(g.gi_frame)


def bad():
    yield 1
    raise StopIteration("inside")


try:
    list(bad())
except RuntimeError as error:
    print(error, repr(error.__cause__))

g = echo()
next(g)
del g
gc.collect()


def close_raises():
    try:
        yield 1
    except GeneratorExit:
        return 7


g = close_raises()
next(g)
print(g.close() in (None, 7))


def stubborn():
    try:
        yield 1
    except GeneratorExit:
        yield 2


g = stubborn()
next(g)
try:
    g.close()
except RuntimeError as error:
    print(error)

expression = (i * j for i in range(3) for j in (1, 2) if i != j)
print(next(expression), list(expression))
print(sum(x for x in [1, 2, 3]), {k: v for k, v in zip("ab", (1, 2))}, {*range(3)})


def outer():
    for i in range(2):
        yield (i, [(yield i)])


g = outer()
print(next(g), g.send("a"), next(g), g.send("b"))
