"""What locals hold while programs run, beside what was claimed of them.

    values.py random SEED COUNT             writes a module of random functions, and of calls of them
    values.py operators                     writes a module of one function for each operator and pair of types
    values.py check CLAIMS FOLDER CODE      runs CODE, FOLDER being first on sys.path, and looks at each instruction
    values.py results CLAIMS                calls the functions of `operators`, and looks at what they return

CLAIMS is JSON: the names of the types, and for each pyc its code objects: the indices into co_consts that lead
there, the states, and from which instruction on (EXTENDED_ARG and caches not counted) which state is claimed. A state
is a list, of those locals of which something is known: name of the local, mask of types, constant or null. The bit behind the types is for no value.
"""

import builtins
import dis
import inspect
import json
import marshal
import random
import sys
import threading

# frozensets and slices are not among them: there is no display of one.
SAMPLES = {
    "int": ["0", "3", "-2"], "float": ["0.5", "-2.0"], "complex": ["2j"], "bool": ["True", "False"],
    "str": ["''", "'a%sb'", "'%(a)s'"], "bytes": ["b''", "b'a%sb'"], "tuple": ["()", "('x', 1)", "(odd,)"],
    "list": ["[]", "[1, 'a']", "[odd]"], "dict": ["{}", "{'a': odd}"], "set": ["{1}", "{*()}"], "None": ["None"],
}
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>"]
IN_PLACE = ["+", "-", "%", "|"]  # the others are as without
COMPARISONS = ["==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"]
ODD = """
class Text(str):
    pass

class Odd:
    def __str__(self): return Text("odd")
    def __repr__(self): return Text("odd")
    def __format__(self, how): return Text("odd")
    def __lt__(self, other): return "less"
    def __eq__(self, other): return "equal"
    def __radd__(self, other): return Text("sum")
    def __rmod__(self, other): return Text("rest")
    def __index__(self): return 0
    def __neg__(self): return self
    def __bool__(self): return True
    __hash__ = None

odd = Odd()
"""


def operators():
    """Functions of two arguments that choose among the samples of two types."""
    lines = [ODD, "FUNCTIONS = []"]

    def add(setup, expression):
        number = len(lines)
        lines.append(f"def f{number}(c, d):\n" + "".join(f"    {line}\n" for line in setup)
                     + f"    r = {expression}\n    return r\nFUNCTIONS.append(f{number})")

    def choose(name, samples, by):
        return [f"{name} = {samples[-1]}"] + [f"if {by} == {n}: {name} = {one}" for n, one in enumerate(samples)]

    for one in SAMPLES:
        a = choose("a", SAMPLES[one], "c")
        for prefix in ("-", "+", "~", "not "):
            add(a, f"{prefix}a")
        for text in ("f'{a}'", "f'{a!r}'", "f'{a!s}x'", "f'{a:>5}'", "a[:1]", "a[c:d]"):
            add(a, text)
        add(a + ["*a, = a"], "a")
        add(a + ["a, *b = a"], "b")
        add(a + ["a, *b = a"], "a")
        for other in SAMPLES:
            b = choose("b", SAMPLES[other], "d")
            for operator in OPERATORS:
                add(a + b, f"a {operator} b")
            for operator in IN_PLACE:
                add(a + b + [f"a {operator}= b"], "a")
            for operator in ("==", "<", "is", "in"):
                add(a + b, f"a {operator} b")
            add(a + b, "a[b]")
            add(a + b + ["if c: a = b"], "a")
    return "\n".join(lines)


