"""A module that catches what its body raises; started as a program it does the same."""

value = 0
for number in (1, 0):
    try:
        value += 1 // number
    except ZeroDivisionError as error:
        value += 10
        print(type(error).__name__)
    else:
        exec("value += 100")
print(value, locals() is globals(), "error" in vars())
