"""Runtime of assertions: evaluated and failed, printed when the program ends."""

import atexit
import sys

_modules = {}


def register(file, lines):
    counts = [[0, 0] for _ in lines]
    _modules.setdefault(file, []).append((lines, counts))
    return counts


def _report():
    for file, modules in sorted(_modules.items()):
        for lines, counts in modules:
            for line, (ran, failed) in sorted(zip(lines, counts)):
                print(f"{file}:{line}: {ran} evaluated, {failed} failed", file=sys.__stderr__)


atexit.register(_report)
