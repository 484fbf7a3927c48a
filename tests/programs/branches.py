"""Conditionals of every kind: each edge is taken."""


def cond(a, b):
    if a and b:
        x = 1
    elif a or b:
        x = 2
    else:
        x = 3
    return x if not a else -x


def loops(n):
    out = []
    for i in range(n):
        if i == 3: break
        while i % 2:
            i += 1
        out.append(i)
    else:
        out.append('else')
    i = 0
    while i < n and n:
        i += 1
        if i == 2: continue
        try:
            if i == 4: break
        finally:
            out.append(-i)
    return out, [x for x in out if x != 'else' and x > 0], {k: v for k, v in zip(out, out) if k}


def matched(v):
    match v:
        case 0 | 1:
            return 'small'
        case [x, *rest] if x:
            return x, rest
        case {'k': k}:
            return k
        case None:
            return 'none'
        case str() as s:
            return s
    return 'other'


def same_target(a, b, c):
    while a > 0:
        if b: a -= 1; continue
        if c: a -= 2; continue
        a -= 3
    return a


def none(x):
    return 1 if x is None else 2 if x is not None else 3


for a in (0, 1):
    for b in (0, 1):
        print(cond(a, b), none(a or None), same_target(4, a, b))
print(loops(5), loops(2), [matched(v) for v in (0, 1, [1, 2], [0], {'k': 3}, None, 'a', 4.5)])
try:
    with open('/nonexistent') as f: pass
except ValueError: pass
except OSError as e: print(any(x for x in (0, 1)), all(x for x in (1, 1)))


def walrus(values):
    return [y for x in values if (y := x - 1) and not x > 3 or x == 7]


def nested(n):
    total = 0
    for i in range(n):
        for j in range(i):
            if i % 2 == 0 and (j or i > 2):
                continue
            if j > 2:
                break
            total += i * j
        else:
            total += 100
    return total


def generator(n):
    while True:
        if n <= 0:
            return
        sent = yield n
        n -= sent if sent else 1


def chained(a, b, c):
    assert a < 100, "large"
    return a < b < c, a if b else c, (a or b) and c, not (a and b)


def raising(n):
    for i in range(n):
        try:
            if i == 2:
                raise ValueError(i)
        except KeyError:
            pass
        except (ValueError, TypeError):
            if i:
                continue
        finally:
            if n > 3:
                n = 0
    return n


async def asynchronous(n):
    async def values():
        for i in range(n):
            if i != 1:
                yield i
    return [x async for x in values() if x]


print(walrus(range(9)), nested(6), list(generator(3)), chained(1, 2, 3), chained(0, 0, 0), raising(4), raising(2))
try:
    asynchronous(3).send(None)
except StopIteration as stop:
    print(stop.value)
