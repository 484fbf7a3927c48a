"""Exceptions that leave functions: which object, with what context, cause, notes and traceback."""

import sys


class Slotted(Exception):
    __slots__ = ("code", "more")

    def __init__(self, code):
        super().__init__(code)
        self.code = code
        self.more = [code]


class Manager:
    def __init__(self, name, answer=False):
        self.name, self.answer = name, answer

    def __enter__(self):
        print("enter", self.name)
        return self

    def __exit__(self, kind, error, tb):
        print("exit", self.name, kind and kind.__name__, repr(error), tb is not None)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def clean():
    return sys.exc_info() == (None, None, None)


def lines(error):
    walked, tb = [], error.__traceback__
    while tb:
        code = tb.tb_frame.f_code
        walked.append((code.co_name, tb.tb_lineno - code.co_firstlineno))
        tb = tb.tb_next
    return walked


def shown(error):
    chain, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        chain.append((repr(error), getattr(error, "__notes__", None), error.__suppress_context__, lines(error)))
        error = error.__cause__ or error.__context__
    return chain


def caught(function, *arguments):
    try:
        result = function(*arguments)
    except BaseException as error:
        assert sys.exc_info()[1] is error
        print(function.__name__, "raised")
        for one in shown(error):
            print("   ", one)
        error.__traceback__ = error.__context__ = error.__cause__ = None
    else:
        print(function.__name__, "returned", repr(result))
    assert clean(), function


def plain():
    raise ValueError("plain")


def computed(values):
    total = 0
    for value in values:
        total += 10 // value
    return total


def return_in_finally():
    try:
        raise ValueError("lost")
    finally:
        return "from finally"


def break_in_finally():
    for _ in range(3):
        try:
            raise ValueError("lost")
        finally:
            break
    return "after break"


def continue_in_finally():
    count = 0
    while count < 3:
        count += 1
        try:
            plain()
        finally:
            continue
    return count


def finally_overrides_return():
    try:
        return "first"
    finally:
        return "second"


def finally_raises():
    try:
        return "first"
    finally:
        raise KeyError("from finally")


def finally_replaces():
    try:
        raise ValueError("one")
    finally:
        raise KeyError("two")


def swallowing():
    with Manager("swallow", True):
        raise ValueError("swallowed")
    return "went on"


def swallowing_return():
    with Manager("outer"), Manager("inner", True):
        return plain()
    return "after with"


def raising_exit():
    with Manager("raises", KeyError("from exit")):
        raise ValueError("body")


def raising_exit_on_return():
    with Manager("raises", KeyError("from exit")):
        return "value"


def nested_with():
    with Manager("a"):
        with Manager("b", True):
            with Manager("c", OSError("c")):
                raise ValueError("inner")
        return "after b"


def raise_from():
    try:
        plain()
    except ValueError as error:
        raise RuntimeError("caused") from error


def raise_from_none():
    try:
        plain()
    except ValueError:
        raise RuntimeError("alone") from None


def raise_in_handler():
    try:
        plain()
    except ValueError:
        raise RuntimeError("contextual")


def noted():
    try:
        plain()
    except ValueError as error:
        error.add_note("first")
        error.add_note("second")
        raise


def bare_raise():
    try:
        plain()
    except ValueError:
        try:
            int("x")
        except ValueError:
            pass
        raise


def raise_again():
    try:
        plain()
    except ValueError as error:
        kept = error
    raise kept


def same_object(error):
    raise error


def bare_raise_without():
    raise


def star(errors):
    try:
        raise ExceptionGroup("group", errors)
    except* ValueError as group:
        print("values", group.exceptions)
    except* TypeError as group:
        print("types", group.exceptions)
        raise KeyError("from star")
    return "handled"


def star_reraised():
    try:
        raise ExceptionGroup("g", [ValueError(1), OSError(2)])
    except* OSError:
        raise


def from_loops(n):
    for i in range(n):
        for j in "ab":
            while True:
                if i == 2:
                    raise LookupError(i, j)
                try:
                    break
                finally:
                    j += "c"


def handler_name_deleted():
    try:
        plain()
    except ValueError as error:
        pass
    return error


def deep(n):
    if n:
        return deep(n - 1)
    raise Slotted(7)


def slotted():
    try:
        deep(3)
    except Slotted as error:
        error.code += 1
        raise


def assertion(value):
    assert value, ("not", value)
    return value


def unpacking():
    a, b = [1, 2, 3]


def exits_with_context():
    try:
        plain()
    except ValueError:
        assert type(sys.exc_info()[1]) is ValueError
        result = [star([]) if False else None, return_in_finally()]
        assert type(sys.exc_info()[1]) is ValueError
        try:
            deep(1)
        except Slotted:
            assert type(sys.exc_info()[1]) is Slotted
        assert type(sys.exc_info()[1]) is ValueError
        return result


for function in (plain, return_in_finally, break_in_finally, continue_in_finally, finally_overrides_return,
                 finally_raises, finally_replaces, swallowing, swallowing_return, raising_exit,
                 raising_exit_on_return, nested_with, raise_from, raise_from_none, raise_in_handler, noted,
                 bare_raise, raise_again, bare_raise_without, star_reraised, handler_name_deleted, slotted,
                 unpacking, exits_with_context):
    caught(function)
caught(computed, [1, 2, 0])
caught(computed, [1, 2, 5])
caught(star, [ValueError(1)])
caught(star, [ValueError(1), TypeError(2), OSError(3)])
caught(from_loops, 2)
caught(from_loops, 5)
caught(assertion, 0)
caught(assertion, 5)
caught(lambda: [][0])
caught(lambda x: x, 5)

one = ValueError("the one")
one.__cause__ = cause = KeyError("cause")
one.__context__ = context = OSError("context")
one.add_note("note")
for _ in range(2):
    try:
        same_object(one)
    except ValueError as error:
        print(error is one, error.__cause__ is cause, error.__context__ is context, error.__notes__, lines(error))

# An exception that is on its way is the context of what a destructor or a property raises, and only of that.


class Finaliser:
    def __del__(self):
        try:
            raise KeyError("in del")
        except KeyError as error:
            print("del saw", repr(error.__context__))


def with_finaliser():
    held = Finaliser()
    raise ValueError("outer")


try:
    with_finaliser()
except ValueError as error:
    print("caught", repr(error), repr(error.__context__))
    error.__traceback__ = None
    del error
print(clean())
