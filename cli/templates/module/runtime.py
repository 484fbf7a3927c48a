"""What the probes of template-name call. It travels inside the instrumented program, and may import builtin
modules only (those of sys.builtin_module_names)."""

import sys
from _thread import get_ident
from time import perf_counter

depths = {}


def show(depth, text):
    print('  ' * depth + text, file=sys.stderr)


def enter(name):
    """A module begins; what it gives, `leave` is to have."""
    thread = get_ident()
    depth = depths.get(thread, 0)
    depths[thread] = depth + 1
    show(depth, name)
    return depth, perf_counter()


def leave(name, started, least=None):
    """It ends, by an exception perhaps. Tells how long it took if that is `least` milliseconds or more."""
    depth, begin = started
    depths[get_ident()] = depth
    took = (perf_counter() - begin) * 1000
    if least is not None and took >= least:
        show(depth, f'{name} took {took:.1f} ms')
