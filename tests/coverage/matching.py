"""`match`: patterns of all kinds, guards, many lines."""


def kinds(x):
    match x:
        case 1:
            y = "one"
        case [a, b]:
            y = "pair"
        case {"key": value}:
            y = "mapping"
        case str() | bytes():
            y = "text"
        case int(n) if n > 10:
            y = "large"
        case _:
            y = "other"
    return y


def no_default(x):
    match x:
        case 1:
            return 1
        case 2:
            return 2


def captures(x):
    match x:
        case {
            "a": 1,
            "b": b,
        }:
            return b
        case [
            1,
            *rest,
        ] if (
            rest
        ):
            return rest
        case other:
            return other


def one_line(x):
    match x:
        case 1: return 1
        case 2: y = 2
        case (3 |
              4): y = 3
    return y


def nothing(x):
    match x:
        case 1:
            raise ValueError
        case _:  # pragma: no cover
            pass
    return x


for x in 1, [1, 2], {"key": 3}, "text", 11:
    kinds(x)
no_default(2)
no_default(3)
captures({"a": 1, "b": 2})
captures([1, 2])
captures(0)
one_line(2)
one_line(4)
nothing(2)
