//! Where the boxes and lines of a picture go, from top to bottom in layers.
//!
//! Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures": layers,
//! an order within each that crosses few lines (barycenters), then coordinates. Weights and the straightening
//! of long lines are of Gansner, Koutsofios, North and Vo, "A Technique for Drawing Directed Graphs". Lines
//! run upright through layers and sideways in tracks between them; those that lead back go up on the left of
//! what they go around. Knows nothing of code.

use std::collections::BTreeMap;

/// A box.
#[derive(Clone, Debug)]
pub struct Node {
    pub width: f64,
    pub height: f64,
}

/// A line from the bottom of one box to the top of another.
#[derive(Clone, Debug)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    /// Goes up, beside these boxes.
    pub around: Option<Vec<usize>>,
    /// How much it wants to be straight.
    pub weight: f64,
    /// Lines with the same number that end at the same box become one.
    pub bundle: usize,
    /// How much room its label needs, right of where it starts; the box must be wide enough for all.
    pub label: f64,
}

/// A corner of a line.
pub type Point = (f64, f64);

/// The answer.
#[derive(Debug)]
pub struct Layout {
    /// The upper left corner of each box.
    pub boxes: Vec<Point>,
    /// The corners of each link, the first at its box; where it joins another, it ends there.
    pub lines: Vec<Line>,
    pub layers: Vec<Layer>,
    pub width: f64,
    pub height: f64,
}

/// The corners of a link.
#[derive(Debug)]
pub struct Line {
    pub corners: Vec<Point>,
    /// Whether it ends at its box, not at another line.
    pub arrives: bool,
}

/// One layer, and the lines above it.
#[derive(Debug)]
pub struct Layer {
    /// What stands in it from left to right, and from where to where.
    pub things: Vec<(Thing, f64, f64)>,
    pub top: f64,
    pub bottom: f64,
    /// How far the lines reach that leave it and come in again.
    pub end: f64,
}

/// What stands in a layer.
#[derive(Clone, Copy, Debug)]
pub enum Thing {
    /// A box.
    Box(usize),
    /// A link that passes, and maybe others that it is one with.
    Line(usize),
}

const BETWEEN_BOXES: f64 = 28.0;
const BETWEEN_LINES: f64 = 14.0;
const TRACK: f64 = 9.0;
/// Below boxes: room for the labels of lines.
const BELOW: f64 = 20.0;
/// Above boxes: room for arrowheads.
const ABOVE: f64 = 14.0;
const SWEEPS: usize = 16;

#[derive(Clone, Debug)]
struct Item {
    layer: usize,
    /// Half its width.
    half: f64,
    thing: Thing,
}

/// A piece of line between an item and one in the next layer.
#[derive(Clone, Copy, Debug)]
struct Piece {
    above: usize,
    below: usize,
    link: usize,
    weight: f64,
}

/// The items that a link passes, its own boxes not among them.
#[derive(Clone, Debug, Default)]
struct Way {
    items: Vec<usize>,
    /// Whether another link is drawn from the first of them on.
    joins: bool,
    /// Whether it goes up on the right of what it goes around.
    right: bool,
}

struct Drawing<'d> {
    nodes: &'d [Node],
    links: &'d [Link],
    /// The boxes, then the rest.
    items: Vec<Item>,
    pieces: Vec<Piece>,
    ways: Vec<Way>,
    /// Items from left to right.
    layers: Vec<Vec<usize>>,
    /// Where each link leaves and enters its boxes, from their middle.
    ports: Vec<(f64, f64)>,
    /// The middle of each item.
    x: Vec<f64>,
}

/// Lays out boxes, of which the first is on top and the last at the bottom, and of each pair in `order` the
/// first above the second. Links that go up must be all that lead back.
pub fn layout(nodes: &[Node], links: &[Link], order: &[(usize, usize)]) -> Layout {
    let layer = layers(nodes.len(), links, order);
    let items = nodes.iter().enumerate().map(|(node, size)| Item {
        layer: layer[node],
        half: size.width / 2.0,
        thing: Thing::Box(node),
    });
    let mut drawing = Drawing {
        nodes,
        links,
        items: items.collect(),
        pieces: Vec::new(),
        ways: vec![Way::default(); links.len()],
        layers: vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)],
        ports: vec![(0.0, 0.0); links.len()],
        x: Vec::new(),
    };
    drawing.go_down();
    drawing.order();
    drawing.go_up();
    drawing.ports();
    drawing.place();
    drawing.straighten();
    drawing.move_ports();
    drawing.draw()
}

