"""Calls and `except` clauses: as the source tells them when it counts itself, or as probes do.

    python call_sites.py plain|probed FILE MODULE...

Runs each MODULE of the working directory as a program, in a process of its own, and writes a line for each event to
FILE: module, event (before, after, handler), line, name as written, what is called, returned or handled. Plain is the source with
calls put in: what is called is wrapped, each clause begins with a statement.

    python call_sites.py compare FILE

Compares sites, which FILE lists, with the syntax tree of each source. Each line: source, kind (call, decorator, except), name, line
and column where the call ends, or the line of the clause; fields are separated by tabs. What the tree has and the sites have not must
be nowhere in the compiled code, or in scopes of the compiler's own (annotations, type parameters). Prints what differs, and numbers.
"""

import ast
import builtins
import collections
import dis
import os
import sys
import types
import warnings

sys.path.insert(1, os.path.dirname(os.path.abspath(__file__)))
import apart

# What looks at the frame that calls it, which a wrapper's would not be.
FRAME = {"super", "locals", "vars", "dir", "sys._getframe"}
# Where these are called with a generator expression, CPython may do their work itself.
INLINED = {"any", "all", "tuple", "list", "set"} if sys.version_info >= (3, 15) else \
    {"any", "all", "tuple"} if sys.version_info >= (3, 14) else set()
events = []


def described(value):
    plain = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
    return type(value).__name__, value.__name__ if isinstance(value, plain) else ""


class Called:
    """What is called, as it is when it tells of that."""

    def __init__(self, line, name, function):
        self.line, self.name, self.function = line, name, function

    def __call__(self, /, *arguments, **keywords):
        events.append(("before", self.line, self.name, *described(self.function)))
        result = self.function(*arguments, **keywords)
        events.append(("after", self.line, self.name, *described(result)))
        return result


def before(line, name, function):
    events.append(("before", line, name, *described(function)))


def after(line, name, result):
    events.append(("after", line, name, *described(result)))
    return result


def handled(line):
    events.append(("handler", line, "", *described(sys.exc_info()[1])))


def call(text, *arguments):
    return ast.Call(ast.parse(text, mode="eval").body, list(arguments), [])


def mangled(name, classes):
    if classes and name.startswith("__") and not name.endswith("__"):
        return f"_{classes[-1].lstrip('_')}{name}"
    return name


def written(node, classes):
    match node:
        case ast.Name(name):
            return mangled(name, classes)
        case ast.Attribute(value, name):
            return f"{written(value, classes)}.{mangled(name, classes)}"
        case ast.Call(ast.Name("super")):
            return "super()"
        case ast.NamedExpr(_, value):
            return written(value, classes)
        case ast.Lambda():
            return "<lambda>"
    return "?"


def is_inlined(node):
    """Whether CPython does not make that call, as long as the name is the builtin."""
    match node:
        case ast.Call(ast.Name(name), [ast.GeneratorExp()], []):
            return name in INLINED
    return False


class Telling(ast.NodeTransformer):
    def __init__(self):
        self.classes = []

    def site(self, node, function):
        return ast.Constant(node.lineno), ast.Constant(written(function, self.classes))

    def visit_Attribute(self, node):
        match node.value:
            case ast.Call(ast.Name("super")) if sys.version_info >= (3, 12):
                return node  # one instruction does it all
        return self.generic_visit(node)

    def visit_Call(self, node):
        site = self.site(node, node.func)
        if site[1].value in FRAME:
            both = ast.Tuple([call("__before__", *site, node.func), node], ast.Load())
            return call("__after__", *site, ast.Subscript(both, ast.Constant(1), ast.Load()))
        inlined = is_inlined(node)
        node = self.generic_visit(node)
        if not inlined:
            node.func = call("__called__", *site, node.func)
        return node

    def decorated(self, node):
        sites = [self.site(one, one) for one in node.decorator_list]
        decorators = [call("__called__", *site, self.visit(one)) for site, one in zip(sites, node.decorator_list)]
        node.decorator_list = []
        return decorators

    def visit_FunctionDef(self, node):
        decorators = self.decorated(node)
        node = self.generic_visit(node)
        node.decorator_list = decorators
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        decorators = self.decorated(node)
        node.bases = [self.visit(one) for one in node.bases]
        node.keywords = [self.visit(one) for one in node.keywords]
        self.classes.append(node.name)
        node.body = [self.visit(one) for one in node.body]
        self.classes.pop()
        node.decorator_list = decorators
        return node

    def visit_ExceptHandler(self, node):
        node = self.generic_visit(node)
        node.body.insert(0, ast.Expr(call("__handled__", ast.Constant(node.lineno))))
        return node


def hit(event):
    what, name, line, value = event
    events.append((what, line, name, *described(value)))


