"""Proposes entries for excused.json from what cpython_suite.py printed and kept.

    python3 tests/sweep/excuse.py REPORTS WORK

REPORTS holds `VERSION-PLUGIN.txt`, each what one run printed; WORK a folder `VERSION` for each, as given
to `--work`. Every difference becomes an entry with the assertion that fails; `because` is taken from the
table below, and empty where no entry of it fits: such a difference has to be mended, or understood.
"""

import json
import pathlib
import re
import sys

BYTECODE = "asserts on co_code or on what dis shows of it"
CONSTANTS = "asserts on co_consts"
OFFSETS = "asserts on instruction offsets, or counts instructions or events: probes have some"
SIZES = "asserts on sizes"
POSITIONS = "asserts on positions or lines of instructions, as dis shows them"
NAMES = "asserts which global names a code object or a module has"
TRACKED = "counts the objects that the collector tracks: those that probes make are some"
HANDLED = "counts EXCEPTION_HANDLED events: a handler around a function is one"
CLOSED = "asserts that a generator that is closed runs no code, which CPython 3.13 and later skip"
NONE = "asserts that co_code returns nothing but None"
BECAUSE = [
    (r"test_dis\.", BYTECODE),
    (r"test_peepholer\.|test_opcache\.|test_type_cache\..*specialization", BYTECODE),
    (r"test_positional_only_arg\..*annotations_constant_fold", BYTECODE),
    (r"test_compile\..*(positions|position_regressions|lineno_attribute)", POSITIONS),
    (r"test_compile\..*(32_63|strip_unused|merge_const|remove_unused_consts)", CONSTANTS),
    (r"test_compile\.", BYTECODE),
    (r"test_code\..*test_code_new_empty", BYTECODE + ": it replaces co_code and keeps the exception table"),
    (r"test_code\..*test_returns_only_none", NONE),
    (r"test_code\..*(test_stateless|test_var_counts|test_unused_in|test_code_hash|test_local_kinds)", NAMES),
    (r"test_monitoring\..*test_balanced", HANDLED),
    (r"test_monitoring\.", OFFSETS),
    (r"test_sys\..*test_objecttypes", SIZES),
    (r"test_inspect\..*TestGetClosureVars", NAMES),
    (r"test_sys_setprofile\..*test_unfinished_generator|test_cprofile\..*test_throw", CLOSED),
    (r"test_code\..*co_branches|test_patma\..*jump_threading", BYTECODE),
    (r"test_capi\..*Pep523", "replaces the function that evaluates frames, and lists what it evaluates: functions of probes are some"),
    (r"test_sys\..*test_refcount|test_xml_etree\w*\..*toolkit63", "counts references to None: those that probes hold are some"),
    (r"test_profile\..*test_cprofile|test_cprofile\..*test_cprofile",
     "3.11's cProfile sees the functions that a probe calls (README, limits)"),
    (r"test_interpreters\..*no_memory", "counts allocations until memory ends: those of probes are some"),
    (r"test_gc\..*(get_objects_arguments|heap_size)|test_descr\..*test_slots\)", TRACKED),
    (r"test_exceptions\..*memory_error_in_PyErr_PrintEx", "counts allocations until memory ends: those of probes are some"),
    (r"test_generators\..*raise_and_yield_from", "asserts in which frame a signal is handled: a probe in the outer one runs Python code first"),
    (r"test_sys_settrace\..*jump_extended_args_unpack_ex_tricky",
     "jumps to a line as debuggers do: a probe on an edge is a second start of that line"),
    (r"test_sys_settrace\..*jump_out_of_(with_block|complex_nested_blocks)", "asserts that a debugger's jump warns of nothing: names of probes that have a slot are unbound"),
    (r"test_sys_settrace\..*no_line_event_after_creating_generator",
     "CPython tells the StopIteration at the end of a `for` only where FOR_ITER is specialised: a probe at the head lets it be"),
    (r"test_tracemalloc\..*get_traced_memory", "counts bytes that are allocated: those of probes are some"),
    (r"test_subprocess\..*pass_fds_redirected", "asserts which files are open: the tracer's is one"),
    (r"test_crossinterp\.|test__interpreters\.|test_interpreters\.", None),
    (r"test_perf_profiler\..*test_sys_api_with_existing",
     "CPython 3.14 and later crash when a second trampoline replaces the first and a function of atexit runs: "
     "in a plain interpreter too"),
]
# These end the process, and all other tests of their module with it: they are left out of both runs.
ENDS = re.compile(r"test_code\..*test_code_new_empty")
LINE = re.compile(r"^(?P<module>\w+): (?P<test>.*?): plain (?P<plain>.*?), instrumented (?P<now>.*)$", re.M)


def assertion(log, test):
    """The line of the test that fails, and what it says."""
    found = re.search(rf"^(?:FAIL|ERROR): {re.escape(test)}.*?\n-+\n(.*?)(?=\n={{20}}|\n-{{20}})", log, re.M | re.S)
    if not found:
        return ""
    frames = [line.strip() for line in found[1].splitlines() if line.startswith("    ") and not set(line) <= set(" ^~.")]
    said = [line for line in found[1].splitlines() if line and not line.startswith(" ")]
    last = next((line for line in reversed(said) if re.match(r"[\w.]+(Error|Exception|Warning)\b", line)), "")
    calls = [line for line in frames if "assert" in line or "check" in line or "raise" in line]
    return ((calls or frames or [""])[0] + ": " + last)[:160].strip(": ")


def main():
    reports, work = map(pathlib.Path, sys.argv[1:3])
    # What was left out of the runs cannot show itself in them.
    known = json.loads((pathlib.Path(__file__).parent / "excused.json").read_text())
    entries = {(entry["test"], entry["plugin"]): entry for entry in known if entry.get("left out")}
    for report in sorted(reports.glob("3.*-*.txt")):
        version, plugin = report.stem.split("-", 1)
        for match in LINE.finditer(report.read_text()):
            log = work / version / plugin / "logs" / f"{match['module']}.txt"
            text = assertion(log.read_text() if log.exists() else "", match["test"])
            because = next((why for pattern, why in BECAUSE if re.search(pattern, match["test"])), "")
            if because is None:
                because = NONE if plugin == "allsites" else NAMES
            entry = entries.setdefault((match["test"], plugin), {
                "test": match["test"], "plugin": plugin, "versions": [], "because": because, "assertion": text,
            })
            if version not in entry["versions"]:
                entry["versions"].append(version)
            if plugin == "callcount" and ENDS.search(match["test"]):
                entry["left out"] = True
    json.dump([entries[key] for key in sorted(entries)], sys.stdout, indent=1, ensure_ascii=False)
    print()


main()
