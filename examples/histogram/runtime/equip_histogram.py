"""Runtime of histogram: per function how many calls took how long, in powers of two of a microsecond."""

import atexit
import sys
from time import perf_counter_ns as clock

_modules = []


def register(module, names):
    counts = [None] * len(names)
    _modules.append((module, names, counts))

    def note(number, elapsed):
        buckets = counts[number]
        if buckets is None:
            buckets = counts[number] = [0] * 32
        buckets[min((elapsed // 1000).bit_length(), 31)] += 1

    return note


def _report():
    for module, names, counts in _modules:
        for name, buckets in zip(names, counts):
            if buckets is None:
                continue
            print(f"{module}:{name}: {sum(buckets)} calls", file=sys.__stderr__)
            most = max(buckets)
            for exponent, count in enumerate(buckets):
                if count:
                    print(f"  < {1 << exponent:>8} us {count:>8} {'#' * (40 * count // most)}", file=sys.__stderr__)


atexit.register(_report)