/// The longest way from the first box to each; the last is below all.
fn layers(count: usize, links: &[Link], order: &[(usize, usize)]) -> Vec<usize> {
    let down = links.iter().filter(|link| link.around.is_none());
    let mut next = vec![Vec::new(); count];
    let mut waits = vec![0usize; count];
    let down = down.map(|link| (link.from, link.to));
    for (from, to) in down.chain(order.iter().copied()) {
        next[from].push(to);
        waits[to] += 1;
    }
    let mut layer = vec![0; count];
    let mut todo: Vec<_> = (0..count).filter(|node| waits[*node] == 0).collect();
    while let Some(node) = todo.pop() {
        for to in &next[node] {
            layer[*to] = layer[*to].max(layer[node] + 1);
            waits[*to] -= 1;
            if waits[*to] == 0 {
                todo.push(*to);
            }
        }
    }
    if let Some((last, others)) = layer.split_last_mut() {
        let lowest = others.iter().copied().max();
        *last = lowest.map_or(0, |lowest| lowest + 1);
    }
    layer
}

impl Drawing<'_> {
    fn item(&mut self, layer: usize, link: usize) -> usize {
        let thing = Thing::Line(link);
        self.items.push(Item {
            layer,
            half: 0.0,
            thing,
        });
        self.items.len() - 1
    }

    /// Items and pieces of the links that go down; those of a bundle share theirs from layer to layer.
    fn go_down(&mut self) {
        let mut links: Vec<_> = (0..self.links.len()).collect();
        links.retain(|link| self.links[*link].around.is_none());
        links.sort_by_key(|link| self.items[self.links[*link].from].layer);
        let mut shared: BTreeMap<(usize, usize, usize), usize> = BTreeMap::new();
        for id in links {
            let link = &self.links[id];
            let (from, to, weight) = (link.from, link.to, link.weight);
            let (start, end) = (self.items[from].layer, self.items[to].layer);
            let mut above = from;
            for layer in start + 1..=end {
                let key = (to, link.bundle, layer);
                let known = shared.get(&key).copied();
                let below = match (layer == end, known) {
                    (true, _) => to,
                    (false, Some(item)) => item,
                    (false, None) => self.item(layer, id),
                };
                // Long lines are to be straight first of all.
                let straight =
                    [1.0, 2.0, 8.0][usize::from(above != from) + usize::from(below != to)];
                let weight = weight * straight;
                if above == from || known.is_none() {
                    self.pieces.push(Piece {
                        above,
                        below,
                        link: id,
                        weight,
                    });
                }
                if below != to {
                    self.ways[id].items.push(below);
                    self.ways[id].joins |= above == from && known.is_some();
                }
                shared.insert(key, below);
                above = below;
            }
        }
    }

    /// Orders the items of each layer so that few pieces cross.
    fn order(&mut self) {
        let mut next = vec![Vec::new(); self.items.len()];
        for (id, piece) in self.pieces.iter().enumerate() {
            next[piece.above].push(id);
        }
        // At first as a walk meets them, so that what belongs together is together.
        let mut seen = vec![false; self.items.len()];
        for root in 0..self.items.len() {
            let mut todo = vec![root];
            while let Some(item) = todo.pop() {
                if !std::mem::replace(&mut seen[item], true) {
                    self.layers[self.items[item].layer].push(item);
                    todo.extend(next[item].iter().rev().map(|id| self.pieces[*id].below));
                }
            }
        }
        // For each item its neighbours above and below.
        let mut near = [
            vec![Vec::new(); self.items.len()],
            vec![Vec::new(); self.items.len()],
        ];
        for piece in &self.pieces {
            let weight = self.links[piece.link].weight;
            near[0][piece.below].push((piece.above, weight));
            near[1][piece.above].push((piece.below, weight));
        }
        let mut best = (self.crossings(), self.layers.clone());
        let mut position = self.positions();
        for sweep in 0..SWEEPS {
            let count = self.layers.len();
            for step in 1..count {
                let layer = if sweep % 2 == 0 {
                    step
                } else {
                    count - 1 - step
                };
                self.sort_layer(layer, &near[sweep % 2], &mut position);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn positions(&self) -> Vec<usize> {
        let mut position = vec![0; self.items.len()];
        for layer in &self.layers {
            for (at, item) in layer.iter().enumerate() {
                position[*item] = at;
            }
        }
        position
    }

    /// Sorts a layer by the barycenters of neighbours.
    fn sort_layer(&mut self, layer: usize, near: &[Vec<(usize, f64)>], position: &mut [usize]) {
        let wanted = |item: usize| {
            let weight: f64 = near[item].iter().map(|(_, weight)| weight).sum();
            let sum = near[item]
                .iter()
                .map(|(other, weight)| weight * position[*other] as f64);
            match weight > 0.0 {
                true => sum.sum::<f64>() / weight,
                false => position[item] as f64,
            }
        };
        let layer = &mut self.layers[layer];
        let mut keyed: Vec<_> = layer.iter().map(|item| (wanted(*item), *item)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (at, (_, item)) in keyed.into_iter().enumerate() {
            layer[at] = item;
            position[item] = at;
        }
    }

    /// How many pairs of pieces cross: inversions, counted with a Fenwick tree.
    fn crossings(&self) -> usize {
        let position = self.positions();
        let mut between: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.layers.len()];
        for piece in &self.pieces {
            let ends = (position[piece.above], position[piece.below]);
            between[self.items[piece.above].layer].push(ends);
        }
        let mut count = 0;
        for mut ends in between {
            ends.sort_unstable();
            let size = ends.iter().map(|end| end.1 + 1).max().unwrap_or(0);
            let mut tree = vec![0usize; size + 1];
            for (done, (_, below)) in ends.iter().enumerate() {
                let (mut at, mut not_right) = (below + 1, 0);
                while at > 0 {
                    not_right += tree[at];
                    at &= at - 1;
                }
                count += done - not_right;
                at = below + 1;
                while at <= size {
                    tree[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
        count
    }

    /// Items of the links that go up: in each layer directly beside what they go around, inner ones first.
    fn go_up(&mut self) {
        let around = |id: usize| self.links[id].around.as_deref().unwrap_or_default();
        let mut links: Vec<_> = (0..self.links.len()).collect();
        links.retain(|link| self.links[*link].around.is_some());
        // Of a bundle, the one from the lowest layer is drawn as a whole.
        links.sort_by_key(|id| {
            let lowest = self.items[self.links[*id].from].layer;
            (around(*id).len(), std::cmp::Reverse(lowest))
        });
        let mut shared: BTreeMap<(usize, usize, usize), (usize, bool)> = BTreeMap::new();
        for id in links {
            let link = &self.links[id];
            let mut inside = vec![false; self.nodes.len()];
            for node in link.around.as_deref().unwrap_or_default() {
                inside[*node] = true;
            }
            let (head, start) = (self.items[link.to].layer, self.items[link.from].layer);
            let right = self.is_free_on_the_right(head..=start, &inside);
            for layer in (head..=start).rev() {
                let key = (link.to, link.bundle, layer);
                if let Some((known, right)) = shared.get(&key) {
                    let way = &mut self.ways[id];
                    way.joins |= way.items.is_empty();
                    way.right = *right;
                    way.items.push(*known);
                    continue;
                }
                let mut members = self.members(layer, &inside);
                let place = match right {
                    true => members.next_back().map_or(0, |last| last + 1),
                    false => members.next().unwrap_or(0),
                };
                drop(members);
                let item = self.item(layer, id);
                self.layers[layer].insert(place, item);
                self.ways[id].items.push(item);
                self.ways[id].right = right;
                shared.insert(key, (item, right));
            }
        }
    }

    /// Where in a layer the boxes are that are inside something, and the lines between such.
    fn members(&self, layer: usize, inside: &[bool]) -> impl DoubleEndedIterator<Item = usize> {
        let belongs = |item: usize| match self.items[item].thing {
            Thing::Box(node) => inside[node],
            Thing::Line(link) => inside[self.links[link].from] && inside[self.links[link].to],
        };
        let items = self.layers[layer].iter().enumerate();
        items
            .filter(move |(_, item)| belongs(**item))
            .map(|(at, _)| at)
    }

    /// Whether fewer boxes are right of what is inside than left of it.
    fn is_free_on_the_right(
        &self,
        layers: std::ops::RangeInclusive<usize>,
        inside: &[bool],
    ) -> bool {
        let (mut left, mut right) = (0, 0);
        for layer in layers {
            let mut members = self.members(layer, inside);
            let Some(first) = members.next() else {
                continue;
            };
            let last = members.next_back().unwrap_or(first);
            let boxes = |items: &[usize]| {
                items
                    .iter()
                    .filter(|item| **item < self.nodes.len())
                    .count()
            };
            left += boxes(&self.layers[layer][..first]);
            right += boxes(&self.layers[layer][last + 1..]);
        }
        right < left
    }

    /// Where links leave and enter their boxes: in the order of where they go to and come from.
    fn ports(&mut self) {
        let position = self.positions();
        let mut out: Vec<Vec<(isize, usize)>> = vec![Vec::new(); self.nodes.len()];
        let mut into: Vec<BTreeMap<usize, (isize, Vec<usize>)>> =
            vec![BTreeMap::new(); self.nodes.len()];
        for (id, link) in self.links.iter().enumerate() {
            let items = &self.ways[id].items;
            let (next, last) = match (&link.around, self.ways[id].right) {
                (Some(_), false) => (-1, -1),
                (Some(_), true) => (isize::MAX, isize::MAX),
                (None, _) => (
                    position[*items.first().unwrap_or(&link.to)] as isize,
                    position[*items.last().unwrap_or(&link.from)] as isize,
                ),
            };
            out[link.from].push((next, id));
            let bundle = into[link.to]
                .entry(link.bundle)
                .or_insert((last, Vec::new()));
            bundle.0 = bundle.0.max(last);
            bundle.1.push(id);
        }
        for mut links in out {
            links.sort_unstable();
            let room: f64 = links.iter().map(|(_, id)| self.room(*id)).sum();
            // Labels are right of their lines: the lines are in the middle of the box, not the labels.
            let last = links.last().map_or(0.0, |(_, id)| self.room(*id));
            let mut at = (last - room) / 2.0;
            for (_, id) in links {
                self.ports[id].0 = at;
                at += self.room(id);
            }
        }
        for bundles in into {
            let mut bundles: Vec<_> = bundles.into_values().collect();
            bundles.sort_unstable();
            let middle = (bundles.len().max(1) - 1) as f64 / 2.0;
            for (at, (_, links)) in bundles.into_iter().enumerate() {
                for id in links {
                    self.ports[id].1 = (at as f64 - middle) * BETWEEN_LINES;
                }
            }
        }
    }

    fn room(&self, link: usize) -> f64 {
        self.links[link].label + BETWEEN_LINES
    }

    fn apart(&self, left: usize, right: usize) -> f64 {
        let (left, right) = (&self.items[left], &self.items[right]);
        let space = match (left.thing, right.thing) {
            (Thing::Box(_), Thing::Box(_)) => BETWEEN_BOXES,
            _ => BETWEEN_LINES,
        };
        left.half + right.half + space
    }

    /// Sweeps that bring each item near to its neighbours above, then below.
    fn place(&mut self) {
        self.x = vec![0.0; self.items.len()];
        for layer in &self.layers {
            for pair in layer.windows(2) {
                self.x[pair[1]] = self.x[pair[0]] + self.apart(pair[0], pair[1]);
            }
        }
        // For each item the neighbours above and below: who, how much they pull, and where to.
        let mut pulls: [Vec<Vec<(usize, f64, f64)>>; 2] = [
            vec![Vec::new(); self.items.len()],
            vec![Vec::new(); self.items.len()],
        ];
        let is_box = |item: usize| item < self.nodes.len();
        for piece in &self.pieces {
            let (out, into) = self.ports[piece.link];
            let out = if is_box(piece.above) { out } else { 0.0 };
            let into = if is_box(piece.below) { into } else { 0.0 };
            pulls[0][piece.below].push((piece.above, piece.weight, out - into));
            pulls[1][piece.above].push((piece.below, piece.weight, into - out));
        }
        for (way, link) in self.ways.iter().zip(self.links) {
            if link.around.is_some() && !way.joins {
                for pair in way.items.windows(2) {
                    pulls[1][pair[1]].push((pair[0], 1.0, 0.0));
                    pulls[0][pair[0]].push((pair[1], 1.0, 0.0));
                }
            }
        }
        let count = self.layers.len();
        for sweep in 0..2 * SWEEPS {
            let last = sweep + 2 >= 2 * SWEEPS;
            for step in 0..count {
                let down = sweep % 2 == 0;
                let layer = if down { step } else { count - 1 - step };
                let wanted = self.layers[layer].iter().map(|item| {
                    let (near, far) = match down {
                        true => (&pulls[0][*item], &pulls[1][*item]),
                        false => (&pulls[1][*item], &pulls[0][*item]),
                    };
                    let far = far.iter().filter(|_| last);
                    let (mut sum, mut weight) = (self.x[*item] * 0.01, 0.01);
                    for (other, pull, shift) in near.iter().chain(far) {
                        sum += pull * (self.x[*other] + shift);
                        weight += pull;
                    }
                    (sum / weight, weight)
                });
                let wanted: Vec<_> = wanted.collect();
                self.settle(layer, &wanted);
            }
        }
    }

    /// Puts the items of a layer as near as can be to where they want to be, weighted squares, none too near
    /// to the next: isotonic regression, by pooling adjacent violators.
    fn settle(&mut self, layer: usize, wanted: &[(f64, f64)]) {
        let items = &self.layers[layer];
        let mut offsets = vec![0.0; items.len()];
        for at in 1..items.len() {
            offsets[at] = offsets[at - 1] + self.apart(items[at - 1], items[at]);
        }
        let mut pools: Vec<(f64, f64, usize)> = Vec::new();
        for ((wanted, weight), offset) in wanted.iter().zip(&offsets) {
            let mut pool = (wanted - offset, *weight, 1);
            while let Some(last) = pools.last().filter(|last| last.0 > pool.0) {
                let weight = last.1 + pool.1;
                pool = (
                    (last.0 * last.1 + pool.0 * pool.1) / weight,
                    weight,
                    last.2 + pool.2,
                );
                pools.pop();
            }
            pools.push(pool);
        }
        let values = pools
            .iter()
            .flat_map(|pool| std::iter::repeat_n(pool.0, pool.2));
        for ((item, value), offset) in items.iter().zip(values).zip(offsets) {
            self.x[*item] = value + offset;
        }
    }

    /// Makes lines that pass layers straight where there is room: those that go down below where they start,
    /// those that go up beside what they go around.
    fn straighten(&mut self) {
        let position = self.positions();
        for _ in 0..3 {
            for id in 0..self.links.len() {
                let way = &self.ways[id];
                if way.joins || way.items.is_empty() {
                    continue;
                }
                // Runs of items for which there is a place that suits all.
                let items = way.items.clone();
                let (mut first, mut room) = (0, (f64::NEG_INFINITY, f64::INFINITY));
                for at in 0..=items.len() {
                    let next = items.get(at).map(|item| self.room_around(*item, &position));
                    let both = next.map(|next| (next.0.max(room.0), next.1.min(room.1)));
                    match both.filter(|(low, high)| low <= high) {
                        Some(both) => room = both,
                        None => {
                            self.align(id, &items[first..at], room);
                            first = at;
                            room = next.unwrap_or(room);
                        }
                    }
                }
            }
        }
    }

    /// Between which places an item can be moved.
    fn room_around(&self, item: usize, position: &[usize]) -> (f64, f64) {
        let (layer, at) = (&self.layers[self.items[item].layer], position[item]);
        let left = at.checked_sub(1).map(|left| layer[left]);
        let right = layer.get(at + 1).copied();
        (
            left.map_or(f64::NEG_INFINITY, |left| {
                self.x[left] + self.apart(left, item)
            }),
            right.map_or(f64::INFINITY, |right| {
                self.x[right] - self.apart(item, right)
            }),
        )
    }

    fn align(&mut self, link: usize, items: &[usize], (low, high): (f64, f64)) {
        let Some(middle) = items.get(items.len() / 2) else {
            return;
        };
        if low > high {
            return;
        }
        let (from, to) = (self.links[link].from, self.links[link].to);
        let (out, into) = self.ports[link];
        let wanted = match (&self.links[link].around, self.ways[link].right) {
            (Some(_), false) if high.is_finite() => high,
            (Some(_), true) if low.is_finite() => low,
            _ => {
                let ends = [self.x[from] + out, self.x[to] + into];
                let free = ends.into_iter().find(|x| (low..=high).contains(x));
                free.unwrap_or(self.x[*middle].clamp(low, high))
            }
        };
        for item in items {
            self.x[*item] = wanted;
        }
    }
}

impl Drawing<'_> {
    /// Moves the places where lines come in to below where they come from, as far as the box and the other
    /// lines let it, so that fewer have corners.
    fn move_ports(&mut self) {
        let mut into: Vec<BTreeMap<usize, Vec<usize>>> = vec![BTreeMap::new(); self.nodes.len()];
        for (id, link) in self.links.iter().enumerate() {
            into[link.to].entry(link.bundle).or_default().push(id);
        }
        for (node, bundles) in into.iter().enumerate() {
            for links in bundles.values() {
                // Of several that come in as one, the first that comes straight down decides.
                let comes_from = |id: &usize| {
                    let link = &self.links[*id];
                    let start = self.x[link.from] + self.ports[*id].0;
                    let last = self.ways[*id].items.last();
                    let x = last.map_or(start, |item| self.x[*item]);
                    (link.around.is_none()).then_some(x - self.x[node])
                };
                let now = self.ports[links[0]].1;
                let others = bundles.values().map(|links| self.ports[links[0]].1);
                let others: Vec<_> = others.filter(|port| *port != now).collect();
                let fits = |new: &f64| {
                    let (low, high) = (now.min(*new) - 10.0, now.max(*new) + 10.0);
                    let free = !others.iter().any(|port| (low..=high).contains(port));
                    free && new.abs() < self.nodes[node].width / 2.0 - 8.0
                };
                if let Some(new) = links.iter().filter_map(comes_from).find(fits) {
                    for id in links {
                        self.ports[*id].1 = new;
                    }
                }
            }
        }
    }
}

/// A piece of line that goes sideways between two layers.
#[derive(Clone, Debug)]
struct Sideways {
    ends: [f64; 2],
    /// Whether each end comes from the layer above.
    from_above: [bool; 2],
    /// Lines with the same one may lie on each other.
    net: (usize, usize),
    track: usize,
}

impl Sideways {
    fn span(&self) -> (f64, f64) {
        let [a, b] = self.ends;
        (a.min(b), a.max(b))
    }

    /// How bad it is to have this above the other: crossings, and much more where they would lie on
    /// each other.
    fn cost_above(&self, other: &Sideways) -> usize {
        if self.net == other.net {
            return 0;
        }
        let near = |a: f64, b: f64| (a - b).abs() < 2.0;
        let crosses = |x: f64, (low, high): (f64, f64)| usize::from(low < x && x < high);
        let mut cost = 0;
        for (x, above) in self.ends.iter().zip(self.from_above) {
            if !above {
                cost += crosses(*x, other.span());
                let theirs = other.ends.iter().zip(other.from_above);
                cost += 20 * theirs.filter(|(y, above)| *above && near(*x, **y)).count();
            }
        }
        for (x, above) in other.ends.iter().zip(other.from_above) {
            if above {
                cost += crosses(*x, self.span());
            }
        }
        cost
    }
}

/// Gives each piece a track, from the top; how many there are. Those that share a place get different ones.
fn tracks(pieces: &mut [Sideways]) -> usize {
    let mut order: Vec<usize> = Vec::new();
    for new in 0..pieces.len() {
        // Best place among those so far: what is before it is above it.
        let below = |other: &usize| pieces[new].cost_above(&pieces[*other]) as isize;
        let above = |other: &usize| pieces[*other].cost_above(&pieces[new]) as isize;
        let mut cost: isize = order.iter().map(below).sum();
        let mut best = (cost, 0);
        for (at, other) in order.iter().enumerate() {
            cost += above(other) - below(other);
            if cost < best.0 {
                best = (cost, at + 1);
            }
        }
        order.insert(best.1, new);
    }
    let mut count = 0;
    for (at, id) in order.iter().enumerate() {
        let (low, high) = pieces[*id].span();
        let before = order[..at].iter().filter_map(|other| {
            let other = &pieces[*other];
            let (from, to) = other.span();
            let apart = to + 4.0 < low || high + 4.0 < from;
            let same = other.net == pieces[*id].net;
            (!apart).then_some(other.track + usize::from(!same))
        });
        pieces[*id].track = before.max().unwrap_or(0);
        count = count.max(pieces[*id].track + 1);
    }
    count
}

impl Drawing<'_> {
    /// For each link its pieces from layer to layer: the space that they are in (0 is above the first
    /// layer), and number there; no number for those that go straight.
    fn draw(&self) -> Layout {
        let mut spaces: Vec<Vec<Sideways>> = vec![Vec::new(); self.layers.len() + 1];
        let mut ways: Vec<Vec<(usize, Option<usize>, f64)>> = Vec::new();
        for (id, link) in self.links.iter().enumerate() {
            let way = &self.ways[id];
            let (out, into) = self.ports[id];
            let mut x = self.x[link.from] + out;
            let mut steps = Vec::new();
            let mut step = |space: usize, x: &mut f64, to: f64, from_above: [bool; 2]| {
                let mut number = None;
                if (*x - to).abs() >= 0.5 || from_above[0] == from_above[1] {
                    number = Some(spaces[space].len());
                    let (ends, net) = ([*x, to], (link.to, link.bundle));
                    spaces[space].push(Sideways {
                        ends,
                        from_above,
                        net,
                        track: 0,
                    });
                    *x = to;
                }
                steps.push((space, number, *x));
            };
            let up = link.around.is_some();
            let mut space = self.items[link.from].layer + 1;
            for (at, item) in way.items.iter().enumerate() {
                let sides = match (up, at) {
                    (true, 0) => [true, true],
                    (true, _) => [false, true],
                    _ => [true, false],
                };
                step(space, &mut x, self.x[*item], sides);
                space = if up { space - 1 } else { space + 1 };
                if way.joins {
                    break;
                }
            }
            if !way.joins {
                step(space, &mut x, self.x[link.to] + into, [!up, false]);
            }
            ways.push(steps);
        }
        let counts: Vec<usize> = spaces.iter_mut().map(|pieces| tracks(pieces)).collect();
        let (mut y, mut tops, mut space_tops) = (0.0, Vec::new(), Vec::new());
        for (layer, count) in counts.iter().enumerate() {
            space_tops.push(y);
            y += *count as f64 * TRACK;
            if layer == self.layers.len() {
                break;
            }
            y += if layer == 0 { 0.0 } else { BELOW + ABOVE };
            tops.push(y);
            let boxes = self.layers[layer]
                .iter()
                .filter(|item| **item < self.nodes.len());
            y += boxes
                .map(|item| self.nodes[*item].height)
                .fold(0.0, f64::max);
        }
        self.finish(&spaces, &ways, &tops, &space_tops, y)
    }

    fn finish(
        &self,
        spaces: &[Vec<Sideways>],
        ways: &[Vec<(usize, Option<usize>, f64)>],
        tops: &[f64],
        space_tops: &[f64],
        height: f64,
    ) -> Layout {
        let edges = (0..self.items.len()).map(|item| {
            (
                self.x[item] - self.items[item].half,
                self.x[item] + self.items[item].half,
            )
        });
        let (left, right) = edges.fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(low, high), (from, to)| (low.min(from), high.max(to)),
        );
        let shift = -left;
        let top_of = |node: usize| tops[self.items[node].layer];
        let lines = self.links.iter().enumerate().map(|(id, link)| {
            let start = self.x[link.from] + self.ports[id].0 + shift;
            let mut corners = vec![(start, top_of(link.from) + self.nodes[link.from].height)];
            for (space, number, x) in &ways[id] {
                if let Some(number) = number {
                    let track = spaces[*space][*number].track as f64;
                    let y = space_tops[*space] + BELOW + track * TRACK;
                    let before = corners[corners.len() - 1].0;
                    corners.push((before, y));
                    corners.push((x + shift, y));
                }
            }
            let x = corners[corners.len() - 1].0;
            let joins = self.ways[id].joins;
            match (joins, link.around.is_some()) {
                (false, _) => corners.push((x, top_of(link.to))),
                // Upwards it has joined where it met the other.
                (true, true) => {}
                (true, false) => corners.push((x, tops[self.items[link.from].layer + 1])),
            }
            Line {
                corners,
                arrives: !joins,
            }
        });
        let layers = self.layers.iter().enumerate().map(|(layer, items)| {
            let things = items.iter().map(|item| {
                let (x, half) = (self.x[*item] + shift, self.items[*item].half);
                (self.items[*item].thing, x - half, x + half)
            });
            let edge = BELOW - TRACK;
            Layer {
                things: things.collect(),
                top: space_tops[layer] + edge,
                bottom: space_tops.get(layer + 1).map_or(height, |next| next + edge),
                end: tops
                    .get(layer + 1)
                    .map_or(height, |next| next - ABOVE + 2.0),
            }
        });
        Layout {
            boxes: (0..self.nodes.len())
                .map(|node| (self.x[node] + shift - self.items[node].half, top_of(node)))
                .collect(),
            layers: layers.collect(),
            lines: lines.collect(),
            width: right - left,
            height,
        }
    }
}