class Maker:
    """Makes functions that end, whatever they do on the way."""

    NAMES = "abcde"

    def __init__(self, seed):
        self.random = random.Random(seed)

    def name(self):
        return self.random.choice(self.NAMES)

    def atom(self):
        choice = self.random.random()
        if choice < 0.45:
            return self.name()
        if choice < 0.6:
            return str(self.random.randint(-3, 3))
        return self.random.choice(
            ["None", "True", "False", "''", "'xy'", "b'z'", "1.5", "2j", "...", "()", "(1, 'q')", "[]", "{}", "[1, 2]",
             "{'k': 1}", "{1, 2}", "odd", "1 << 40", "2 ** 62", "-2 ** 63", "args", "options", "'%s'", "p"])

    def expression(self, depth=0):
        if depth > 1 or self.random.random() < 0.3:
            return self.atom()
        one, other = self.expression(depth + 1), self.expression(depth + 1)
        choose = self.random.choice
        return choose([
            lambda: f"({one} {choose(['+', '-', '&', '|', '^', '//', '%', '/'])} {other})",
            lambda: f"({one} * {choose('23')})",
            lambda: f"({one} ** 2)", lambda: f"({one} >> 1)", lambda: f"({one} << 2)",
            lambda: f"({one} {choose(COMPARISONS)} {other})",
            lambda: f"({choose('-+~')}{one})", lambda: f"(not {one})",
            lambda: f"({one} {choose(['and', 'or'])} {other})",
            lambda: f"({one} if {other} else {self.atom()})",
            lambda: f"[{one}, {other}]", lambda: f"({one}, {other})", lambda: f"{{'k': {one}}}",
            lambda: f"{{**{one}}}", lambda: f"[*{one}, {other}]", lambda: f"(*{one}, {other})", lambda: f"{{*{one}}}",
            lambda: f"f'{{{self.name()}}}'", lambda: f"f'x{{{self.name()}!r}}'", lambda: f"{one}[{other}]",
            lambda: f"{one}[:{other}]", lambda: f"{one}[{other}::2]",
            lambda: f"[{self.atom()} for {self.name()} in {one}]",
            lambda: f"{{{self.name()} for {self.name()} in {one} if {self.name()}}}",
            lambda: f"{{{self.name()}: {self.atom()} for {self.name()} in {one}}}",
            lambda: f"[(lambda: {self.name()})() for {self.name()} in {one}]",
            lambda: f"({self.name()} := {one})", lambda: f"same({one})",
            lambda: f"list({self.name()} for {self.name()} in {one})",
        ])()

    def block(self, depth):
        lines = []
        for _ in range(self.random.randint(1, 3)):
            lines += self.statement(depth)
        return ["    " + line for line in lines]

    def statement(self, depth):
        lines = self.plain_statement(depth)
        if self.random.random() < 0.4:
            return ["try:"] + ["    " + line for line in lines] + ["except Exception: pass"]
        return lines

    def plain_statement(self, depth):
        kinds = ["assign"] * 6 + ["augment", "del", "unpack", "expression", "both"]
        if depth < 3:
            kinds += ["if", "if", "for", "while", "try", "try", "with", "match", "star", "finally"]
        kind, name, value = self.random.choice(kinds), self.name(), self.expression()
        block = lambda: self.block(depth + 1)
        if kind == "assign":
            return [f"{name} = {value}"]
        if kind == "both":
            return [f"{name} = {self.name()} = {value}"]
        if kind == "augment":
            return [f"{name} {self.random.choice(['+', '-', '|', '&', '%'])}= {value}"]
        if kind == "del":
            return [f"del {name}"]
        if kind == "unpack":
            return [f"{name}, {self.name()} = {self.random.choice([value, '1, None', value + ', 1'])}"]
        if kind == "star":
            return [f"{name}, *{self.name()} = {value}"]
        if kind == "expression":
            return [value]
        if kind == "if":
            return [f"if {value}:"] + block() + (["else:"] + block() if self.random.random() < 0.5 else [])
        if kind == "for":
            return [f"for {name} in {self.random.choice([value, '(1, None)', 'same([2])'])}:", "    if tick(): break"] + block()
        if kind == "while":
            return [f"while {value}:", "    if tick(): break"] + block()
        if kind == "try":
            return ["try:"] + block() + [self.random.choice(["except Exception:", f"except TypeError as {name}:"])] + block()
        if kind == "finally":
            return ["try:"] + block() + ["finally:"] + block()
        if kind == "with":
            return [f"with quiet() as {name}:"] + block()
        return [f"match {value}:", f"    case [{name}, *_]:"] + ["    " + line for line in block()] + [
            f"    case {{'k': {self.name()}}}:"] + ["    " + line for line in block()] + [
            "    case None | str():"] + ["    " + line for line in block()]

    def function(self, number):
        while True:
            text = self.attempt(number)
            try:
                compile(text, "<function>", "exec")
                return text
            except SyntaxError:
                pass  # an assignment expression where there must be none

    def attempt(self, number):
        kind = self.random.choice(["plain", "plain", "plain", "generator", "nested"])
        first = [f"    {name} = {self.atom()}" for name in "cde" if self.random.random() < 0.8]
        body = self.block(0) + self.block(0)
        if kind == "generator":
            body += [f"    {self.name()} = yield {self.atom()}"] + self.block(0)
        if kind == "nested":
            captured = self.name()
            first += ["    def inner():", f"        nonlocal {captured}", f"        {captured} = {self.atom()}",
                      f"        return {self.name()}"]
            body += ["    inner()"] + self.block(0)
            first += [f"    {captured} = inner"] if captured not in "ab" else []
        return "\n".join([f"def f{number}(p, a, b=1, *args, **options):"] + first + body)


def module(seed, count):
    maker = Maker(seed)
    parts = [ODD, """
import contextlib
left = [0]

def tick():
    left[0] -= 1
    return left[0] < 0

def same(value):
    return value

@contextlib.contextmanager
def quiet():
    try:
        yield 5
    except TypeError:
        pass
"""]
    parts += [maker.function(number) for number in range(count)]
    parts.append(f"""
def run():
    for number in range({count}):
        for arguments in [(1, None), ("s", [1, 2], 0, 4), (odd, 2.5)]:
            left[0] = 6
            try:
                made = globals()[f"f{{number}}"](*arguments)
                if hasattr(made, "send"):
                    next(made)
                    made.send(3)
            except Exception:
                pass
""")
    return "\n".join(parts)


