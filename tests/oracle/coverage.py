"""What sys.settrace tells of the lines and branches of programs, beside what coverage has written.

    python coverage.py PLAIN PROGRAM DATA [counts]

PROGRAM is a module of the folder PLAIN; DATA holds the files that its instrumented copy left. Prints each
difference, and how many lines and branches were compared. Lines are those of statements (the first of each), a branch
is a line that control may leave for more than one other. With `counts`, how often each line was reached.
"""

import ast
import glob
import importlib
import io
import json
import os
import sys
import threading
from opcode import opname

plain, program, data = sys.argv[1:4]
counted = sys.argv[4:] == ["counts"]
# Code objects whose lines belong to the statement that holds them.
INNER = ("<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "__annotate__")

lines, arcs = {}, {}
# Where an exception that was handled goes on: out of a condition at the end of `finally`, or of what the compiler added.
raised_again = {}


def traced(frame, event, arg):
    code = frame.f_code
    name = os.path.relpath(code.co_filename, plain)
    if name.startswith(("..", "<")) or code.co_name in INNER or code.co_name.startswith("<generic"):
        return None
    state = [code, None]
    if is_resumed(frame):
        state = suspended.get(id(frame), state)
        state = state if state[0] is code else [code, None]
    seen = lines.setdefault(name, {})
    ways = arcs.setdefault(name, set())

    def local(frame, event, arg):
        last = state[1]
        if event == "line":
            now = state[1] = frame.f_lineno
            if last is not None:
                ways.add((last, now))
            seen[now] = seen.get(now, 0) + 1
        elif event == "return":
            suspended[id(frame)] = state
            if last is not None and returns(frame):
                ways.add((last, 0))
            elif last is not None and opname[code.co_code[frame.f_lasti]] == "RERAISE":
                raised_again.setdefault(name, set()).add(last)
        return local

    return local


suspended = {}  # frame -> its code and its last line


def is_resumed(frame):
    """Whether a generator or coroutine goes on: to who traces, that is a call."""
    name, arg = opname[frame.f_code.co_code[frame.f_lasti]], frame.f_code.co_code[frame.f_lasti + 1]
    return name in ("YIELD_VALUE", "SEND") or name == "RESUME" and arg & 3 != 0


def returns(frame):
    """Whether it ends by a return or a `raise` of its own, not by what something else raises."""
    return opname[frame.f_code.co_code[frame.f_lasti]].startswith(("RETURN_", "RAISE_"))


def statements(source):
    """Each line's statement, by its first line; and the lines of docstrings."""
    first, docstrings = {0: 0}, set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node, False) is not None:
            docstrings.add(body[0].lineno)
        if not isinstance(node, (ast.stmt, ast.excepthandler)):
            continue
        end = node.end_lineno
        if isinstance(body, list) and body:
            end = min(end, max(node.lineno, body[0].lineno - 1))
        for line in range(node.lineno, end + 1):
            first[line] = node.lineno
    return first, docstrings


def told():
    """What the data says, of each file: how often each line was reached, which branches there are, which were taken."""
    found = {}
    for name in glob.glob(os.path.join(data, "*.json")):
        with open(name) as file:
            modules = json.load(file)["modules"]
        for module in modules:
            map, counts = module["map"], module["counts"]
            for number, terms in map.get("sums", ()):
                counts[number] = sum(counts[term] if term >= 0 else -counts[~term] for term in terms)
            seen, branches = found.setdefault(os.path.basename(map["file"]), ({}, {}))
            for line, terms in map["lines"]:
                seen[line] = seen.get(line, 0) + sum(counts[term] for term in terms)
            for line, to, _, terms in map["branches"]:
                branches[line, to] = branches.get((line, to), 0) + sum(counts[term] for term in terms)
    return found


sys.path.insert(0, plain)
out, sys.stdout, sys.stderr = sys.stdout, io.StringIO(), io.StringIO()
threading.settrace(traced)
sys.settrace(traced)
try:
    importlib.import_module(program)
except (Exception, SystemExit):
    pass
sys.settrace(None)
threading.settrace(None)
sys.stdout, sys.stderr = out, sys.__stderr__

known = told()
compared = [0, 0]
for name in lines:
    with open(os.path.join(plain, name)) as file:
        first, docstrings = statements(file.read())
    seen, branches = known.get(name, ({}, {}))
    wanted = {line: count for line, count in lines[name].items() if line not in docstrings}
    got = {line: count for line, count in seen.items() if count and line not in docstrings}
    if not counted:
        wanted, got = dict.fromkeys(wanted, 1), dict.fromkeys(got, 1)
    compared[0] += len(wanted)
    for line in sorted(wanted.keys() | got.keys()):
        if wanted.get(line) != got.get(line):
            print(f"{name}:{line}: reached {wanted.get(line, 0)} times, coverage says {got.get(line, 0)}")
    # Branches within a statement cannot be told by lines.
    between = lambda edge: (first.get(edge[0], edge[0]), first.get(edge[1], edge[1]))
    taken = {between(edge) for edge in arcs[name]}
    hit = {}
    for edge, count in branches.items():
        edge = between(edge)
        if edge[0] != edge[1]:
            hit[edge] = hit.get(edge, 0) + count
    compared[1] += len(hit)
    unsure = {(first.get(line, line), 0) for line in raised_again.get(name, ())}
    for edge, count in sorted(hit.items()):
        if edge not in unsure and (edge in taken) != bool(count):
            print(f"{name}:{edge[0]}: branch to {edge[1] or 'exit'}: taken: {edge in taken}, coverage says {count}")
print(f"compared {compared[0]} {compared[1]}")
