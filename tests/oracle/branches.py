"""Which edges of conditionals a program takes, as sys.monitoring tells it (CPython 3.12 and later).

    python branches.py MODULE FILE

Imports MODULE from the working directory and writes a line for each edge of a conditional in a function or lambda
of it (not in generator expressions): qualname, line, edge. What the compiler adds is left out, as it is no site.
"""

import dis
import os
import sys

JUMP_IF = {"POP_JUMP_IF_TRUE": True, "POP_JUMP_IF_NONE": True, "POP_JUMP_IF_FALSE": False,
           "POP_JUMP_IF_NOT_NONE": False, "FOR_ITER": False}
COMPILERS = {"CHECK_EXC_MATCH", "CHECK_EG_MATCH", "WITH_EXCEPT_START"}
SKIPPED = {"TO_BOOL", "COPY", "NOP", "CACHE"}

module, path = sys.argv[1:]
sys.path.insert(0, os.getcwd())
source = os.path.join(os.getcwd(), module + ".py")
known, events = {}, []


def conditionals(code):
    found = {}
    instrs = list(dis.get_instructions(code))
    line = None
    for at, instr in enumerate(instrs):
        line = instr.positions.lineno or line
        if instr.opname not in JUMP_IF:
            continue
        above = [other for other in instrs[:at] if other.opname not in SKIPPED][::-1][:2]
        names = [other.opname for other in above]
        compilers = names[:1] and (names[0] in COMPILERS or names == ["IS_OP", "LOAD_COMMON_CONSTANT"]
                                   or "PREP_RERAISE_STAR" in above[0].argrepr)
        if not compilers:
            found[instr.offset] = line, JUMP_IF[instr.opname]
    return found


def note(code, offset, jumped):
    if code not in known:
        known[code] = conditionals(code) if code.co_filename == source else {}
    if offset in known[code] and code.co_flags & 1 and code.co_name != "<genexpr>":
        line, jumps_if = known[code][offset]
        events.append(f"{code.co_qualname} {line} {'true' if jumped == jumps_if else 'false'}")


monitoring = sys.monitoring
monitoring.use_tool_id(3, "branches")
if hasattr(monitoring.events, "BRANCH_LEFT"):
    monitoring.register_callback(3, monitoring.events.BRANCH_LEFT, lambda code, at, to: note(code, at, False))
    monitoring.register_callback(3, monitoring.events.BRANCH_RIGHT, lambda code, at, to: note(code, at, True))
    monitoring.set_events(3, monitoring.events.BRANCH_LEFT | monitoring.events.BRANCH_RIGHT)
else:
    def branch(code, at, to):
        behind = next(instr.offset for instr in dis.get_instructions(code) if instr.offset > at)
        note(code, at, to != behind)
    monitoring.register_callback(3, monitoring.events.BRANCH, branch)
    monitoring.set_events(3, monitoring.events.BRANCH)
__import__(module)
monitoring.set_events(3, 0)
with open(path, "w") as file:
    file.write("".join(event + "\n" for event in events))
