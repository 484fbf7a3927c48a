"""Judges a picture of a flow graph: XML, as many boxes as said, none on another, no line through one."""

import re
import sys
import xml.etree.ElementTree as ET

SVG = '{http://www.w3.org/2000/svg}'
root = ET.parse(sys.argv[1]).getroot()
assert root.tag == SVG + 'svg', root.tag
width, height = float(root.get('width')), float(root.get('height'))
group = next(g for g in root.iter(SVG + 'g') if g.get('transform'))
shift = [float(n) for n in re.findall(r'[-\d.]+', group.get('transform'))]

boxes = []
for rect in group.iter(SVG + 'rect'):
    x, y, w, h = (float(rect.get(name)) for name in ('x', 'y', 'width', 'height'))
    boxes.append((x, y, x + w, y + h))
    assert 0 <= x + shift[0] and x + w + shift[0] <= width, ('outside', x, w, width)
    assert 0 <= y + shift[1] and y + h + shift[1] <= height, ('outside', y, h, height)
assert len(boxes) == int(sys.argv[2]), (len(boxes), sys.argv[2])
boxes.sort(key=lambda box: box[1])
for i, (x0, y0, x1, y1) in enumerate(boxes):
    for a0, b0, a1, b1 in boxes[i + 1:]:
        if b0 >= y1:
            break
        assert a1 <= x0 or x1 <= a0, ('boxes on each other', (x0, y0), (a0, b0))

entry, exit_ = boxes[0], boxes[-1]
classes = [g.get('class') for g in group.iter(SVG + 'g')]
assert classes.count('entry') == classes.count('exit') == 1, classes

edges = [path for path in group.iter(SVG + 'path') if (path.get('class') or '').startswith('edge')]
assert len(edges) == int(sys.argv[3]), (len(edges), sys.argv[3])
upright = []
for path in edges:
    numbers = [float(n) for n in re.findall(r'-?[\d.]+', path.get('d'))]
    points = list(zip(numbers[::2], numbers[1::2]))
    assert any(abs(points[0][1] - box[3]) < .2 and box[0] <= points[0][0] <= box[2] for box in boxes), ('starts at no box', points[0])
    for (ax, ay), (bx, by) in zip(points, points[1:]):
        if abs(ax - bx) < .5:
            upright.append((ax, min(ay, by), max(ay, by), path.get('class')))
        low, high = (min(ax, bx), min(ay, by)), (max(ax, bx), max(ay, by))
        for x0, y0, x1, y1 in boxes:
            inside = high[0] > x0 + .5 and low[0] < x1 - .5 and high[1] > y0 + .5 and low[1] < y1 - .5
            assert not inside, ('a line through a box', path.get('class'), (ax, ay), (bx, by), (x0, y0, x1, y1))

# Lines of different kinds do not run along each other for long.
upright.sort()
for i, (x, y0, y1, kind) in enumerate(upright):
    for other, b0, b1, its in upright[i + 1:]:
        if other > x + 2:
            break
        together = min(y1, b1) - max(y0, b0)
        assert kind == its or together < 40, ('lines on each other', kind, its, x, y0, y1, b0, b1)

# Nothing is cut off or drawn over: text is within its box.
for block in group.iter(SVG + 'g'):
    rect = block.find(SVG + 'rect')
    if rect is None:
        continue
    for text in block.findall(SVG + 'text'):
        letters = ''.join(text.itertext())
        if text.get('text-anchor') is None and letters.isascii():
            end = float(text.get('x')) + 7.25 * len(letters)
            assert end <= float(rect.get('x')) + float(rect.get('width')), ('text leaves its box', letters)
