//! Where: the loops that the source has, from the natural loops of the flow graph.
//!
//! A `for` is its `FOR_ITER`, an `async for` its `GET_ANEXT`, also where the body never comes back. A `while` is a
//! natural loop; up to CPython 3.13 its condition stands above the loop, and once more at the end of the body, and
//! a `continue` makes a second natural loop around the first (`Python/compile.c`, `compiler_while`). Both copies
//! have the same locations: that is how they are found. From 3.14 on the condition is where the loop begins, up to
//! where a statement of the body does.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use petgraph::graph::{EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::sites::{Point, edge};
use crate::analysis::cfg::{Cfg, EdgeKind, Exceptions, jumps_if};
use crate::analysis::dominators::{Dominators, dominators};
use crate::analysis::loops::{Loop, LoopId, Loops, loops};
use crate::body::{self, Body};
use crate::isa::{Opcode, WhileCondition};

/// One loop of the source.
pub(super) struct SourceLoop {
    /// The instruction whose line is the loop's.
    line_of: usize,
    /// Where the next item is fetched, or the condition evaluated.
    pub heads: Vec<Point>,
    /// Edges that lead back to it.
    pub back: Vec<Point>,
    /// Edges that lead out because the items are at an end, or the condition does not hold.
    pub exits: Vec<Point>,
}

impl SourceLoop {
    fn told(&self, point: Point) -> Point {
        Point {
            line_of: Some(self.line_of as u32),
            ..point
        }
    }
}

/// All of them, outer ones before those within.
pub(super) fn of_source(body: &Body) -> Vec<SourceLoop> {
    let cfg = Cfg::under_probes(body);
    let dominators = dominators(&cfg.graph, cfg.entry);
    let natural = loops(&cfg.graph, &dominators);
    let graph = Graph {
        body,
        cfg: &cfg,
        dominators: &dominators,
        natural: &natural,
        depths: OnceCell::new(),
    };
    graph.all()
}

/// How many loops of the source are around what is deepest in them.
pub(super) fn depth(body: &Body) -> u32 {
    let cfg = Cfg::of(body, Exceptions::Ignored);
    let natural = loops(&cfg.graph, &dominators(&cfg.graph, cfg.entry));
    let of_source = |id: &LoopId| {
        let head = cfg.block(natural.get(*id).head).start as usize;
        !is_of_compiler(body, head)
    };
    let around = |node| natural.around(node).filter(of_source).count() as u32;
    cfg.graph.node_indices().map(around).max().unwrap_or(0)
}

/// Whether the loop of that head is none of the source's: of a delegation, or of `any(…)` and the like.
fn is_of_compiler(body: &Body, head: usize) -> bool {
    let instrs = &body.instrs;
    match instrs[head].opcode {
        Opcode::SEND => true,
        Opcode::FOR_ITER => {
            // An item of a loop of the source is bound to something.
            let mut behind = instrs[head + 1..].iter();
            let first = behind.find(|instr| instr.opcode != Opcode::NOT_TAKEN);
            first.is_some_and(|instr| {
                matches!(
                    instr.opcode,
                    Opcode::TO_BOOL | Opcode::LIST_APPEND | Opcode::SET_ADD
                )
            })
        }
        _ => false,
    }
}

struct Graph<'g> {
    body: &'g Body,
    cfg: &'g Cfg,
    dominators: &'g Dominators,
    natural: &'g Loops,
    /// Stack depths before instructions, worked out for the first condition that asks.
    depths: OnceCell<Vec<i32>>,
}

fn is_exception(kind: EdgeKind) -> bool {
    matches!(kind, EdgeKind::Exception(_) | EdgeKind::Raise(_))
}

/// A condition that stands above its loop and at the end of it: each copy, up to its last conditional jump.
struct Inverted {
    above: RangeInclusive<usize>,
    below: RangeInclusive<usize>,
}

impl Inverted {
    fn heads(&self) -> [usize; 2] {
        [*self.above.start(), *self.below.start()]
    }

    fn contains(&self, at: usize) -> bool {
        self.above.contains(&at) || self.below.contains(&at)
    }
}

