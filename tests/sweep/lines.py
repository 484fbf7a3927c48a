"""Which lines CPython's own tests reach, as probes tell it, beside what sys.settrace tells of the plain library.

    python3 tests/sweep/lines.py --python PYTHON --equip target/release/equip [--functions N] MODULE...

Makes two private copies of the interpreter, as cpython_suite.py does, puts a probe on each line of the whole library
in one of them (but for what Python imports before it runs anything), and runs each MODULE of `test` once with the
probes and twice traced. Of every function the lines are compared in their order, where both traced runs agree.
Prints each function that differs with the first line that does, and totals; exits with 1 if one does.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import cpython_suite

# Lines that CPython 3.12 tells twice: see tests/lines.rs.
REPEATS = "3.12"
MOST = 20_000  # of one function

RUN = r'''
import builtins
# What is imported from here on has probes.
builtins.__test_hit__, builtins.__test_thread__ = len, lambda: None
import array, json, os, sys
how, skipped, most, out, module = sys.argv[1], set(json.loads(sys.argv[2])), int(sys.argv[3]), *sys.argv[4:]
told = {}
def hit(event):
    _, file, qualname, first, line = event
    key = file, qualname, first
    lines = told.get(key)
    if lines is None:
        lines = told[key] = array.array("i")
    if len(lines) < most:
        lines.append(line)
import threading, unittest, test.support
lib = os.path.dirname(os.__file__) + os.sep
shown = {}
def is_shown(code):
    if code not in shown:
        name = code.co_qualname.rpartition(".")[2]
        shown[code] = (code.co_filename.startswith(lib) and code.co_filename[len(lib):] not in skipped
                       and name not in ("__annotate__", "__annotations__") and not name.startswith("<generic parameters of ")
                       and code.co_varnames[:1] not in ((".format",), (".defaults",)))
    return shown[code]
def tracer(frame, event, _):
    if event == "call":
        return tracer if is_shown(frame.f_code) else None
    if event == "line":
        code = frame.f_code
        hit((0, code.co_filename, code.co_qualname, code.co_firstlineno, frame.f_lineno))
    return tracer
if how == "plain":
    threading.settrace(tracer)
    sys.settrace(tracer)
else:
    builtins.__test_hit__ = hit
try:
    unittest.main("test." + module, argv=["x"], exit=False, verbosity=0)
except BaseException as error:
    print(type(error), error, file=sys.stderr)
finally:
    sys.settrace(None)
    threading.settrace(None)
    builtins.__test_hit__ = len
with open(out, "w") as file:
    json.dump([[os.path.relpath(where, lib), qualname or "<module>", first, list(lines)]
               for (where, qualname, first), lines in list(told.items())], file)
'''


def run(folder, version, how, skipped, module, timeout):
    out = folder / "told.json"
    out.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run([folder / "bin" / f"python{version}", "-c", RUN, how, json.dumps(sorted(skipped)), str(MOST), out, module],
                       cwd=folder, env=environment, timeout=timeout, stdin=subprocess.DEVNULL, capture_output=True)
        if not out.exists():
            print(done.stderr.decode(errors="replace")[-1000:])
        return {(where, qualname, first): lines for where, qualname, first, lines in json.loads(out.read_text())}
    except (subprocess.TimeoutExpired, OSError):
        return None


def without_repeated(plain, probed):
    kept = []
    for at, line in enumerate(plain):
        if not (at and plain[at - 1] == line and (len(kept) >= len(probed) or probed[len(kept)] != line)):
            kept.append(line)
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True)
    parser.add_argument("--equip", required=True)
    parser.add_argument("--functions", type=int, default=10, help="how many to show of each module")
    parser.add_argument("--timeout", type=int, default=120)
    parser.add_argument("modules", nargs="+", metavar="MODULE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="equip-lines-") as work:
        plain, probed = pathlib.Path(work, "plain"), pathlib.Path(work, "probed")
        for folder in plain, probed:
            python, lib = cpython_suite.copy(options.python, folder, options.modules)
        version = python.name.removeprefix("python")
        starts = "import sys, os; print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)), sep='\\n')"
        said = subprocess.check_output([python, "-X", "frozen_modules=off", "-c", starts], text=True)
        first = [name for name in said.split() if name.startswith(str(lib)) and name.endswith(".py")]
        skipped = {os.path.relpath(name, lib) for name in first}
        subprocess.run([options.equip, "-q", "--python", python, "--plugin", "events", "--set", "events.what='each_line'", lib])
        subprocess.run([options.equip, "-q", "restore", *first])
        functions = lines = twice = wrong = 0
        for module in options.modules:
            one, other, seen = (run(folder, version, how, skipped, module, options.timeout)
                                for folder, how in [(plain, "plain"), (plain, "plain"), (probed, "probed")])
            if not one or not other or not seen:
                print(f"{module}: no answer")
                continue
            shown = 0
            for key, told in one.items():
                if other.get(key) != told or len(told) >= MOST:
                    continue
                got = seen.get(key, [])
                kept = without_repeated(told, got) if version == REPEATS else told
                twice += len(told) - len(kept)
                functions += 1
                lines += len(told)
                if kept != got:
                    wrong += 1
                    shown += 1
                    at = next((at for at, pair in enumerate(zip(kept, got)) if pair[0] != pair[1]), min(len(kept), len(got)))
                    if shown <= options.functions:
                        print(f"{module}: {key[0]}:{key[2]} {key[1]}: {len(kept)} lines, {len(got)} seen; after {kept[:at][-3:]} "
                              f"{kept[at:at + 4]}, seen {got[at:at + 4]}", flush=True)
        print(f"CPython {version}: {len(options.modules)} modules, {functions} functions, {lines} lines, "
              f"{twice} told twice, {wrong} functions differ")
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
