"""Exceptions where a condition could have gone on, as generators and functions end."""


def check(x):
    if x > 1:
        return 1


def ends(x):
    for i in x:
        print(i)


def truth(x):
    while x:
        x -= 1


class Bad:
    def __bool__(self):
        raise ValueError

    def __iter__(self):
        raise KeyError

    def __sub__(self, other):
        return self


for function in check, ends, truth:
    try:
        function(Bad())
    except (TypeError, KeyError, ValueError):
        pass
