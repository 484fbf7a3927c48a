"""Calls and handlers in all their forms; the test compares what probes tell with what this source tells of itself."""

import asyncio
import contextlib
import sys


def plain(*args, **kwargs):
    return args, tuple(kwargs)


def forms(a, b):
    plain()
    plain(1, a, b)
    plain(k=1)
    plain(a, k=b, other=2)
    plain(*a)
    plain(*a, **b)
    plain(1, *a, other=2, **b)
    plain(**b)
    plain(
        a,
        plain(
            b
        ),
        k=plain(),
    )
    plain(plain(plain(1), plain(2)), k=plain(k=plain()))
    print("".join(map(str, [1, 2])).strip().upper())
    "a,b".split(",")
    [1, 2].append(3)
    {}.get("a")
    (lambda n: n + 1)(2)
    (a and plain)(1)
    (plain if b else print)(a)
    (named := plain)(3)
    named(4)
    plain(a or b, a and b, not a, b if a else a)
    plain(k=a or b)
    f"{plain(1)} {a!r:>{len(plain())}} {plain(k=2)=}"
    x = plain(y := plain(), y)
    x[0].count(y)
    plain(*[plain(n) for n in a], *(plain(n) for n in a))
    return plain(x) or plain(y)


class Base:
    made = []

    def __init__(self, value=0):
        self.value = value
        self.__private(value)

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__()
        cls.made.append(sorted(keywords))

    def __private(self, value):
        return max(value, self.value)

    def method(self, *args, k=None):
        return self

    @classmethod
    def make(cls, value):
        return cls(value)

    @staticmethod
    def static():
        return plain

    @property
    def prop(self):
        return Base.method(self, k=len(str(self.value)))


class Meta(type):
    def __new__(mcs, name, bases, namespace, **keywords):
        return super().__new__(mcs, name, bases, namespace)

    def __init__(cls, name, bases, namespace, **keywords):
        super().__init__(name, bases, namespace)

    def __call__(cls, *args):
        return super().__call__(*args)


def bases():
    return Base


def marked(function):
    return function


def marking(*args, **kwargs):
    return marked


class Derived(bases(), flag=len("abc")):
    def __init__(self, value):
        super().__init__(value)
        super(Derived, self).__init__(value)
        around = super()
        around.method(1).method(2)

    def method(self, *args, k=None):
        found = super().method(*args, k=k)
        return super().method().prop and found


class WithMeta(metaclass=Meta, extra=len("ab")):
    pass


@marked
@marking(1, k=2)
@(lambda function: marked(function))
class Decorated(Derived):
    @marked
    @staticmethod
    @marking()
    def static(n=len("abc")):
        return plain(n)

    listed = [len(str(n)) for n in range(3)]


def methods():
    one = Derived.make(3)
    one.method(1, 2, k=3).method(*[1], **{"k": 2}).prop.method()
    one.static()(1)(2) if False else one.static()(1)
    Decorated.static()
    WithMeta()
    getattr(one, "method")(1)
    one.method.__func__(one)
    type(one).method(one)
    object.__new__(Base).__class__(1)


def long_text(n):
    long = f"{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{n}-{plain(n)}{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}.{n}."
    also = "".join([str(n), *long])
    return len(also)


def recursive(n):
    return n if n < 2 else recursive(n - 1) + recursive(n - 2)


def deep(n):
    many = plain(1, 2, 3, 4, 5, 6, 7, 8, plain(9, 10, 11, 12, 13, plain(14, 15, n, k=plain(16))), [17, {18: plain(n, *n)}])
    return (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, plain(n), n[0] + sum(n, start=len(n)), many)


def huge():
    return len(plain(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        plain(), k1=1, k2=2, k3=plain()))


def generator(n):
    got = yield plain(n)
    while got:
        got = yield plain(got, k=(yield len(str(got))))
    yield from map(plain, [1])
    (yield plain)()
    plain((yield plain)(1), k=(yield from generated())())
    return plain((yield))


def generated():
    yield 1
    return plain


def comprehensions(rows):
    found = [[plain(n, m) for m in row if len(str(m))] for n, row in enumerate(rows)]
    pairs = {str(n): {abs(m) for m in row} for n, row in enumerate(rows)}
    lazily = sum(len(str(n)) for row in rows for n in reversed(row))
    kept = [lambda n=n: plain(n) for n in range(2)]
    return found, pairs, lazily, [one() for one in kept], any(len(row) > 5 for row in rows), all(row for row in rows), \
        tuple(len(row) for row in rows), list(len(row) for row in rows)


def raising(error):
    raise error


