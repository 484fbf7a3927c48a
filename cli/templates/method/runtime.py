"""What the probes of template-name call. It travels inside the instrumented program, and may import builtin
modules only (those of sys.builtin_module_names)."""

import sys
from _thread import get_ident

telling = set()


def tell(what, name, *values):
    """A line on standard error. What runs to make it, such as a __repr__, is not told."""
    thread = get_ident()
    if thread in telling:
        return
    telling.add(thread)
    try:
        print(what, name, *map(repr, values), file=sys.stderr)
    finally:
        telling.discard(thread)
