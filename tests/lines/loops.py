"""Loop heads, one-line loops, copied tests, jumps back to the same line."""


def each(n):
    for i in range(n):
        i
    else:
        n
    for i in range(n): i
    for i in range(n):
        for j in range(i): j
    for i in \
            range(n):
        pass


def one_line(n):
    while n: n -= 1
    n = 3
    while n > 0: n -= 1
    while n < 3 and n != 2: n += 1; n
    for x in [1, 2]: str(x)
    for x in [1, 2]: pass
    for x in [1, 2]: continue
    for x in [1, 2]: break
    while 1: break


def tests(n):
    while n > 0:
        n -= 1
    while (n < 3
           and n != 7
           or n == 9):
        n += 1
    while not n == 0:
        if n == 2:
            n = 1
            continue
        n = 0
    while n < 5:
        n += 1
        if n == 3:
            continue
        if n == 4:
            break
    else:
        n = 9
    while True:
        n += 1
        if n > 7:
            break
    while n:
        while n > 5:
            n -= 1
        n -= 1
    return n


def continues(n):
    for i in range(n):
        if i == 1: continue
        if i == 2:
            continue
        if i == 3:
            pass
        elif i == 4: i
        else:
            continue
        try:
            if i == 5:
                continue
        finally:
            i


def empty(n):
    for i in range(n):
        pass
    for i in range(n): pass
    while n:
        n -= 1
        pass
    if n:
        pass
    for i in ():
        pass
    for i in (): pass


def head_in_body(n):
    for i in range(
        n
    ):
        i; n
    for (a,
         b) in [(1, 2), (3, 4)]:
        a
    return [
        x
        for x in range(n)
    ]


def no_return(n):
    while n:
        n -= 1


def last(n):
    for i in range(n):
        if i:
            return i


def returns(n):
    while True:
        if n: return n
        n += 1


def infinite(n):
    n += 1
    try:
        while 1:
            n -= 1
            n / n
    except ZeroDivisionError:
        return


def walrus(n):
    while (n := n - 1) > 0: n
    while (m :=
           n) < 3:
        n += 1
    return m


for n in range(7):
    each(n)
    one_line(n)
    tests(n)
    continues(n)
    empty(n)
    no_return(n)
    last(n)
    returns(n)
    infinite(n)
    walrus(n)
while n: n -= 1
while n < 3:
    n += 1
for i in range(3): i
for i in range(3):
    if i: continue
    i
head_in_body(2)
