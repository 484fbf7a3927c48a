"""`with`, and how it is left."""


class C:
    def __init__(self, swallows=False): self.swallows = swallows

    def __enter__(self): return self

    def __exit__(self, *a): return self.swallows


def ways(how):
    for i in range(2):
        with C(True) as c:
            if how == 1:
                return 1
            if how == 2:
                break
            if how == 3:
                continue
            if how == 4:
                raise ValueError
            i
    with C(), C() as d:
        pass
    with (C() as a,
          C(True) as b):
        if how == 5:
            raise KeyError
        if how == 6:
            return (a,
                    b)
    return c


def one_line(a):
    with C(True): a / 0
    with C(True): a
    with C(True) as c: return a / 0
    with C(): return a


def raises(a):
    try:
        with C():
            a / 0
    except ZeroDivisionError:
        pass
    with C(True):
        with C():
            raise ValueError
    with C():
        return


def nothing():
    with C(): pass
    with C():
        pass
    with C(True), C(): 1 / 0


def last(a):
    with C(True):
        if a:
            a / 0


def in_loop(n):
    while n:
        with C(True): n -= 1; continue
    while n < 3:
        with C(): n += 1
    for n in range(3):
        with C(True): 1 / 0
    for n in range(3):
        with C(True): break


def long_with(a):
    with C(
        True
    ) as x, \
            C() as y:
        a / 0


long_with(1)
for how in range(7):
    ways(how)
one_line(0)
one_line(1)
raises(1)
nothing()
last(0)
last(1)
in_loop(2)
with C(True): 1 / 0
with C(True) as c:
    1 / 0
with C(): pass
