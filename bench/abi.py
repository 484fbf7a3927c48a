"""Times whole runs with a plugin from its shared library beside runs with the same plugin linked in.

    python3 bench/abi.py --python PYTHON [--plugin callcount] [--rounds 9] [--target target/release]

Copies PYTHON's standard library to a temporary folder and compiles it there. `abi_cost_PLUGIN` (an example of
equip-core, which this builds) then instruments the folder with both, in turn, in one process, with one thread
and without writing, the snippet cache warm. It also times the visits alone, with edits taken by nobody: the
two runs differ in nothing else, and the difference of whole runs drowns in noise. Prints the least of all rounds
and ratios: what the library costs more than the linked plugin, as a share of the whole run; and the share of
all visits, plugin's own work included, which no ABI can exceed. Fails above 2 %.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--plugin", default="callcount", choices=["callcount", "coverage"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--target", default=os.environ.get("CARGO_TARGET_DIR", "target") + "/release")
    options = parser.parse_args()
    example = f"abi_cost_{options.plugin}"
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", options.plugin], check=True)
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "equip-core", "--example", example], check=True)
    target = pathlib.Path(options.target)
    with tempfile.TemporaryDirectory(prefix="equip-bench-") as folder:
        copy = pathlib.Path(folder) / "lib"
        program = "import os; print(os.path.dirname(os.__file__))"
        library = subprocess.check_output([options.python, "-I", "-c", program], text=True).strip()
        skip = shutil.ignore_patterns("site-packages", "dist-packages", "__pycache__", "test", "*.so")
        shutil.copytree(library, copy, ignore=skip, ignore_dangling_symlinks=True)
        compile_all = [options.python, "-W", "ignore", "-m", "compileall", "-q", str(copy)]
        subprocess.run(compile_all, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # What does not compile would be tried again in each round.
        for source in copy.rglob("*.py"):
            if not list((source.parent / "__pycache__").glob(source.stem + ".*.pyc")):
                source.unlink()
        plugin = target / f"lib{options.plugin}.so"
        command = [target / "examples" / example, plugin, copy, options.python, str(options.rounds)]
        times = json.loads(subprocess.check_output(command))
    whole = times["whole_linked"]
    cost = (times["visits_loaded"] - times["visits_linked"]) / whole
    print(f"{options.plugin}, {times['files']} files, the least of {options.rounds} rounds")
    print(f"  whole runs: linked {whole * 1000:.0f} ms, loaded {times['whole_loaded'] * 1000:.0f} ms, "
          f"ratio {times['whole_loaded'] / whole:.3f}")
    print(f"  visits: linked {times['visits_linked'] * 1000:.2f} ms, loaded {times['visits_loaded'] * 1000:.2f} ms")
    print(f"  the library costs {cost:.2%} of a whole run; all visits are {times['visits_loaded'] / whole:.2%} of it")
    return cost > 0.02


if __name__ == "__main__":
    sys.exit(main())
