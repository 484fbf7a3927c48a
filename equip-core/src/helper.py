"""Compiles Python for equip, as a process of the target's own interpreter.

One request and one answer per line, JSON both. Never imports or runs anything of the target.
"""

import ast
import dis
import inspect
import json
import marshal
import opcode
import sys

RESERVED = "__equip_"


class Refused(Exception):
    def __init__(self, message, node):
        super().__init__(message)
        self.node = node


def constants_misused(body):
    """Reserved names of constants that stand where grammar wants an identifier or a literal."""
    wrong = set()

    def is_constant(name):
        return isinstance(name, str) and name.startswith((RESERVED + "const_", RESERVED + "text_"))

    for top in body:
        for node in ast.walk(top):
            if isinstance(node, ast.Name):
                if not isinstance(node.ctx, ast.Load) and is_constant(node.id):
                    wrong.add(node.id)
                continue
            for _, value in ast.iter_fields(node):
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, str):
                        wrong.update(p for p in part.split(".") if is_constant(p))
    return sorted(wrong)


class Scope(ast.NodeVisitor):
    """What the snippet's own scope declares, and what may not stand in it."""

    def __init__(self):
        self.globals, self.nonlocals = [], []

    def refuse(self, node, what):
        raise Refused(f"{what} cannot stand at the top level of a snippet", node)

    def visit_Global(self, node):
        self.globals += node.names

    def visit_Nonlocal(self, node):
        self.nonlocals += node.names

    def visit_Return(self, node):
        self.refuse(node, "return")

    def visit_Yield(self, node):
        self.refuse(node, "yield")

    def visit_YieldFrom(self, node):
        self.refuse(node, "yield from")

    def visit_Await(self, node):
        self.refuse(node, "await")

    def visit_AsyncFor(self, node):
        self.refuse(node, "async for")

    def visit_AsyncWith(self, node):
        self.refuse(node, "async with")

    def nested(self, node):
        for decorator in getattr(node, "decorator_list", []):
            self.visit(decorator)
        if hasattr(node, "args"):
            for default in node.args.defaults + [d for d in node.args.kw_defaults if d]:
                self.visit(default)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = nested

    def comprehension(self, node):
        if any(g.is_async for g in node.generators):
            self.refuse(node, "an asynchronous comprehension")
        self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_DictComp = comprehension

    def visit_GeneratorExp(self, node):
        self.visit(node.generators[0].iter)


def function(name, body, parameters=()):
    args = ast.arguments(
        posonlyargs=[], args=[ast.arg(arg=p) for p in parameters], vararg=None,
        kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[])
    node = ast.FunctionDef(name=name, args=args, body=body, decorator_list=[], returns=None)
    if "type_params" in ast.FunctionDef._fields:
        node.type_params = []
    return node


def caught(body, on_error):
    """The snippet's text within the `try` that its author asked for."""
    handler = ["pass"]
    if on_error == "log":
        handler = [f"try: {RESERVED}log__({RESERVED}const_error_site__)", f"except {RESERVED}Exception__: pass"]
    text = f"try: pass\nexcept {RESERVED}Exception__:\n" + "".join(f" {line}\n" for line in handler)
    guard = ast.parse(text).body[0]
    guard.body = body
    return [guard]


def find(code, name):
    for const in code.co_consts:
        if hasattr(const, "co_code"):
            found = const if const.co_name == name else find(const, name)
            if found is not None:
                return found
    return None


def snippet(request):
    tree = ast.parse(request["source"], "<snippet>")
    textual = constants_misused(tree.body)
    if textual:
        return {"textual": textual}
    scope = Scope()
    for node in tree.body:
        scope.visit(node)
    if request["on_error"] != "raise":
        tree.body = caught(tree.body or [ast.Pass()], request["on_error"])
    if request["main_only"]:
        is_main = ast.Compare(left=ast.Name(id="__name__", ctx=ast.Load()), ops=[ast.Eq()],
                              comparators=[ast.Constant(value="__main__")])
        tree.body = [ast.If(test=is_main, body=tree.body or [ast.Pass()], orelse=[])]
    body = function("__equip__", tree.body or [ast.Pass()], request["captures"])
    if scope.nonlocals:
        bindings = [ast.Assign(targets=[ast.Name(id=n, ctx=ast.Store())], value=ast.Constant(value=None))
                    for n in scope.nonlocals]
        body = function("__equip_outer__", bindings + [body])
    if request["class"]:
        body = ast.ClassDef(name=request["class"], bases=[], keywords=[], body=[body], decorator_list=[])
        if "type_params" in ast.ClassDef._fields:
            body.type_params = []
    module = ast.fix_missing_locations(ast.Module(body=[body], type_ignores=[]))
    code = compile(module, "<snippet>", "exec", flags=request["flags"], dont_inherit=True,
                   optimize=request["optimize"])
    return {"code": marshal.dumps(find(code, "__equip__")).hex(), "globals": scope.globals}


