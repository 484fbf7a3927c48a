"""Runtime of unused: which functions were never called, printed when the program ends."""

import atexit
import sys

_modules = {}


def register(file, functions):
    called = [0] * len(functions)
    _modules.setdefault(file, []).append((functions, called))
    return called


def _report():
    for file, loaded in sorted(_modules.items()):
        # A module that was loaded twice has its functions twice: one of them counts.
        for number, (line, name) in enumerate(loaded[0][0]):
            if not any(called[number] for _, called in loaded):
                print(f"{file}:{line}: {name}", file=sys.__stderr__)


atexit.register(_report)
