"""Times programs plain and measured, by equip's coverage, by coverage.py and by SlipCover, in one run.

    python3 bench/coverage.py --python PYTHON [--equip target/release/equip] [--others FOLDER] [--rounds 5]
    python3 bench/coverage.py --python PYTHON --probes PACKAGE...

FOLDER is where `pip install --target FOLDER coverage slipcover` put them; without it they are left out, and
this says so. All ways run in turn, in each round, each in a process of its own that times itself without
start-up; the best of each counts, in CPU time. Prints ratios to the plain run: times mean nothing by themselves.

With --probes, how many probes the modules and packages of that Python's library get, beside the lines and the edges
between lines that they tell of: one probe for each of these is what there would be without placement.
"""

import argparse
import math
import pathlib
import shutil
import subprocess
import tempfile

PROGRAMS = {
    "calls": """
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def main():
    return fib(23)
""",
    "methods": """
class Account:
    def __init__(self, owner):
        self.owner = owner
        self.balance = 0
        self.log = []

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError(amount)
        self.balance += amount
        self.note("deposit", amount)

    def withdraw(self, amount):
        if amount > self.balance:
            return False
        self.balance -= amount
        self.note("withdraw", amount)
        return True

    def note(self, what, amount):
        self.log.append((what, amount))
        if len(self.log) > 100:
            self.log.clear()


def main():
    account = Account("me")
    done = 0
    for i in range(30000):
        account.deposit(i % 7 + 1)
        if i % 3 == 0:
            done += account.withdraw(i % 11)
    return done
""",
    "loops": """
def sieve(n):
    flags = [True] * (n + 1)
    count = 0
    for i in range(2, n + 1):
        if flags[i]:
            count += 1
            j = i * i
            while j <= n:
                flags[j] = False
                j += i
    return count


def main():
    return sum(sieve(30000) for _ in range(3))
""",
    "matrix": """
def multiply(a, b, n):
    result = [[0.0] * n for _ in range(n)]
    for i in range(n):
        row = a[i]
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += row[k] * b[k][j]
            result[i][j] = total
    return result


def main():
    n = 50
    a = [[float(i * j % 7) for j in range(n)] for i in range(n)]
    for _ in range(2):
        a = multiply(a, a, n)
    return a
""",
    "text": """
def tokens(text):
    word = []
    for char in text:
        if char.isalpha():
            word.append(char)
        elif word:
            yield "".join(word)
            word = []
    if word:
        yield "".join(word)


def main():
    counts = {}
    text = "the quick brown fox jumps over the lazy dog, and runs away; " * 1000
    for token in tokens(text):
        if token in counts:
            counts[token] += 1
        else:
            counts[token] = 1
    return counts
""",
    "handlers": """
def number(text, table):
    try:
        return table[text]
    except KeyError:
        value = len(text)
        table[text] = value
        return value


def main():
    total = 0
    table = {}
    for i in range(60000):
        total += number(str(i % 1000), table)
    return total
""",
    "branches": """
def classify(n):
    if n % 15 == 0:
        kind = "fizzbuzz"
    elif n % 5 == 0:
        kind = "buzz"
    elif n % 3 == 0:
        kind = "fizz"
    else:
        kind = None
    if kind is None and n > 10 and n & 1:
        return 1
    return 0


def main():
    total = 0
    for n in range(60000):
        total += classify(n)
    return total
""",
}

PLAIN = """
import time, program
program.main()
best = 1e9
for _ in range(5):
    begin = time.process_time()
    program.main()
    best = min(best, time.process_time() - begin)
print(best)
"""

COVERAGE = """
import sys
sys.path.insert(0, sys.argv[1])
import coverage
measured = coverage.Coverage(branch=sys.argv[2] == "branch", data_file=None, config_file=False)
measured.start()
""" + PLAIN


MAPS = """
import json, marshal, pathlib, sys, types

def told(code):
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from told(one)
        elif isinstance(one, str) and one.startswith('{"file": '):
            yield one
        elif isinstance(one, tuple) and one and all(isinstance(part, tuple) and len(part) == 4 for part in one):
            if all(isinstance(part[0], str) and isinstance(part[3], tuple) for part in one):
                yield one

probes = noted = lines = edges = 0
for path in pathlib.Path(sys.argv[1]).rglob("*.pyc"):
    for one in set(told(marshal.loads(path.read_bytes()[16:]))):
        if isinstance(one, tuple):
            noted += sum(len(part[3]) for part in one)
            continue
        map = json.loads(one)
        probes += map["probes"] - len(map.get("sums", ()))
        lines += len(map["lines"])
        edges += len(map["branches"])
print(probes, noted, lines, edges)
"""


