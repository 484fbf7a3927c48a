"""Facts about sources that coverage reports need, told by the interpreter that the data are of.

One request and one answer per line, JSON both. Sources are parsed and compiled, never run. What
counts as a statement, as excluded and as a branch is what coverage.py says in branch mode.
"""

import ast
import dis
import io
import json
import keyword
import re
import sys
import tokenize
import warnings
from typing import NamedTuple, Optional

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
JUMPS = {*dis.hasjrel, *dis.hasjabs}
ENDS = {"RETURN_VALUE", "RETURN_CONST", "RETURN_GENERATOR", "RAISE_VARARGS", "RERAISE"}


def read(path):
    """A source as text: lines end in LF, the last one too; a form feed is a blank."""
    with open(path, "rb") as file:
        data = file.read()
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\f", b" ")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    text = data.decode(encoding, "replace")
    return text if not text or text.endswith("\n") else text + "\n"


class Logical:
    """A line as the grammar knows it: a simple statement, several between semicolons, or the head of a suite."""

    def __init__(self, token, indent):
        self.start, self.end, self.indent = token.start[0], token.end[0], indent
        self.first_token_end = token.end[0]
        self.colons = []


def logical_lines(tokens):
    lines, current, indent, nesting = [], None, 0, 0
    for token in tokens:
        if token.type == tokenize.INDENT:
            indent += 1
        elif token.type == tokenize.DEDENT:
            indent -= 1
        elif token.type == tokenize.NEWLINE:
            if current:
                current.end = token.end[0]
            current = None
        if token.type == tokenize.COMMENT or not token.string.strip():
            continue
        if current is None:
            current = Logical(token, indent)
            lines.append(current)
        if token.type == tokenize.OP:
            if token.string in "([{":
                nesting += 1
            elif token.string in ")]}":
                nesting -= 1
            elif token.string == ":" and nesting == 0:
                current.colons.append(token.end[0])
    return lines


def matching(pattern, text, first):
    """First lines of the statements that a pattern touches."""
    found, line, at = set(), 1, 0
    for match in re.finditer(pattern, text, re.MULTILINE) if pattern else ():
        line += text.count("\n", at, match.start())
        at = match.start()
        last = line + text.count("\n", at, match.end())
        found.update(first.get(number, number) for number in range(line, last + 1))
    return found


def with_suites(excluded, lines):
    """Where a head is excluded, so is its suite: each of its statements, and the clause's colon."""
    excluded, outer = set(excluded), None
    for line in lines:
        if outer is not None and line.indent <= outer:
            outer = None
        if outer is not None:
            excluded.add(line.first_token_end)
        for colon in line.colons:
            if outer is None and any(number in excluded for number in range(line.start, colon + 1)):
                excluded.add(colon)
                outer = line.indent
    return excluded


def statements_of(node):
    """All statements and clauses below a node, outermost first."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending += [child for child in ast.iter_child_nodes(node)
                    if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case))]


def lines_with_code(code):
    """Annotations that are evaluated when they are asked for are no part of the program's run."""
    lines = set()
    if code.co_name != "__annotate__":
        lines = {line for _, _, line in code.co_lines() if line}
    for constant in code.co_consts:
        if hasattr(constant, "co_lines"):
            lines |= lines_with_code(constant)
    return lines


