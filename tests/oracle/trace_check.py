"""Checks a trace of tracer (format `chrome`): `trace_check.py [--cut] FILE`.

Each E closes the B that is open in its thread and has its name; time in a thread never goes back; flows
and async tracks have a begin and an end. With `--cut`, of a trace that was cut off anywhere: the last
partial line is dropped, the array closed, and what is open at its end is no error. Prints counts; exits
with 1 and the reason.
"""

import json
import sys


class Unsound(Exception):
    pass


def load(data, cut=False):
    """The events of a file's bytes."""
    if cut:
        data = data[: data.rfind(b"\n") + 1].rstrip()
        if data.endswith(b"]") and data != b"[]":
            return json.loads(data)
        data = (data.removesuffix(b",") or b"[") + b"]"
    return json.loads(data)


def check(events, cut=False):
    """Counts of an array of trace events."""
    stacks, last, flows, tracks = {}, {}, {}, {}
    counts = {}
    for number, event in enumerate(events):
        kind = event["ph"]
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "M":
            continue
        where = f"event {number}, {json.dumps(event)}"
        thread = (event["pid"], event["tid"])
        if event["ts"] < last.get(thread, 0):
            raise Unsound(f"{where}: time goes back")
        last[thread] = event["ts"]
        stack = stacks.setdefault(thread, [])
        if kind == "B":
            stack.append((event["name"], event.get("tts")))
        elif kind == "E":
            if not stack:
                raise Unsound(f"{where}: nothing is open in its thread")
            name, begin = stack.pop()
            if name != event["name"]:
                raise Unsound(f"{where}: {name} is open")
            if begin is not None and event["tts"] < begin:
                raise Unsound(f"{where}: CPU time goes back")
        elif kind in "sf":
            if not stack:
                raise Unsound(f"{where}: a flow outside of a slice")
            step(flows, (event["cat"], event["id"]), "s", kind, where)
        elif kind in "be":
            step(tracks, (event["cat"], event["id"], event["name"]), "b", kind, where)
        else:
            raise Unsound(f"{where}: unknown kind")
    if not cut:
        for thread, stack in stacks.items():
            if stack:
                raise Unsound(f"thread {thread}: {stack[-1][0]} has no end")
        for what in (flows, tracks):
            for key, kinds in what.items():
                if len(kinds) != 2:
                    raise Unsound(f"{key}: has no end")
    return counts


def step(known, key, first, kind, where):
    kinds = known.setdefault(key, "")
    if len(kinds) == 2 or (kind == first) != (kinds == ""):
        raise Unsound(f"{where}: comes after {kinds!r}")
    known[key] += kind


def main():
    cut = "--cut" in sys.argv
    with open(sys.argv[-1], "rb") as file:
        data = file.read()
    try:
        counts = check(load(data, cut), cut)
    except (Unsound, ValueError, KeyError) as error:
        sys.exit(f"{sys.argv[-1]}: {error!r}")
    print(" ".join(f"{kind}={count}" for kind, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
