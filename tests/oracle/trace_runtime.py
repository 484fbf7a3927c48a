"""Tests the runtime module of tracer by itself, with the interpreter that runs this script.

Each case is a program, whose functions are made to call the runtime as the plugin's snippets do, here by
rewriting its syntax tree; it runs in a process of its own. Exits with 1 if a case fails. Arguments are
names of cases. `--run OPTIONS FILE` runs one program.
"""

import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import trace_check

HERE = os.path.dirname(os.path.abspath(__file__))
RUNTIME = os.path.join(HERE, "..", "..", "plugins", "tracer", "runtime", "equip_tracer.py")

# What the rewritten functions call. Errors of probes are left out as the engine does it.
SUPPORT = """
def _equip_step(call, value):
    _equip_leave(call, value, 'yield')
    try:
        value = yield value
    except BaseException as error:
        _equip_resume(call, None, error)
        raise
    _equip_resume(call, value, None)
    return value

class _equip_Await:
    def __init__(self, call, value):
        self.call, self.value = call, value
    def __await__(self):
        inner = self.value.__await__()
        send = lambda _: next(inner)
        value = None
        while True:
            try:
                value = send(value)
            except StopIteration as stop:
                return stop.value
            _equip_leave(self.call, value, 'yield')
            try:
                value = yield value
            except BaseException as error:
                _equip_resume(self.call, None, error)
                send = lambda _, error=error: inner.throw(error)
            else:
                _equip_resume(self.call, value, None)
                send = inner.send if value is not None else lambda _: next(inner)

def _equip_leave(call, value, how='return'):
    try:
        if call is not None: _equip_rt.leave(call, value, how)
    except Exception: pass

def _equip_resume(call, value, error):
    try:
        if call is not None: _equip_rt.resume(call, value, error)
    except Exception: pass
"""


class Rewrite(ast.NodeTransformer):
    def __init__(self):
        self.functions, self.prefix, self.generator = [], "", False

    def visit_ClassDef(self, node):
        outer, self.prefix = self.prefix, self.prefix + node.name + "."
        self.generic_visit(node)
        self.prefix = outer
        return node

    def visit_FunctionDef(self, node):
        is_async = isinstance(node, ast.AsyncFunctionDef)
        yields = any(isinstance(one, (ast.Yield, ast.YieldFrom)) for one in self.own(node))
        kind = ("a" if yields else "c") if is_async else ("g" if yields else "f")
        args = node.args
        names = [one.arg for one in args.posonlyargs + args.args]
        names += ["*" + args.vararg.arg] if args.vararg else []
        names += [one.arg for one in args.kwonlyargs]
        names += ["**" + args.kwarg.arg] if args.kwarg else []
        number = len(self.functions)
        self.functions.append(f"{kind}\t{self.prefix}{node.name}\t{','.join(names)}")
        outer, self.prefix = (self.prefix, self.generator), self.prefix + node.name + ".<locals>."
        self.generator = kind == "g"
        self.generic_visit(node)
        self.prefix, self.generator = outer
        values = "".join(name.strip("*") + "," for name in names)
        template = ast.parse(textwrap.dedent(f"""
            try: _equip_call = _equip_enter({number}, ({values}))
            except Exception: _equip_call = None
            try: pass
            except BaseException as _equip_error:
                _equip_leave(_equip_call, _equip_error, 'raise')
                raise
        """)).body
        end = [] if isinstance(node.body[-1], ast.Return) else [self.returned(ast.Constant(None))]
        if kind == "a" and end:
            end[0].body[-1].value = None
        template[1].body = node.body + end
        node.body = template
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def own(self, node):
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                yield child
                yield from self.own(child)

    def returned(self, value):
        body = ast.parse("if 1:\n _equip_value = 0\n _equip_leave(_equip_call, _equip_value)\n 0").body[0]
        body.body[0].value = value
        body.body[2] = ast.Return(ast.Name("_equip_value", ast.Load()))
        return body

    def visit_Return(self, node):
        self.generic_visit(node)
        return self.returned(node.value or ast.Constant(None))

    def visit_Yield(self, node):
        self.generic_visit(node)
        if not self.generator:
            return node
        step = ast.parse("_equip_step(_equip_call, 0)", mode="eval").body
        step.args[1] = node.value or ast.Constant(None)
        return ast.YieldFrom(step)

    def visit_Await(self, node):
        self.generic_visit(node)
        step = ast.parse("_equip_Await(_equip_call, 0)", mode="eval").body
        step.args[1] = node.value
        return ast.Await(step)

    def visit_Expr(self, node):
        # `yield x` of an asynchronous generator, which cannot delegate.
        if isinstance(node.value, ast.Yield) and not self.generator:
            body = ast.parse(textwrap.dedent("""
                _equip_leave(_equip_call, 0, 'yield')
                try: _equip_value = 0
                except BaseException as _equip_error:
                    _equip_resume(_equip_call, None, _equip_error)
                    raise
                _equip_resume(_equip_call, _equip_value, None)
            """)).body
            body[1].body[0].value = node.value
            return body
        self.generic_visit(node)
        return node


