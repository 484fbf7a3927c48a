"""Runs CPython's own test suite on an instrumented standard library, beside the plain one.

    python3 tests/sweep/cpython_suite.py --python PYTHON --equip target/release/equip \
        [--plugin allsites | --plugin callcount+exits] [--set allsites.lines=false] [--jobs 2] [--timeout 60] [MODULE...]

Makes two private copies of the interpreter with its library (with `test`), instruments one of them
whole, runs every module of `test` in both (`-X frozen_modules=off`), and compares the outcome of
every single test. A module that does not end in time in the plain copy is left out. Prints each
difference that a second pair of runs confirms, and as its last line the totals; exits with 1 if
anything differs that excused.json does not name. The output of a module that differs is kept in the work
folder under `logs`. Nothing outside the work folder changes.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

# Tests that assert on what instrumenting changes (co_code, constants, dis output, sizes), by plugin and
# version, each with the assertion that fails. excuse.py proposes them.
EXCUSED = json.loads((pathlib.Path(__file__).parent / "excused.json").read_text())

OUTCOME = re.compile(r"^(?P<id>\w+ \([\w.]+\))(?:\n.*?)?? \.\.\. (?:.*?)?"
                     r"(?P<what>ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b", re.M | re.S)
SUMMARY = re.compile(r"^(?P<what>FAIL|ERROR): (?P<id>\w+ \([\w.]+\))", re.M)
CRASH = re.compile(r"Fatal Python error.*|Segmentation fault.*|.*Assertion .* failed.*", re.M)


def prefix(python):
    program = "import json, os, sys; print(json.dumps([os.path.realpath(sys.executable), os.path.dirname(os.__file__), '%d.%d' % sys.version_info[:2]]))"
    return json.loads(subprocess.check_output([python, "-I", "-c", program]))


def copy(python, folder, only=None):
    """A private interpreter: its prefix is found from where it lies. Of `test` all, or only some modules."""
    executable, library, version = prefix(python)
    (folder / "bin").mkdir(parents=True)
    target = folder / "bin" / f"python{version}"
    shutil.copy(executable, target)
    lib = folder / "lib" / f"python{version}"
    skipped = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "idlelib", "turtledemo",
                                     *(["lib2to3", "ensurepip", "tkinter", "config-*"] if only else []))

    def ignore(where, names):
        found = skipped(where, names)
        if only and pathlib.Path(where).name == "test":
            needed = {"__init__.py", "__main__.py", "regrtest.py", "libregrtest", "support", "typinganndata"}
            found |= {name for name in names if name not in needed and name.split(".")[0] not in only
                      and (name.startswith("test_") or name.endswith("tests") or name.endswith("data"))}
        return found

    shutil.copytree(library, lib, ignore=ignore, symlinks=False, ignore_dangling_symlinks=True)
    return target, lib


def run_module(python, module, timeout, leave_out=()):
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        env.update(EQUIP_OUTPUT_DIR=folder, PYTHONDONTWRITEBYTECODE="1", TMPDIR=folder)
        command = [str(python), "-X", "frozen_modules=off", "-m", "test", "-v", "-u", "none",
                   *(word for name in leave_out for word in ("-i", name)), module]
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return None, {}, ""
        finally:
            # Its children hold the pipe and the processor after it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = output.decode("utf-8", "replace")
    outcomes = {}
    for match in OUTCOME.finditer(text):
        outcomes[match["id"]] = match["what"].replace("expected failure", "ok")
    for match in SUMMARY.finditer(text):
        outcomes[match["id"]] = match["what"]
    crash = CRASH.search(text)
    return process.returncode, outcomes, (crash[0] + "\n" if crash else "") + text


# Packages that take minutes as one module; regrtest splits them, too (SPLITTESTDIRS).
SPLIT = {"test_asyncio", "test_concurrent_futures", "test_multiprocessing_fork", "test_multiprocessing_forkserver",
         "test_multiprocessing_spawn", "test_profiling"}


def tests_in(folder):
    """Names of the test modules and packages in a folder, without `.py`."""
    return sorted(path.stem for path in folder.iterdir()
                  if path.name.startswith("test_") and (path.suffix == ".py" or path.is_dir()))


def names(lib, wanted):
    """What to run: all of `test`, or what is wanted of it, the big packages module by module."""
    found = []
    for name in wanted or tests_in(lib / "test"):
        package = lib / "test" / name
        if name in SPLIT and package.is_dir():
            found += [f"test.{name}.{module}" for module in tests_in(package)]
        else:
            found.append(name)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("--equip", required=True)
    parser.add_argument("--plugin", default="allsites", help="one, or several at once: callcount+exits")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--work", help="folder for the copies, kept")
    parser.add_argument("--small", action="store_true", help="copy of `test` only the modules that are named")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="equip-suite-"))
    copies = {}
    for kind in ("plain", options.plugin):
        if not (work / kind / "done").exists():
            shutil.rmtree(work / kind, ignore_errors=True)
            python, lib = copy(options.python, work / kind, options.small and options.modules)
            subprocess.run([python, "-m", "compileall", "-q", "-j", str(options.jobs), str(lib)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if kind != "plain":
                command = [options.equip, "-q", "--python", str(python)]
                for one in options.plugin.split("+"):
                    command += ["--plugin", one]
                for one in options.set:
                    command += ["--set", one]
                status = subprocess.run(command + [str(lib)], stderr=subprocess.PIPE)
                sys.stderr.write(status.stderr.decode())
                if status.returncode > 1:
                    sys.exit(f"equip failed with status {status.returncode}")
            (work / kind / "done").write_text(str(python))
        python = pathlib.Path((work / kind / "done").read_text())
        copies[kind] = python, python.parent.parent / "lib" / python.name
    modules = names(copies["plain"][1], options.modules)
    version = copies["plain"][0].name.removeprefix("python")
    mine = [entry for entry in EXCUSED if entry["plugin"] in [options.plugin, *options.plugin.split("+")] and version in entry["versions"]]
    excused = {entry["test"] for entry in mine}
    left_out = {entry["test"] for entry in mine if entry.get("left out")}
    leave_out = sorted(test.split("(")[-1].rstrip(")") for test in left_out)
    total = {"modules": 0, "tests": 0, "passed": 0, "different": 0, "excused": 0, "left out": 0}

    def plain(module, again=False):
        """The plain outcome, kept in the work folder for the next plugin."""
        kept = work / "plain" / "outcomes" / f"{module}.json"
        if not again and kept.exists():
            return json.loads(kept.read_text())
        # Once it has ended in time it is compared, however busy the machine is meanwhile.
        outcome = run_module(copies["plain"][0], module, (4 if again else 1) * options.timeout, leave_out)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(outcome))
        return outcome

    def differences(one, two):
        if two[0] is None:
            return {("(module)", f"exit {one[0]}", "no end in time")}
        found = {(test, one[1].get(test, "missing"), two[1].get(test, "missing"))
                 for test in one[1].keys() | two[1].keys()
                 if one[1].get(test) != two[1].get(test) and test not in left_out}
        if not found and one[0] != two[0]:
            found = {("(module)", f"exit {one[0]}", f"exit {two[0]}")}
        return found

    def both(module):
        one = plain(module)
        if one[0] is None or (one[0] != 0 and not one[1]):
            return module, one, None, set()
        two = run_module(copies[options.plugin][0], module, 4 * options.timeout, leave_out)
        found = differences(one, two)
        if found and two[0] is not None:
            # What differs only now and then differs between two plain runs too.
            again = plain(module, again=True)
            two = run_module(copies[options.plugin][0], module, 4 * options.timeout, leave_out)
            found &= differences(again, two)
        if found:
            logs = work / options.plugin / "logs"
            logs.mkdir(exist_ok=True)
            (logs / f"{module}.txt").write_text(two[2])
        return module, one, two, found

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for module, one, two, found in pool.map(both, modules):
            if two is None:
                total["left out"] += 1
                print(f"{module}: left out (plain: {'no end in time' if one[0] is None else 'exit ' + str(one[0])})", flush=True)
                continue
            total["modules"] += 1
            total["tests"] += len(one[1])
            total["passed"] += sum(what == "ok" for what in two[1].values())
            for test, before, after in sorted(found):
                known = test in excused
                total["excused" if known else "different"] += 1
                print(f"{module}: {test}: plain {before}, instrumented {after}{' (excused)' if known else ''}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in total.items()))
    if not options.work:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(bool(total["different"]))


if __name__ == "__main__":
    main()