def within(code, first):
    """Where control goes on to that a conditional sends to another line of the same statement.

    Bytecode has lines of parts of a statement. Each is the line of a conditional, the line that it leads to, the
    first line of the code object, and the line to which control comes from there when it leaves the
    statement (0: out of the code object); no line where another conditional decides.
    """
    found = {}
    for constant in code.co_consts:
        if hasattr(constant, "co_lines"):
            found.update(within(constant, first))
    if len({line for _, _, line in code.co_lines() if line in first}) < 2:
        return found
    instructions = list(dis.get_instructions(code))
    at = {instruction.offset: index for index, instruction in enumerate(instructions)}
    lines = {}
    for start, end, line in code.co_lines():
        lines.update((offset, line) for offset in range(start, end, 2))

    def is_jump(instruction):
        return instruction.opcode in JUMPS

    def leave(index, line, statement):
        """The first other line, and the line behind the statement."""
        other, seen = None, set()
        while index < len(instructions) and index not in seen:
            seen.add(index)
            instruction = instructions[index]
            now = lines.get(instruction.offset)
            if now:
                if first.get(now, now) != statement:
                    return other, now
                if other is None and now != line:
                    other = now
            if instruction.opname in ENDS:
                return other, 0 if instruction.opname.startswith("RETURN") else None
            if is_jump(instruction):
                if not instruction.opname.startswith("JUMP"):
                    return other, None
                index = at[instruction.argval]
            else:
                index += 1
        return other, None

    for index, instruction in enumerate(instructions):
        line = lines.get(instruction.offset)
        if line not in first or not is_jump(instruction) or instruction.opname.startswith("JUMP"):
            continue
        for target in (index + 1, at.get(instruction.argval, index + 1)):
            other, behind = leave(target, line, first[line])
            if other is not None and behind is not None:
                found.setdefault((line, other, code.co_firstlineno), set()).add(behind)
    return found


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def matches_always(case):
    pattern = case.pattern
    while True:
        if isinstance(pattern, ast.MatchOr):
            pattern = pattern.patterns[-1]
        elif isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
            pattern = pattern.pattern
        else:
            return case.guard is None and isinstance(pattern, ast.MatchAs)


def constant(test):
    """The value of a test that the compiler decides, or None."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.Name) and test.id == "__debug__":
        return True
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        value = constant(test.operand)
        return None if value is None else not value
    if isinstance(test, ast.BoolOp):
        values = [constant(value) for value in test.values]
        if None not in values:
            return (any if isinstance(test.op, ast.Or) else all)(values)
    return None


def span(node):
    """The physical lines of a definition's body."""
    return set(range(node.body[0].lineno, node.body[-1].end_lineno + 1))


class Then(NamedTuple):
    """Where control goes: a line, or minus the first line of what it leaves."""

    line: int
    action: Optional[str] = None
    # The `with` whose exit runs on the way, and has that line.
    through: Optional[int] = None


class Jumps(NamedTuple):
    """Where statements that jump go, in some place; None where that is not followed."""

    returns: Optional[Then] = None
    raises: Optional[Then] = None
    continues: Optional[Then] = None
    breaks: Optional[Then] = None


