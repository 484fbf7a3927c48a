//! The control-flow graph of a code object: basic blocks and typed edges between them, from one entry
//! to one virtual exit. Never holds what control cannot reach.
//!
//! It is the graph that CPython's compiler has (`Python/flowgraph.c`): an exhausted `FOR_ITER` goes to
//! the `END_FOR`, whether or not the interpreter jumps over that.

use std::ops::Range;

pub use equip_plugin_api::view::Exceptions;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::dominators::dominators;
use crate::body::{Arg, Body, HandlerId};
use crate::isa::{Flow, Isa, Opcode};

/// A run of instructions that control enters at its start and leaves at its end, all with the same
/// handler. The virtual exit is an empty one behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Index of its first instruction.
    pub start: u32,
    /// Index behind its last.
    pub end: u32,
}

impl Block {
    /// Indices of its instructions.
    pub fn instrs(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Index of its last instruction; none in the virtual exit.
    pub fn last(&self) -> Option<usize> {
        self.instrs().next_back()
    }
}

/// Why control goes from one block to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// It is the next.
    FallThrough,
    /// The condition holds; for `FOR_ITER`, there is an item; for `POP_JUMP_IF_NONE` and its opposite, it
    /// is None.
    True,
    /// The condition does not hold; for `FOR_ITER`, there are no more items.
    False,
    /// A jump without a condition; for `SEND`, the delegate has ended.
    Jump,
    /// A generator or coroutine suspends, and is resumed.
    Resume,
    /// Some instruction of the block raises: to that handler, or out of the function.
    Exception(Option<HandlerId>),
    /// The block ends by raising: to that handler, or out of the function.
    Raise(Option<HandlerId>),
    /// It returns.
    Return,
}

impl EdgeKind {
    /// One word for each, as pictures and reports show it.
    pub const NAMES: [&str; 8] = [
        "next",
        "true",
        "false",
        "jump",
        "resume",
        "exception",
        "raise",
        "return",
    ];

    /// One word for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.number() as usize]
    }

    /// Its place among [`EdgeKind::NAMES`], by which plugins are told it.
    pub fn number(self) -> u8 {
        match self {
            EdgeKind::FallThrough => 0,
            EdgeKind::True => 1,
            EdgeKind::False => 2,
            EdgeKind::Jump => 3,
            EdgeKind::Resume => 4,
            EdgeKind::Exception(_) => 5,
            EdgeKind::Raise(_) => 6,
            EdgeKind::Return => 7,
        }
    }
}

/// An edge of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Why control goes there.
    pub kind: EdgeKind,
    /// Whether it leads back to the head of a loop: to a block that dominates the one it comes from.
    pub is_back: bool,
}

/// The control-flow graph of one body.
#[derive(Clone, Debug)]
pub struct Cfg {
    /// Blocks in code order, then the virtual exit.
    pub graph: DiGraph<Block, Edge>,
    /// The block that control enters.
    pub entry: NodeIndex,
    /// Where all ways out end. No way leads there from an endless loop, if exceptions are ignored.
    pub exit: NodeIndex,
    block_of: Vec<Option<NodeIndex>>,
}

impl Cfg {
    /// The graph of a body.
    pub fn of(body: &Body, exceptions: Exceptions) -> Cfg {
        Cfg::build(body, exceptions, false)
    }

    /// The graph of a body, exceptions followed, that has all that is reached once probes are in it, which may raise
    /// anywhere: where nothing leads to a handler, code that cannot raise by itself does.
    pub fn under_probes(body: &Body) -> Cfg {
        Cfg::build(body, Exceptions::Followed, true)
    }

