"""`match`."""


class Point:
    __match_args__ = "x", "y"

    def __init__(self, x, y):
        self.x, self.y = x, y


def kinds(a):
    match a:
        case 1:
            return "one"
        case 2 | 3:
            b = "two or three"
        case str():
            b = "text"
        case []:
            pass
        case [x, y] if x == y:
            b = x
        case [x,
              *rest]:
            b = rest
        case {"a": 1,
              **rest}:
            b = rest
        case Point(x=0,
                   y=y):
            b = y
        case Point(x, y): b = x; c = y
        case None: pass
        case _:
            b = 0
    return 0


def falls(a):
    match a:
        case 1: pass
        case 2: a
    match (a,
           a):
        case (1, 1): pass
        case (x, y) if (x
                        and y): x


def loops(all):
    for a in all:
        match a:
            case 1: continue
            case 2: break
            case 3:
                continue
            case 4:
                pass


def wild(a):
    match a:
        case x if x > 1:
            return x
        case x:
            return a


for a in (1, 2, 3, "a", [], [1, 1], [1, 2, 3], {"a": 1, "b": 2}, Point(0, 1), Point(1, 1), None, 1.5):
    kinds(a)
    falls(a)
    loops([a, 4, 3, 1, 2])
wild(1)
wild(2)
match a:
    case 1.5: b = 1
