"""What conditions and calls of source files are, as equip shows expressions; one line of JSON each.

Reads names of files, one a line. Says only what is simple: names, attributes, constants, comparisons,
operators, subscripts, calls with plain arguments.
"""

import ast
import json
import sys

BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.MatMult: "@",
}
COMPARE = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}
UNARY = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Not: "not "}


class NotSimple(Exception):
    pass


def name(text):
    if text == "__debug__" or text.startswith("__") and not text.endswith("__"):
        raise NotSimple  # a constant; a name that classes change
    return text


def show(one):
    match one:
        case ast.Name(id):
            return name(id)
        case ast.Attribute(value, attr):
            return f"{inner(value)}.{name(attr)}"
        case ast.Constant(value):
            if value is ... or isinstance(value, (float, complex)):
                raise NotSimple
            if isinstance(value, (str, bytes)):
                text = value if isinstance(value, str) else value.decode("latin-1")
                if not text.isascii() or not text.isprintable():
                    raise NotSimple
            return repr(value)
        case ast.UnaryOp(ast.USub(), ast.Constant(int() as value)) if value is not True and value is not False and value:
            return str(-value)
        case ast.UnaryOp(op, operand) if not isinstance(operand, (ast.Constant, ast.Compare)):
            return UNARY[type(op)] + inner(operand)
        case ast.BinOp(left, op, right) if not isinstance(left, ast.Constant | ast.Tuple | ast.UnaryOp) and not isinstance(right, ast.Tuple):
            return f"{inner(left)} {BINARY[type(op)]} {inner(right)}"
        case ast.Compare(left, [op], [right]):
            if isinstance(right, ast.List | ast.Set) and isinstance(op, ast.In | ast.NotIn):
                raise NotSimple  # becomes a tuple or frozenset
            return f"{inner(left)} {COMPARE[type(op)]} {inner(right)}"
        case ast.Subscript(value, ast.Slice(lower, upper, None)) if not isinstance(value, ast.Constant):
            bound = lambda one: show(one) if one else ""
            return f"{inner(value)}[{bound(lower)}:{bound(upper)}]"
        case ast.Subscript(value, key) if not isinstance(value, ast.Constant | ast.Tuple) and not isinstance(key, ast.Slice):
            return f"{inner(value)}[{show(key)}]"
        case ast.Call(func, args, keywords) if all(k.arg for k in keywords):
            args = [show(arg) for arg in args]
            return f"{inner(func)}({', '.join(args + [f'{name(k.arg)}={show(k.value)}' for k in keywords])})"
        case ast.Tuple([one]):
            return f"({show(one)},)"
        case ast.Tuple(elements):
            return f"({', '.join(map(show, elements))})"
        case ast.List(elements):
            return f"[{', '.join(map(show, elements))}]"
        case ast.Dict(keys, values) if all(keys):
            return "{" + ", ".join(f"{show(k)}: {show(v)}" for k, v in zip(keys, values)) + "}"
    raise NotSimple


def inner(one):
    text = show(one)
    folded = text.lstrip("-").isdigit()
    plain = folded or not isinstance(one, ast.UnaryOp | ast.BinOp | ast.Compare)
    return text if plain else f"({text})"


def place(one):
    return [one.lineno, one.end_lineno, one.col_offset, one.end_col_offset]


def condition(test):
    """Text, and whether the branch is taken where it holds."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            text, holds = condition(operand)
            return text, not holds
        case ast.Compare(left, [ast.IsNot()], [ast.Constant(None)]):
            return f"{inner(left)} is None", False
        case ast.Constant() | ast.BoolOp() | ast.NamedExpr() | ast.IfExp():
            raise NotSimple
        case ast.Tuple() | ast.List() | ast.Dict():
            raise NotSimple
    return show(test), True


def tell(tree):
    # What these give is called at the same place.
    called = {decorator for one in ast.walk(tree) for decorator in getattr(one, "decorator_list", ())}
    called |= {one.context_expr for one in ast.walk(tree) if isinstance(one, ast.withitem)}
    for one in ast.walk(tree):
        try:
            match one:
                case ast.If(test, [first, *_], _) | ast.While(test, [first, *_], _):
                    text, holds = condition(test)
                    simple = isinstance(first, ast.Expr | ast.Assign | ast.Raise | ast.Return) and isinstance(one, ast.If)
                    simple = simple and first.lineno > test.end_lineno and first.lineno == first.end_lineno
                    simple = simple and not isinstance(getattr(first, "value", None), ast.Constant)
                    line = first.lineno if simple else None
                    yield {"what": "condition", "place": place(test), "text": text, "holds": holds, "line": line}
                case ast.Call(func, args, keywords) if one.lineno == one.end_lineno:
                    show(one)
                    args = map(show, args + [k.value for k in keywords])
                    yield {"what": "call", "place": place(one), "text": f"{inner(func)}({', '.join(args)})",
                           "called": one in called}
        except (NotSimple, KeyError):
            pass


for file in sys.stdin.read().split("\n"):
    if file:
        with open(file, "rb") as source:
            tree = ast.parse(source.read())
        print(json.dumps({"file": file, "all": list(tell(tree))}))