def run(options, path):
    with open(RUNTIME) as file:
        code = compile(file.read(), "<equip equip_tracer>", "exec")
    runtime = type(sys)("equip_tracer")
    runtime.OPTIONS = options
    exec(code, runtime.__dict__)
    with open(path) as file:
        tree = ast.parse(file.read())
    rewrite = Rewrite()
    tree = ast.fix_missing_locations(rewrite.visit(tree))
    space = sys.modules["__main__"].__dict__
    space["_equip_rt"] = runtime
    exec(compile(SUPPORT, "<support>", "exec"), space)
    space["_equip_enter"] = runtime.register("m", "\n".join(rewrite.functions)) if rewrite.functions else None
    sys.argv = [path]
    exec(compile(tree, path, "exec"), space)


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Result:
    pass


def traced(program, options, code=0, folder=None, prepare=None, timeout=60):
    """Runs a program; its output and the files that it leaves."""
    own = folder or tempfile.mkdtemp(prefix="trace_runtime.")
    path = os.path.join(own, "program.py")
    with open(path, "w") as file:
        file.write(textwrap.dedent(program))
    command = [sys.executable, os.path.abspath(__file__), "--run", json.dumps(options), path]
    done = subprocess.run(command, cwd=own, capture_output=True, timeout=timeout, preexec_fn=prepare)
    result = Result()
    result.code, result.folder = done.returncode, own
    result.out, result.err = done.stdout.decode(), done.stderr.decode()
    if code is not None and done.returncode != code:
        raise AssertionError(f"exit status {done.returncode}: {result.out} {result.err}")
    result.files = {}
    for name in os.listdir(own):
        if name.startswith("trace"):
            with open(os.path.join(own, name), "rb") as file:
                result.files[name] = file.read()
    return result


def chrome(program, cut=False, **more):
    """Runs it with format chrome; its events, checked."""
    options = {"format": "chrome", **more.pop("options", {})}
    result = traced(program, options, **more)
    result.events = {}
    for name, data in result.files.items():
        result.events[name] = trace_check.load(data, cut)
        result.counts = trace_check.check(result.events[name], cut)
    result.main = result.events.get("trace.json")
    return result


def text(program, **options):
    more = options.pop("more", {})
    return traced(program, options, **more)


def same(seen, wanted):
    if seen != wanted:
        raise AssertionError(f"\n--- seen\n{seen}\n--- wanted\n{wanted}")


def plain(trace):
    """Without durations and addresses."""
    lines = [line.split("  [")[0] if "  [" in line else line for line in trace.splitlines()]
    return "\n".join(lines)


def open_names(events, name, kind="B"):
    return [event for event in events if event["ph"] == kind and event["name"] == name]


@case
def text_of_everything():
    result = text("""
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)
        def gen(*args, key=None, **more):
            got = yield 1
            yield got
        def bad(x):
            raise ValueError(x, 'y')
        fib(2)
        g = gen(1, 2, key='k', z=3.5)
        next(g); g.send('in'); g.close()
        try: bad(3)
        except ValueError: pass
    """)
    same(plain(result.err), """\
== MainThread
  -> m:fib(n=2)
    -> m:fib(n=1)
    <- m:fib = 1
    -> m:fib(n=0)
    <- m:fib = 0
  <- m:fib = 1
  -> m:gen(*args=(1, 2), key='k', **more={'z': 3.5})
  .. m:gen yields 1
  >> m:gen is sent 'in'
  .. m:gen yields 'in'
  >> m:gen is thrown GeneratorExit()
  !! m:gen raises GeneratorExit()
  -> m:bad(x=3)
  !! m:bad raises ValueError(3, 'y')""")
    if "[run " not in result.err or ", suspended " not in result.err:
        raise AssertionError(result.err)


