"""Class and module bodies: what they see of themselves, and how they end."""

import sys

first = sorted(name for name in vars() if not name.startswith("__equip."))
print(locals() is globals(), vars() is globals(), first)
exec("made = 1")
print(made, locals()["made"], globals()["made"], "made" in dir())
locals()["direct"] = 2
print(direct, sys._getframe().f_locals is globals() or sys.version_info >= (3, 13))
exec("direct += 1; del made")
print(direct, "made" in vars())
eval("globals()")["more"] = [name for name in ("direct", "more") if name in globals()]
print(more, [locals() is globals() for _ in range(1)] if sys.version_info >= (3, 12) else [True])


def names(namespace):
    return sorted(name for name in namespace
                  if not name.startswith("__equip.") and name not in ("__firstlineno__", "__static_attributes__"))


class Body:
    """A docstring."""

    print(names(locals()), names(vars()), names(dir()))
    exec("made = 1")
    print(made, locals()["made"])
    locals()["direct"] = 2
    print(direct, locals() is locals())
    exec("direct += 1; del made")
    squares = [x * x for x in range(3)]
    try:
        1 / 0
    except ZeroDivisionError as error:
        found = type(error)
    print(names(locals()))

    def method(self):
        return __class__

    class Inner:
        print(names(locals()))
        exec("deep = 1")
        deep += 1


print(names(vars(Body)), names(vars(Body.Inner)), Body.__doc__, Body.direct, Body.Inner.deep, Body().method() is Body)


class Recording(dict):
    """A namespace that tells what is done with it."""

    def __setitem__(self, key, value):
        if not key.startswith("__"):
            print("set", key)
        super().__setitem__(key, value)

    def __delitem__(self, key):
        print("del", key)
        super().__delitem__(key)

    def __missing__(self, key):
        if not key.startswith("__") and key not in globals() and key not in dir(__builtins__):
            print("missing", key)
        raise KeyError(key)


class Meta(type):
    @classmethod
    def __prepare__(meta, name, bases, **more):
        print("prepare", name)
        return Recording()

    def __new__(meta, name, bases, namespace, **more):
        print("new", name, names(namespace))
        if "fail" in more:
            raise RuntimeError("in metaclass")
        return super().__new__(meta, name, bases, dict(namespace))


class Prepared(metaclass=Meta):
    one = 1
    two = [one for _ in range(1)] if False else one

    def method(self):
        return self.one

    del one


def raising(kind):
    class Raises(kind):
        before = 1
        for item in range(3):
            if item == 2:
                raise kind("in body", item)

    return Raises


for kind in (ValueError, KeyError):
    try:
        raising(kind)
    except kind as error:
        lines, tb = [], error.__traceback__
        while tb:
            lines.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
            tb = tb.tb_next
        print(repr(error), error.__context__, lines)
print(sys.exc_info())

try:
    class Failing(metaclass=Meta, fail=True):
        pass
except RuntimeError as error:
    print(error)

try:
    class Closing:
        try:
            x = undefined
        finally:
            print("finally in class", names(locals()))
except NameError as error:
    print(error)


class Handling:
    try:
        raise ValueError("own")
    except ValueError as error:
        saw = sys.exc_info()[1] is error
        kept = error.args
    after = sys.exc_info()[1]


print(Handling.saw, Handling.kept, Handling.after, hasattr(Handling, "error"))

# A module that raises while it is imported, and goes from sys.modules; again and again.
for _ in range(2):
    try:
        import exits_failing_import
    except LookupError as error:
        lines, tb = [], error.__traceback__
        while tb:
            if "importlib" not in tb.tb_frame.f_code.co_filename:
                lines.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
            tb = tb.tb_next
        print(repr(error), lines, "exits_failing_import" in sys.modules, sys.exc_info()[1] is error)
print(sys.exc_info())
import exits_caught_import

print(exits_caught_import.value, names(vars(exits_caught_import))[-3:])
del exits_caught_import, first
print(names(vars()))
