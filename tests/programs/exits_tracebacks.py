"""Tracebacks, exactly as they are printed, with lines and carets."""

import sys
import traceback


def printed(function, *arguments):
    try:
        function(*arguments)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    print("-" * 20)


def one_line(a, b): return (a + b) / (a - b)


def many_lines(values):
    return [
        value
        for value in values
        if 10 /
        value > 1
    ]


def call_in_call(x):
    return str(one_line(x,
                        one_line(x, x + 1) and x))


class Attribute:
    @property
    def value(self):
        return self.missing.deeper

    def __getitem__(self, key):
        if key > 1:
            raise KeyError(key)
        return self[key + 1]


def through_with():
    with open(__file__) as file:
        file.seek(
            0)
        raise OSError("in with")


def through_finally():
    try:
        one_line(1, 1)
    finally:
        total = 1
        total += 1


def through_except():
    try:
        one_line(1, 1)
    except KeyError:
        return None
    except ZeroDivisionError as error:
        error.add_note("a note\nof two lines")
        raise RuntimeError("again") from error


def in_loop():
    for i in range(4):
        if i == 2:
            continue
        [1, 2, 3][i]
        while i:
            i -= 1


def generator(n):
    yield n
    try:
        yield n + 1
    finally:
        n = None
    raise LookupError("end of generator")


def delegating():
    yield from generator(1)


def consuming():
    for item in delegating():
        pass


def stop():
    yield 1
    next(iter(()))


def thrown():
    g = delegating()
    next(g)
    g.throw(KeyError("thrown"))


async def awaiting(n):
    if n:
        return await awaiting(
            n - 1)
    raise TypeError("awaited")


def run():
    awaiting(2).send(None)


def lambdas():
    return (lambda x:
            x.y)(1)


def decorated():
    def decorator(function):
        return lambda *a: function(
            *a,
            1)

    @decorator
    def inner(a):
        return a

    return inner(1)


def group():
    errors = []
    for function in (lambda: 1 / 0, through_finally):
        try:
            function()
        except Exception as error:
            errors.append(error)
    raise ExceptionGroup("several", errors)


def expression():
    return sum(1 / x for x in (1, 0))


def class_body():
    class Broken:
        good = 1

        def method(self):
            pass

        bad = 1 / 0


def recursion(n):
    return recursion(n - 1) if n else {}["x"]


def matched(x):
    match x:
        case {"a": y} if y.z:
            return y


def empty_raise():
    raise (
        ValueError
    )


printed(one_line, 1, 1)
printed(many_lines, [1, 0])
printed(call_in_call, 1)
printed(lambda: Attribute().value)
printed(lambda: Attribute()[0])
printed(through_with)
printed(through_finally)
printed(through_except)
printed(in_loop)
printed(consuming)
printed(list, stop())
printed(thrown)
printed(run)
printed(lambdas)
printed(decorated)
printed(group)
printed(expression)
printed(class_body)
printed(recursion, 6)
printed(matched, {"a": 1})
printed(empty_raise)

# The same from the extracted frames, with columns.
try:
    call_in_call(1)
except ZeroDivisionError as error:
    for frame in traceback.extract_tb(error.__traceback__):
        print(frame.name, frame.lineno, frame.end_lineno, frame.colno, frame.end_colno)
    for frame, line in traceback.walk_tb(error.__traceback__):
        print(frame.f_code.co_name, line, frame.f_lineno)