@case
def values_are_safe():
    program = """
        import sys, threading, enum, collections
        side = []
        class Raises:
            def __repr__(self): side.append(1); raise SystemExit(3)
        class Recurses:
            def __repr__(self): side.append(1); return repr(self)
        lock = threading.Lock()
        class Blocks:
            def __repr__(self):
                side.append(1)
                with lock: return 'Blocks'
        class Huge:
            def __repr__(self): side.append(1); return 'x' * 10**8
        class Meta(type):
            def __eq__(self, other): side.append(1); raise RuntimeError
            def __hash__(self): side.append(1); raise RuntimeError
            @property
            def __name__(self): side.append(1); raise RuntimeError
            @property
            def __class__(self): side.append(1); raise RuntimeError
            def __subclasscheck__(self, other): side.append(1); return True
        class Odd(metaclass=Meta):
            @property
            def __class__(self): side.append(1); raise RuntimeError
            def __bool__(self): side.append(1); raise RuntimeError
            def __eq__(self, other): side.append(1); raise RuntimeError
        class Sub(str):
            def __repr__(self): side.append(1); return 'sub'
            def __str__(self): side.append(1); return 'sub'
        Sub.__module__ = Odd()
        Oddly = type('N', (), {}); Oddly.__name__ = Sub('n'); Oddly.__qualname__ = Sub('n')
        class Color(enum.Enum): RED = 1
        class Error(Exception):
            def __init__(self, *args): self.more = 1
            @property
            def args(self): side.append(1); raise RuntimeError
            def __str__(self): side.append(1); raise RuntimeError
        def show(value):
            pass
        many = list(range(10**6)); many.extend(many)
        loop = []; loop.append(loop); loop.append({'a': loop})
        deep = []
        for _ in range(10**5): deep = [deep]
        with lock:
            for value in (Raises(), Recurses(), Blocks(), Huge(), Odd(), Odd, Sub('s'), Oddly(), Color.RED, Error(1, Raises()),
                          many, loop, deep, dict.fromkeys(range(10**6)), 'x' * 10**8, 1 << 10**6, -5, 2 ** 200,
                          {1}, set(), frozenset([2]), (), (1,), [Blocks()], {Blocks(): Raises()}, 1.5, 2j, None, ..., b'x' * 1000,
                          show, len, range(3), range(1, 9, 2), '\\n\\ud800"\\\\', 'ä', [], {}, True, type, int,
                          collections.OrderedDict(a=1), bytearray(b'q'), KeyError(), memoryview(b'x'), [[['x' * 200] * 9] * 9] * 9):
                show(value)
        print(side)
    """
    start = time.monotonic()
    result = chrome(program)
    if time.monotonic() - start > 20:
        raise AssertionError("slow")
    same(result.out, "[]\n")
    shown = [event["args"]["value"] for event in open_names(result.main, "show")]
    if max(map(len, shown)) > 130:
        raise AssertionError(max(shown, key=len))
    import re
    shown = [re.sub("0x[0-9a-f]+", "0x", value) for value in shown]
    same(shown[:10], [
        "<__main__.Raises at 0x>", "<__main__.Recurses at 0x>", "<__main__.Blocks at 0x>", "<__main__.Huge at 0x>",
        "<__main__.Odd at 0x>", "<__main__.Meta at 0x>", "<Sub at 0x>", shown[7], "<__main__.Color at 0x>",
        "__main__.Error(1, <__main__.Raises at 0x>)"])
    same(shown[7] in ("<? at 0x>", "<__main__.n at 0x>"), True)
    for part, value in {"[0, 1, 2": shown[10], "... 1999980 more]": shown[10][-30:], "[[[[[[... ": shown[12]}.items():
        if part not in value:
            raise AssertionError(f"{part}: {value}")
    same(shown[14], "'" + "x" * 119 + "...")
    same(shown[15:18], ["<int of 1000001 bits>", "-5", str(2 ** 200)])
    same(shown[18:27], ["{1}", "set()", "frozenset({2})", "()", "(1,)", "[<__main__.Blocks at 0x>]",
                        "{<__main__.Blocks at 0x>: <__main__.Raises at 0x>}", "1.5", "2j"])
    same(shown[30:42], ["<function show>", "<builtin_function_or_method at 0x>", "range(0, 3)", "range(1, 9, 2)",
                        "'\\n\\ud800\"\\\\'", "'ä'", "[]", "{}", "True", "<class type>", "<class int>",
                        "<collections.OrderedDict at 0x>"])
    if any("Blocks(" in value for value in shown):
        raise AssertionError(shown)
    # Asked for: the objects' own, which harm nothing either.
    result = chrome(program.replace("with lock:\n            for", "if 1:\n            for").replace("10**8", "10**6"),
                    options={"user_repr": True})
    names = {event["name"] for event in result.main if event["ph"] == "B"}
    same(names, {"show", "Error.__init__", "Meta.__eq__", "Meta.__hash__"} & names | {"show"})


