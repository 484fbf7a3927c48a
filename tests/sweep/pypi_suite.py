"""Runs the test suites of PyPI packages on instrumented packages and tests, beside the plain ones.

    python3 tests/sweep/pypi_suite.py --python PYTHON --equip target/release/equip \
        [--plugin allsites] [--set allsites.lines=false] [--timeout 120] [--work FOLDER] [PACKAGE...]

For each package (those of PACKAGES, or any other whose sdist has a folder `tests`): installs it with pytest and what
its tests need into a folder of its own, unpacks the sdist for the tests, copies both, instruments one copy (package and
tests; with --all what it depends on too, pytest included), runs pytest in both, and compares the outcome of every single
test. pytest is kept from compiling tests itself; that a module was compiled in the run although its bytecode was there
is a difference too. A package whose plain run collects nothing or does not end in time is left out. Prints each
difference that a second pair of runs confirms, and as its last line the totals; exits with 1 if anything differs. What
the instrumented run said of a package that differs is under `logs` in the work folder. This script's own interpreter
needs a pip that knows the version of PYTHON. Nothing outside the work folder changes.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

# For each package: `tests` in its sdist (the folder `tests` where nothing is said), or `modules` where the wheel brings
# them along; what else the tests `needs`; more `args` of pytest; `env`; `version`; `pure`: its own extension modules are
# taken away, it does without; `sources`: the package stays in the unpacked sdist too, tests read it there.
# Left out of them is what needs the network, checks types, or takes long on a small machine.
PACKAGES = {
    "aiohttp": {"tests": ["tests/test_helpers.py", "tests/test_web_urldispatcher.py", "tests/test_multipart.py", "tests/test_client_request.py", "tests/test_web_request.py", "tests/test_web_functional.py", "tests/test_streams.py"],
                "needs": ["pytest-aiohttp", "pytest-mock", "pytest-cov", "pytest-codspeed", "re-assert", "freezegun", "trustme", "proxy.py", "blockbuster", "isal", "zlib_ng", "python-on-whales", "pytest-timeout", "pytest-xdist"], "pure": True, "args": ["-p", "no:asyncio"]},
    "anyio": {"tests": ["tests/test_taskgroups.py", "tests/test_synchronization.py", "tests/streams", "tests/test_lowlevel.py"],
              "needs": ["trio", "exceptiongroup", "hypothesis", "psutil", "pytest-mock", "pytest-timeout", "trustme"]},
    "attrs": {"needs": ["hypothesis", "cloudpickle"]},
    "black": {"tests": ["tests/test_black.py", "tests/test_trans.py", "tests/test_ranges.py", "tests/test_format.py"], "needs": ["pytest-xdist"], "pure": True},
    "boltons": {},
    "click": {"args": ["-m", "not stress"]},
    "decorator": {"tests": ["tests/test.py"]},
    "dill": {"modules": ["dill.tests"]},
    "docutils": {"tests": ["test/test_parsers", "test/test_nodes.py", "test/test_statemachine.py", "test/test_utils", "test/test_transforms"]},
    "executing": {"needs": ["asttokens", "littleutils", "rich", "ipython"]},
    "flask": {"needs": ["asgiref", "python-dotenv", "pytest<9"]},
    "freezegun": {"needs": ["python-dateutil"]},
    "greenlet": {"modules": ["greenlet.tests.test_greenlet", "greenlet.tests.test_generator", "greenlet.tests.test_generator_nested", "greenlet.tests.test_throw", "greenlet.tests.test_tracing", "greenlet.tests.test_contextvars", "greenlet.tests.test_gc", "greenlet.tests.test_weakref", "greenlet.tests.test_greenlet_trash", "greenlet.tests.test_extension_interface", "greenlet.tests.test_stack_saved"], "needs": ["objgraph", "psutil"], "args": ["-k", "not dead_thread and not critical_section and not many_threads"], "env": {"GREENLET_SKIP_LEAKCHECKS": "1"}},
    "httpx": {"needs": ["uvicorn", "trio", "trustme", "chardet", "h2", "socksio", "brotli; python_version < '3.14'", "zstandard", "cryptography", "click", "rich", "pygments"]},
    "icecream": {"needs": ["executing", "asttokens", "colorama", "pygments"]},
    "idna": {},
    "itsdangerous": {"needs": ["freezegun"]},
    "jedi": {"tests": ["test/test_api", "test/test_inference", "test/test_parso_integration"], "needs": ["attrs"], "sources": True},
    "jinja2": {"needs": ["trio"]},
    "jsonschema": {"modules": ["jsonschema.tests"]},
    "lark": {"tests": ["tests/test_parser.py", "tests/test_trees.py", "tests/test_tools.py", "tests/test_cache.py", "tests/test_grammar.py", "tests/test_lexer.py", "tests/test_reconstructor.py"]},
    "markupsafe": {"pure": True},
    "marshmallow": {"needs": ["simplejson"]},
    "mistune": {},
    "more-itertools": {},
    "networkx": {"modules": ["networkx.classes", "networkx.generators", "networkx.utils", "networkx.algorithms.traversal"]},
    "packaging": {"needs": ["pretend"]},
    "parso": {"tests": ["test"], "sources": True},
    "pluggy": {"tests": ["testing"]},
    "pydantic": {"version": "<2", "pure": True},
    "pysnooper": {"needs": ["python-toolbox"]},
    "pyparsing": {"tests": ["tests/test_unit.py"], "needs": ["railroad-diagrams", "jinja2"]},
    "pytest": {"tests": ["testing/python", "testing/test_mark.py", "testing/test_skipping.py", "testing/test_runner.py"], "needs": ["attrs", "hypothesis", "mock", "xmlschema", "setuptools", "pexpect"]},
    "python-dateutil": {"needs": ["freezegun", "hypothesis", "pytest-cov"]},
    "pyyaml": {"tests": ["tests"], "pure": True},
    "requests": {"needs": ["pytest-httpbin", "pytest-mock", "trustme", "PySocks", "httpbin"]},
    "simplejson": {"modules": ["simplejson.tests"], "pure": True},
    "stack-data": {"needs": ["typeguard", "pygments", "littleutils", "cython"]},
    "sympy": {"modules": ["sympy.core.tests.test_basic", "sympy.core.tests.test_expr", "sympy.core.tests.test_function", "sympy.core.tests.test_arit", "sympy.core.tests.test_sympify", "sympy.core.tests.test_cache", "sympy.core.tests.test_symbol", "sympy.core.tests.test_assumptions"], "needs": ["hypothesis"]},
    "toolz": {"modules": ["toolz"]},
    "tornado": {"modules": ["tornado.test"]},
    "trio": {"modules": ["trio._core._tests", "trio._tests.test_abc", "trio._tests.test_channel", "trio._tests.test_file_io", "trio._tests.test_highlevel_generic", "trio._tests.test_highlevel_open_tcp_stream", "trio._tests.test_highlevel_socket", "trio._tests.test_path", "trio._tests.test_repl", "trio._tests.test_scheduler_determinism", "trio._tests.test_signals", "trio._tests.test_subprocess", "trio._tests.test_sync", "trio._tests.test_testing", "trio._tests.test_testing_raisesgroup", "trio._tests.test_threads", "trio._tests.test_timeouts", "trio._tests.test_tracing", "trio._tests.test_util", "trio._tests.test_wait_for_object"], "needs": ["trustme"], "args": ["-p", "trio._tests.pytest_plugin"]},
    "typeguard": {},
    "typing-extensions": {"tests": ["src/test_typing_extensions.py"]},
    "urllib3": {"tests": ["test"], "needs": ["trustme", "tornado", "hypercorn", "quart", "quart-trio", "pysocks", "httpx", "h2", "pytest-timeout", "pytest-socket", "brotli; python_version < '3.14'", "cryptography", "trio"], "args": ["--ignore=test/with_dummyserver", "--ignore=test/contrib"]},
    "werkzeug": {"tests": ["tests/sansio", "tests/test_datastructures.py", "tests/test_exceptions.py", "tests/test_formparser.py", "tests/test_http.py", "tests/test_local.py", "tests/test_routing.py", "tests/test_test.py", "tests/test_urls.py", "tests/test_utils.py", "tests/test_wrappers.py", "tests/test_wsgi.py"],
                 "needs": ["ephemeral-port-reserve", "cryptography", "watchdog", "pytest-timeout"]},
    "wrapt": {"pure": True, "env": {"WRAPT_DISABLE_EXTENSIONS": "true"}},
}

# A plugin of pytest: a line for each report, and at the end the modules that were compiled.
OUTCOMES = '''\
import importlib.machinery, json, os
compiled, loader = [], importlib.machinery.SourceFileLoader
to_code = loader.source_to_code
def source_to_code(self, data, path, *args, **named):
    compiled.append(os.fspath(path))
    return to_code(self, data, path, *args, **named)
loader.source_to_code = source_to_code
file = open(os.environ["SWEEP_OUTCOMES"], "a", buffering=1)
main = os.getpid()
def note(*what):
    if os.getpid() == main:
        print(json.dumps(what), file=file)
def pytest_runtest_logreport(report):
    what = "xfail" if hasattr(report, "wasxfail") else report.outcome
    note("test", report.nodeid, report.when + " " + what, str(report.longrepr) if report.failed else "")
def pytest_collectreport(report):
    if not report.passed:
        note("test", report.nodeid, "collect " + report.outcome, str(report.longrepr))
def pytest_unconfigure(config):
    note("compiled", compiled)
'''


def run(command, check=True, **named):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **named)
    if check and done.returncode:
        raise RuntimeError(f"{command[0]} {command[1]}: status {done.returncode}: {done.stdout[-2000:]}")
    return done.returncode, done.stdout


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(site, name):
    """The version that is installed, and the files of it that are Python, at the top of `site`."""
    for info in site.glob("*.dist-info"):
        found, _, version = info.name.removesuffix(".dist-info").partition("-")
        if normal(found) == normal(name):
            files = [line.rpartition(",")[0].rpartition(",")[0].strip('"') for line in (info / "RECORD").read_text().splitlines()]
            tops = {file.split("/")[0] for file in files if file.endswith(".py") and not file.startswith("..")}
            return version, sorted(tops), [file for file in files if file.endswith(".so")]
    raise RuntimeError(f"{name} is not installed")


def prepare(python, folder, sdists, name, spec):
    """`site`, with the package and what its tests need, and `tests`, its sdist without the package itself."""
    site, tests = folder / "site", folder / "tests"
    run([sys.executable, "-m", "pip", "--python", python, "install", "-q", "--target", site,
         name + spec.get("version", ""), "pytest", *spec.get("needs", [])])
    version, tops, extensions = distribution(site, name)
    if spec.get("pure"):
        for file in extensions:
            (site / file).unlink()
    if "modules" in spec:
        tests.mkdir()
        return
    sdist = sdists / f"{name}-{version}"
    if not sdist.exists():
        run([sys.executable, "-m", "pip", "download", "-q", "--no-binary", name, "--no-deps", "-d", sdist,
             "--ignore-requires-python", f"{name}=={version}"])
    with tarfile.open(next(sdist.iterdir())) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    os.rename(next((folder / "unpacked").iterdir()), tests)
    if spec.get("sources"):
        return
    for top in tops:
        for path in (tests / top, tests / "src" / top, tests / "lib" / top):
            if path.is_dir() and not any(tests / test == path or path in (tests / test).parents for test in spec.get("tests", ())):
                shutil.rmtree(path)
            elif path.is_file() and not any(tests / test == path for test in spec.get("tests", ())):
                path.unlink()


def instrument(options, folder, name):
    """Status and output of equip over the package and the tests."""
    _, tops, _ = distribution(folder / "site", name)
    site = [folder / "site"] if options.all else [folder / "site" / top for top in tops]
    command = [options.equip, "-q", "--python", options.python, "--plugin", options.plugin]
    for one in options.set:
        command += ["--set", one]
    return run(command + site + [folder / "tests"], check=False)


def pytest(options, folder, name, spec, timeout):
    """Exit status (None: no end in time), outcomes by test, what failed tests said, and the output."""
    with tempfile.TemporaryDirectory(prefix="pypi-") as private:
        private = pathlib.Path(private)
        plugin, outcomes, scratch = private / "plugin", private / "outcomes", private / "scratch"
        plugin.mkdir(), scratch.mkdir()
        (plugin / "sweep_outcomes.py").write_text(OUTCOMES)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
        env |= {"PYTHONPATH": f"{folder / 'site'}:{plugin}", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0",
                "PYTHONNOUSERSITE": "1", "SWEEP_OUTCOMES": str(outcomes), "TMPDIR": str(scratch),
                "EQUIP_OUTPUT_DIR": str(options.keep or scratch), **spec.get("env", {})}
        where = [word for module in spec["modules"] for word in ("--pyargs", module)] if "modules" in spec else spec.get("tests", ["tests"])
        command = [options.python, "-X", "faulthandler", "-m", "pytest", "-p", "no:cacheprovider", "-p", "sweep_outcomes",
                   "--assert=plain", "-o", "addopts=", "--continue-on-collection-errors", "-q", "--tb=short",
                   *spec.get("args", []), *where]
        # In a file, not a pipe: what tests start and leave behind would hold it.
        with open(private / "output", "wb") as output:
            process = subprocess.Popen(command, cwd=folder / "tests", env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        text = (private / "output").read_text("utf-8", "replace")
        found, said = {}, {}
        for line in outcomes.read_text().splitlines() if outcomes.exists() else []:
            kind, *what = json.loads(line)
            if kind == "compiled":
                for path in what[0]:
                    # Bytecode that was there, and was not used.
                    cached = pathlib.Path(path).parent / "__pycache__"
                    if pathlib.Path(path).is_relative_to(folder) and list(cached.glob(f"{pathlib.Path(path).stem}.*.pyc")):
                        found[f"(compiled) {path.replace(str(folder), '')}"] = ["compiled anew"]
                continue
            # Names of tests may have paths, or addresses, in them.
            test = re.sub(r"0x[0-9a-f]{6,}", "0x", what[0].replace(str(folder), "").replace(str(scratch), ""))
            found.setdefault(test, []).append(what[1])
            if what[2]:
                said[test] = what[2]
    return status, found, said, text


def differences(one, two):
    if two[0] is None:
        return {("(run)", f"status {one[0]}", "no end in time")}
    shown = {test: [", ".join(side[1].get(test, ["missing"])) for side in (one, two)] for test in one[1].keys() | two[1].keys()}
    found = {(test, *sides) for test, sides in shown.items() if sides[0] != sides[1]}
    if one[0] != two[0]:
        found.add(("(run)", f"status {one[0]}", f"status {two[0]}"))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("--equip", required=True)
    parser.add_argument("--plugin", default="allsites")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--all", action="store_true", help="instrument also what the package depends on")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--work", help="folder for installations and copies, kept")
    parser.add_argument("--keep", help="folder for the output of the plugin, if it has any")
    parser.add_argument("packages", nargs="*")
    options = parser.parse_args()
    # A shell that starts this in the background ignores the signal, and tests that send it to themselves wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="equip-pypi-")).absolute()
    version = pathlib.Path(options.python).name + "-" + run([options.python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])[1].strip()
    total = {"packages": 0, "tests": 0, "passed": 0, "different": 0, "left out": 0}

    def prepared(name, spec):
        """Two compiled copies of the package with its tests."""
        folder = work / version / name
        if not (folder / "plain" / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "plain").mkdir(parents=True)
            prepare(options.python, folder / "plain", work / "sdists", name, spec)
            (folder / "plain" / "done").touch()
            run([options.python, "-m", "compileall", "-q", folder / "plain"], check=False)
        # Both names have the same length: some tests wrap text with paths in it.
        copy = folder / "equip"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder / "plain", copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "outcome.json"))
        run([options.python, "-m", "compileall", "-q", copy], check=False)
        return folder / "plain", copy

    for name in options.packages or PACKAGES:
        spec = PACKAGES.get(name, {})
        try:
            plain, copy = prepared(name, spec)
        except RuntimeError as error:
            total["left out"] += 1
            print(f"{name}: left out ({error})", flush=True)
            continue
        status, said = instrument(options, copy, name)
        # Status 1: some file cannot be compiled, such as a test's own with an error in it.
        if status not in (0, 1):
            total["different"] += 1
            print(f"{name}: equip: status {status}: {said[-3000:]}", flush=True)
            continue
        # The plain outcome is kept in the work folder for the next plugin.
        kept = plain / "outcome.json"
        one = json.loads(kept.read_text()) if kept.exists() else pytest(options, plain, name, spec, options.timeout)
        if one[0] not in (0, 1) or not one[1]:
            total["left out"] += 1
            print(f"{name}: left out (plain: {'no end in time' if one[0] is None else f'status {one[0]}'}): {one[3][-1500:]}", flush=True)
            continue
        kept.write_text(json.dumps(one))
        two = pytest(options, copy, name, spec, 4 * options.timeout)
        found = differences(one, two)
        if found:
            # What differs only now and then differs between two plain runs too.
            again = pytest(options, plain, name, spec, options.timeout)
            found &= differences(again, pytest(options, copy, name, spec, 4 * options.timeout))
        if found or said:
            logs = work / "logs"
            logs.mkdir(exist_ok=True)
            report = [said, two[3], *(f"\n=== {test}\n{two[2].get(test, '')}\n--- plain\n{one[2].get(test, '')}" for test, _, _ in sorted(found))]
            (logs / f"{version}-{options.plugin}-{name}.txt").write_text("\n".join(report))
        total["packages"] += 1
        total["tests"] += len(one[1])
        passed = sum(not any("fail" in what.split()[1] for what in phases) for phases in two[1].values())
        total["passed"] += passed
        total["different"] += len(found)
        print(f"{name}: {len(one[1])} tests, {passed} passed, {len(found)} different", flush=True)
        for test, before, after in sorted(found):
            print(f"{name}: {test}: plain {before}, instrumented {after}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in total.items()))
    if not options.work:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(bool(total["different"]))


if __name__ == "__main__":
    main()