def count_probes(options):
    """Prints a row for each package: probes of each mode beside lines and edges."""
    find = "import sysconfig; print(sysconfig.get_paths()['stdlib'])"
    library = pathlib.Path(subprocess.run([options.python, "-c", find], capture_output=True, text=True, check=True).stdout.strip())
    # Behind the +: lines that a handler notes, which runs when an exception leaves.
    print("| | lines | edges | hits | hits, no handlers | counts | counts, no handlers |\n|---|---|---|---|---|---|---|")
    ways = (["mode=hits"], ["no_handlers=true"], ["mode=counts"], ["mode=counts", "no_handlers=true"])
    for package in options.probes:
        row = []
        for how in ways:
            with tempfile.TemporaryDirectory(prefix="equip-probes-") as folder:
                source = library / package
                place = pathlib.Path(folder, package)
                if source.is_dir():
                    ignored = shutil.ignore_patterns("test", "tests", "__pycache__", "lib2to3", "idle_test")
                    shutil.copytree(source, place, ignore=ignored)
                else:
                    shutil.copy(source.with_suffix(".py"), place.with_suffix(".py"))
                command = [options.equip, "-q", "--python", options.python, "--plugin", "coverage"]
                for one in how:
                    command += ["--set", "coverage." + one]
                subprocess.run([*command, folder], check=True)
                told = subprocess.run([options.python, "-c", MAPS, folder], capture_output=True, text=True, check=True)
                row.append([int(number) for number in told.stdout.split()])
        _, _, lines, edges = row[0]
        print(f"| {package} | {lines} | {edges} | " + " | ".join(f"{probes - noted}" + f" + {noted}" * (noted > 0) for probes, noted, _, _ in row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--equip", default="target/release/equip")
    parser.add_argument("--others")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--probes", nargs="+", metavar="PACKAGE")
    options = parser.parse_args()
    if options.probes:
        return count_probes(options)
    work = pathlib.Path(tempfile.mkdtemp(prefix="equip-bench-"))
    ways = {"plain": None, "equip": ["mode=hits"], "equip, no handlers": ["no_handlers=true"], "equip, counts": ["mode=counts"]}
    if options.others:
        folder = str(pathlib.Path(options.others).resolve())
        for core in ("ctrace", "sysmon"):
            for mode in ("lines", "branch"):
                ways[f"coverage.py {core}, {mode}"] = (COVERAGE, [folder, mode], {"COVERAGE_CORE": core})
        ways["SlipCover, lines"] = (PLAIN, ["-m", "slipcover", "--source", "."], {"PYTHONPATH": folder})
        ways["SlipCover, branches"] = (PLAIN, ["-m", "slipcover", "--branch", "--source", "."], {"PYTHONPATH": folder})
    else:
        print("coverage.py and SlipCover: left out, no --others FOLDER")
    ratios = {}
    for name, program in PROGRAMS.items():
        if options.only and name not in options.only:
            continue
        best = {}
        for number in range(options.rounds):
            for way, how in ways.items():
                folder = work / f"{name}-{way}".replace(" ", "-").replace(",", "")
                if number == 0:
                    folder.mkdir()
                    (folder / "program.py").write_text(program)
                    (folder / "start.py").write_text(how[0] if isinstance(how, tuple) else PLAIN)
                    if isinstance(how, list):
                        command = [options.equip, "-q", "--python", options.python, "--plugin", "coverage"]
                        for one in how:
                            command += ["--set", "coverage." + one]
                        subprocess.run([*command, str(folder / "program.py")], check=True)
                command, env = [options.python, "start.py"], {}
                if isinstance(how, tuple):
                    env = how[2]
                    modules = how[1][:1] == ["-m"]
                    command = [options.python, *how[1], "start.py"] if modules else [*command, *how[1]]
                run = subprocess.run(command, cwd=folder, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True)
                numbers = [line for line in run.stdout.split("\n") if line.replace(".", "").replace("e-", "").isdigit()]
                if numbers:
                    best[way] = min(best.get(way, math.inf), float(numbers[0]))
                elif number == 0:
                    print(f"{name}: {way}: {run.stderr.strip().splitlines()[-1:] or 'no time'}")
        for way, time in best.items():
            ratios.setdefault(way, {})[name] = time / best["plain"]
    names = [name for name in PROGRAMS if not options.only or name in options.only]
    print(f"{'':28}" + "".join(f"{name:>10}" for name in names) + f"{'mean':>10}")
    for way, row in ratios.items():
        mean = math.prod(row.values()) ** (1 / len(row))
        print(f"{way:28}" + "".join(f"{row.get(name, math.nan):10.2f}" for name in names) + f"{mean:10.2f}")
    shutil.rmtree(work, ignore_errors=True)


main()