def slim(code):
    """The same code without columns: it travels in every instrumented file."""

    def varint(number):
        out = bytearray()
        while number >= 64:
            out.append(64 | number & 63)
            number >>= 6
        return bytes(out) + bytes([number])

    table, last = bytearray(), code.co_firstlineno
    runs = []
    for start, end, line in code.co_lines():
        if runs and runs[-1][2] == line and runs[-1][1] == start:
            runs[-1][1] = end
        else:
            runs.append([start, end, line])
    for start, end, line in runs:
        units = (end - start) // 2
        while units > 0:
            length = min(units, 8)
            units -= length
            if line is None:
                table.append(0x80 | 15 << 3 | length - 1)
                continue
            delta, last = line - last, line
            table.append(0x80 | 13 << 3 | length - 1)
            table += varint(-delta << 1 | 1 if delta < 0 else delta << 1)
    consts = tuple(slim(const) if hasattr(const, "co_code") else const for const in code.co_consts)
    return code.replace(co_linetable=bytes(table), co_consts=consts)


def unseen(code):
    """The same functions without the instruction that begins a traceable frame.

    CPython tells tracers, profilers and debuggers nothing of code in front of a RESUME, and leaves its frame
    out of tracebacks; a debugger does not step into a probe's runtime, a profile does not count it. Before
    PEP 669 the end of such a frame was told all the same, so there all stays as it is. What is raised in one
    would be told too (and 3.15 crashes then: its tables of events are for code that has a RESUME), but
    for code with this flag of CPython's own; 3.12, which has none, tells it.
    """
    no_monitoring_events = 0x200_0000
    consts = tuple(unseen(const) if hasattr(const, "co_code") else const for const in code.co_consts)
    code = code.replace(co_consts=consts)
    generator = code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
    if not hasattr(sys, "monitoring") or generator or not code.co_flags & inspect.CO_OPTIMIZED:
        return code
    bytecode = bytearray(code.co_code)
    starts = [instr.offset for instr in dis.get_instructions(code, show_caches=True)
              if instr.opname == "RESUME"]
    for start in starts:
        units = 1 + caches("RESUME")
        bytecode[start:start + 2 * units] = bytes([dis.opmap["NOP"], 0]) * units
    return code.replace(co_code=bytes(bytecode), co_flags=code.co_flags | no_monitoring_events)


def caches(name):
    """Code units of inline cache behind an instruction."""
    known = opcode._inline_cache_entries
    return known.get(name, 0) if hasattr(known, "get") else known[dis.opmap[name]]


def runtime(request):
    code = compile(request["source"], f"<equip {request['name']}>", "exec", dont_inherit=True,
                   optimize=request["optimize"])
    return {"code": marshal.dumps((json.loads(request["options"]), unseen(slim(code)))).hex()}


def source(request):
    """Compiles a file as importing it would; gives the whole pyc."""
    import importlib._bootstrap_external as external
    import os
    path = request["path"]
    with open(path, "rb") as file:
        data = file.read()
        stat = os.fstat(file.fileno())
    code = compile(data, request["filename"], "exec", dont_inherit=True, optimize=request["optimize"])
    pyc = external._code_to_timestamp_pyc(code, int(stat.st_mtime), len(data))
    return {"pyc": bytes(pyc).hex()}


def error(message, line=1, column=0, end_column=0):
    return {"error": {"message": message, "line": line, "column": column, "end_column": end_column}}


def bytes_column(text, line, column):
    """Column in UTF-8 bytes of a column in characters."""
    lines = text.splitlines()
    return len(lines[line - 1][:column].encode()) if 0 < line <= len(lines) else 0


def main():
    import warnings
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 5000))
    actions = {"snippet": snippet, "runtime": runtime, "source": source}
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            answer = actions[request["op"]](request)
        except Refused as refused:
            node = refused.node
            answer = error(str(refused), node.lineno, node.col_offset, node.end_col_offset)
        except SyntaxError as wrong:
            number, column = wrong.lineno or 1, max((wrong.offset or 1) - 1, 0)
            end = max((getattr(wrong, "end_offset", None) or 0) - 1, 0)
            if "source" in request:
                column = bytes_column(request["source"], number, column)
                end = bytes_column(request["source"], number, end)
            answer = error(f"{type(wrong).__name__}: {wrong.msg}", number, column, end)
        except (Exception, RecursionError, MemoryError) as wrong:
            answer = error(f"{type(wrong).__name__}: {wrong}")
        out.write(json.dumps(answer).encode() + b"\n")
        out.flush()


main()