impl Graph<'_> {
    fn all(&self) -> Vec<SourceLoop> {
        let loops = &self.natural.loops;
        let mut back_edges: Vec<_> = loops.iter().map(|one| one.back_edges.clone()).collect();
        let mut inverted: Vec<Option<Inverted>> = loops.iter().map(|_| None).collect();
        if self.body.isa.while_condition == WhileCondition::Repeated {
            inverted = loops.iter().map(|one| self.inverted(one)).collect();
            for (at, inverted) in inverted.iter().enumerate() {
                self.take_continues(at, inverted.as_ref(), &mut back_edges);
            }
        }
        let mut found: Vec<(usize, SourceLoop)> = Vec::new();
        for (at, one) in loops.iter().enumerate() {
            let (head, mine) = (self.start(one.head), &back_edges[at]);
            if is_of_compiler(self.body, head) || mine.is_empty() {
                continue;
            }
            let all = [&mine[..], &one.back_edges].concat();
            let mut made = self.source_loop(head, mine, &all, inverted[at].as_ref());
            let shares = one.back_edges.iter().any(|edge| !mine.contains(edge));
            if shares && self.is_nop_above(made.line_of, head) {
                // The condition of the loop that it begins with is not its own head: that is where it comes there.
                let enters = |edge: &&EdgeIndex| {
                    let ends = self.cfg.graph.edge_endpoints(**edge);
                    ends.is_some_and(|(_, to)| to == one.head)
                };
                let comes = mine.iter().filter(enters);
                let comes = comes.filter_map(|edge| self.along(*edge));
                let comes = comes.chain([Point::every_way(made.line_of)]);
                made.heads = comes.map(|point| made.told(point)).collect();
            }
            found.push((head, made));
        }
        // Loops whose body never comes back.
        for (at, instr) in self.body.instrs.iter().enumerate() {
            let loops = matches!(instr.opcode, Opcode::FOR_ITER | Opcode::GET_ANEXT);
            let known = found.iter().any(|(head, _)| *head == at);
            let reached = self.cfg.block_of(at).is_some();
            if loops && !known && reached && !is_of_compiler(self.body, at) {
                let place = found.partition_point(|(head, _)| *head < at);
                found.insert(place, (at, self.source_loop(at, &[], &[], None)));
            }
        }
        found.into_iter().map(|(_, one)| one).collect()
    }

    /// Gives a loop the edges of each `continue` in it, which make a natural loop around it: they lead to the condition
    /// above, or to the NOP that is `while True`.
    fn take_continues(
        &self,
        at: usize,
        inverted: Option<&Inverted>,
        back_edges: &mut [Vec<EdgeIndex>],
    ) {
        let inner = &self.natural.loops[at];
        let Some(LoopId(outer)) = inner.parent else {
            return;
        };
        let outer = outer as usize;
        let around = self.start(self.natural.loops[outer].head);
        let is_its = match inverted {
            Some(inverted) => around == *inverted.above.start(),
            None => {
                let head = self.start(inner.head);
                self.is_nop_above(around, head) && self.line_of(head, &inner.back_edges) == around
            }
        };
        if !is_its {
            return;
        }
        // A `continue` is reached by the body only, what is behind the loop also without.
        let is_mine = |edge: &EdgeIndex| {
            let ends = self.cfg.graph.edge_endpoints(*edge);
            ends.is_some_and(|(from, _)| self.dominators.dominates(inner.head, from))
        };
        let all = std::mem::take(&mut back_edges[outer]);
        let (mine, other): (Vec<_>, Vec<_>) = all.into_iter().partition(is_mine);
        back_edges[outer] = other;
        back_edges[at].extend(mine);
    }

    fn start(&self, node: NodeIndex) -> usize {
        self.cfg.block(node).start as usize
    }

    /// The loop's condition, if it stands above it and is repeated in it.
    fn inverted(&self, one: &Loop) -> Option<Inverted> {
        let instrs = &self.body.instrs;
        let head = self.start(one.head);
        if matches!(
            instrs[head].opcode,
            Opcode::FOR_ITER | Opcode::GET_ANEXT | Opcode::SEND
        ) {
            return None;
        }
        let below = one.back_edges.iter().filter_map(|edge| {
            let (from, _) = self.cfg.graph.edge_endpoints(*edge)?;
            let last = self.cfg.block(from).last()?;
            match jumps_if(instrs[last].opcode) {
                Some(_) => Some(last),
                // The conditional goes over a jump back.
                None => last.checked_sub(1).filter(|above| {
                    let jumps = self.cfg.block(from).instrs().len() == 1;
                    jumps && jumps_if(instrs[*above].opcode).is_some()
                }),
            }
        });
        let below = below.max()?;
        let (id, _) = self.loop_of(one.head)?;
        let is_copy = |above: &usize| {
            let outside = self
                .cfg
                .block_of(*above)
                .is_some_and(|node| !self.natural.contains(id, node));
            jumps_if(instrs[*above].opcode).is_some()
                && instrs[*above].location.line > 0
                && instrs[*above].location == instrs[below].location
                && outside
        };
        let ends = ((0..head).rev().find(is_copy)?, below);
        let (mut above, mut below) = ends;
        // Both copies are the same but for the way they jump.
        loop {
            let skips = |at: usize| {
                matches!(
                    instrs[at].opcode,
                    Opcode::JUMP_BACKWARD
                        | Opcode::JUMP_FORWARD
                        | Opcode::NOT_TAKEN
                        | Opcode::NOP
                        | Opcode::CLEANUP_THROW
                )
            };
            let before = |at: usize| (0..at).rev().find(|at| !skips(*at));
            let (Some(one), Some(other)) = (before(above), before(below)) else {
                break;
            };
            let same = instrs[one].location == instrs[other].location
                && instrs[one].location.line > 0
                && (instrs[one].opcode == instrs[other].opcode
                    || jumps_if(instrs[one].opcode).is_some()
                        && jumps_if(instrs[other].opcode).is_some());
            if !same || other <= head || below <= above {
                break;
            }
            (above, below) = (one, other);
        }
        Some(Inverted {
            above: above..=ends.0,
            below: below..=ends.1,
        })
    }

    fn loop_of(&self, head: NodeIndex) -> Option<(LoopId, &Loop)> {
        let id = self.natural.innermost(head)?;
        Some((id, self.natural.get(id)))
    }

    fn source_loop(
        &self,
        first: usize,
        back: &[EdgeIndex],
        all_back: &[EdgeIndex],
        inverted: Option<&Inverted>,
    ) -> SourceLoop {
        let head = self.cfg.block_of(first).unwrap_or(self.cfg.exit);
        let blocks = self.blocks(head, all_back, inverted);
        let heads = match inverted {
            Some(inverted) => inverted.heads().to_vec(),
            None => vec![first],
        };
        let line_of = self.line_of(heads[0], back);
        let mut exits = self.exits(first, line_of, &blocks, inverted);
        exits.sort_by_key(|point| (point.at, point.from));
        exits.dedup();
        // What comes to the repeated condition comes back, whether or not that holds.
        let repeated = inverted.map(|inverted| Point::every_way(*inverted.below.start()));
        let back = back.iter().filter_map(|edge| {
            let (_, to) = self.cfg.graph.edge_endpoints(*edge)?;
            let repeats = inverted.is_some() && to == head;
            (!repeats).then(|| self.along(*edge))?
        });
        let mut made = SourceLoop {
            line_of,
            heads: heads.into_iter().map(Point::every_way).collect(),
            back: back.chain(repeated).collect(),
            exits,
        };
        for points in [&mut made.heads, &mut made.back, &mut made.exits] {
            for point in points {
                point.line_of = Some(line_of as u32);
            }
        }
        made
    }

    /// Edges on which the head is left: the items are at an end, or the condition does not hold.
    fn exits(
        &self,
        first: usize,
        line_of: usize,
        blocks: &BTreeSet<NodeIndex>,
        inverted: Option<&Inverted>,
    ) -> Vec<Point> {
        let leads_out = |node: NodeIndex| {
            let ways = self.cfg.edges_out(node);
            ways.into_iter()
                .filter(|(_, target, way)| !is_exception(way.kind) && !blocks.contains(target))
        };
        if let Some(inverted) = inverted {
            let asks =
                |node: &&NodeIndex| self.asks(**node).is_some_and(|at| inverted.contains(at));
            let ways = blocks
                .iter()
                .filter(asks)
                .map(|node| (*node, leads_out(*node)));
            let ways = ways.flat_map(|(node, ways)| ways.map(move |(_, _, way)| (node, way.kind)));
            return ways
                .filter_map(|(node, kind)| self.point(node, kind))
                .collect();
        }
        let instrs = &self.body.instrs;
        match instrs[first].opcode {
            Opcode::FOR_ITER => return edge(self.body, first, true).into_iter().collect(),
            Opcode::GET_ANEXT => return self.exhausted(first).into_iter().collect(),
            // `while True`
            Opcode::NOP => return Vec::new(),
            _ if line_of != first => return Vec::new(),
            _ if self.body.isa.while_condition == WhileCondition::Repeated => return Vec::new(),
            _ => {}
        }
        // Of an `if` that begins the body, the `break` is a block of its own, with a place of its own.
        let line = instrs[first].location.line;
        let mut ends: Vec<NodeIndex> = Vec::new();
        let mut exits = Vec::new();
        for node in self.condition(first, blocks) {
            let Some(at) = self.asks(node) else { continue };
            for (_, target, way) in leads_out(node) {
                let location = instrs[at].location;
                let is_copy = || {
                    let mut target = self.cfg.block(target).instrs();
                    let first = target.find(|at| instrs[*at].opcode != Opcode::NOT_TAKEN);
                    first.is_some_and(|at| instrs[at].location == location)
                };
                if ends.is_empty() || location.line == line || ends.contains(&target) || is_copy() {
                    ends.push(target);
                    exits.extend(self.point(node, way.kind));
                }
            }
        }
        exits
    }

    /// The conditional jump at the end of a block.
    fn asks(&self, node: NodeIndex) -> Option<usize> {
        let last = self.cfg.block(node).last()?;
        jumps_if(self.body.instrs[last].opcode).map(|_| last)
    }

    /// The blocks from a loop's head on, in code order, in which no statement of the body ends.
    fn condition(&self, first: usize, blocks: &BTreeSet<NodeIndex>) -> Vec<NodeIndex> {
        let depths = || body::depths(self.body).map_or(Vec::new(), |depths| depths.before);
        let before = self.depths.get_or_init(depths);
        if before.is_empty() {
            return Vec::new();
        }
        let goes_on = |at: usize| before.get(at).is_some_and(|depth| *depth > before[first]);
        let mut found = BTreeSet::new();
        let mut todo: Vec<_> = self.cfg.block_of(first).into_iter().collect();
        while let Some(node) = todo.pop() {
            let is_none = |at: &usize| {
                matches!(
                    self.body.instrs[*at].opcode,
                    Opcode::NOT_TAKEN | Opcode::NOP
                )
            };
            let mut instrs = self.cfg.block(node).instrs().skip_while(is_none).skip(1);
            if !blocks.contains(&node)
                || !instrs.all(goes_on)
                || !found.insert((self.start(node), node))
            {
                continue;
            }
            let asks = self.asks(node).is_some();
            let ways = self.cfg.edges_out(node);
            let ways = ways.into_iter().filter(|(_, target, way)| {
                !is_exception(way.kind) && (asks || goes_on(self.start(*target)))
            });
            todo.extend(ways.map(|(_, target, _)| target));
        }
        found.into_iter().map(|(_, node)| node).collect()
    }

    fn along(&self, edge: EdgeIndex) -> Option<Point> {
        let (from, _) = self.cfg.graph.edge_endpoints(edge)?;
        self.point(from, self.cfg.graph[edge].kind)
    }

    fn is_nop_above(&self, above: usize, head: usize) -> bool {
        above + 1 == head && self.body.instrs[above].opcode == Opcode::NOP
    }

    /// `while True` is a NOP above its loop, on the line that the jump back has, too.
    fn line_of(&self, head: usize, back: &[EdgeIndex]) -> usize {
        let instrs = &self.body.instrs;
        let Some(above) = head.checked_sub(1) else {
            return head;
        };
        let line = instrs[above].location.line;
        let jumps = back.iter().any(|edge| {
            let ends = self.cfg.graph.edge_endpoints(*edge);
            let last = ends.and_then(|(from, _)| self.cfg.block(from).last());
            last.is_some_and(|at| instrs[at].location.line == line)
        });
        match instrs[above].opcode == Opcode::NOP && line > 0 && jumps {
            true => above,
            false => head,
        }
    }

    /// The blocks that lead back, and those of a condition above.
    fn blocks(
        &self,
        head: NodeIndex,
        back: &[EdgeIndex],
        inverted: Option<&Inverted>,
    ) -> BTreeSet<NodeIndex> {
        let graph = &self.cfg.graph;
        let mut blocks = BTreeSet::from([head]);
        let ends = back.iter().filter_map(|edge| graph.edge_endpoints(*edge));
        let (mut todo, targets): (Vec<_>, Vec<_>) = ends.unzip();
        while let Some(node) = todo.pop() {
            if self.dominators.dominates(head, node) && blocks.insert(node) {
                todo.extend(graph.neighbors_directed(node, petgraph::Incoming));
            }
        }
        blocks.extend(targets);
        if back.is_empty() {
            blocks.extend(self.fetch(head));
        }
        if let Some(Inverted { above, .. }) = inverted {
            // What of the code between leads into the loop.
            let range = *above.start()..self.start(head);
            let within: Vec<_> = graph
                .node_indices()
                .filter(|node| range.contains(&(self.cfg.block(*node).last().unwrap_or_default())))
                .collect();
            let mut more = true;
            while more {
                let leads = |node: &NodeIndex| {
                    let mut edges = graph.edges(*node);
                    edges.any(|edge| {
                        !is_exception(edge.weight().kind) && blocks.contains(&edge.target())
                    })
                };
                let found: Vec<_> = (within.iter())
                    .filter(|node| !blocks.contains(node) && leads(node))
                    .copied()
                    .collect();
                more = !found.is_empty();
                blocks.extend(found);
            }
        }
        blocks
    }

    /// What fetches an item of an `async for` whose body never comes back: up to where that is there.
    fn fetch(&self, head: NodeIndex) -> Vec<NodeIndex> {
        let first = self.start(head);
        if self.body.instrs[first..self.cfg.block(head).end as usize]
            .iter()
            .all(|instr| instr.opcode != Opcode::GET_ANEXT)
        {
            return Vec::new();
        }
        let sends = (first..self.body.instrs.len())
            .find(|at| self.body.instrs[*at].opcode == Opcode::SEND)
            .and_then(|at| self.cfg.block_of(at))
            .and_then(|node| self.loop_of(node));
        let blocks = sends.map(|(_, one)| one.own_blocks.clone());
        blocks.unwrap_or_default()
    }

    /// An `async for` ends by an exception that is none to the program.
    fn exhausted(&self, head: usize) -> Option<Point> {
        let instr = &self.body.instrs[head];
        if instr.opcode != Opcode::GET_ANEXT {
            return None;
        }
        let ends = self.body.at(self.body.handler(instr)?.target);
        (self.body.instrs[ends].opcode == Opcode::END_ASYNC_FOR).then(|| Point {
            from: Some(ends as u32),
            ..Point::falling(ends + 1)
        })
    }

    /// Where control goes on along an edge: back to a head, or out of a condition.
    fn point(&self, from: NodeIndex, kind: EdgeKind) -> Option<Point> {
        let at = self.cfg.block(from).last()?;
        match kind {
            EdgeKind::True | EdgeKind::False => {
                let holds = kind == EdgeKind::True;
                edge(
                    self.body,
                    at,
                    jumps_if(self.body.instrs[at].opcode)? == holds,
                )
            }
            EdgeKind::Jump => Some(Point::every_way(at)),
            _ => None,
        }
    }
}