def exceptions():
    with contextlib.suppress(KeyError):
        raising(KeyError(1))
        plain("never")
    try:
        plain(raising(ValueError("a")), plain())
    except (KeyError, IndexError):
        plain("no")
    except (
        TypeError,
        ValueError,
    ) as error:
        plain(error)
    except:
        plain("neither")
    else:
        plain("nor")
    finally:
        plain("finally")
    try:
        {}["a"]
    except TypeError: plain("no")
    except: plain("bare")
    try:
        raising(LookupError())
    except KeyError:
        pass
    except LookupError:
        pass
    try:
        try:
            raising(KeyError(2))
        except KeyError as error:
            try:
                raising(ValueError(3))
            except ValueError:
                plain("inner")
                raise
        except ValueError:
            plain("not here")
    except ValueError as error:
        plain(error.__context__.args)
    try:
        try:
            raising(KeyError(4))
        except KeyError as error:
            raise TypeError(5) from error
        finally:
            plain("between")
    except Exception:
        plain()
    try:
        try:
            raising(KeyError())
        except ValueError:
            plain("no")
        finally:
            plain("left by an exception")
    except KeyError:
        plain("outer")


def leaving():
    found = []
    for n in range(4):
        try:
            found.append(10 // n)
        except ZeroDivisionError:
            continue
        try:
            found.append([1, 2][n])
        except IndexError as error:
            found.append(str(error))
            break
        finally:
            found.append(n)
    try:
        raising(KeyError())
    except KeyError:
        return found.copy()
    finally:
        found.clear()


def leaving_finally():
    for n in range(2):
        try:
            raising(KeyError(n))
        finally:
            continue
    while True:
        try: raising(KeyError())
        finally: break
    for n in range(2):
        try: raising(KeyError(n))
        except: continue
    try:
        raising(KeyError())
    except ValueError:
        plain()
    finally:
        return 6


def returning():
    while True:
        try:
            raising(StopIteration())
        except StopIteration as error:
            return str(error)


def groups():
    group = ExceptionGroup("g", [ValueError(1), KeyError(2), ExceptionGroup("h", [KeyError(3), OSError(4)])])
    try:
        raising(group)
    except* KeyError as some:
        plain(len(some.exceptions))
    except* (ValueError, TypeError):
        plain("value")
    except* OSError as some:
        plain(str(some))
    try:
        try:
            raising(group)
        except* KeyError:
            raise
        except* ValueError as some:
            raise TypeError(6)
        except* ZeroDivisionError:
            plain("never")
    except BaseExceptionGroup as rest:
        plain(len(rest.exceptions))
    try:
        raising(ValueError("naked"))
    except* ValueError as some:
        plain(some.exceptions)


class Manager:
    def __enter__(self):
        return plain

    def __exit__(self, *args):
        return bool(args[0])

    async def __aenter__(self):
        return await asyncio.sleep(0, plain)

    async def __aexit__(self, *args):
        return await asyncio.sleep(0, bool(args[0]))


def managed():
    with Manager() as one, Manager() as other:
        one(other(1))
        raising(KeyError())
    with Manager() as one:
        return one(2)


def matched(value):
    match value:
        case {"k": int(n)} if plain(n):
            return plain(n)
        case [str(), *rest] if len(rest) > 1:
            return plain(*rest)
        case str(text):
            return text.upper()


async def items(n):
    for one in range(n):
        yield await asyncio.sleep(0, one)


async def asynchronous():
    async with Manager() as one:
        one(await asyncio.sleep(0, 1), k=await asyncio.sleep(0, 2))
    async with Manager():
        raising(KeyError())
    (await asyncio.sleep(0, plain))()
    plain((await asyncio.sleep(0, plain))(1), k=(await asyncio.sleep(0, plain))(*[1]))
    async for n in items(2):
        plain(n)
    found = [plain(n) async for n in items(2) if await asyncio.sleep(0, True)]
    found += [await asyncio.sleep(0, plain(n)) for n in range(2)]
    both = await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
    try:
        await asyncio.wait_for(asyncio.sleep(9), 0.001)
    except asyncio.TimeoutError as error:
        plain(str(error))
    return plain(found, both)


def closures(n):
    def inner(m):
        nonlocal n
        n = m
        return lambda: plain(n, m)
    del_me = inner(1)
    made = del_me()
    del del_me
    return made, sorted(locals())


def main():
    forms([1, 2], {"k": 3})
    methods()
    long_text(1)
    recursive(5)
    deep([1, 2])
    huge()
    running = generator(1)
    next(running), running.send(2), running.send(3), running.send(0)
    next(running), running.send(plain), running.send(plain)
    list(running)
    comprehensions([[1, -2], [3]])
    exceptions()
    leaving()
    leaving_finally()
    returning()
    groups()
    managed()
    for value in ({"k": 1}, ["a", 1, 2], "a", 3):
        matched(value)
    asyncio.run(asynchronous())
    closures(0)
    sys.intern("a")


if __name__ == "__main__":
    main()
    raising(SystemError("at the end"))
