"""Runtime of querylog: one line on stderr for each call."""

import sys
from time import perf_counter as clock

_width = OPTIONS.get("width", 80)
_least = OPTIONS.get("slower_than_ms", 0.0) / 1000


def show(values):
    texts = [repr(value) for value in values]
    return ", ".join(text if len(text) <= _width else text[:_width] + "..." for text in texts)


def done(name, arguments, start, how, value):
    elapsed = clock() - start
    if elapsed >= _least:
        print(f"{elapsed * 1000:.3f} ms {name}({arguments}) {how} {show((value,))}", file=sys.__stderr__)
