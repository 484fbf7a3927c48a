"""Control flow: finally with every way out, nested with, loops at the very start, match, except*."""


def ways(how):
    while True:
        try:
            if how == "return":
                return "r"
            if how == "break":
                break
            if how == "continue":
                how = "brea"
                continue
            if how == "raise":
                raise ValueError(how)
        except ValueError:
            return "caught"
        finally:
            how += "k" if how == "brea" else ""
    return how


def override():
    for i in range(3):
        try:
            return i
        finally:
            if i < 2:
                continue
            break
    return "end"


class Manager:
    def __init__(self, swallow=False):
        self.swallow = swallow

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        print("exit", exc[0] and exc[0].__name__)
        return self.swallow


def managed(n):
    with Manager(), Manager(True) as m:
        if n == 0:
            return m.swallow
        raise KeyError(n)
    return "swallowed"


def loop_first(items):
    while items:
        items = items[1:]
        if len(items) == 1:
            return items
    else:
        return "else"


def for_first(n):
    for i in range(n):
        if i == 2: break
    else:
        return "no break"
    return i


def matching(x):
    match x:
        case {"kind": "point", "at": (a, b), **rest}:
            return a, b, rest
        case [first, *_, last] if first != last:
            return first, last
        case str() | bytes() as text:
            return text
        case complex(real=re, imag=0):
            return re
        case None:
            return "none"
        case _:
            return "other"


def groups(*errors):
    seen = []
    try:
        try:
            raise ExceptionGroup("g", list(errors))
        except* ValueError as group:
            seen.append(("value", len(group.exceptions)))
        except* (TypeError, KeyError) as group:
            seen.append(("type", [type(e).__name__ for e in group.exceptions]))
    except ExceptionGroup as rest:
        seen.append(("rest", len(rest.exceptions)))
    return seen


def chained(a, b, c):
    return a < b < c, a or b and c, not a if b else c, (a, b) if a else None


def walrus(data):
    return [y for x in data if (y := x * 2) > 2], y


for how in ("return", "break", "continue", "raise"):
    print(how, ways(how))
print(override(), managed(0), managed(1), loop_first([1, 2, 3]), loop_first([]), for_first(1), for_first(5))
for x in ({"kind": "point", "at": (1, 2), "z": 3}, [1, 2, 3], "t", 2 + 0j, None, 5):
    print(matching(x))
print(groups(ValueError(), TypeError(), KeyError(), OSError()), groups(ValueError()))
print(chained(1, 2, 3), chained(0, 0, 5), walrus([1, 2, 3]))


def nested():
    try:
        try:
            1 / 0
        except ZeroDivisionError as first:
            raise KeyError("k") from first
        finally:
            print("inner finally")
    except KeyError as error:
        return repr(error), repr(error.__cause__), error.__traceback__.tb_lineno


print(nested())
print([i for i in range(10) if i % 2 if i % 3], [(i, j) for i in range(3) for j in range(i)])


def many_returns(n):
    if n == 0: return
    if n == 1: return None
    if n == 2: return 5
    if n == 3: return (1, 2)
    with Manager():
        for i in range(n):
            try:
                if i == 3: return i
            finally:
                n += 1
    return n if n else (n or None)


print([many_returns(i) for i in range(6)])


def left_from_except(manager, table):
    while True:
        n = len(table)
        with manager:
            try:
                value = table[n]
            except KeyError:
                return value if n > 5 else n, 2
        table.clear()


def left_with_its_error(manager):
    while 1:
        with manager:
            try:
                raise KeyError("left")
            except KeyError as error:
                return repr(error)


print(left_from_except(Manager(), {1: 1, 2: 2}), left_with_its_error(Manager()))
