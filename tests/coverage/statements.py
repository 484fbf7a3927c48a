"""Statements over several lines, several on one, and what has no code."""
import os; import sys
from os import (
    path,
    sep,
)

x = 1; y = 2
text = """
of
lines
"""
call = max(
    x,
    min(
        y,
        3,
    ),
)
if x: y = 1; z = 2
d = {
    "a": 1,
    **{"b": 2},
    "c": [
        1,
        2,
    ],
}
assert (
    x
), "message"
del d["a"], \
    d["b"]
"a string"
...
None


def inner():
    global x
    nonlocal_like = 1

    def deepest():
        nonlocal nonlocal_like
        nonlocal_like = 2
    deepest()
    x = (yield)
    return


def formatted(a):
    b = f"{a!r:>{10}}" f"""
    {a
    }"""
    if b \
            and a:
        return b
    return None


formatted(1)
formatted(0)
print(
    "a" if x
    else "b",
    file=open(os.devnull, "w"))
if (z := 3) > 2:
    pass
for i in range(2): pass
while x:
    x = 0
if x:
    pass
