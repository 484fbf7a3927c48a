"""Times a call-heavy program plain and traced, by equip's tracer, by viztracer and by sys.monitoring.

    python3 bench/tracer.py --python PYTHON [--equip target/release/equip] [--viztracer FOLDER] [--rounds 5]

FOLDER is where `pip install --target FOLDER viztracer` put it; without it viztracer is left out, and says
so. All ways run in turn, in each round, each in a process of its own that times itself without start-up;
the best of each counts. Prints ratios to the plain run: times mean nothing by themselves. The callbacks
for sys.monitoring (3.12 and later) note function and time in a list, nothing else: what any tracer needs.
"""

import argparse
import pathlib
import shutil
import subprocess
import tempfile

PROGRAM = """
import sys, time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)

    def pop(self):
        return self.items.pop()


def numbers(n):
    for i in range(n):
        yield i


def work():
    total = fib(17)
    stack = Stack()
    for i in numbers(2000):
        stack.push(i)
    while stack.items:
        total += stack.pop()
    return total


def main():
    work()
    begin = time.perf_counter()
    for _ in range(10):
        work()
    print(time.perf_counter() - begin)
"""

MONITORED = """
import sys, time
import program

seen = []
now = time.perf_counter_ns
monitoring = sys.monitoring
monitoring.use_tool_id(2, "bench")
for event in ("PY_START", "PY_RETURN", "PY_YIELD", "PY_RESUME"):
    monitoring.register_callback(2, getattr(monitoring.events, event),
                                 lambda code, *rest, event=event: seen.append((event, code, now())))
events = monitoring.events
monitoring.set_events(2, events.PY_START | events.PY_RETURN | events.PY_YIELD | events.PY_RESUME)
program.main()
"""

VIZTRACER = """
import sys
sys.path.insert(0, sys.argv[1])
import viztracer
import program

tracer = viztracer.VizTracer(tracer_entries=10_000_000, log_func_args=sys.argv[2] == "args",
                             log_func_retval=sys.argv[2] == "args", verbose=0)
tracer.start()
program.main()
tracer.stop()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--equip", default="target/release/equip")
    parser.add_argument("--viztracer")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="equip-bench-"))
    ways = {}

    def way(name, program="import program; program.main()", arguments=(), plugin=()):
        folder = work / name.replace(" ", "-")
        folder.mkdir()
        (folder / "program.py").write_text(PROGRAM)
        (folder / "start.py").write_text(program)
        if plugin:
            command = [options.equip, "-q", "--python", options.python, "--plugin", "tracer"]
            for one in plugin:
                command += ["--set", "tracer." + one]
            subprocess.run([*command, str(folder / "program.py")], check=True)
        ways[name] = folder, [options.python, "start.py", *arguments]

    way("plain")
    way("tracer, text", plugin=["output=trace.txt"])
    way("tracer, chrome", plugin=["format=chrome"])
    way("tracer, chrome, no arguments", plugin=["format=chrome", "include_args=false"])
    if options.viztracer:
        folder = str(pathlib.Path(options.viztracer).resolve())
        way("viztracer, arguments", VIZTRACER, [folder, "args"])
        way("viztracer, no arguments", VIZTRACER, [folder, "none"])
    else:
        print("viztracer: left out, no --viztracer FOLDER")
    has_monitoring = subprocess.run([options.python, "-c", "import sys; sys.monitoring"], stderr=subprocess.DEVNULL)
    if has_monitoring.returncode == 0:
        way("sys.monitoring", MONITORED)
    else:
        print("sys.monitoring: left out, this Python has none")
    best = {}
    for _ in range(options.rounds):
        for name, (folder, command) in ways.items():
            output = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
            time = float(output.split()[0])
            best[name] = min(time, best.get(name, time))
    for name, time in best.items():
        print(f"{name:32} {time / best['plain']:6.1f}")
    shutil.rmtree(work)


main()
