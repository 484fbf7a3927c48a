"""Classes: super, __class__, mangling, metaclasses, namespaces, descriptors, pickling, identity."""
import dataclasses
import enum
import inspect
import pickle
import types


class Base:
    """Base doc."""

    registry = []

    def __init_subclass__(cls, tag=None, **kwargs):
        super().__init_subclass__(**kwargs)
        Base.registry.append((cls.__name__, tag))

    def __init__(self, x):
        self.__x = x

    def get(self):
        "method doc"
        return self.__x, __class__.__name__


class Derived(Base, tag="d"):
    __slots__ = ("__private", "y")

    def __init__(self, x):
        super().__init__(x)
        self.__private = x
        self.y = [super(Derived, self).get() for _ in (1,)]

    @property
    def prop(self):
        return self.__private

    @classmethod
    def make(cls, *args):
        return cls(*args)

    @staticmethod
    def static(a=1, *, b=2):
        return a, b


class Meta(type):
    @classmethod
    def __prepare__(mcs, name, bases, **kw):
        return {"prepared": name}

    def __new__(mcs, name, bases, ns, **kw):
        cls = super().__new__(mcs, name, bases, dict(ns))
        cls.keys = sorted(k for k in ns if not k.startswith("__"))
        return cls


class WithMeta(metaclass=Meta):
    exec("a = 1")
    b = prepared + "!"
    locals()["c"] = 3

    def method(self):
        return __class__


class Colour(enum.Enum):
    RED = 1
    GREEN = enum.auto()

    def next(self):
        return Colour(self.value % 2 + 1)


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0

    def __post_init__(self):
        self.sum = self.x + self.y


def plain(a: int, b="x", /, *c, d, e=None, **f) -> str:
    """plain doc"""
    return "s"


def only_string():
    "not" "joined"


def string_first():
    x = "not a doc"
    return x


def closure():
    n = 0

    def step():
        nonlocal n
        n += 1
        return n
    return step


d = Derived.make(4)
print(d.get(), d.prop, d.y, Derived.static(b=3), Base.registry, Base.__doc__, Base.get.__doc__)
print(WithMeta.keys, WithMeta.b, WithMeta().method() is WithMeta)
print(Colour.RED.next(), list(Colour), Point(1, 2) < Point(2), Point(3).sum, repr(Point(1)))
print(inspect.signature(plain), plain.__doc__, only_string.__doc__, string_first.__doc__)
print(plain.__defaults__, plain.__code__.co_argcount, plain.__code__.co_firstlineno, plain.__annotations__)
step = closure()
print(step(), step(), step.__closure__[0].cell_contents, step.__code__.co_freevars)
print(pickle.loads(pickle.dumps(Point(5, 6))), pickle.loads(pickle.dumps(plain)) is plain)
print(hash(plain.__code__) == hash(plain.__code__), plain.__code__ == plain.__code__.replace())
print(types.FunctionType(string_first.__code__, globals())(), (lambda: (yield))().__class__.__name__)
print(inspect.getsource(string_first), inspect.getsourcelines(Colour.next)[1])
print(sorted(n for n in vars(Base) if not n.startswith("__")))
