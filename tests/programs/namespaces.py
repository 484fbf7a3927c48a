"""Namespaces of modules and classes: locals() is globals(), exec between statements, __all__, star."""
import sys
import types
import weakref

print(locals() is globals(), __name__)
exec("made = 5")
print(made, "made" in globals())
globals()["also"] = 6
print(also)
module = types.ModuleType("star")
exec("__all__ = ['a']\na = 1\nb = 2\n", module.__dict__)
sys.modules["star"] = module
from star import *
print(a, "b" in globals())


class Space:
    print(locals() is not globals(), __qualname__, __module__ == __name__)
    exec("x = 1")
    print(x)
    locals()["y"] = 2
    print(y)
    for i in range(2):
        z = i
    del i
    print(sorted(n for n in locals() if not n.startswith("__")))


def function():
    exec("hidden = 1")
    local = 1
    before = sorted(locals())
    import os.path as p, sys as s
    from types import FunctionType as F, ModuleType
    return before, p.__name__.endswith("path"), s is sys, F.__name__, ModuleType.__name__


print(function())


class Tracked:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


def lifetimes():
    a = Tracked("a")
    b = Tracked("b")
    r = weakref.ref(a)
    a = None
    print(r() is None)
    return b.name


def returned():
    return Tracked("temporary").name


print(lifetimes(), returned())
global_value = 1


def rebind():
    global global_value, new_global
    global_value += 1
    new_global = [global_value]
    return eval("global_value"), eval("locals()")


print(rebind(), new_global)
print(sorted(n for n in globals() if not n.startswith("_")))