class Edges:
    """Which statement may follow which. A walk that knows, at each statement, what comes behind it."""

    def __init__(self, tree, code_lines, first):
        self.first = first
        self.present = {first.get(line, line) for line in code_lines}
        self.known, self.left_by_break = {}, {}
        self.all, self.through, self.one_line = {}, {}, []
        for node in statements_of(tree):
            if isinstance(node, FUNCTIONS):
                line, name = self.line(node), repr(node.name)
                returns = Then(-line, f"return from function {name}")
                raises = Then(-line, f"except from function {name}")
                self.suite(node.body, returns, Jumps(returns, raises))
            elif isinstance(node, ast.ClassDef):
                self.suite(node.body, Then(-self.line(node), f"exit class {node.name!r}"), Jumps())
            elif isinstance(node, ast.Module):
                line = self.first_of(1)
                leave = Then(-line, "exit the module")
                self.suite(node.body, leave, Jumps())
                if not node.body:
                    self.edge(line, leave)
            if isinstance(node, DEFINITIONS) and (self.first_of(node.lineno), -self.line(node)) in self.all:
                self.one_line.append((self.first_of(node.lineno), -self.line(node)))

    def first_of(self, line):
        return self.first.get(line, line)

    def line(self, node):
        decorators = getattr(node, "decorator_list", None)
        return self.first_of((decorators[0] if decorators else node).lineno)

    def edge(self, line, then, cause=None):
        if then is None:
            return
        action = then.action
        if then.through is not None:
            self.through[line, then.through] = then.line
            cause = action = None
        start, end = self.first_of(line), then.line
        end = -self.first_of(-end) if end < 0 else self.first_of(end)
        if start != end:
            said = self.all.setdefault((start, end), [])
            if (cause or action) and (cause, action) not in said:
                said.append((cause, action))

    def live(self, body):
        """Statements that have code."""
        return [node for node in body if self.line(node) in self.present]

    def entry(self, body, then):
        for node in body:
            if self.line(node) in self.present:
                return Then(self.line(node))
        return then

    def suite(self, body, then, jumps):
        body = self.live(body)
        for node, following in zip(body, body[1:] + [None]):
            after = then if following is None else Then(self.line(following))
            handle = getattr(self, type(node).__name__, None)
            if handle:
                handle(node, after, jumps)
            else:
                self.edge(self.line(node), after)

    # Whether control comes out of the end of statements.

    def falls(self, body, otherwise=True):
        body = self.live(body)
        return self.ends(body[-1]) if body else otherwise

    def ends(self, node):
        if id(node) not in self.known:
            self.known[id(node)] = self.compute_ends(node)
        return self.known[id(node)]

    def compute_ends(self, node):
        if isinstance(node, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
            return False
        if isinstance(node, ast.If):
            value = constant(node.test)
            return value is not False and self.falls(node.body) or value is not True and self.falls(node.orelse)
        if isinstance(node, ast.While):
            beyond = self.falls(node.orelse) if node.orelse else constant(node.test) is None
            return beyond or self.breaks(node.body)
        if isinstance(node, (ast.For, ast.AsyncFor)):
            return self.falls(node.orelse) or self.breaks(node.body)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return self.falls(node.body)
        if isinstance(node, ast.Match):
            return not matches_always(node.cases[-1]) or any(self.falls(case.body) for case in node.cases)
        if isinstance(node, (ast.Try, ast.TryStar)):
            return self.comes_to_finally(node) and self.falls(node.finalbody)
        return True

    def comes_to_finally(self, node):
        done = self.falls(node.orelse, self.falls(node.body))
        return done or any(self.falls(handler.body) for handler in node.handlers)

    def breaks(self, body):
        """Whether the loop around statements is left by a `break` among them."""
        return any(self.breaks_in(node) for node in self.live(body))

    def breaks_in(self, node):
        if id(node) in self.left_by_break:
            return self.left_by_break[id(node)]
        parts = []
        if isinstance(node, ast.If):
            value = constant(node.test)
            parts = [] if value is False else [node.body]
            parts += [] if value is True else [node.orelse]
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            parts = [node.orelse]
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            parts = [node.body]
        elif isinstance(node, ast.Match):
            parts = [case.body for case in node.cases]
        elif isinstance(node, (ast.Try, ast.TryStar)):
            parts = [node.body, node.orelse, node.finalbody] + [handler.body for handler in node.handlers]
        found = isinstance(node, ast.Break) or any(self.breaks(part) for part in parts)
        self.left_by_break[id(node)] = found
        return found

    # One for each statement that does not just go on.

    def Return(self, node, then, jumps):
        self.edge(self.line(node), jumps.returns, f"the return on line {self.line(node)} wasn't executed")

    def Raise(self, node, then, jumps):
        self.edge(self.line(node), jumps.raises, f"the raise on line {self.line(node)} wasn't executed")

    def Break(self, node, then, jumps):
        self.edge(self.line(node), jumps.breaks, f"the break on line {self.line(node)} wasn't executed")

    def Continue(self, node, then, jumps):
        self.edge(self.line(node), jumps.continues, f"the continue on line {self.line(node)} wasn't executed")

    def FunctionDef(self, node, then, jumps):
        lines = [self.first_of(decorator.lineno) for decorator in node.decorator_list]
        lines.append(self.first_of(node.lineno))
        for line, following in zip(lines, lines[1:]):
            self.edge(line, Then(following))
        self.edge(lines[-1], then)

    AsyncFunctionDef = ClassDef = FunctionDef

    def If(self, node, then, jumps):
        line, value = self.line(node), constant(node.test)
        if value is not False:
            self.edge(line, self.entry(node.body, then), f"the condition on line {line} was never true")
            self.suite(node.body, then, jumps)
        if value is not True:
            self.edge(line, self.entry(node.orelse, then), f"the condition on line {line} was always true")
            self.suite(node.orelse, then, jumps)

    def loop(self, node, then, jumps, never, always, ends):
        top = Then(self.line(node))
        self.edge(top.line, self.entry(node.body, top), never.format(top.line))
        self.suite(node.body, top, jumps._replace(continues=top, breaks=then))
        if node.orelse or ends:
            self.edge(top.line, self.entry(node.orelse, then), always.format(top.line))
            self.suite(node.orelse, then, jumps)

    def While(self, node, then, jumps):
        self.loop(node, then, jumps, "the condition on line {} was never true",
                  "the condition on line {} was always true", constant(node.test) is None)

    def For(self, node, then, jumps):
        self.loop(node, then, jumps, "the loop on line {} never started", "the loop on line {} didn't complete", True)

    AsyncFor = For

    def With(self, node, then, jumps):
        line = self.line(node)
        inner = Then(line) if then is None else Then(then.line, None, line)
        entry = self.entry(node.body, inner)
        self.edge(line, entry)
        self.suite(node.body, inner, jumps)

    AsyncWith = With

    def Match(self, node, then, jumps):
        line = self.line(node)
        for case in node.cases:
            at = self.first_of(case.pattern.lineno)
            self.edge(line, Then(at), f"the pattern on line {line} always matched")
            self.edge(at, self.entry(case.body, then), f"the pattern on line {at} never matched")
            self.suite(case.body, then, jumps)
            line = at
        if not matches_always(node.cases[-1]):
            self.edge(line, then, f"the pattern on line {line} always matched")

    def Try(self, node, then, jumps):
        after = then if self.comes_to_finally(node) else None
        final = self.entry(node.finalbody, after)
        # What is raised on the way to a `finally` is not followed.
        beyond = jumps._replace(raises=None) if node.finalbody else jumps
        inside = beyond._replace(raises=Then(self.line(node.handlers[0])) if node.handlers else None)
        otherwise = self.entry(node.orelse, final)
        self.edge(self.line(node), self.entry(node.body, otherwise))
        self.suite(node.body, otherwise, inside)
        self.suite(node.orelse, final, beyond)
        for handler in node.handlers:
            line = self.line(handler)
            cause = f"the exception caught by line {line} didn't happen"
            self.edge(line, self.entry(handler.body, final), cause)
            self.suite(handler.body, final, beyond)
        self.suite(node.finalbody, after, jumps)

    TryStar = Try


def regions(tree):
    """Functions and classes: kind, qualified name, line, physical lines. No line is in two of a kind."""
    found = []

    def visit(node, outer):
        if not isinstance(node, DEFINITIONS):
            return below(node, outer)
        is_class = isinstance(node, ast.ClassDef)
        lines = set() if is_class else span(node)
        if not is_class:
            if outer and outer[-1][0] == "class":
                outer[-1][3].update(lines)
            enclosing = next((one for one in reversed(outer) if one[0] == "function"), None)
            if enclosing:
                enclosing[3].difference_update(lines)
        name = ".".join([one[4] for one in outer] + [node.name])
        region = ("class" if is_class else "function", name, node.lineno, lines, node.name)
        found.append(region)
        below(node, outer + [region])
        if is_class:
            for one in outer:
                if one[0] == "class":
                    one[3].difference_update(lines)

    def below(node, outer):
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            for child in getattr(node, field, ()):
                visit(child, outer)

    below(tree, [])
    return [[kind, name, line, ranges(lines)] for kind, name, line, lines, _ in found]


def ranges(lines):
    """Sorted numbers as pairs of first and last."""
    found = []
    for line in sorted(lines):
        if found and found[-1][1] == line - 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return found


def colours(tokens):
    """What a page may show in colour: line, column, end column (in characters), class."""
    found = []
    for token in tokens:
        name = tokenize.tok_name.get(token.type, "")
        if name == "COMMENT":
            kind = "c"
        elif name == "STRING" or name.startswith(("FSTRING", "TSTRING")):
            kind = "s"
        elif name == "NUMBER":
            kind = "n"
        elif name == "NAME" and keyword.iskeyword(token.string):
            kind = "k"
        else:
            continue
        (line, column), (end_line, end) = token.start, token.end
        for number in range(line, end_line + 1):
            found.append([number, column if number == line else 0, end if number == end_line else -1, kind])
    return found


def facts(request):
    text = read(request["path"])
    tree = ast.parse(text)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    lines = logical_lines(tokens)
    several = [line for line in lines if line.end != line.start]
    first = {number: line.start for line in several for number in range(line.start, line.end + 1)}
    code = compile(text, request["path"], "exec", dont_inherit=True)
    code_lines = lines_with_code(code) if lines else set()

    excluded = with_suites(matching(request["exclude"], text, {}), lines)
    excluded = {first.get(line, line) for line in excluded}
    docstrings = set()
    for node in statements_of(tree):
        if isinstance(node, DEFINITIONS + (ast.Module,)) and node.body and is_docstring(node.body[0]):
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        if isinstance(node, DEFINITIONS):
            start = min([node.lineno] + [decorator.lineno for decorator in node.decorator_list])
            if not excluded.isdisjoint(range(start, node.lineno + 1)):
                excluded.update(range(start, node.end_lineno + 1))
        if isinstance(node, ast.match_case) and matches_always(node):
            # As an `else`: where all of its suite is excluded, so is its head.
            inside = span(node) & code_lines
            if inside and inside <= excluded:
                excluded.update(range(node.pattern.lineno, node.pattern.end_lineno + 1))
    ignored = excluded | docstrings
    statements = {first.get(line, line) for line in code_lines - ignored} - ignored

    edges = Edges(tree, code_lines, first)
    answer = {
        "lines": text.count("\n"),
        "statements": sorted(statements),
        "excluded": sorted(excluded),
        "multiline": [[line.start, line.end] for line in several],
        "edges": [[start, end, said] for (start, end), said in edges.all.items()],
        "through": [[line, through, end] for (line, through), end in edges.through.items()],
        "within": [[*way, behind] for way, ends in within(code, first).items() for behind in ends],
        "one_line": edges.one_line,
        "no_branch": sorted(matching(request["partial"], text, first)),
        "regions": regions(tree),
    }
    if request["text"]:
        answer["text"] = text.split("\n")[:-1]
        answer["colours"] = colours(tokens)
    return answer


def check(request):
    """Whether patterns are regular expressions."""
    for pattern in request["patterns"]:
        try:
            re.compile(pattern)
        except re.error as wrong:
            return {"error": f"{pattern!r} is not a regular expression: {wrong}"}
    return {}


def main():
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(20000)
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            answer = check(request) if "patterns" in request else facts(request)
        except SyntaxError as wrong:
            answer = {"error": f"not Python of this version: line {wrong.lineno}: {wrong.msg}"}
        except FileNotFoundError:
            answer = {"missing": True}
        except (Exception, RecursionError, MemoryError) as wrong:
            answer = {"error": f"{type(wrong).__name__}: {wrong}"}
        out.write(json.dumps(answer).encode() + b"\n")
        out.flush()


main()
