"""Ctrl-C: caught in functions, generators and loops; at last it ends the program."""

import _thread
import signal
import sys


def raising():
    signal.raise_signal(signal.SIGINT)
    return "not reached"


def caught():
    try:
        raising()
    except KeyboardInterrupt as error:
        return type(error).__name__, error.args
    return None


def by_thread():
    try:
        _thread.interrupt_main()
        for _ in range(100):
            pass
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        print("finally")
    return "lost"


def generator():
    try:
        yield 1
        raising()
    except KeyboardInterrupt:
        yield "in generator"
    yield "after"


def not_exception():
    try:
        raising()
    except Exception:
        return "wrong"
    finally:
        print("passing", sys.exc_info()[0].__name__)


def handler(number, frame):
    raise TimeoutError(number)


def own_handler():
    old = signal.signal(signal.SIGINT, handler)
    try:
        raising()
    except TimeoutError as error:
        return str(error)
    finally:
        signal.signal(signal.SIGINT, old)


print(caught())
print(by_thread())
print(list(generator()))
try:
    not_exception()
except KeyboardInterrupt:
    print("at the top")
print(own_handler())
sys.stdout.flush()
not_exception()
