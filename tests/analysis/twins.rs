//! The slow twins: each analysis written down from its definition, by reachability alone.

use std::collections::HashSet;

use equip_core::analysis::cfg::{can_raise, jumps_if, suspends};
use equip_core::analysis::dataflow::Problem;
use equip_core::analysis::variables::accesses;
use equip_core::analysis::{Access, Definition, EdgeKind, Variable};
use equip_core::body::{Arg, Body};
use equip_core::isa::{Flow, Opcode};
use petgraph::Direction::{self, Incoming, Outgoing};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

/// What a node leads to (backwards: what leads to it), if one node is taken away.
pub fn reach<N, E>(
    graph: &DiGraph<N, E>,
    from: NodeIndex,
    without: Option<NodeIndex>,
    direction: Direction,
) -> Vec<bool> {
    let mut seen = vec![false; graph.node_count()];
    let mut todo = vec![from];
    while let Some(node) = todo.pop() {
        if Some(node) != without && !std::mem::replace(&mut seen[node.index()], true) {
            todo.extend(graph.neighbors_directed(node, direction));
        }
    }
    seen
}

/// `[a][b]`: every way from the root to b passes a, and there is one.
pub fn dominance<N, E>(
    graph: &DiGraph<N, E>,
    root: NodeIndex,
    direction: Direction,
) -> Vec<Vec<bool>> {
    let reached = reach(graph, root, None, direction);
    let dominated = |node| {
        let still = reach(graph, root, Some(node), direction);
        let both = reached.iter().zip(still);
        both.map(|(reached, still)| *reached && !still).collect()
    };
    graph.node_indices().map(dominated).collect()
}

/// The strict dominator that all other strict dominators dominate.
pub fn immediate(dominance: &[Vec<bool>], node: NodeIndex) -> Option<NodeIndex> {
    let strict = |a: &usize| *a != node.index() && dominance[*a][node.index()];
    let all: Vec<_> = (0..dominance.len()).filter(strict).collect();
    let nearest = |a: &&usize| all.iter().all(|b| dominance[*b][**a]);
    all.iter().find(nearest).map(|a| NodeIndex::new(*a))
}

/// Nodes that `node` does not strictly dominate, while it dominates one that stands right before them.
pub fn frontier<N, E>(
    graph: &DiGraph<N, E>,
    dominance: &[Vec<bool>],
    node: NodeIndex,
    before: Direction,
) -> Vec<NodeIndex> {
    let mine = &dominance[node.index()];
    let ends = |join: &NodeIndex| {
        let mut from = graph.neighbors_directed(*join, before);
        let strictly = mine[join.index()] && *join != node;
        from.any(|from| mine[from.index()]) && !strictly
    };
    let in_tree = |join: &NodeIndex| dominance[join.index()][join.index()];
    graph.node_indices().filter(in_tree).filter(ends).collect()
}

/// Edges a → b such that the node post-dominates b, and does not strictly post-dominate a.
pub fn deciding_edges<N, E>(
    graph: &DiGraph<N, E>,
    post: &[Vec<bool>],
    node: NodeIndex,
) -> Vec<(NodeIndex, NodeIndex)> {
    let mine = &post[node.index()];
    let edges = graph.edge_references();
    edges
        .map(|edge| (edge.source(), edge.target()))
        .filter(|(a, b)| mine[b.index()] && !(mine[a.index()] && *a != node))
        .collect()
}

/// Heads of natural loops, each with its blocks: what leads to one of its back edges without passing it.
pub fn natural_loops<N, E>(
    graph: &DiGraph<N, E>,
    dominance: &[Vec<bool>],
) -> Vec<(NodeIndex, Vec<bool>)> {
    let of = |head: NodeIndex| {
        let before = graph.neighbors_directed(head, Incoming);
        let back: Vec<_> = before
            .filter(|from| dominance[head.index()][from.index()])
            .collect();
        let mut blocks = vec![false; graph.node_count()];
        for from in &back {
            for (at, leads) in reach(graph, *from, Some(head), Incoming).iter().enumerate() {
                blocks[at] |= leads & dominance[at][at];
            }
        }
        blocks[head.index()] = true;
        (!back.is_empty()).then_some((head, blocks))
    };
    graph.node_indices().filter_map(of).collect()
}