    fn build(body: &Body, exceptions: Exceptions, under_probes: bool) -> Cfg {
        let starts = leaders(body);
        let count = body.instrs.len();
        let block_at = |at: usize| starts.partition_point(|start| *start as usize <= at) - 1;
        let end = |block: usize| starts.get(block + 1).map_or(count, |next| *next as usize);
        // Which blocks control can reach, and by what.
        let mut ways: Vec<Option<Vec<Way>>> = vec![None; starts.len()];
        let mut todo: Vec<usize> = (0..starts.len().min(1)).collect();
        loop {
            while let Some(block) = todo.pop() {
                if ways[block].is_some() {
                    continue;
                }
                let found = ways_out(body, starts[block] as usize..end(block), exceptions);
                todo.extend(found.iter().filter_map(|way| way.to).map(block_at));
                ways[block] = Some(found);
            }
            if !under_probes {
                break;
            }
            let mut found: Vec<(usize, Way)> = Vec::new();
            for block in (0..starts.len()).filter(|block| ways[*block].is_some()) {
                let last = &body.instrs[end(block) - 1];
                let Some(handler) = body.handler(last).map(|handler| body.at(handler.target))
                else {
                    continue;
                };
                if ways[block_at(handler)].is_none() && todo.last() != Some(&block_at(handler)) {
                    todo.push(block_at(handler));
                    let (to, kind) = (Some(handler), EdgeKind::Exception(last.handler));
                    found.push((block, Way { to, kind }));
                }
            }
            if found.is_empty() {
                break;
            }
            for (block, way) in found {
                ways[block].get_or_insert_default().push(way);
            }
        }
        let mut graph = DiGraph::with_capacity(starts.len() + 1, starts.len() * 2);
        let mut nodes = vec![None; starts.len()];
        for (block, _) in ways.iter().enumerate().filter(|(_, ways)| ways.is_some()) {
            let (start, end) = (starts[block], end(block) as u32);
            nodes[block] = Some(graph.add_node(Block { start, end }));
        }
        let (start, end) = (count as u32, count as u32);
        let exit = graph.add_node(Block { start, end });
        for (block, ways) in ways.into_iter().enumerate() {
            for way in ways.into_iter().flatten() {
                let from = nodes[block].expect("a block with ways out was reached");
                let to = way.to.and_then(|at| nodes[block_at(at)]).unwrap_or(exit);
                let (kind, is_back) = (way.kind, false);
                graph.add_edge(from, to, Edge { kind, is_back });
            }
        }
        let mut block_of = vec![None; count];
        for node in graph.node_indices() {
            block_of[graph[node].instrs()].fill(Some(node));
        }
        let entry = nodes.first().copied().flatten().unwrap_or(exit);
        mark_back_edges(&mut graph, entry);
        Cfg {
            graph,
            entry,
            exit,
            block_of,
        }
    }

    /// The block of an instruction; none where control never comes.
    pub fn block_of(&self, at: usize) -> Option<NodeIndex> {
        self.block_of.get(at).copied().flatten()
    }

    /// A block that is a node of this graph.
    pub fn block(&self, node: NodeIndex) -> Block {
        self.graph[node]
    }

    /// The edges out of a block, in the order: falling through, jumping, exceptions.
    pub fn edges_out(&self, node: NodeIndex) -> Vec<(EdgeIndex, NodeIndex, Edge)> {
        let edges = self.graph.edges(node);
        let mut edges: Vec<_> = edges
            .map(|edge| (edge.id(), edge.target(), *edge.weight()))
            .collect();
        edges.reverse(); // petgraph gives the last that was added first
        edges
    }
}

/// A way out of a block: to an instruction, or out of the function.
#[derive(Clone, Debug)]
struct Way {
    to: Option<usize>,
    kind: EdgeKind,
}

/// Where blocks start.
fn leaders(body: &Body) -> Vec<u32> {
    let count = body.instrs.len();
    let mut starts = vec![false; count + 1];
    starts[0] = true;
    for (at, instr) in body.instrs.iter().enumerate() {
        let flow = body.isa.info(instr.opcode).flow;
        if let (Arg::Jump(label), true) = (instr.arg, flow != Flow::Next) {
            starts[body.at(label)] = true;
        }
        starts[at + 1] |= flow != Flow::Next || suspends(instr.opcode);
        if at > 0 && instr.handler != body.instrs[at - 1].handler {
            starts[at] = true;
        }
        if let Some(handler) = body.handler(instr) {
            starts[body.at(handler.target)] = true;
        }
    }
    let all = starts.iter().take(count).enumerate();
    all.filter(|(_, starts)| **starts)
        .map(|(at, _)| at as u32)
        .collect()
}

fn ways_out(body: &Body, block: Range<usize>, exceptions: Exceptions) -> Vec<Way> {
    let last = &body.instrs[block.end - 1];
    let target = match last.arg {
        Arg::Jump(label) => Some(body.at(label)),
        _ => None,
    };
    let next = Some(block.end).filter(|next| *next < body.instrs.len());
    let handler = body
        .handler(last)
        .map(|handler| (body.at(handler.target), last.handler));
    let (caught, handler) = handler.map_or((None, None), |(at, id)| (Some(at), id));
    let way = |to, kind| Way { to, kind };
    let mut ways = match body.isa.info(last.opcode).flow {
        Flow::Next if suspends(last.opcode) => vec![way(next, EdgeKind::Resume)],
        Flow::Next => vec![way(next, EdgeKind::FallThrough)],
        Flow::Jump => vec![way(target, EdgeKind::Jump)],
        Flow::Branch => match jumps_if(last.opcode) {
            Some(true) => vec![way(next, EdgeKind::False), way(target, EdgeKind::True)],
            Some(false) => vec![way(next, EdgeKind::True), way(target, EdgeKind::False)],
            None => vec![
                way(next, EdgeKind::FallThrough),
                way(target, EdgeKind::Jump),
            ],
        },
        Flow::Exit if returns(last.opcode) => vec![way(None, EdgeKind::Return)],
        Flow::Exit => vec![way(caught, EdgeKind::Raise(handler))],
    };
    let raises = || {
        let mut instrs = body.instrs[block.clone()].iter();
        instrs.any(|instr| can_raise(body.isa, instr.opcode))
    };
    if exceptions == Exceptions::Followed && raises() {
        ways.push(way(caught, EdgeKind::Exception(handler)));
    }
    ways
}

