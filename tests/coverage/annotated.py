import sys
x: int = 1


class A:
    y: int = 2
    if x:
        z: int
    w: str


def f(a: int):
    b: int = a
    c: int
    return b


if x:
    v: int = 3
f(1)