/// Whether each node is on a cycle that has no back edge.
pub fn on_irreducible_cycle<N, E>(graph: &DiGraph<N, E>, dominance: &[Vec<bool>]) -> Vec<bool> {
    let forward = graph.filter_map(
        |_, _| Some(()),
        |edge, _| {
            let (from, to) = graph.edge_endpoints(edge)?;
            let reached = dominance[from.index()][from.index()];
            (reached && !dominance[to.index()][from.index()]).then_some(())
        },
    );
    let on_cycle = |node| {
        let mut next = forward.neighbors(node);
        next.any(|next| reach(&forward, next, None, Outgoing)[node.index()])
    };
    forward.node_indices().map(on_cycle).collect()
}

/// Paths that visit no node twice, by trying all.
pub fn simple_paths<N, E>(
    graph: &DiGraph<N, E>,
    from: NodeIndex,
    to: NodeIndex,
    edges: usize,
) -> Vec<Vec<NodeIndex>> {
    let mut found = Vec::new();
    let mut open = vec![vec![from]];
    while let Some(path) = open.pop() {
        let last = path[path.len() - 1];
        if last == to {
            found.push(path);
        } else if path.len() <= edges {
            for next in graph.neighbors(last).filter(|next| !path.contains(next)) {
                let mut longer = path.clone();
                longer.push(next);
                open.push(longer);
            }
        }
    }
    found
}

/// Steps from instruction to instruction; of an exception, without what the instruction does.
pub struct Steps {
    next: Vec<Vec<usize>>,
    caught: Vec<Option<usize>>,
    /// Whether it ends the function, when it is done.
    leaves: Vec<bool>,
    /// Whether it may raise out of the function, before it has done anything.
    raises: Vec<bool>,
    /// Whether some way from before it leads out.
    pub ends: Vec<bool>,
    /// Whether some way leads to it.
    reached: Vec<bool>,
}

