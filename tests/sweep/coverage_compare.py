"""Compares the coverage of PyPI packages by their own tests: equip's beside coverage.py's.

    python3 tests/sweep/coverage_compare.py --python PYTHON --equip target/release/equip \
        [--set coverage.mode=counts] [--work FOLDER] PACKAGE...

For each package of `pypi_suite.py` (or any whose sdist has a folder `tests`): runs its tests under coverage.py
(`branch = True`, with its C tracer), runs them again from instrumented bytecode, and prints each difference between
`coverage json` and `equip coverage json`, with its line of source. What child processes ran is left out: coverage.py
does not see it. The last line has the totals; exits with 1 if anything differs.

`differences` compares any two such reports.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pypi_suite

KEYS = ("executed_lines", "missing_lines", "excluded_lines", "executed_branches", "missing_branches")


def differences(theirs, ours):
    """(place, key, what only coverage.py has, what only equip has), of two JSON reports."""
    for name in sorted(theirs["files"].keys() | ours["files"].keys()):
        one, other = theirs["files"].get(name), ours["files"].get(name)
        if one is None or other is None:
            yield name, "file", one is not None, other is not None
            continue
        parts = [(name, one, other)]
        for kind in ("functions", "classes"):
            for key in sorted(one[kind].keys() | other[kind].keys()):
                parts.append((f"{name} {kind} {key!r}", one[kind].get(key), other[kind].get(key)))
        for where, left, right in parts:
            if left is None or right is None:
                yield where, "region", left is not None, right is not None
                continue
            for key in KEYS:
                a, b = ({tuple(x) if isinstance(x, list) else x for x in side[key]} for side in (left, right))
                if a != b:
                    yield where, key, sorted(a - b), sorted(b - a)
            for key, value in left["summary"].items():
                if value != right["summary"][key]:
                    yield where, f"summary {key}", value, right["summary"][key]


def of_files(found):
    """Without the sums, and what functions and classes have: they follow from what files have."""
    return [one for one in found if " functions " not in one[0] and " classes " not in one[0] and "summary" not in one[1]]


def pytest(options, folder, name, spec, coverage, start):
    """Runs the tests; the process, when it has ended, and its output."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV"))}
    paths = [folder / "site", coverage]
    with tempfile.TemporaryDirectory(prefix="coverage-") as scratch:
        env |= {"PYTHONPATH": ":".join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
                "PYTHONNOUSERSITE": "1", "COVERAGE_CORE": "ctrace", "COVERAGE_FILE": str(folder / "theirs.data"),
                "EQUIP_OUTPUT_DIR": str(folder), "TMPDIR": scratch, **spec.get("env", {})}
        where = [word for module in spec["modules"] for word in ("--pyargs", module)] if "modules" in spec else spec.get("tests", ["tests"])
        command = [options.python, *start, "-m", "pytest", "-p", "no:cacheprovider", "--assert=plain", "-o", "addopts=",
                   "--continue-on-collection-errors", "-q", "--tb=short", *spec.get("args", []), *where]
        with open(folder / "output", "wb") as output:
            process = subprocess.Popen(list(map(str, command)), cwd=folder / "tests", env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            process.wait(options.timeout)
    return process, (folder / "output").read_text("utf-8", "replace")


def compare(options, work, name):
    """The two reports, with what is to be said of the runs."""
    spec = pypi_suite.PACKAGES.get(name, {})
    folder, coverage = work / name, work / "coverage.py"
    if not coverage.exists():
        pypi_suite.run([sys.executable, "-m", "pip", "--python", options.python, "install", "-q", "--target", coverage, "coverage"])
    if not (folder / "plain" / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "plain").mkdir(parents=True)
        pypi_suite.prepare(options.python, folder / "plain", work / "sdists", name, spec)
        (folder / "plain" / "done").touch()
    shutil.rmtree(folder / "equip", ignore_errors=True)
    shutil.copytree(folder / "plain", folder / "equip", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    _, tops, _ = pypi_suite.distribution(folder / "plain" / "site", name)
    plain, copy = folder / "plain", folder / "equip"
    (plain / "rc").write_text("[run]\nbranch = True\n")
    sources = [f"site/{top.removesuffix('.py')}" for top in tops]

    whole = ",".join(str(plain / source) for source in sources)
    start = ["-m", "coverage", "run", f"--rcfile={plain / 'rc'}", f"--source={whole}"]
    one, said = pytest(options, plain, name, spec, coverage, start)
    env = {**os.environ, "PYTHONPATH": str(coverage), "COVERAGE_FILE": str(plain / "theirs.data")}
    pypi_suite.run([options.python, "-m", "coverage", "json", "-q", "--rcfile=rc", "-o", "theirs.json"], cwd=plain, env=env)

    command = [options.equip, "-q", "--python", options.python, "--plugin", "coverage"]
    for setting in options.set:
        command += ["--set", setting]
    pypi_suite.run([*command, *(copy / "site" / top for top in tops)], check=False)
    other, also_said = pytest(options, copy, name, spec, coverage, [])
    data = sorted((copy / "equip-coverage").glob(f"{other.pid}-*.json"))
    pypi_suite.run([options.equip, "coverage", "json", "--python", options.python, "--rcfile", plain / "rc", "--data", *data,
                    "--source", *sources, "-o", "ours.json"], cwd=copy)
    last = [text.strip().splitlines()[-1] for text in (said, also_said)]
    status = f"{last[0]} (status {one.returncode}) / {last[1]} (status {other.returncode})"
    theirs, ours = (json.loads(path.read_text()) for path in (plain / "theirs.json", copy / "ours.json"))
    return theirs, ours, plain, status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("--equip", required=True, type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=1200)
    parser.add_argument("--work", help="folder for installations and copies, kept")
    parser.add_argument("packages", nargs="+")
    options = parser.parse_args()
    version = pypi_suite.run([options.python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])[1].strip()
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="equip-coverage-")).absolute() / version
    work.mkdir(parents=True, exist_ok=True)
    total = {"packages": 0, "files": 0, "statements": 0, "branches": 0, "lines different": 0, "branches different": 0}
    for name in options.packages:
        theirs, ours, root, status = compare(options, work, name)
        lines, arcs = set(), set()
        for file, key, only_theirs, only_ours in of_files(differences(theirs, ours)):
            if key == "file":
                print(f"{name}: {file}: only {'coverage.py' if only_theirs else 'equip'} has it")
                lines.add(file)
                continue
            text = (root / file).read_text("utf-8", "replace").splitlines()
            for who, items in (("coverage.py", only_theirs), ("equip", only_ours)):
                for item in items:
                    line = item[0] if isinstance(item, tuple) else item
                    (arcs if isinstance(item, tuple) else lines).add((file, item))
                    print(f"{name}: {file}:{line}: {key}: only {who}: {item}: {text[line - 1].strip()}")
        sums = theirs["totals"], ours["totals"]
        print(f"{name}: {len(theirs['files'])} files, {sums[0]['num_statements']}/{sums[1]['num_statements']} statements, "
              f"{sums[0]['num_branches']}/{sums[1]['num_branches']} branches, {sums[0]['percent_covered']:.2f}/{sums[1]['percent_covered']:.2f} %, "
              f"{len(lines)} lines and {len(arcs)} branches different; {status}", flush=True)
        for key, count in (("packages", 1), ("files", len(theirs["files"])), ("statements", sums[0]["num_statements"]),
                           ("branches", sums[0]["num_branches"]), ("lines different", len(lines)), ("branches different", len(arcs))):
            total[key] += count
    print(", ".join(f"{count} {name}" for name, count in total.items()))
    if not options.work:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(bool(total["lines different"] + total["branches different"]))


if __name__ == "__main__":
    main()