@case
def chrome_of_everything():
    result = chrome("""
        def gen(n):
            for i in range(n):
                try: yield i
                except KeyError: yield 'key'
        def outer():
            g = gen(3)
            inner = next(g), next(g), g.throw(KeyError('k'))
            return list(g)
        outer()
        left = gen(5); next(left)
    """, options={"cpu": True})
    same(result.counts["B"], result.counts["E"])
    same(result.counts["s"], result.counts["f"])
    first = open_names(result.main, "gen")[0]
    same(first["args"], {"n": "3"})
    ends = [event["args"] for event in open_names(result.main, "gen", "E")]
    same([sorted(args)[:1] for args in ends][:2], [["yield"], ["yield"]])
    last = [args for args in ends if "return" in args][0]
    same(sorted(last), ["cpu_us", "return", "run_us", "suspended_us"])
    same({event["args"]["name"] for event in result.main if event["name"] == "thread_name"}, {"MainThread"})
    # `left` sleeps for ever, or is closed when the module is cleared: too late for this file.
    same(len(open_names(result.main, "exit")), 1)


@case
def threads():
    result = chrome("""
        import threading
        def leaf(n): return n
        def work(n):
            for i in range(300): leaf(i)
        def main():
            all = [threading.Thread(target=work, args=(i,), name=f'worker {i}') for i in range(20)]
            for one in all: one.start()
            for one in all: one.join()
        main()
        # Many that do not live long.
        for _ in range(500):
            one = threading.Thread(target=leaf, args=(1,)); one.start(); one.join()
        def forever():
            while True: leaf(0)
        threading.Thread(target=forever, daemon=True).start()
        import time; time.sleep(0.05)
    """, options={"cpu": True})
    same(len(open_names(result.main, "work")), 20)
    names = {event["args"]["name"] for event in result.main if event["name"] == "thread_name"}
    same({f"worker {i}" for i in range(20)} | {"MainThread"} <= names, True)


@case
def tasks():
    program = """
        import asyncio
        async def leaf(n):
            await asyncio.sleep(0.01)
            return n
        def plain(): pass
        async def work(n):
            plain()
            await leaf(n)
            steps = agen()
            await steps.__anext__()
            await steps.__anext__()
            return n
        async def agen():
            yield 1
            await asyncio.sleep(0)
            yield 2
        async def waits(): await asyncio.Event().wait()
        async def main():
            forever = asyncio.create_task(waits(), name='forever')
            await asyncio.gather(*[asyncio.create_task(work(i), name=f'job {i}') for i in range(10)])
            forever.cancel()
        asyncio.run(main())
    """
    result = chrome(program)
    tracks = {event["name"] for event in result.main if event["ph"] == "b"}
    same({f"job {i}" for i in range(10)} <= tracks, True)
    same("forever" in tracks, True)
    job = [event["args"] for event in open_names(result.main, "work", "E") if "return" in event["args"]]
    same(len(job), 10)
    if not all(args["suspended_us"] > 5000 > args["run_us"] for args in job):
        raise AssertionError(job)
    result = text(program)
    if "== MainThread, task job 3\n" not in result.err or "raises asyncio.exceptions.CancelledError" not in result.err:
        raise AssertionError(result.err)