fn mark_back_edges(graph: &mut DiGraph<Block, Edge>, entry: NodeIndex) {
    let tree = dominators(graph, entry);
    for edge in graph.edge_indices().collect::<Vec<_>>() {
        let ends = graph.edge_endpoints(edge);
        graph[edge].is_back = ends.is_some_and(|(from, to)| tree.dominates(to, from));
    }
}

/// Whether control leaves the frame here for a while.
pub fn suspends(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::YIELD_VALUE | Opcode::RETURN_GENERATOR)
}

fn returns(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::RETURN_VALUE | Opcode::RETURN_CONST)
}

/// Whether a conditional jump is taken where its condition holds, or where it does not; none if it
/// has no condition.
pub fn jumps_if(opcode: Opcode) -> Option<bool> {
    match opcode {
        Opcode::POP_JUMP_IF_TRUE
        | Opcode::POP_JUMP_IF_NONE
        | Opcode::POP_JUMP_FORWARD_IF_TRUE
        | Opcode::POP_JUMP_FORWARD_IF_NONE
        | Opcode::POP_JUMP_BACKWARD_IF_TRUE
        | Opcode::POP_JUMP_BACKWARD_IF_NONE
        | Opcode::JUMP_IF_TRUE_OR_POP => Some(true),
        Opcode::POP_JUMP_IF_FALSE
        | Opcode::POP_JUMP_IF_NOT_NONE
        | Opcode::POP_JUMP_FORWARD_IF_FALSE
        | Opcode::POP_JUMP_FORWARD_IF_NOT_NONE
        | Opcode::POP_JUMP_BACKWARD_IF_FALSE
        | Opcode::POP_JUMP_BACKWARD_IF_NOT_NONE
        | Opcode::JUMP_IF_FALSE_OR_POP
        | Opcode::FOR_ITER => Some(false),
        _ => None,
    }
}

/// Whether an instruction does nothing but raise.
pub fn raises(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::RAISE_VARARGS | Opcode::RERAISE)
}

/// Whether an instruction may raise without having been written to: all but those that only move
/// references and jump forward. `Python/bytecodes.c` calls it `HAS_ERROR_FLAG`; what `__del__` raises
/// goes nowhere. Where an inlined comprehension makes a cell, the compiler's own handlers are not ready for a lack of
/// memory.
pub fn can_raise(isa: &Isa, opcode: Opcode) -> bool {
    use Opcode as O;
    if opcode == O::LOAD_FAST {
        return isa.load_fast_checks;
    }
    !matches!(
        opcode,
        O::NOP
            | O::NOT_TAKEN
            | O::EXTENDED_ARG
            | O::PUSH_NULL
            | O::POP_TOP
            | O::POP_ITER
            | O::POP_EXCEPT
            | O::PUSH_EXC_INFO
            | O::END_FOR
            | O::END_SEND
            | O::SWAP
            | O::COPY
            | O::LOAD_CONST
            | O::LOAD_SMALL_INT
            | O::LOAD_COMMON_CONSTANT
            | O::LOAD_CLOSURE
            | O::LOAD_FAST_BORROW
            | O::LOAD_FAST_BORROW_LOAD_FAST_BORROW
            | O::LOAD_FAST_LOAD_FAST
            | O::LOAD_FAST_AND_CLEAR
            | O::MAKE_CELL
            | O::STORE_FAST
            | O::STORE_FAST_STORE_FAST
            | O::STORE_FAST_LOAD_FAST
            | O::STORE_DEREF
            | O::COPY_FREE_VARS
            | O::KW_NAMES
            | O::PRECALL
            | O::JUMP_FORWARD
            | O::JUMP_BACKWARD_NO_INTERRUPT
            | O::POP_JUMP_IF_NONE
            | O::POP_JUMP_IF_NOT_NONE
            | O::POP_JUMP_FORWARD_IF_NONE
            | O::POP_JUMP_FORWARD_IF_NOT_NONE
            | O::IS_OP
            | O::RETURN_VALUE
            | O::RETURN_CONST
            | O::RAISE_VARARGS
            | O::RERAISE
    )
}
