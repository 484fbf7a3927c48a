"""Programs in processes of their own, so that what one does to its interpreter is not there for the next."""

import ast
import os
import runpy
import sys


def each(modules, run):
    """Runs each module in a child, its input and output nowhere; ends with a message where one crashes."""
    for module in modules:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            sink = os.open(os.devnull, os.O_RDWR)
            os.dup2(sink, 0), os.dup2(sink, 1), os.dup2(sink, 2)
            run(module)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{module}: crashed")


def ended(module, change=None):
    """Runs a program as it is, or its source with what that makes of the syntax tree; how it ended."""
    try:
        if change is None:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            file = os.path.abspath(module + ".py")
            with open(file) as source:
                tree = change.visit(ast.parse(source.read()))
            exec(compile(ast.fix_missing_locations(tree), file, "exec"), {"__name__": "__main__"})
        return "normally"
    except BaseException as error:
        return repr(error)