@case
def a_driver_by_hand():
    result = chrome("""
        import threading
        class Wait:
            def __await__(self): return (yield self)
        async def inner(n): return await Wait()
        async def outer(n):
            return [await inner(i) for i in range(3)] if False else await inner(n)
        # One coroutine goes on in several threads.
        coro = outer(7)
        coro.send(None)
        def go():
            try: coro.send('done')
            except StopIteration as stop: assert stop.value == 'done'
        one = threading.Thread(target=go); one.start(); one.join()
    """)
    same({event["tid"] for event in open_names(result.main, "inner")}, {1, 2})


@case
def min_duration():
    program = """
        import time
        def short(): pass
        def long(n):
            short()
            if n: long(n - 1)
            time.sleep(0.004)
            short()
        def gen():
            yield 1
            time.sleep(0.004)
            yield 2
        for _ in range(100): short()
        long(2)
        list(gen())
    """
    result = chrome(program, options={"min_duration_us": 2000})
    same(len(open_names(result.main, "long")), 3)
    same(len(open_names(result.main, "short")), 0)
    same(len(open_names(result.main, "gen")) in (1, 2), True)
    result = text(program, min_duration_us=2000)
    same("short" in result.err, False)


@case
def sample():
    result = chrome("""
        def leaf(n): pass
        def call(n):
            leaf(n)
        for i in range(100): call(i)
        def gen(n):
            yield leaf(n)
            yield leaf(n)
        for i in range(10):
            for _ in gen(i): leaf(i)
    """, options={"sample": 10})
    calls = [event["args"]["n"] for event in open_names(result.main, "call")]
    same(calls, [str(i) for i in range(0, 100, 10)])
    same(len(open_names(result.main, "leaf")) < 20, True)


FORKS = """
    import os, sys, time
    def leaf(n): return n
    def child(n):
        for i in range(10): leaf(i)
        if n == 1: os._exit(5)
        if n == 2: sys.exit(0)
        return n
    def main():
        pids = []
        for n in range(3):
            pid = os.fork()
            if not pid:
                if n == 0: child(n); os._exit(5)
                child(n)
            pids.append(pid)
        for pid in pids: os.waitpid(pid, 0)
        print(*pids)
    main()
"""


@case
def fork():
    result = chrome(FORKS, cut=True)
    pids = result.out.split()
    same(sorted(result.files), sorted(["trace.json"] + ["trace.json." + pid for pid in pids]))
    trace_check.check(trace_check.load(result.files["trace.json"]))
    trace_check.check(trace_check.load(result.files["trace.json." + pids[2]]))
    for pid in pids:
        events = result.events["trace.json." + pid]
        names = [event["name"] for event in events if event["ph"] == "B"]
        same(names[:2] + [len(names)], ["main", "child", 12] if pid != pids[1] else ["main", "child", len(names)])
    # Text for stderr says which process.
    result = text(FORKS)
    same(f"== process {result.out.split()[2]}, MainThread" in result.err, True)


@case
def spawn():
    result = chrome("""
        import subprocess, sys, json, os
        def main():
            command = sys.orig_argv[:]
            if 'INNER' not in os.environ:
                os.environ['INNER'] = '1'
                all = [subprocess.Popen(command) for _ in range(4)]
                for one in all: assert one.wait() == 0
                print(*[one.pid for one in all])
        main()
    """)
    same(sorted(result.files), sorted(["trace.json"] + ["trace.json." + pid for pid in result.out.split()]))


@case
def cut_anywhere():
    result = chrome("""
        def gen(text):
            yield text
            yield text
        for text in ('a\\n"\\\\', 'ä\\ud800', 'z' * 300):
            list(gen(text))
        def bad(): raise KeyError('x')
        try: bad()
        except KeyError: pass
    """)
    data = result.files["trace.json"]
    for end in range(len(data)):
        events = trace_check.load(data[:end], cut=True)
        same(events, result.main[: data[:end].count(b"\n") - 1] if end > 1 else [])
        trace_check.check(events, cut=True)


@case
def killed():
    program = """
        import os, signal, time
        def leaf(n): pass
        def main():
            for i in range(5000): leaf(i)
            time.sleep(0.3)
            leaf(-1)
            END
        main()
    """
    for end, code in (("os.kill(os.getpid(), signal.SIGKILL)", -9), ("os._exit(3)", 3), ("os.abort()", -6)):
        result = chrome(program.replace("END", end), cut=True, code=code)
        same(len(open_names(result.main, "leaf")), 5001)


