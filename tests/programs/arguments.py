"""Parameters: deleted, captured, shadowed by inlined comprehensions; every kind of them."""


def deleted(a, b):
    del a
    c = 1
    try:
        return a
    except UnboundLocalError as error:
        return type(error).__name__, b, c, sorted(n for n in locals() if n[0] != "_")


def conditional(a, flag):
    if flag:
        del a
    for _ in range(2):
        pass
    return "a" in locals()


def captured(a, *args, k=1, **kw):
    def inner():
        nonlocal a
        a += 1
        return a, args, k, kw
    return inner


def cell_deleted(a):
    def drop():
        nonlocal a
        del a
    drop()
    try:
        return a
    except NameError as error:
        return type(error).__name__


def shadowed(q, r):
    one = [q for q in range(3)]
    two = [lambda: q for q in range(2)]
    three = {r: [r for r in range(r)] for r in range(3)}
    return one, [f() for f in two], three, q, r


def shadowed_cell(q):
    keep = lambda: q
    return [q * 2 for q in range(3)], keep(), [[q for q in range(q)] for q in range(3)]


def positional(a, /, b, *, c):
    return a, b, c


print(deleted(1, 2), conditional(1, True), conditional(1, False))
f = captured(1, 2, 3, k=4, z=5)
print(f(), f(), cell_deleted(3))
print(shadowed(7, 8), shadowed_cell(9), positional(1, 2, c=3))
x = [x for x in range(3)]
print(x, [y for y in x if y])


class Body:
    x = 5
    y = [x for x in range(3)]
    z = [(lambda: x)() for x in y]
    print(sorted(n for n in locals() if not n.startswith("__")), y, z, x)


print((lambda *a, **k: (a, k))(1, b=2))
