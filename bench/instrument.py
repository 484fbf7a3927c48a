"""Times equip beside CPython's own `marshal.loads`, over the same files, in the same run.

    python3 bench/instrument.py --python PYTHON [--equip target/release/equip] [--plugin callcount] [--rounds 7]

Copies PYTHON's standard library with its `test` package to a temporary folder and compiles it there.
Each round then loads every .pyc with `marshal.loads` (the bytes read beforehand, the garbage collector
off, nothing kept), and instruments the folder with one thread and without writing
(`--dry-run --jobs 1`, the snippet cache warm), which reads, parses, visits, splices, assembles, verifies
and serialises. Prints the best and the median of each, and the ratios: times mean nothing by themselves.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

LOADS = """
import gc, json, marshal, pathlib, sys, time
files = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.pyc"))]
gc.disable()
begin = time.perf_counter()
for data in files:
    marshal.loads(memoryview(data)[16:])
print(json.dumps([time.perf_counter() - begin, len(files), sum(map(len, files))]))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--equip", default="target/release/equip")
    parser.add_argument("--plugin", default="callcount")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    program = "import os, sys; print(os.path.dirname(os.__file__)); print('%d.%d.%d' % sys.version_info[:3])"
    library, version = subprocess.check_output([options.python, "-I", "-c", program], text=True).split()
    with tempfile.TemporaryDirectory(prefix="equip-bench-") as folder:
        copy = pathlib.Path(folder) / "lib"
        skip = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "*.so")
        shutil.copytree(library, copy, ignore=skip, ignore_dangling_symlinks=True)
        compile_all = [options.python, "-W", "ignore", "-m", "compileall", "-q", str(copy)]
        subprocess.run(compile_all, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # What does not compile (there are tests of bad syntax) would be tried again in each round.
        for source in copy.rglob("*.py"):
            if not list((source.parent / "__pycache__").glob(source.stem + ".*.pyc")):
                source.unlink()
        command = [options.equip, "-q", "--dry-run", "--jobs", "1", "--plugin", options.plugin,
                   "--python", options.python, str(copy)]
        subprocess.run(command, check=True)
        loads, equip = [], []
        for _ in range(options.rounds):
            took, files, size = json.loads(subprocess.check_output([options.python, "-I", "-c", LOADS, str(copy)]))
            loads.append(took)
            begin = time.perf_counter()
            subprocess.run(command, check=True)
            equip.append(time.perf_counter() - begin)
    print(f"CPython {version}: {files} files, {size / 1e6:.1f} MB")
    for name, times in (("marshal.loads", loads), (f"equip --plugin {options.plugin}", equip)):
        print(f"  {name:28} best {min(times):.3f} s, median {statistics.median(times):.3f} s, "
              f"{size / 1e6 / min(times):.0f} MB/s")
    print(f"  ratio: best {min(equip) / min(loads):.2f}, median {statistics.median(equip) / statistics.median(loads):.2f}")


main()
