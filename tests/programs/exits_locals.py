"""What functions and generators show of their local variables, between all sites."""

import sys


def function(a, b=2, *c, d=4, **e):
    first = sorted(locals())
    f = 1
    second = sorted(locals())
    frame = sys._getframe()
    code = frame.f_code
    return first, second, sorted(frame.f_locals), code.co_varnames, code.co_nlocals, code.co_argcount


def raising(a):
    b = [a]
    raise ValueError(a)


def generator(a):
    got = yield sorted(locals())
    try:
        yield sorted(locals())
    finally:
        print(sorted(locals()))


async def coroutine(a):
    await Suspend()
    return sorted(locals())


class Suspend:
    def __await__(self):
        yield sorted(locals())


def closure(a):
    b = a

    def inner():
        nonlocal b
        b = 5
        return sorted(locals())

    return inner(), sorted(locals()), inner.__code__.co_freevars, sys._getframe().f_code.co_cellvars


def evaluating(a):
    return eval("sorted(locals())"), sorted(vars()), dir()


def executing(a):
    exec("b = a + 1")
    return sorted(locals())


def handling(a):
    try:
        raise ValueError
    except ValueError as error:
        inside = sorted(locals())
    return inside, sorted(locals())


print(function(1, x=3))
try:
    raising(1)
except ValueError as error:
    tb = error.__traceback__
    while tb.tb_next:
        tb = tb.tb_next
    print(sorted(tb.tb_frame.f_locals), tb.tb_frame.f_code.co_varnames)
    tb.tb_frame.clear()
    print(tb.tb_frame.f_locals)
g = generator(1)
print(next(g), g.gi_frame.f_locals, g.send(2), sorted(g.gi_frame.f_locals))
g.close()
c = coroutine(1)
print(c.send(None), c.cr_frame.f_locals)
try:
    c.send(None)
except StopIteration as stop:
    print(stop.value)
print(closure(1))
print(evaluating(1))
print(executing(1))
print(handling(1))
print((lambda x, y=1: sorted(locals()))(1), [sorted(locals() if False else {"i": i}) for i in range(1)])


def caller_sees():
    mine = 1
    return callee()


def callee():
    return sorted(sys._getframe(1).f_locals), sys._getframe(1).f_lineno - caller_sees.__code__.co_firstlineno


print(caller_sees())
