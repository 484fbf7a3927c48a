# requires: 3.12
"""Type parameters, aliases, annotations that are evaluated late."""
import inspect


def first[T](items: list[T], default: T | None = None) -> T | None:
    return items[0] if items else default


class Box[T: (int, str)]:
    content: T

    def __init__(self, content: T):
        self.content = content

    def map[U](self, f) -> "Box[U]":
        return Box([f(c) for c in [self.content]][0])


type Alias[K] = dict[K, Box[int]]
print(first([1]), first([], 2), Box(3).map(lambda c: c + 1).content)
print(Alias.__value__, Alias.__type_params__, Box.__type_params__[0].__constraints__)
print(inspect.signature(first), first.__type_params__, Box.__annotations__)


class Late:
    value: "undefined_name" = 1

    def method(self, other: "Late") -> "Late":
        return other


print(Late.__annotations__, Late.method.__annotations__)
