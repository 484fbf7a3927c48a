//! A worklist solver for data-flow problems over a flow graph (Kildall, "A Unified Approach to Global
//! Program Optimization").
//!
//! Facts are about points between instructions. An instruction that raises has done nothing yet: what
//! holds in front of it holds where the exception is caught.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::NodeIndex;
use petgraph::visit::Reversed;

use super::cfg::{Cfg, EdgeKind, can_raise};
use super::traversal::reverse_post_order;
use crate::body::{Body, HandlerId};

/// Which way facts flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// With control.
    Forward,
    /// Against it.
    Backward,
}

/// A data-flow problem: a lattice of facts, and what instructions make of them. Where nothing is known
/// yet there is no fact at all; joins must only go up, finitely often.
pub trait Problem {
    /// What can be known at a point.
    type Fact: Clone;
    /// Which way it flows.
    const DIRECTION: Direction;

    /// What holds at the entry; in backward problems, at the exit, and in loops that never end.
    fn start(&self) -> Self::Fact;

    /// Adds to one fact what holds on another way to the same point; says whether that changed it.
    fn join(&self, into: &mut Self::Fact, from: &Self::Fact) -> bool;

    /// What an instruction makes of a fact: of the one before it, or in backward problems of the one behind.
    fn transfer(&self, at: usize, fact: &mut Self::Fact);

    /// What going along an edge changes, behind the block's last instruction; not for exceptions.
    fn along(&self, _kind: EdgeKind, _last: usize, _fact: &mut Self::Fact) {}

    /// What being caught changes, in forward problems.
    fn raised(&self, _handler: Option<HandlerId>, _fact: &mut Self::Fact) {}
}

/// The solution of a problem.
#[derive(Clone, Debug)]
pub struct Solution<F> {
    start: Vec<Option<F>>,
    end: Vec<Option<F>>,
}

impl<F: Clone> Solution<F> {
    /// What holds where a block starts; none where nothing is known.
    pub fn at_start(&self, node: NodeIndex) -> Option<&F> {
        self.start[node.index()].as_ref()
    }

    /// What holds where a block ends.
    pub fn at_end(&self, node: NodeIndex) -> Option<&F> {
        self.end[node.index()].as_ref()
    }

    /// Shows what holds right before each instruction of a block, in the direction of the problem.
    pub fn before_each<P: Problem<Fact = F>>(
        &self,
        problem: &P,
        body: &Body,
        cfg: &Cfg,
        node: NodeIndex,
        mut show: impl FnMut(usize, &F),
    ) {
        let instrs = cfg.block(node).instrs();
        match P::DIRECTION {
            Direction::Forward => {
                let Some(mut fact) = self.at_start(node).cloned() else {
                    return;
                };
                for at in instrs {
                    show(at, &fact);
                    problem.transfer(at, &mut fact);
                }
            }
            Direction::Backward => {
                let Some(mut fact) = self.at_end(node).cloned() else {
                    return;
                };
                let caught = caught(cfg, node).and_then(|to| self.at_start(to));
                for at in instrs.rev() {
                    step_back(problem, body, at, &mut fact, caught);
                    show(at, &fact);
                }
            }
        }
    }
}

/// Solves a problem.
pub fn solve<P: Problem>(body: &Body, cfg: &Cfg, problem: &P) -> Solution<P::Fact> {
    match P::DIRECTION {
        Direction::Forward => forward(body, cfg, problem),
        Direction::Backward => backward(body, cfg, problem),
    }
}

/// Blocks that are to be looked at, each once, in an order in which few are looked at again.
struct Worklist {
    order: Vec<NodeIndex>,
    place: Vec<usize>,
    queue: BinaryHeap<Reverse<usize>>,
    queued: Vec<bool>,
}

impl Worklist {
    fn new(count: usize, order: Vec<NodeIndex>) -> Worklist {
        let mut place = vec![usize::MAX; count];
        for (at, node) in order.iter().enumerate() {
            place[node.index()] = at;
        }
        Worklist {
            queued: vec![false; order.len()],
            queue: BinaryHeap::with_capacity(order.len()),
            order,
            place,
        }
    }

    fn push(&mut self, node: NodeIndex) {
        let at = self.place[node.index()];
        if let Some(queued) = self.queued.get_mut(at)
            && !std::mem::replace(queued, true)
        {
            self.queue.push(Reverse(at));
        }
    }

    fn pop(&mut self) -> Option<NodeIndex> {
        let Reverse(at) = self.queue.pop()?;
        self.queued[at] = false;
        Some(self.order[at])
    }
}

