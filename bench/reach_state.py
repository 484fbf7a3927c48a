"""What a probe pays to reach its plugin's state, by the ways that there are: ns a call, beside a function without a probe.

    python3 bench/reach_state.py PYTHON...

    global    LOAD_GLOBAL of a hidden name: what equip does; `co_names` has that name
    constant  the list itself among the constants: such a code object has no hash
    nested    a code object among the constants, made a function and called at each probe: only its `co_names` have the name
    closure   a free variable: the function has a closure that the source does not have

Tests of CPython that assert on `co_names` (`inspect.getclosurevars`, stateless functions of 3.14) see `global` and `closure` alone.
"""

import subprocess
import sys

PROGRAM = r'''
import sys, time

def plain(): pass

hits = [0] * 8

def with_global():
    hits[3] += 1

def with_constant():
    "HITS"[3] += 1

def nested():
    def probe():
        hits[3] += 1
    probe()

def closing():
    mine = hits
    def with_closure():
        mine[3] += 1
    return with_closure

code = with_constant.__code__
with_constant.__code__ = code.replace(co_consts=tuple(hits if c == "HITS" else c for c in code.co_consts))
try:
    hash(with_constant.__code__)
    hashable = "has a hash"
except TypeError:
    hashable = "has no hash"

def measure(f, n=300_000):
    start = time.process_time()
    for _ in range(n): f()
    return (time.process_time() - start) / n * 1e9

ways = dict(plain=plain, **{"global": with_global}, constant=with_constant, nested=nested, closure=closing())
best = {name: min(measure(f) for _ in range(7)) for name, f in ways.items()}
print("%d.%d" % sys.version_info[:2], *(f"{name} {value - best['plain']:+.0f}" for name, value in best.items() if name != "plain"),
      f"(a call without: {best['plain']:.0f}; with the constant the code object {hashable})")
'''

if __name__ == "__main__":
    for python in sys.argv[1:] or [sys.executable]:
        subprocess.run([python, "-c", PROGRAM], check=True)