def same_constant(value, constant):
    return type(value) is type(constant) and (value is constant or repr(value) == repr(constant) or value == constant)


# Of each code object so many calls are looked at.
MOST_CALLS = 12


class Claims:
    def __init__(self, path):
        with open(path) as file:
            claims = json.load(file)
        self.names = claims["types"]
        known = {**vars(builtins), "None": type(None)}
        self.bits = {known[name]: 1 << bit for bit, name in enumerate(self.names) if name in known}
        self.other = 1 << self.names.index("other")
        self.unbound = 1 << len(self.names)
        self.plans, self.calls, self.found, self.checked, self.known = {}, {}, {}, 0, 0
        self.roots = []
        for pyc, codes in claims["files"]:
            with open(pyc, "rb") as file:
                root = marshal.loads(file.read()[16:])
            self.roots.append(root)
            for one in codes:
                code = root
                for index in one["path"]:
                    code = code.co_consts[index]
                self.plans[code] = self.plan(code, one)

    def plan(self, code, one):
        instrs = [instr for instr in dis.get_instructions(code) if instr.opname not in ("EXTENDED_ARG", "CACHE")]
        states = [[(name, mask, self.constant(code, constant)) for name, mask, constant in state] for state in one["states"]]
        changes, plan, now = dict(map(tuple, one["at"])), {}, None
        for number, instr in enumerate(instrs):
            now = changes.get(number, now)
            plan[instr.offset] = states[now] if now is not None else ()
        return plan

    def constant(self, code, claimed):
        if claimed is None:
            return None
        kind, value = claimed
        return [code.co_consts[value] if kind == "const" else int(value) if kind == "int" else value]

    def complain(self, code, offset, text):
        place = f"{code.co_filename}: {code.co_qualname}: offset {offset}: {text}"
        self.found[place] = self.found.get(place, 0) + 1

    def check(self, frame):
        code = frame.f_code
        state = self.plans[code].get(frame.f_lasti)
        if not state:
            return
        values = frame.f_locals
        for name, mask, constant in state:
            self.checked += 1
            if name not in values:
                if not mask & self.unbound:
                    self.complain(code, frame.f_lasti, f"{name} is unbound")
                continue
            value = values[name]
            self.judge(code, frame.f_lasti, name, value, mask, constant)

    def judge(self, code, offset, name, value, mask, constant):
        is_bit = self.bits.get(type(value), self.other)
        self.known += 1
        if not mask & is_bit:
            claimed = [one for bit, one in enumerate(self.names) if mask >> bit & 1]
            self.complain(code, offset, f"{name} is a {type(value).__name__}, not of {claimed}")
        if constant is not None and not same_constant(value, constant[0]):
            self.complain(code, offset, f"{name} is {value!r}, not {constant[0]!r}")

    def trace(self, frame, event, argument):
        code = frame.f_code
        # CPython 3.12 mistakes what a module's comprehensions put by for variables, where it is traced.
        if code not in self.plans or not code.co_flags & inspect.CO_OPTIMIZED:
            return None
        self.calls[code] = self.calls.get(code, 0) + 1
        if self.calls[code] > MOST_CALLS:
            return None
        frame.f_trace_opcodes = True
        return self.step

    def step(self, frame, event, argument):
        if event in ("line", "opcode"):
            self.check(frame)
        return self.step

    def report(self):
        for place, times in list(self.found.items())[:40]:
            print(f"{place} ({times} times)")
        print(f"{self.checked} claims checked, {self.known} of them about locals that had a value, {len(self.found)} wrong")
        sys.exit(bool(self.found))


def check(path, folder, code):
    claims = Claims(path)
    sys.path.insert(0, folder)
    sys.setrecursionlimit(5000)
    program = compile(code, "<use>", "exec")
    sys._getframe().f_trace_opcodes = True  # 3.12 tells none where no frame has asked before tracing began
    threading.settrace(claims.trace)
    sys.settrace(claims.trace)
    try:
        exec(program, {"__name__": "use"})
    except SystemExit:
        pass
    finally:
        sys.settrace(None)
        threading.settrace(None)
    claims.report()


def results(path):
    claims = Claims(path)
    functions = {}
    exec(claims.roots[0], functions)
    for function in functions["FUNCTIONS"]:
        code = function.__code__
        last = list(dis.get_instructions(code))[-1].offset
        mask = {name: mask for name, mask, _ in claims.plans[code][last]}.get("r", -1)
        for c in range(3):
            for d in range(3):
                try:
                    value = function(c, d)
                except Exception:
                    continue
                claims.checked += 1
                claims.judge(code, last, f"line {code.co_firstlineno}: r", value, mask, None)
    claims.report()


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    import warnings
    warnings.simplefilter("ignore")
    if command == "random":
        print(module(int(rest[0]), int(rest[1])))
    elif command == "operators":
        print(operators())
    else:
        {"check": check, "results": results}[command](*rest)