@case
def unwritable():
    program = "def f(): pass\nf()\nprint('ok')\nraise SystemExit(7)"
    for output in ("/nowhere/x.json", "/proc/version", "."):
        result = traced(program, {"format": "chrome", "output": output}, code=7)
        same((result.out, result.err.count("\n"), result.err.startswith("tracer: /")), ("ok\n", 1, True))
    result = traced(program, {"format": "chrome", "output": "/dev/full"}, code=7)
    same((result.out, result.err), ("ok\n", "tracer: /dev/full: No space left on device\n"))
    traced(program, {"format": "chrome", "output": "/dev/null"}, code=7)
    result = traced("import os\nos.close(2)\n" + program, {}, code=7)
    same(result.out, "ok\n")


@case
def files_closed_by_the_program():
    result = chrome("""
        import os
        def f(n): pass
        for i in range(2000): f(i)
        os.closerange(3, 2000)
        mine = [os.open('mine', os.O_CREAT | os.O_RDWR) for _ in range(1200)]
        for i in range(2000): f(i)
        for fd in mine: assert os.fstat(fd).st_size == 0
    """, prepare=lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_NOFILE, (4096, 4096)))
    same(len(open_names(result.main, "f")), 4000)


@case
def interrupts():
    result = chrome("""
        import _thread, signal, sys, time, threading
        def leaf(n): return [n]
        def gen(n):
            yield leaf(n)
            yield leaf(n)
        def work(n):
            for i in range(5):
                leaf(i)
                for _ in gen(i): pass
        seen, armed = 0, False
        def handler(number, frame):
            if armed: raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0004, 0.0003)
        stop = time.monotonic() + 4
        while time.monotonic() < stop:
            try:
                try:
                    armed = True
                    # No `while`: CPython 3.13.0 leaves its jump back out of the range of the `finally`.
                    for _ in range(20): work(1)
                finally: armed = False
            except KeyboardInterrupt: seen += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        work('last')
        print(seen > 100)
    """)
    # Nothing nests deeper than the program does.
    depth = deepest = 0
    for event in result.main:
        depth += {"B": 1, "E": -1}.get(event["ph"], 0)
        deepest = max(deepest, depth)
        if event["ph"] == "B" and event["name"] == "work":
            same(depth, 1)
    same(deepest < 9, True)  # four, and handlers in handlers
    same(result.out, "True\n")


@case
def recursion():
    result = chrome("""
        import sys
        def down(n): return down(n + 1)
        def bare(): return bare()
        class Deep:
            def __repr__(self): return repr(self)
        def show(x): pass
        for _ in range(3):
            for f in (lambda: down(0), bare):
                try: f()
                except RecursionError: pass
                show(Deep())
    """, options={"user_repr": True})
    first = open_names(result.main, "show")
    same(len(first), 6)
    depth = 0
    for event in result.main:
        if event["ph"] == "B" and event["name"] == "show":
            same(depth, 0)
        depth += {"B": 1, "E": -1}.get(event["ph"], 0)


@case
def finalisers_and_signals():
    result = chrome("""
        import gc, signal
        class Node:
            def __init__(self): self.me = self
            def __del__(self): done(self)
        def done(node): pass
        def gen():
            try: yield Node()
            finally: done(None)
        def handler(number, frame): done(number)
        gc.set_threshold(7)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        def main():
            for i in range(3000):
                Node()
                g = gen(); next(g)
                me = [g]; me.append(me); del g, me
        main()
        signal.setitimer(signal.ITIMER_REAL, 0)
        keep = Node()
    """)
    same(len(open_names(result.main, "main")), 1)


@case
def a_hostile_program():
    result = chrome("""
        import sys, builtins, time, os
        def f(x): return [x]
        f(1)
        def broken(*args, **more): raise RuntimeError('replaced')
        saved = dict(builtins.__dict__)
        for name in ('len', 'type', 'repr', 'id', 'list', 'range', 'zip', 'enumerate', 'issubclass', '__import__', 'open',
                     'AttributeError', 'OSError', 'KeyboardInterrupt'):
            setattr(builtins, name, broken)
        for one in (time, os, sys.modules['posix']):
            for name in ('perf_counter_ns', 'write', 'pwrite', 'fstat'):
                if name in one.__dict__: setattr(one, name, broken)
        for i in saved['range'](2000): f({i})
        builtins.__dict__.update(saved)
        modules = dict(sys.modules)
        sys.modules.clear()
        f(2)
        sys.modules.update(modules)
        sys.modules = None
        f(3)
        sys.modules = modules
    """)
    same(len(open_names(result.main, "f")), 2003)


