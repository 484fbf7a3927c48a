"""What is excluded, and what need not take all branches."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    import sys


def never():  # pragma: no cover
    x = 1
    if x:
        x = 2
    return x


def some(x):
    if x:  # pragma: no cover
        x = 1
        x = 2
    else:
        x = 3
    if x == 5:
        x = 6
    else:  # pragma: no cover
        x = 7
    for i in range(x):  # pragma: no branch
        return i
    while x:  # pragma: no branch
        x = 0
    try:
        x = 1
    except ValueError:  # pragma: no cover
        x = 2
        x = 3
    if x: return 3  # pragma: no cover
    x = 4
    if x == 9:
        x = 1  # pragma: no cover
    return x


class Never:  # pragma: no cover
    attribute = 1

    def method(self):
        return 1


class Abstract:
    def method(self): ...

    def other(self) -> int:
        ...

    def third(
        self,
    ) -> int: ...

    @property  # pragma: no cover
    def value(self):
        return 1


def long_head(
    a,  # pragma: no cover
    b,
):
    return a


def after(x):
    match x:
        case 1:
            return 1
        case _:
            raise ValueError  # pragma: no cover
    return (  # pragma: no cover
        x,
        x,
    )


some(3)
after(1)
