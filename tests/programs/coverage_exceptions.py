"""Lines that are reached, and lines that an exception keeps from being reached."""
import contextlib


def fails(n, at):
    if n == at:
        raise ValueError(n)
    return n


def straight(at):
    a = fails(0, at)
    b = fails(1, at)
    c = fails(2, at); d = fails(3, at)
    return [a, b, c, d]


def call_over_lines(at):
    before = 1
    result = max(
        fails(0, at),
        fails(
            1,
            at),
        fails(2, at),
    )
    after = result + before
    return after


def loop_that_fails(items, at):
    total = 0
    for item in items:
        total += fails(item, at)
        total *= 2
        if total > 100:
            break
        total += 1
    else:
        total = -total
    return total


def endless(values):
    it = iter(values)
    while True:
        value = next(it)
        print("use", value)


def tried(at):
    try:
        a = fails(0, at)
        b = fails(1, at)
    except ValueError as error:
        kind = fails(error.args[0], 1)
    except KeyError:
        kind = None
    else:
        kind = a + b
    finally:
        print("finally", at)
        if at == 5:
            return "five"
        fails(at, 7)
    return kind


def returns_in_finally(at):
    for i in range(3):
        try:
            fails(i, at)
            continue
        finally:
            if i == 1:
                break
    return i


def with_blocks(at):
    with contextlib.suppress(ValueError):
        fails(0, at)
        fails(1, at)
    with contextlib.nullcontext() as one, \
            contextlib.nullcontext() as other:
        fails(2, at)
    return one, other


def reraises(at):
    try:
        fails(0, at)
    except ValueError:
        print("again")
        raise
    print("not raised")


def reraiser():
    raise


def raises_what_is_handled():
    try:
        fails(1, 1)
    except ValueError:
        x = 1
        reraiser()
        x = 2


def asserts(x):
    assert x > 0, \
        "positive"
    assert x < 10
    return x


def short(a, b, c):
    if a and (b or c): return "both"
    x = a and b or c
    y = x if b else None; z = not y
    while a and b: a -= 1; b = fails(b, c)
    return x, y, z


def comprehended(values, at):
    return [
        fails(value, at)
        for value in values
        if value
        if value != 3
    ]


def generated(at):
    for i in range(3):
        yield fails(i, at)
        print("went on")
    return "end"


def matched(value):
    match value:
        case 0 | 1:
            return "small"
        case [x, y] if x > y:
            return "falls"
        case {"key": value}:
            pass
        case _:
            return "other"
    return value


class Thing:
    attribute = 1
    if attribute:
        other = 2
    else:
        other = 3

    @property
    def value(self):
        if self.attribute == 1:
            return self.other
        return None


def passes(flag):
    if flag:
        pass
    else:
        pass
    try:
        pass
    finally:
        pass


def one_sided(n):
    for i in range(n):
        if i % 2:
            continue
        if i > 4:
            break
    while n:
        n -= 1
        if n == 2:
            return n


def recursive(n):
    if n:
        recursive(n - 1)
        print("back", n)
    else:
        raise ValueError("deep")


def attempt(function, *arguments):
    try:
        print(function.__name__, arguments, function(*arguments))
    except Exception as error:
        print(function.__name__, arguments, type(error).__name__, error)


attempt(straight, 1)
attempt(straight, 3)
attempt(call_over_lines, 1)
attempt(loop_that_fails, [0, 1, 2], 1)
attempt(loop_that_fails, [0, 1], 7)
attempt(endless, [1, 2])
attempt(tried, 0)
attempt(tried, 1)
attempt(tried, 9)
attempt(tried, 5)
attempt(returns_in_finally, 0)
attempt(returns_in_finally, 7)
attempt(with_blocks, 0)
attempt(with_blocks, 2)
attempt(reraises, 0)
attempt(raises_what_is_handled)
attempt(asserts, 3)
attempt(asserts, -1)
attempt(short, 1, 0, 1)
attempt(short, 2, 1, 1)
attempt(comprehended, [0, 1, 2, 3], 2)
attempt(comprehended, [0, 1, 2, 3], 7)
attempt(lambda: list(generated(2)))
g = generated(9)
next(g), next(g)
g.close()
attempt(lambda: next(generated(0)))
for value in (1, [2, 1], [1, 2], {"key": 1}):
    attempt(matched, value)
attempt(lambda: Thing().value)
attempt(passes, True)
attempt(one_sided, 1)
attempt(one_sided, 9)
attempt(recursive, 2)
raise SystemExit(3)