@case
def late_calls():
    result = text("""
        import atexit
        def late(x): pass
        class Late:
            def __del__(self): late(1)
        keep = Late()
        import sys
        sys.keep = Late()
        atexit.register(late, 'exit')
    """)
    same("late(x='exit')" in result.err, True)
    chrome("class Late:\n    def __del__(self): pass\nkeep = Late()\ndef f(): pass\nf()")


@case
def max_repr():
    result = chrome("def f(x): return x\nfor x in (2**60, 2**200, 'x' * 99, [1] * 99, -2**61, b'y' * 50): f(x)",
                    options={"max_repr": 8})
    shown = [event["args"]["x"] for event in open_names(result.main, "f")]
    if max(map(len, shown)) > 11:
        raise AssertionError(shown)


@case
def text_to_a_file():
    result = text("def f(): return 1\nfor i in range(1000): f()", output="trace.txt")
    same(result.files["trace.txt"].count(b"<- m:f = 1"), 1000)
    same(result.err, "")


@case
def subinterpreters():
    # A second runtime in one process must not share the file, nor drop the lock of the first.
    result = chrome("""
        import sys
        def f(): pass
        f()
        def other():
            source = open(SOURCE).read()
            runtime = type(sys)('equip_tracer'); runtime.OPTIONS = {'format': 'chrome'}
            exec(compile(source, 'x', 'exec'), runtime.__dict__)
            enter = runtime.register('m', 'f\\tg\\t')
            runtime.leave(enter(0, ()), 1)
        other()
        import subprocess
        code = 'import posix; posix.lockf(posix.open("trace.json", posix.O_WRONLY), posix.F_TLOCK, 0)'
        assert subprocess.run([sys.executable, '-c', code], stderr=-3).returncode == 1
    """.replace("SOURCE", repr(RUNTIME)))
    same(len(result.files), 2)


@case
def names_are_bound():
    """The runtime reads no builtin at run time."""
    import builtins
    import types
    with open(RUNTIME) as file:
        source = file.read()
    code = compile(source, RUNTIME, "exec")
    bound = {alias.asname or alias.name for node in ast.walk(ast.parse(source))
             if isinstance(node, ast.ImportFrom) for alias in node.names}

    def walk(code):
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                yield constant
                yield from walk(constant)

    import dis
    for inner in walk(code):
        for instruction in dis.get_instructions(inner):
            name = instruction.argval
            if instruction.opname == "LOAD_GLOBAL" and hasattr(builtins, name) and name not in bound:
                raise AssertionError(f"{inner.co_name}: {name}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                same(alias.name in sys.builtin_module_names, True)


@case
def finally_covers_each_jump_back():
    import dis
    import types
    with open(RUNTIME) as file:
        todo = [compile(file.read(), RUNTIME, "exec")]
    seen = set()
    while todo:
        code = todo.pop()
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        if code.co_name not in ("enter", "leave", "resume", "_flush"):
            continue
        seen.add(code.co_name)
        entries = dis.Bytecode(code).exception_entries
        for instruction in dis.get_instructions(code):
            def covered(offset):
                return any(entry.start <= offset < entry.end for entry in entries)
            if not instruction.opname.startswith("JUMP_BACKWARD"):
                continue
            if covered(instruction.argval) and not covered(instruction.offset):
                raise AssertionError(f"{code.co_name}: {instruction}")
    same(len(seen), 4)


def main():
    if sys.argv[1:2] == ["--run"]:
        return run(json.loads(sys.argv[2]), sys.argv[3])
    failed = 0
    for name in sys.argv[1:] or CASES:
        start = time.monotonic()
        try:
            CASES[name]()
            print(f"ok {name} {time.monotonic() - start:.1f}s", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}"[:3000], flush=True)
    print(f"{sys.version.split()[0]}: {failed} failed")
    return sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
