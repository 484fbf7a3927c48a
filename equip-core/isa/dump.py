"""Prints what an interpreter knows about its own instruction set, as JSON.

Run it under each CPython: `pythonX.Y dump.py > cpython-X.Y.json`. Only facts that the
interpreter itself exports are here; what it does not export (how operands are packed) is one
column of `generate.py`.
"""

import dis
import importlib.util
import json
import marshal
import opcode
import sys

VERSION = sys.version_info[:2]
NEVER_ON_DISK = {"CACHE", "INTERPRETER_EXIT", "RESERVED", "ENTER_EXECUTOR", "TRACE_RECORD",
                 "ANNOTATIONS_PLACEHOLDER"}
ARGS = list(range(0, 36)) + [63, 64, 127, 128, 255, 256, 257, 258, 511, 512, 515, 1024, 1025]


def caches():
    entries = getattr(opcode, "_inline_cache_entries", None)
    if entries is None:
        return lambda name, number: 0
    if hasattr(entries, "get"):
        return lambda name, number: entries.get(name, 0)
    return lambda name, number: entries[number] if number < len(entries) else 0


def effect(number, has_arg, jump):
    """Stack effect as one of four shapes; raises where none fits."""
    def ask(arg):
        return dis.stack_effect(number, arg if has_arg else None, jump=jump)

    def fits(formula):
        return all(ask(a) == formula(a) for a in args)

    if not has_arg:
        return {"linear": [ask(None), 0]}
    args = []
    for a in ARGS:
        try:
            ask(a)
        except ValueError:  # an operand that this instruction cannot have
            continue
        args.append(a)
    base = ask(args[0])
    if args == list(range(len(args))) and len(args) < 20 and any(ask(a) != base for a in args):
        # a closed set of operands: a table would do, one shape suffices so far
        pass
    slope = ask(args[1]) - base if len(args) > 1 and args[1] == args[0] + 1 else 0
    if fits(lambda a: base + slope * (a - args[0])):
        return {"linear": [base - slope * args[0], slope]}
    if opcode.opname[number] == "BUILD_SLICE" or fits(lambda a: -2 if a == 3 else -1):
        assert fits(lambda a: -2 if a == 3 else -1)
        return {"build_slice": []}
    if fits(lambda a: (a & 0xFF) + (a >> 8)):
        return {"unpack_ex": []}
    bits = [ask(1 << b) - ask(0) for b in range(4)]
    if fits(lambda a: ask(0) + sum(w for b, w in enumerate(bits) if a >> b & 1)):
        return {"per_bit": [ask(0)] + bits}
    raise SystemExit(f"{opcode.opname[number]}: no shape fits {[(a, ask(a)) for a in args]}")


def main():
    cache = caches()
    never = {name for name in opcode.opmap if name.startswith("INSTRUMENTED_")} | NEVER_ON_DISK
    ops = {}
    for name, number in sorted(opcode.opmap.items(), key=lambda item: item[1]):
        if number >= 256 or name in never:
            continue
        has_arg = number in dis.hasarg if hasattr(dis, "hasarg") else number >= opcode.HAVE_ARGUMENT
        uses = [label for label, group in (
            ("const", dis.hasconst), ("name", dis.hasname), ("local", dis.haslocal),
            ("free", dis.hasfree), ("jrel", dis.hasjrel), ("jabs", dis.hasjabs),
            ("compare", dis.hascompare)) if number in group]
        ops[name] = {
            "number": number,
            "arg": has_arg,
            "caches": cache(name, number),
            "uses": uses,
            "effect": effect(number, has_arg, False),
            "jump": effect(number, has_arg, True),
        }
    nb_ops = [entry[1] if isinstance(entry, (tuple, list)) else str(entry)
              for entry in getattr(opcode, "_nb_ops", [])]
    common = [repr(value) if not isinstance(value, type) and not callable(value) else value.__name__
              for value in getattr(opcode, "_common_constants", [])]
    facts = {
        "version": list(VERSION),
        "magic": int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little"),
        "marshal": marshal.version,
        "ops": ops,
        "binary_operators": nb_ops,
        "compare": list(opcode.cmp_op),
        "intrinsics_1": list(getattr(opcode, "_intrinsic_1_descs", [])),
        "intrinsics_2": list(getattr(opcode, "_intrinsic_2_descs", [])),
        "special_methods": list(getattr(opcode, "_special_method_names", [])),
        "common_constants": common,
    }
    json.dump(facts, sys.stdout, indent=1)
    sys.stdout.write("\n")


main()
