"""Which lines programs reach: as sys.settrace tells it of the plain program, or as probes do.

    python lines.py plain|probed FILE MODULE...

Runs each MODULE of the working directory as a program, in a process of its own, and writes each arrival to FILE:
module, qualname, first line of the function, line; thread by thread, in order. Left out are scopes that no
plugin is shown: annotations, type parameters, aliases.
"""

import _thread
import builtins
import gc
import os
import runpy
import sys
import threading

import apart

how, path, *modules = sys.argv[1:]
folder = os.getcwd()
sys.path[0] = folder
SCOPES = {"__annotate__", "__annotations__"}
GENERIC = "<generic parameters of "


def traced(events, file):
    skipped = {}

    def is_skipped(code):
        # Aliases and bounds are evaluated by functions that nothing else tells from others.
        if code not in skipped:
            names = code.co_qualname.rpartition(".")[2]
            skipped[code] = (code.co_filename != file or names in SCOPES or names.startswith(GENERIC)
                             or code.co_varnames[:1] == (".format",) or code.co_name in LAZY)
        return skipped[code]

    def tracer(frame, event, _):
        if event == "call":
            return None if is_skipped(frame.f_code) else tracer
        if event == "line":
            code = frame.f_code
            events.append((_thread.get_ident(), file, code.co_qualname, code.co_firstlineno, frame.f_lineno))
        return tracer
    return tracer


# Names of aliases and bounds in the programs.
LAZY = {"Alias", "Pair", "T"}


def run(module):
    events, file = [], os.path.join(folder, module + ".py")
    builtins.__test_hit__, builtins.__test_thread__ = events.append, _thread.get_ident
    sys.argv[:] = [file]
    gc.disable()
    ended = "normally"
    try:
        if how == "plain":
            tracer = traced(events, file)
            threading.settrace(tracer)
            sys.settrace(tracer)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except BaseException as error:
        ended = type(error).__name__
    finally:
        sys.settrace(None)
        threading.settrace(None)
    count = len(events)
    threads = {}
    for thread, where, *event in events[:count]:
        # Modules of the folder import each other.
        if os.path.basename(where) == os.path.basename(file):
            threads.setdefault(thread, []).append(event)
    with open(path, "a") as out:
        for all in threads.values():
            for qualname, first, line in all:
                # A module's own body is `<module>` to CPython.
                print(module, qualname or "<module>", first, line, file=out)
        print(module, "ended", ended, file=out)


apart.each(modules, run)
