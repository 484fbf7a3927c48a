# requires: 3.12
"""Type parameters and f-strings over lines."""


class Box[T]:
    x: T = None

    def put[U](
        self,
        y: U,
    ) -> U:
        return y

    type Alias = list[T]


def first[T](
    x: list[T]
) -> T:
    return x[0]


type Pair[A] = tuple[
    A, A]
Box().put(1)
first([1])


def text(a):
    return f"{a
    } {a!r
    :{
        a}} {
        [i for i in
         range(a)]}"


text(2)


class Uses:
    a = [1, 2]
    b = [x
         for x in a
         if x]
    c = [lambda: y for y in a]
    c[0]()


def taken(x):
    a = [x for x in range(x)]; b = [x
                                   for x in a]
    try:
        c = [1 / x
             for x in b]
    except ZeroDivisionError: pass
    try: c = [1 / x for x in b]
    except ZeroDivisionError: pass
    for x in [x for x in a]: x
    while [x for x in a if x > 5]: pass
    return [[x for x in a
             ] for a in [a] for x in a]


for n in range(3): taken(n)
