"""Expressions over several lines, comprehensions, lambdas, decorators."""


def f(*a, **k):
    return a


def calls(a):
    f(
        a,
        f(a,
          a),
        *[a],
        k=a,
        **{"x":
           a},
    )
    r = f(
        1); s = f(2)
    return f(
        f(
            a
        )
    )


def chains(a):
    x = (a.real
         .imag
         .real)
    y = (1 < a
         < 3
         < 9)
    z = (a and
         x or
         y)
    w = (a
         if x
         else y)
    v = a \
        + a \
        - f(a)[0]
    t = """
    {}
    """.format(
        a)
    s = f"""
    {a}
    {x!r:>10}
    """
    d = {
        "a": a,
        "b": [a,
              x],
        **{"c": a},
    }
    d["a"
      ] = d["b"][
        0]
    (p,
     q) = (a,
           x)
    assert a is not None, (
        "no")
    assert (
        a is not None
    )
    del (p,
         q)
    return (
        a
    )


def comprehensions(n):
    a = [i for i in range(n)]
    b = [i
         for i in range(n)]
    c = [i
         for i in range(n)
         if i
         if i > 1]
    d = {i:
         j
         for i in a
         for j in b
         }
    e = {i for i in a
         if i}
    g = list(i
             for i in a
             if i)
    g = sum(i for i in a)
    h = [[j for j in range(i)]
         for i in
         a]
    k = [(lambda: i)()
         for i in a]
    m = [x := i for i in a]; x = 1
    return [
        i for i in a
    ]


def one_line(n): return [i for i in range(n)]


def lambdas(a):
    x = lambda: a
    y = lambda: (
        a,
        x())
    z = lambda b=(
            a), *c: [
        b,
        c]
    x(); y(); z()
    return (lambda:
            a)()


def decorator(*a):
    return lambda x: x


@decorator(
    1,
    2)
@decorator()
def decorated(a=f(
        1),
        b: int = 2,
        *,
        c=(3,
           4)) -> (
        int):
    return a


@decorator()
class Decorated(f and
                object,
                metaclass=type):
    """Doc."""
    x = 1
    y: int = 2
    z: int

    @decorator(
        1)
    def method(self):
        return __class__

    for i in range(2):
        if i: continue
        w = i
    v = [i
         for i in range(2)]

    @property
    def p(self): return self.x

    class Inner: pass

    class Inner2:
        def f(self):
            super()
            def g():
                return self
            return g()


def docstring():
    """Only that."""


def docstring2():
    """That and
    more."""
    return 1


def globals_and_such():
    global G
    G = 1
    nonlocal_ = 1

    def inner():
        nonlocal nonlocal_
        nonlocal_ = 2
    inner()
    x: int
    y: int = 3
    import os, \
        sys
    from os import (path,
                    sep)
    if 0:
        x = 1
    if 1:
        x = 2
    else:
        x = 3
    if __debug__:
        x = 4
    while 0:
        x = 5
    if not 1: x
    1
    "constant"
    ...
    pass
    return


def ifs(a):
    if a: pass
    if a: b = 1
    else: b = 2
    if a == 1: return b
    elif a == 2: pass
    elif a == 3:
        pass
    else:
        pass
    if (a and
            b):
        c = 1
    if not (a or
            b): c = 2
    if a and b or not a and \
            not b:
        pass
    if a:
        if b:
            pass
        else:
            pass
    elif b:
        pass
    return a if b else (
        b)


calls(1)
for n in range(5):
    chains(n)
    ifs(n)
    comprehensions(n)
    one_line(n)
    lambdas(n)
decorated()
Decorated().method()
Decorated().p
Decorated.Inner2().f()
docstring()
docstring2()
globals_and_such()
x = [
    i
    for i in range(3)]
y = {i: i for i in
     range(2)}
f(
    1,
    2
)
