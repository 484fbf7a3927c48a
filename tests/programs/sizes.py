"""Sizes: more than 255 locals, constants, names; jumps that need EXTENDED_ARG; star and keyword calls."""


def build(n):
    lines = ["def big(a, flag):"]
    lines += [f"    v{i} = {i + 1000} + a" for i in range(n)]
    lines += ["    total = 0", "    for k in range(3):", "        if flag:"]
    lines += [f"            total += v{i} * {i}.5" for i in range(n)]
    lines += ["        else:", "            continue", "    f = lambda: (v0, v299, total)", "    return f()"]
    return "\n".join(lines)


def many_cells(a):
    b, c, d = a, a + 1, a + 2
    e = f = g = h = i = j = k = l = m = n = o = p = q = a
    def inner():
        nonlocal d
        d += b + c
        return d, e, f, g, h, i, j, k, l, m, n, o, p, q
    x1 = x2 = x3 = b
    return inner(), x1, x2, x3, d


def call(*args, a=1, **kw):
    return args, a, sorted(kw.items())


exec(build(300))
print(big(1, True)[0], big(1, True)[1], big(1, False))
print(many_cells(3))
print(call(*[1, 2], *(3,), a=4, **{"z": 5}, y=6), call(**{}), call(1, 2, 3))
print("%s %s" % (1, 2), f"{1!r:>4} {'a':^{5}} {2**0.5:.3f}", "a" "b")
big_tuple = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1.5, 2.5, -0.0, 1j, b"b", "s", None, True, ..., (1, (2,)))
print(big_tuple, {1, 2} | {3}, {"a": 1, **{"b": 2}}, [*range(3), *"ab"], big_tuple[1:3], big_tuple[::-4])
print(9 ** 40, -(2 ** 70), 0x7FFFFFFF, 2 ** 31, 1e300, 10 ** 5 in {100000})
