"""Loops of every kind, and the ways out of them."""


def fors(n):
    for i in range(n):
        i
    for i in range(n): pass
    for i in range(n):
        if i == 1:
            continue
        if i == 3:
            break
    else:
        n
    for i in range(n):
        for j in range(i):
            if j == 2:
                break
        else:
            continue
        if i == 5:
            return i
    for a, b in [(1, 2), (3, 4)]: a
    for i in (): pass
    return n


def never_back(n):
    for i in range(n):
        return i
    for i in range(n):
        n = 7
        break
    else:
        n = 8
    while n:
        break
    while n:
        return n


def whiles(n, a=0, b=3):
    while n:
        n -= 1
    while n < 3: n += 1
    while n > 1 and (a or b > 2):
        n -= 1
        if n == 2:
            continue
    while not n == 0:
        n -= 1
    while (a
           or b):
        b -= 1
        if b == 1:
            b = 0
            break
    else:
        a = 1
    while 1 < n < 5:
        n += 1
    while n is None or n < 4:
        n += 1
    while (m := n) < 6:
        n = m + 1
    while a if b else n < 8:
        n += 1
        a = 0
    return a


def ended_by_the_head_or_not(n):
    """Conditions on several lines, bodies that begin with a way out, ends that only raise."""
    m = n
    while (m and
           n < 9):
        if m == 3:
            break
        m -= 1
    while (m > 5 or
           n < 4):
        if n == 2: return
        n += 1
    while m < 2:
        if m: return m
        m += 1
    while (
        n > 4
        and m < 7
    ):
        if n == 6 and m:
            break
        n -= 1
        if n < 3: break
    while ([i for i in range(n) if i > 4] and
           not any(i == 3 for i in range(m))):
        n -= 1
        m -= 1
        if m > 3:
            break
    while (m := m - 1) > 0 and (
            n := n - 1) > 0:
        if m == n:
            continue
    while m < (3 if n > 2
               else 1) < 5:
        m += 1
    while n < 5:
        n += 1
    else:
        while n < 6:
            n += 1
        raise LookupError


def raising_at_the_end(n):
    for i in range(n):
        if i == 4:
            break
    else:
        raise LookupError
    try:
        while n < 7: n += 1
        raise KeyError
    except KeyError:
        pass
    for i in range(n): raise LookupError


def endless(n):
    while True:
        n += 1
        if n > 3:
            break
    while True:
        if n > 5: break
        n += 1
    while True:
        if n > 6 or not n: break
        n += 1
    while 1:
        if n >= 5:
            return n
        n += 1
        if n % 2:
            continue
        n += 0


def nested(n):
    while n:
        m = n
        while m:
            m -= 1
            if m == 2:
                break
            for k in range(m):
                if k == 4:
                    return k
        n -= 1
    while True:
        for i in range(n):
            if i:
                m = -1
                break
        n += 1
        if n > 3:
            break


def continues(n):
    while n > 0:
        n -= 1
        if n == 3:
            continue
        if n == 1:
            n = 0
            continue
        n = n
    while n < 4:
        n += 1
        while n % 2:
            n += 1
            if n == 3:
                continue


def outer_continues(n):
    while n > 0:
        n -= 1
        while n % 3:
            n -= 1
            if n == 4:
                continue
        if n == 6:
            continue
        n


def shared_head(n):
    while True:
        while n % 4:
            n += 1
            if n % 2:
                continue
            n += 0
        n += 1
        if n == 5:
            continue
        if n > 9:
            break
    while True:
        try:
            while n:
                n -= 1
            break
        finally:
            n = 0


def tries(n):
    while n:
        try:
            while n % 3:
                n -= 1
                if n == 4:
                    continue
                n -= 0
            n = max(n - 1, 0)
        finally:
            n
    while True:
        for i in range(n):
            i
        n += 1
        if n == 2:
            continue
        if n > 3:
            return
        continue


def excepting(n):
    for i in range(n):
        try:
            if i == 1:
                raise ValueError
            if i == 2:
                continue
            1 / (i - 3)
        except ValueError:
            continue
        except ZeroDivisionError:
            pass
        finally:
            i
    try:
        for i in range(n):
            if i == 2:
                raise KeyError
            assert i != 3
    except KeyError:
        pass
    try:
        while True:
            n -= 1
            1 / n
    except ZeroDivisionError:
        pass


class Context:
    def __enter__(self): return self

    def __exit__(self, *a): return True

    async def __aenter__(self): return self

    async def __aexit__(self, *a): return True


def contexts(n):
    for i in range(n):
        with Context():
            1 / i
        with Context() as c:
            if i == 1:
                continue
            i
    while n:
        with Context(): n -= 1


def matching(all):
    for a in all:
        match a:
            case 1: continue
            case [x, *y] if x:
                x
            case _:
                pass


def comprehensions(n):
    a = [i for i in range(n)]
    b = {i for i in a if i > 1 if i != 3}
    c = {i: j for i in a for j in b}
    d = list(i for i in a if i)
    e = any(i > 1 for i in a), all(i < 2 for i in a), tuple(i for i in a), sum(i for i in a)
    f = [[j for j in range(i)] for i in a]
    g = lambda: [i for i in a]
    return g(), [i for i in a], c, d, e, f


def generators(n):
    for i in range(n):
        yield i
    while n:
        yield n
        n -= 1
    yield from range(3)
    for i in range(2): yield from (1, 2)


class Items:
    def __init__(self, n): self.n = n

    def __aiter__(self): return self

    async def __anext__(self):
        if not self.n:
            raise StopAsyncIteration
        self.n -= 1
        await Wait()
        return self.n


class Wait:
    def __await__(self):
        for i in range(2): yield i


async def awaited(n):
    await Wait()
    return n


async def asynchronous(n):
    async for i in Items(n):
        i
    else:
        n
    async for i in Items(n):
        if i == 1: continue
        if i == 0:
            break
        await Wait()
    async for i in Items(n):
        await Wait()
        async for j in Items(i): pass
    while n:
        await Wait()
        n -= 1
    while (await awaited(n) < 3 and
           not await awaited(n - 2)):
        n += 1
        if n == 2:
            break
        await Wait()
    while await awaited(n) < 4:
        n += 1
        async for i in Items(2):
            i
    x = [i async for i in Items(3)]
    y = [await Wait() for i in x if i]
    z = {i async for i in Items(2) if i}
    async with Context():
        async for i in Items(2): 1 / i
    async for i in Items(2):
        return i


class Body:
    for i in range(2):
        if i: continue
        i
    while i < 3: i += 1
    x = [j for j in range(2)]


def drive(c):
    try:
        while True:
            c.send(None)
    except StopIteration:
        pass


for n in range(7):
    fors(n)
    never_back(n)
    whiles(n)
    for f in ended_by_the_head_or_not, raising_at_the_end:
        try:
            f(n)
        except LookupError:
            pass
    endless(n)
    nested(n)
    continues(n)
    outer_continues(n)
    shared_head(n)
    tries(n)
    excepting(n + 1)
    contexts(n)
    matching([1, [n], [n, 2], n])
    comprehensions(n)
    list(generators(n))
    drive(asynchronous(n))
while n: n -= 1
for i in range(3):
    if i == 1:
        break
x = [i for i in range(3)]