impl Steps {
    pub fn of(body: &Body, exceptions: bool) -> Steps {
        let count = body.instrs.len();
        let mut next = vec![Vec::new(); count];
        let mut caught = vec![None; count];
        let [mut leaves, mut raises] = [vec![false; count], vec![false; count]];
        for (at, instr) in body.instrs.iter().enumerate() {
            let flow = body.isa.info(instr.opcode).flow;
            if !matches!(flow, Flow::Exit | Flow::Jump) {
                next[at].push(at + 1);
            }
            if let (Arg::Jump(label), true) = (instr.arg, flow != Flow::Next) {
                next[at].push(body.at(label));
            }
            let asked = matches!(instr.opcode, Opcode::RAISE_VARARGS | Opcode::RERAISE);
            let may_raise = asked || exceptions && can_raise(body.isa, instr.opcode);
            let handler = body.handler(instr).filter(|_| may_raise);
            caught[at] = handler.map(|handler| body.at(handler.target));
            leaves[at] = flow == Flow::Exit && !asked;
            raises[at] = may_raise && instr.handler.is_none();
        }
        let mut steps = Steps {
            ends: (0..count).map(|at| leaves[at] || raises[at]).collect(),
            next,
            reached: vec![false; count],
            caught,
            leaves,
            raises,
        };
        let mut todo = vec![0];
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut steps.reached[at], true) {
                todo.extend(steps.next[at].iter().chain(&steps.caught[at]));
            }
        }
        let mut ends = steps.ends.clone();
        steps.backwards(&mut ends, |steps, ends, at| {
            ends[at] || steps.leads_to(ends, at)
        });
        steps.ends = ends;
        steps
    }

    fn leads_to(&self, known: &[bool], at: usize) -> bool {
        self.next[at]
            .iter()
            .chain(&self.caught[at])
            .any(|to| known[*to])
    }

    /// Repeats a rule until it changes nothing.
    fn backwards(&self, known: &mut [bool], rule: impl Fn(&Steps, &[bool], usize) -> bool) {
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for at in (0..known.len()).rev() {
                let is = rule(self, known, at);
                changed |= is != known[at];
                known[at] = is;
            }
        }
    }

    /// Before which instructions a definition may hold.
    pub fn reached_by(&self, body: &Body, made: Definition) -> Vec<bool> {
        let defines = |at: usize| {
            let mut all = accesses(&body.instrs[at]);
            all.any(|access| is_definition(access, made.variable))
        };
        let mut seen = vec![false; self.next.len()];
        let mut todo = match made.at {
            None => vec![0],
            Some(at) if self.reached[at] => self.next[at].clone(),
            Some(_) => Vec::new(),
        };
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                todo.extend(self.caught[at]);
                todo.extend(self.next[at].iter().filter(|_| !defines(at)));
            }
        }
        seen
    }

    /// Before which instructions some way leads to a read without a definition between.
    pub fn live(&self, body: &Body, variable: Variable) -> Vec<bool> {
        let shared = variable.is_shared(body);
        let mut live = vec![false; self.next.len()];
        self.backwards(&mut live, |steps, live, at| {
            let mut all = accesses(&body.instrs[at]);
            let first = all.find(|access| {
                *access == Access::Read(variable) || is_definition(*access, variable)
            });
            let done = match first {
                Some(Access::Read(_)) => true,
                Some(_) => false,
                None => shared && steps.leaves[at] || steps.next[at].iter().any(|to| live[*to]),
            };
            done || shared && steps.raises[at] || steps.caught[at].is_some_and(|to| live[to])
        });
        live
    }

    /// What holds before each instruction, for a problem that flows forward: chaotic iteration over single
    /// instructions, until none of them has anything to say that is not known.
    pub fn settle<P: Problem>(&self, body: &Body, problem: &P) -> Vec<Option<P::Fact>> {
        let mut before: Vec<Option<P::Fact>> = vec![None; self.next.len()];
        before[0] = Some(problem.start());
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for at in 0..before.len() {
                let Some(fact) = before[at].clone() else {
                    continue;
                };
                let mut arrive = |to: usize, sent: P::Fact| match &mut before[to] {
                    Some(known) => changed |= problem.join(known, &sent),
                    unknown => {
                        *unknown = Some(sent);
                        changed = true;
                    }
                };
                if let Some(to) = self.caught[at] {
                    let mut sent = fact.clone();
                    problem.raised(body.instrs[at].handler, &mut sent);
                    arrive(to, sent);
                }
                let mut after = fact;
                problem.transfer(at, &mut after);
                for (number, to) in self.next[at].iter().enumerate() {
                    let mut sent = after.clone();
                    problem.along(edge_kind(body, at, number), at, &mut sent);
                    arrive(*to, sent);
                }
            }
        }
        before
    }

    /// Before which instructions a variable may have no value: every way is walked, with where on the stack
    /// its absence was put by.
    pub fn maybe_unbound(&self, body: &Body, variable: Variable, at_entry: bool) -> Vec<bool> {
        let depths = equip_core::body::depths(body).unwrap().before;
        let mut seen = HashSet::new();
        let mut todo = vec![(0, at_entry, 0u128)];
        let mut found = vec![false; self.next.len()];
        while let Some((at, mut unbound, aside)) = todo.pop() {
            let depth = depths[at] as usize;
            let mut aside = aside & ((1 << depth) - 1);
            if !seen.insert((at, unbound, aside)) {
                continue;
            }
            found[at] |= unbound;
            todo.extend(self.caught[at].map(|to| (to, unbound, aside)));
            let instr = &body.instrs[at];
            match (instr.opcode, instr.arg) {
                (Opcode::LOAD_FAST_AND_CLEAR, Arg::Local(slot))
                    if variable == Variable::Slot(slot) =>
                {
                    aside |= u128::from(unbound) << depth;
                    unbound = true;
                }
                (Opcode::STORE_FAST, Arg::Local(slot)) if variable == Variable::Slot(slot) => {
                    unbound = aside >> (depth - 1) & 1 == 1;
                }
                (Opcode::SWAP, Arg::Int(below)) => {
                    let (top, other) = (depth - 1, depth - below as usize);
                    if aside >> top & 1 != aside >> other & 1 {
                        aside ^= 1 << top | 1 << other;
                    }
                }
                _ => {
                    for access in accesses(instr) {
                        let reads = access == Access::Read(variable) && !variable.is_shared(body);
                        if reads || is_definition(access, variable) {
                            unbound = access == Access::Delete(variable);
                        }
                    }
                }
            }
            todo.extend(self.next[at].iter().map(|to| (*to, unbound, aside)));
        }
        found
    }
}

fn is_definition(access: Access, variable: Variable) -> bool {
    access == Access::Write(variable) || access == Access::Delete(variable)
}

/// The kind of the edge from an instruction: to the next, if it goes there, then to its target.
fn edge_kind(body: &Body, at: usize, number: usize) -> EdgeKind {
    let opcode = body.instrs[at].opcode;
    match (body.isa.info(opcode).flow, jumps_if(opcode)) {
        (Flow::Branch, Some(jumps_if)) => match (number == 1) == jumps_if {
            true => EdgeKind::True,
            false => EdgeKind::False,
        },
        (Flow::Branch, None) if number == 0 => EdgeKind::FallThrough,
        (Flow::Branch | Flow::Jump, _) => EdgeKind::Jump,
        _ if suspends(opcode) => EdgeKind::Resume,
        _ => EdgeKind::FallThrough,
    }
}
