"""What loops do: as the source tells it when it counts itself, or as probes do.

    python loops.py plain|probed FILE MODULE...

Runs each MODULE of the working directory as a program, in a process of its own, and writes a line for each event to
FILE: module, event (head, back, exit), line of the loop's head. Plain is the source with calls put in: iterators are wrapped, conditions
of `while` preceded, and followed where they do not hold.
"""

import ast
import builtins
import os
import sys

import apart

how, path, *modules = sys.argv[1:]
sys.path[0] = os.getcwd()
events = []


class Loop:
    """One run of a loop."""

    def __init__(self, line):
        self.line, self.first = line, True

    def tell(self, event):
        events.append((event, self.line))

    def head(self):
        if not self.first:
            self.tell("back")
        self.first = False
        self.tell("head")


def iterated(loop, iterable):
    return Items(loop, iter(iterable))


class Items:
    def __init__(self, loop, items): self.loop, self.items = loop, items

    def __iter__(self): return self

    def __next__(self):
        self.loop.head()
        try:
            return next(self.items)
        except StopIteration:
            self.loop.tell("exit")
            raise


class AsyncItems:
    def __init__(self, loop, iterable): self.loop, self.items = loop, iterable.__aiter__()

    def __aiter__(self): return self

    async def __anext__(self):
        self.loop.head()
        try:
            return await self.items.__anext__()
        except StopAsyncIteration:
            self.loop.tell("exit")
            raise


def call(text, *arguments):
    return ast.Call(ast.parse(text, mode="eval").body, list(arguments), [])


def comes_back(statements):
    """Whether control gets to the end of them, or to a `continue` of the loop that they are in."""
    def ends(all, found):
        for one in all:
            match one:
                case ast.Continue():
                    found.append(one)
                    return False
                case ast.Break() | ast.Return() | ast.Raise():
                    return False
                case ast.If():
                    if not any([ends(one.body, found), ends(one.orelse, found)]):
                        return False
                case ast.While() | ast.For() | ast.AsyncFor():
                    pass
                case ast.Try():
                    ways = [ends(one.body + one.orelse, found), *(ends(handler.body, found) for handler in one.handlers)]
                    if not any(ways) or not ends(one.finalbody, found):
                        return False
                case ast.With() | ast.AsyncWith():
                    ends(one.body, found)  # the exception may be swallowed
                case ast.Match():
                    for case in one.cases:
                        ends(case.body, found)
        return True
    found = []
    return ends(statements, found) or bool(found)


class Counting(ast.NodeTransformer):
    def __init__(self):
        self.names = 0

    def name(self):
        self.names += 1
        return f"_loop{self.names}"

    def visit_For(self, node, wrapper="__items__"):
        name = self.name()
        starts = ast.Assign([ast.Name(name, ast.Store())], call("__loop__", ast.Constant(node.iter.lineno)))
        node = self.generic_visit(node)
        node.iter = call(wrapper, ast.Name(name, ast.Load()), node.iter)
        return [starts, node]

    def visit_AsyncFor(self, node):
        return self.visit_For(node, "__async_items__")

    def visit_While(self, node):
        if isinstance(node.test, ast.Constant) and not node.test.value or not comes_back(node.body):
            return self.generic_visit(node)
        name = self.name()
        endless = isinstance(node.test, ast.Constant)
        starts = ast.Assign([ast.Name(name, ast.Store())],
                            call("__loop__", ast.Constant(node.lineno if endless else node.test.lineno)))
        node = self.generic_visit(node)
        node.test = ast.BoolOp(ast.Or(), [call(f"{name}.head"), node.test])
        node.orelse.insert(0, ast.Expr(call(f"{name}.tell", ast.Constant("exit"))))
        return [starts, node]

    def visit_comprehension(self, node):
        line = call("__loop__", ast.Constant(node.iter.lineno))
        node = self.generic_visit(node)
        node.iter = call("__async_items__" if node.is_async else "__items__", line, node.iter)
        return node


def run(module):
    if how == "plain":
        builtins.__loop__, builtins.__items__, builtins.__async_items__ = Loop, iterated, AsyncItems
        ended = apart.ended(module, Counting())
    else:
        builtins.__test_hit__ = lambda event: events.append((event[0], event[2]))
        ended = apart.ended(module)
    with open(path, "a") as out:
        for event, line in [*events, ("ended", ended)]:
            print(module, event, line, file=out)


apart.each(modules, run)