fn forward<P: Problem>(body: &Body, cfg: &Cfg, problem: &P) -> Solution<P::Fact> {
    let count = cfg.graph.node_count();
    let mut start: Vec<Option<P::Fact>> = vec![None; count];
    let mut end: Vec<Option<P::Fact>> = vec![None; count];
    let mut todo = Worklist::new(count, reverse_post_order(&cfg.graph, cfg.entry));
    start[cfg.entry.index()] = Some(problem.start());
    todo.push(cfg.entry);
    while let Some(node) = todo.pop() {
        let Some(mut fact) = start[node.index()].clone() else {
            continue;
        };
        let edges = cfg.edges_out(node);
        let catches = caught(cfg, node).is_some();
        let mut raised: Option<P::Fact> = None;
        let mut before_last = None;
        let instrs = cfg.block(node).instrs();
        for at in instrs.clone() {
            if catches && can_raise(body.isa, body.instrs[at].opcode) {
                arrive(problem, &mut raised, &fact);
            }
            if at + 1 == instrs.end && matches!(edges[0].2.kind, EdgeKind::Raise(_)) {
                before_last = Some(fact.clone());
            }
            problem.transfer(at, &mut fact);
        }
        for (_, to, edge) in edges {
            let (handler, sent) = match edge.kind {
                // Where no instruction raises, a probe in front of the first may (`Cfg::under_probes`).
                EdgeKind::Exception(handler) => {
                    let first = || start[node.index()].clone();
                    (handler, raised.take().or_else(first))
                }
                EdgeKind::Raise(handler) => (handler, before_last.take()),
                kind => {
                    let mut sent = fact.clone();
                    problem.along(kind, instrs.end - 1, &mut sent);
                    if arrive(problem, &mut start[to.index()], &sent) {
                        todo.push(to);
                    }
                    continue;
                }
            };
            if let Some(mut sent) = sent {
                problem.raised(handler, &mut sent);
                if arrive(problem, &mut start[to.index()], &sent) {
                    todo.push(to);
                }
            }
        }
        end[node.index()] = Some(fact);
    }
    Solution { start, end }
}

fn backward<P: Problem>(body: &Body, cfg: &Cfg, problem: &P) -> Solution<P::Fact> {
    let count = cfg.graph.node_count();
    let mut start: Vec<Option<P::Fact>> = vec![None; count];
    let mut end: Vec<Option<P::Fact>> = vec![None; count];
    let mut order = reverse_post_order(Reversed(&cfg.graph), cfg.exit);
    let mut ends = vec![false; count];
    order.iter().for_each(|node| ends[node.index()] = true);
    // What never ends has to start somewhere too.
    let endless = reverse_post_order(&cfg.graph, cfg.entry).into_iter().rev();
    order.extend(endless.filter(|node| !ends[node.index()]));
    let mut todo = Worklist::new(count, order);
    cfg.graph.node_indices().for_each(|node| todo.push(node));
    while let Some(node) = todo.pop() {
        let seeded = node == cfg.exit || !ends[node.index()];
        let mut fact = seeded.then(|| problem.start());
        for (_, to, edge) in cfg.edges_out(node) {
            if let (Some(sent), false) = (&start[to.index()], is_implicit(edge.kind)) {
                let mut sent = sent.clone();
                let last = cfg.block(node).last().unwrap_or_default();
                problem.along(edge.kind, last, &mut sent);
                arrive(problem, &mut fact, &sent);
            }
        }
        let caught = caught(cfg, node).and_then(|to| start[to.index()].clone());
        // A loop that only exceptions leave begins with what they lead to.
        let Some(mut fact) = fact.or_else(|| caught.clone()) else {
            continue;
        };
        end[node.index()] = Some(fact.clone());
        for at in cfg.block(node).instrs().rev() {
            step_back(problem, body, at, &mut fact, caught.as_ref());
        }
        if arrive(problem, &mut start[node.index()], &fact) {
            let before = cfg.graph.neighbors_directed(node, Incoming);
            before.for_each(|node| todo.push(node));
        }
    }
    Solution { start, end }
}

/// Joins a fact into what is known at a point; says whether more is known now.
fn arrive<P: Problem>(problem: &P, known: &mut Option<P::Fact>, fact: &P::Fact) -> bool {
    match known {
        Some(known) => problem.join(known, fact),
        None => {
            *known = Some(fact.clone());
            true
        }
    }
}

fn step_back<P: Problem>(
    problem: &P,
    body: &Body,
    at: usize,
    fact: &mut P::Fact,
    caught: Option<&P::Fact>,
) {
    problem.transfer(at, fact);
    if let Some(caught) = caught.filter(|_| can_raise(body.isa, body.instrs[at].opcode)) {
        problem.join(fact, caught);
    }
}

fn is_implicit(kind: EdgeKind) -> bool {
    matches!(kind, EdgeKind::Exception(_))
}

/// Where exceptions that nobody asked for go from a block.
fn caught(cfg: &Cfg, node: NodeIndex) -> Option<NodeIndex> {
    let mut edges = cfg.graph.edges_directed(node, Outgoing);
    let edge = edges.find(|edge| is_implicit(edge.weight().kind))?;
    Some(petgraph::visit::EdgeRef::target(&edge))
}
