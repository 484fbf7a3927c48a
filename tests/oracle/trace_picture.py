"""Draws a trace of tracer (format `chrome`) to look at: `trace_picture.py FILE OUT.png [FROM_US TO_US]`.

A band for each thread, a row for each depth, a box for each slice, coloured by name, its name in it
where there is room; red where an exception ends it. Flows are thin dark lines, tracks of tasks are a band at the
bottom. Needs nothing but the standard library.
"""

import struct
import sys
import zlib

import trace_check

WIDTH, ROW, LEFT = 1600, 12, 130
# Columns of 5 dots each, lowest bit on top, of the characters that names are made of.
GLYPHS = {
    "a": "7e1111117e", "b": "7f49494936", "c": "3e41414122", "d": "7f4141413e", "e": "7f49494941", "f": "7f09090901",
    "g": "3e4149493a", "h": "7f0808087f", "i": "00417f4100", "j": "2040413f01", "k": "7f08142241", "l": "7f40404040",
    "m": "7f020c027f", "n": "7f0408107f", "o": "3e4141413e", "p": "7f09090906", "q": "3e4151215e", "r": "7f09192946",
    "s": "4649494931", "t": "01017f0101", "u": "3f4040403f", "v": "1f2040201f", "w": "3f4038403f", "x": "6314081463",
    "y": "0708700807", "z": "6151494543", "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31",
    "4": "1814127f10", "5": "2745454539", "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e",
    "_": "4040404040", ".": "0060600000", "-": "0808080808", "<": "0814224100", ">": "0041221408", ":": "0036360000",
}


class Picture:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [bytearray(b"\xff" * (3 * width)) for _ in range(height)]

    def box(self, x0, x1, y0, y1, colour):
        x0, x1 = max(0, x0), min(self.width, x1)
        for y in range(max(0, y0), min(self.height, y1)):
            if x1 > x0:
                self.rows[y][3 * x0: 3 * x1] = bytes(colour) * (x1 - x0)

    def text(self, x, y, text, colour=(0, 0, 0)):
        for char in text.lower():
            for column, bits in enumerate(bytes.fromhex(GLYPHS.get(char, "0000000000"))):
                for row in range(7):
                    if bits >> row & 1:
                        self.box(x + column, x + column + 1, y + row, y + row + 1, colour)
            x += 6

    def line(self, x0, y0, x1, y1, colour):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(steps + 1):
            x, y = x0 + (x1 - x0) * step // steps, y0 + (y1 - y0) * step // steps
            self.box(x, x + 1, y, y + 1, colour)

    def png(self):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        data = zlib.compress(b"".join(b"\0" + bytes(row) for row in self.rows), 6)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def colour(name):
    seed = zlib.crc32(name.encode())
    return 140 + seed % 100, 140 + seed // 100 % 100, 140 + seed // 10000 % 100


def slices(events):
    """(thread, depth, name, begin, end, whether it raised) of each slice; depth of each thread."""
    stacks, found, depths = {}, [], {}
    for event in events:
        if event["ph"] not in "BE":
            continue
        thread = (event["pid"], event["tid"])
        stack = stacks.setdefault(thread, [])
        if event["ph"] == "B":
            stack.append(event)
            depths[thread] = max(depths.get(thread, 0), len(stack))
        else:
            begin = stack.pop()
            failed = "raise" in event.get("args", {})
            found.append((thread, len(stack), begin["name"], begin["ts"], event["ts"], failed))
    return found, depths


def draw(events, start=None, stop=None):
    found, depths = slices(events)
    times = [event["ts"] for event in events if event["ph"] != "M"]
    start = min(times) if start is None else min(times) + start
    stop = max(times) if stop is None else min(times) + stop
    names = {(event["pid"], event["tid"]): event["args"]["name"] for event in events if event.get("name") == "thread_name"}

    def x(time):
        return LEFT + int((time - start) * (WIDTH - LEFT - 10) / max(stop - start, 0.001))

    tops, top = {}, 20
    for thread in sorted(depths):
        tops[thread] = top
        top += depths[thread] * ROW + 14
    tracks = {}
    for event in events:
        if event["ph"] in "be":
            tracks.setdefault((event["name"], event["id"]), []).append(event["ts"])
    tracks = {key: ends for key, ends in tracks.items() if len(ends) == 2 and ends[1] >= start and ends[0] <= stop}
    shown = sorted(tracks.items(), key=lambda item: item[1])[:40]
    picture = Picture(WIDTH, top + len(shown) * ROW + 20)
    picture.text(LEFT, 5, f"{(stop - start) / 1000:.3f} ms")
    for thread, top in tops.items():
        picture.text(4, top + 2, names.get(thread, str(thread[1]))[:20])
        picture.box(0, WIDTH, top - 5, top - 4, (200, 200, 200))
    for thread, depth, name, begin, end, failed in found:
        if end < start or begin > stop:
            continue
        x0, x1, y = max(LEFT, x(begin)), max(x(end), x(begin) + 1), tops[thread] + depth * ROW
        picture.box(x0, x1, y, y + ROW - 1, (220, 60, 60) if failed else colour(name))
        picture.text(x0 + 2, y + 2, name[: max(0, (min(x1, WIDTH) - x0 - 2) // 6)])
    starts = {}
    depth = {}
    for event in events:
        thread = (event.get("pid"), event.get("tid"))
        depth[thread] = depth.get(thread, 0) + {"B": 1, "E": -1}.get(event["ph"], 0)
        if event["ph"] in "sf" and start <= event["ts"] <= stop:
            here = (x(event["ts"]), tops[thread] + depth[thread] * ROW - ROW // 2)
            if event["ph"] == "s":
                starts[event["id"]] = here
            elif event["id"] in starts:
                picture.line(*starts[event["id"]], *here, (60, 60, 110))
    for index, ((name, _), (begin, end)) in enumerate(shown):
        y = picture.height - 10 - (len(shown) - index) * ROW
        picture.text(4, y + 2, name[:20])
        picture.box(max(LEFT, x(begin)), max(x(end), x(begin) + 1), y, y + ROW - 3, (120, 170, 220))
    return picture.png()


def main():
    with open(sys.argv[1], "rb") as file:
        events = trace_check.load(file.read())
    data = draw(events, *map(float, sys.argv[3:5]))
    with open(sys.argv[2], "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
