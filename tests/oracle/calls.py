"""Runs code under a profiler; writes which functions of some files call which, to calls.json.

calls.py LIST FOLDER CODE: LIST names the files, one a line; FOLDER is put on sys.path. Each pair of caller
and callee is said once for each place, with the positions of the call. Generators and coroutines are left
out, since they start later than they are called; so are comprehensions, which are their function's.
"""

import dis
import json
import linecache
import sys
import threading

with open(sys.argv[1]) as names:
    FILES = {name: number for number, name in enumerate(names.read().split("\n"))}
CALLS = {"CALL", "CALL_KW", "CALL_FUNCTION_EX"}
LATER = 0x20 | 0x80 | 0x200
COMPREHENSIONS = {"<listcomp>", "<setcomp>", "<dictcomp>"}
seen = {}


def place(code):
    return FILES[code.co_filename], code.co_qualname, code.co_firstlineno


def profile(frame, event, argument):
    if event != "call" or frame.f_code.co_flags & LATER or frame.f_code.co_name in COMPREHENSIONS:
        return
    caller = frame.f_back
    if caller is None or caller.f_code.co_filename not in FILES or frame.f_code.co_filename not in FILES:
        return
    code, at = caller.f_code, caller.f_lasti
    while dis.opname[code.co_code[at]] == "CACHE":
        at -= 2  # 3.11 and 3.12 point behind the call while it runs
    if (code, at, frame.f_code) in seen:
        return
    seen[code, at, frame.f_code] = None
    if dis.opname[code.co_code[at]] not in CALLS:
        return
    line, end_line, column, end_column = list(code.co_positions())[at // 2]
    if linecache.getline(code.co_filename, line)[column:].startswith("class "):
        return  # runs the class body, and __init_subclass__
    seen[code, at, frame.f_code] = [line, end_line, column, end_column]


sys.path.insert(0, sys.argv[2])
sys.setrecursionlimit(5000)
threading.setprofile(profile)
sys.setprofile(profile)
try:
    exec(compile(sys.argv[3], "<use>", "exec"), {"__name__": "use"})
except SystemExit:
    pass
finally:
    sys.setprofile(None)
    threading.setprofile(None)

events = [
    {"caller": place(caller), "callee": place(callee), "at": at}
    for (caller, _, callee), at in seen.items()
    if at is not None
]
with open("calls.json", "w") as out:
    json.dump(events, out)
print(len(events), "kinds of call", file=sys.stderr)
