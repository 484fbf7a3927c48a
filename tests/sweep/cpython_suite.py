"""Runs CPython's own test suite on an instrumented standard library, beside the plain one.

    python3 tests/sweep/cpython_suite.py --python PYTHON --equip target/release/equip \
        [--plugin allsites] [--set allsites.lines=false] [--jobs 2] [--timeout 60] [MODULE...]

Makes two private copies of the interpreter with its library (with `test`), instruments one of them
whole, runs every module of `test` in both (`-X frozen_modules=off`), and compares the outcome of
every single test. A module that does not end in time in the plain copy is left out. Prints each
difference, and as its last line the totals; exits with 1 if anything differs that EXCUSED does not
name. Nothing outside the work folder changes.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Tests that assert on what instrumenting may change (co_code, constants, names of slots, dis
# output, sizes, frozen modules), with the assertion that fails.
EXCUSED = json.loads((pathlib.Path(__file__).parent / "excused.json").read_text())

OUTCOME = re.compile(r"^(?P<id>\w+ \([\w.]+\))(?:\n.*?)?? \.\.\. (?:.*?)?"
                     r"(?P<what>ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b", re.M | re.S)
SUMMARY = re.compile(r"^(?P<what>FAIL|ERROR): (?P<id>\w+ \([\w.]+\))", re.M)
CRASH = re.compile(r"Fatal Python error.*|Segmentation fault.*|.*Assertion .* failed.*", re.M)


def prefix(python):
    program = "import json, os, sys; print(json.dumps([os.path.realpath(sys.executable), os.path.dirname(os.__file__), '%d.%d' % sys.version_info[:2]]))"
    return json.loads(subprocess.check_output([python, "-I", "-c", program]))


def copy(python, folder):
    """A private interpreter: its prefix is found from where it lies."""
    executable, library, version = prefix(python)
    (folder / "bin").mkdir(parents=True)
    target = folder / "bin" / f"python{version}"
    shutil.copy(executable, target)
    lib = folder / "lib" / f"python{version}"
    ignore = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "idlelib", "turtledemo")
    shutil.copytree(library, lib, ignore=ignore, symlinks=False, ignore_dangling_symlinks=True)
    return target, lib


def run_module(python, module, timeout):
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        env.update(EQUIP_OUTPUT_DIR=folder, PYTHONDONTWRITEBYTECODE="1", TMPDIR=folder)
        command = [str(python), "-X", "frozen_modules=off", "-m", "test", "-v", "-u", "none", module]
        try:
            done = subprocess.run(command, cwd=folder, env=env, timeout=timeout, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        except subprocess.TimeoutExpired:
            return None, {}, ""
    text = done.stdout.decode("utf-8", "replace")
    outcomes = {}
    for match in OUTCOME.finditer(text):
        outcomes[match["id"]] = match["what"].replace("expected failure", "ok")
    for match in SUMMARY.finditer(text):
        outcomes[match["id"]] = match["what"]
    crash = CRASH.search(text)
    return done.returncode, outcomes, (crash[0] if crash else text)


def names(lib):
    found = []
    for path in sorted((lib / "test").iterdir()):
        if path.name.startswith("test_") and (path.suffix == ".py" or path.is_dir()):
            found.append(path.stem)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("--equip", required=True)
    parser.add_argument("--plugin", default="allsites")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--work", help="folder for the copies, kept")
    parser.add_argument("--debug-python", help="run the instrumented library with this interpreter")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="equip-suite-"))
    copies = {}
    for kind in ("plain", options.plugin):
        if not (work / kind / "done").exists():
            shutil.rmtree(work / kind, ignore_errors=True)
            python, lib = copy(options.python, work / kind)
            subprocess.run([python, "-m", "compileall", "-q", str(lib)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if kind != "plain":
                command = [options.equip, "-q", "--python", str(python), "--plugin", options.plugin]
                for one in options.set:
                    command += ["--set", one]
                status = subprocess.run(command + [str(lib)], stderr=subprocess.PIPE)
                sys.stderr.write(status.stderr.decode())
                if status.returncode > 1:
                    sys.exit(f"equip failed with status {status.returncode}")
            (work / kind / "done").write_text(str(python))
        python = pathlib.Path((work / kind / "done").read_text())
        copies[kind] = python, python.parent.parent / "lib" / python.name
    modules = options.modules or names(copies["plain"][1])
    excused = {entry["test"] for entry in EXCUSED}
    total = {"modules": 0, "tests": 0, "passed": 0, "different": 0, "excused": 0, "left out": 0}
    bad = 0

    def both(module):
        plain = run_module(copies["plain"][0], module, options.timeout)
        if plain[0] is None:
            return module, plain, None
        return module, plain, run_module(copies[options.plugin][0], module, 4 * options.timeout)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for module, plain, other in pool.map(both, modules):
            if plain[0] is None or (plain[0] != 0 and not plain[1]):
                total["left out"] += 1
                print(f"{module}: left out (plain: {'no end in time' if plain[0] is None else 'exit ' + str(plain[0])})", flush=True)
                continue
            total["modules"] += 1
            total["tests"] += len(plain[1])
            total["passed"] += sum(what == "ok" for what in other[1].values())
            differences = [(test, plain[1].get(test, "missing"), other[1].get(test, "missing"))
                           for test in sorted(plain[1].keys() | other[1].keys())
                           if plain[1].get(test) != other[1].get(test)]
            for test, one, two in differences:
                known = test in excused
                total["excused" if known else "different"] += 1
                if not known:
                    bad += 1
                    print(f"{module}: {test}: plain {one}, instrumented {two}", flush=True)
            if not differences and plain[0] != other[0]:
                bad += 1
                total["different"] += 1
                print(f"{module}: exit {plain[0]} plain, {other[0]} instrumented: {other[2][-400:]}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in total.items()))
    if not options.work:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(bool(bad))


main()
