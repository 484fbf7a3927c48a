"""A module whose body raises, through a function; started as a program it ends by that."""


def fails(n):
    if n:
        return fails(n - 1)
    raise LookupError("while imported")


partly = 1
try:
    fails(1)
finally:
    print("leaving the module", "partly" in globals())