def run(module):
    if how == "plain":
        builtins.__called__, builtins.__before__ = Called, before
        builtins.__after__, builtins.__handled__ = after, handled
        ended = apart.ended(module, Telling())
    else:
        builtins.__test_hit__ = hit
        ended = apart.ended(module)
    with open(path, "a") as out:
        for event in [*events, ("ended", ended)]:
            print(module, *event, file=out)


class Written(ast.NodeVisitor):
    """What a source has."""

    def __init__(self):
        self.found, self.classes = collections.defaultdict(set), []

    def add(self, kind, node, function):
        names = self.found[kind, str(node.end_lineno), str(node.end_col_offset)]
        names.add(written(function, self.classes))
        match function:  # each way may have a copy of the call, or be the only one
            case ast.IfExp(_, one, other):
                names.update(written(way, self.classes) for way in (one, other))
            case ast.BoolOp(_, ways):
                names.update(written(way, self.classes) for way in ways)

    def visit_Call(self, node):
        self.add("call", node, node.func)
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        for one in node.decorator_list:
            self.add("decorator", one, one)
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node):
        for one in node.decorator_list:
            self.add("decorator", one, one)
        for one in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(one)
        self.classes.append(node.name)
        for one in node.body:
            self.visit(one)
        self.classes.pop()

    def visit_scope(self, node):
        """Evaluated in a scope of the compiler's own."""

    visit_TypeAlias = visit_TypeVar = visit_ParamSpec = visit_TypeVarTuple = visit_scope

    def visit_ExceptHandler(self, node):
        self.found["except", str(node.lineno), "0"].add("")
        self.generic_visit(node)


def instructions(code):
    """All that control can come to, without scopes of the compiler's own."""
    code_order = list(dis.get_instructions(code))
    places = {one.offset: at for at, one in enumerate(code_order)}
    handlers = dis._parse_exception_table(code)
    seen, todo = set(), [0]
    while todo:
        at = todo.pop()
        if at in seen or at == len(code_order):
            continue
        seen.add(at)
        one = code_order[at]
        if one.opcode in dis.hasjrel and one.opname != "END_ASYNC_FOR":
            todo.append(places[one.argval])
        if one.opname not in ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE") and \
                not one.opname.startswith(("JUMP_FORWARD", "JUMP_BACKWARD")):
            todo.append(at + 1)
        if one.opname not in ("NOP", "JUMP_FORWARD", "LOAD_CONST", "POP_TOP", "EXTENDED_ARG"):
            todo.extend(places[handler.target] for handler in handlers if handler.start <= one.offset < handler.end)
    for at in seen:
        inner = code_order[at].argval
        yield code_order[at]
        if isinstance(inner, types.CodeType) and inner.co_name != "__annotate__" and not inner.co_name.startswith("<generic"):
            yield from instructions(inner)


def compiled(source, file):
    """Where something is called, and lines where something is handled."""
    statements = {(one.end_lineno, one.end_col_offset) for one in ast.walk(ast.parse(source))
                  if isinstance(one, (ast.ClassDef, ast.With, ast.AsyncWith))}
    places = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = compile(source, file, "exec", dont_inherit=True)
    for one in instructions(code):
        end = str(one.positions.end_lineno), str(one.positions.end_col_offset)
        place = one.positions
        if (place.end_lineno, place.end_col_offset) in statements and place.lineno != place.end_lineno:
            continue  # what the statement calls
        if one.opname in ("CALL", "CALL_KW", "CALL_FUNCTION_EX"):
            places.add(("call", *end))
            places.add(("decorator", *end))
        elif one.opname in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH", "POP_TOP"):
            places.add(("except", str(one.positions.lineno), "0"))
    return places


def compare(listed):
    sites = collections.defaultdict(set)
    with open(listed) as lines:
        for line in lines:
            file, kind, name, *place = line.rstrip("\n").split("\t")
            sites[file].add((name, kind, *place))
    numbers, left = collections.Counter(), 0
    for file, found in sites.items():
        with open(file, "rb") as source:
            text = source.read()
        tree = Written()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree.visit(ast.parse(text))
        found.discard(("", "file", "0", "0"))
        numbers.update(kind for _, kind, *_ in found)
        for name, *place in sorted(found):
            if name not in tree.found[tuple(place)]:
                print(file, "no such thing in the source:", name, *place)
        missing = {place for place, names in tree.found.items() if names} - {tuple(site[1:]) for site in found}
        places = compiled(text, file) if missing else ()
        for place in sorted(missing):
            left += 1
            if place in places:
                print(file, "no site:", *place)
    print(*(f"{kind}: {number}" for kind, number in sorted(numbers.items())), f"not compiled: {left}", sep=", ")


def main():
    global how, path
    how, path, *modules = sys.argv[1:]
    if how == "compare":
        return compare(path)
    sys.path[0] = os.getcwd()
    apart.each(modules, run)


main()
