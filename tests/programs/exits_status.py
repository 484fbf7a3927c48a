"""Ends by SystemExit, through functions, a generator and a with; with children that end otherwise."""

import atexit
import os
import signal
import sys


def closing(name):
    try:
        yield name
    finally:
        print("closed", name, sys.exc_info()[0])


def leave(how):
    g = closing(how)
    next(g)
    try:
        if how == "exit":
            sys.exit(5)
        elif how == "_exit":
            sys.stdout.flush()
            os._exit(7)
        elif how == "raise":
            raise SystemExit
        elif how == "text":
            sys.exit("text on stderr")
        elif how == "interrupt":
            signal.raise_signal(signal.SIGINT)
        elif how == "error":
            raise ValueError(how)
        elif how == "kill":
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    finally:
        print("leaving by", how)


def child(how):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            leave(how)
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 50
        except KeyboardInterrupt:
            code = 51
        except ValueError:
            code = 52
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    print(how, os.waitstatus_to_exitcode(status))


for way in ("exit", "_exit", "raise", "text", "interrupt", "error", "kill", "none"):
    child(way)
atexit.register(print, "last")
leave("exit")
