"""Runtime of faults: counts calls, and says which one fails."""

import _thread

_nth = OPTIONS.get("nth", 1)
_again = OPTIONS.get("again", False)
_calls = {}
_lock = _thread.allocate_lock()


def strikes(*function):
    with _lock:
        count = _calls[function] = _calls.get(function, 0) + 1
    return count == _nth or _again and count % _nth == 0
