"""Ends by an exception that nobody catches."""


class Guard:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        print("guard saw", exception[0])


def inner(n):
    with Guard():
        try:
            return 1 / n
        finally:
            print("finally")


def outer(n):
    try:
        inner(n)
    except ZeroDivisionError as error:
        error.add_note("a note")
        raise RuntimeError("uncaught") from error


outer(2)
outer(0)
