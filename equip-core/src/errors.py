"""Equip's own part in instrumented modules: it logs errors of snippets, and makes the exception that the
caller of a generator sees.

Imports builtin modules only, since any other may be instrumented itself. What it binds in a module is
no function and no class: a program may look for those.
"""

import sys


class Log:
    """Where snippets log their errors: the first error of each site is one line on stderr."""

    def __init__(self):
        self.seen = set()

    def __call__(self, site):
        """Called while the error of a snippet is handled; `site` says where that is, for the reader."""
        if site in self.seen:
            return
        self.seen.add(site)
        kind, error, _ = sys.exc_info()
        try:
            text = ": %s" % error
        except Exception:
            text = ""
        if sys.stderr is not None:
            sys.stderr.write("equip: %s: %s%s\n" % (site, kind.__name__, text.rstrip(": ")))


class Escaped:
    """What the caller of a generator sees instead of an exception that leaves it (PEP 479), before
    CPython 3.12 made that a part of the generator's own code."""

    stop, async_stop = StopIteration, StopAsyncIteration

    def __call__(self, error, kind):
        if isinstance(error, StopIteration):
            what = "StopIteration"
        elif kind == "async generator":
            what = "StopAsyncIteration"
        else:
            return None
        seen = RuntimeError("%s raised %s" % (kind, what))
        seen.__cause__ = seen.__context__ = error
        return seen


log = Log()
escaped = Escaped()
