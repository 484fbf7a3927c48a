"""Comprehensions, with conditions, over several lines."""


def all_kinds(n):
    a = [i for i in range(n) if i]
    b = {
        i: j
        for i in range(n)
        if i
        for j in range(i)
        if j
    }
    c = {i for i in a if i > 1 if i < 5}
    d = sum(
        i
        for i in a
        if i
    )
    if any(i for i in a):
        return d
    if [
        i for i in c
    ]:
        return b
    return c


def nested(n):
    return [
        [j for j in range(i) if j]
        for i in range(n)
    ] if n else [
        1
    ]


def conditional(n):
    for i in [j for j in range(n) if j]:
        if i in {k for k in range(3)}:
            return i
    return None


all_kinds(4)
all_kinds(0)
nested(2)
conditional(1)
conditional(3)
