//! How control flows through a code object.

use std::ops::Range;

use crate::abi::{Block, FlowEdge, Instr, Loop};

/// Whether a flow graph has the edges that instructions take which raise without being asked to. A `raise`
/// always has its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exceptions {
    /// It has them.
    Followed,
    /// It has none, and no blocks that only they lead to.
    Ignored,
}

/// Why control goes from one block to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EdgeKind {
    /// It is the next.
    FallThrough,
    /// The condition holds; for a `for`, there is an item.
    True,
    /// The condition does not hold; for a `for`, there are no more items.
    False,
    /// A jump without a condition; for a delegation, it has ended.
    Jump,
    /// A generator or coroutine suspends, and is resumed.
    Resume,
    /// Some instruction of the block raises: to a handler, or out of the function.
    Exception,
    /// The block ends by raising: to a handler, or out of the function.
    Raise,
    /// It returns.
    Return,
}

/// The control-flow graph of a code object, without what control cannot reach. Blocks are in code order, the first
/// is the entry, and the last is an empty one where all ways out end: the exit.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'v> {
    blocks: &'v [Block],
    edges: &'v [FlowEdge],
    loops: &'v [Loop],
}

impl<'v> Flow<'v> {
    pub(crate) fn new(blocks: &'v [Block], edges: &'v [FlowEdge], loops: &'v [Loop]) -> Self {
        Flow {
            blocks,
            edges,
            loops,
        }
    }

    /// The blocks; other things name them by their place here.
    pub fn blocks(&self) -> &'v [Block] {
        self.blocks
    }

    /// The edges: those out of one block together, blocks in order.
    pub fn edges(&self) -> &'v [FlowEdge] {
        self.edges
    }

    /// The natural loops, outer ones before those within them.
    pub fn loops(&self) -> &'v [Loop] {
        self.loops
    }

    /// The exit's number.
    pub fn exit(&self) -> usize {
        self.blocks.len().saturating_sub(1)
    }

    /// The edges out of a block.
    pub fn edges_out(&self, block: usize) -> &'v [FlowEdge] {
        let from = |edge: &FlowEdge| edge.from as usize;
        let start = self.edges.partition_point(|edge| from(edge) < block);
        let end = self.edges.partition_point(|edge| from(edge) <= block);
        &self.edges[start..end]
    }

    /// The block of an instruction; none where control never comes.
    pub fn block_of(&self, instr: &Instr) -> Option<usize> {
        let at = instr.index();
        let behind = self.blocks.partition_point(|block| block.start <= at);
        let block = behind.checked_sub(1)?;
        (at < self.blocks[block].end).then_some(block)
    }

    /// Whether every way from the entry to `other` passes `block`; a block dominates itself.
    pub fn dominates(&self, block: usize, other: usize) -> bool {
        let [from, to] = self.blocks[block].walked;
        let [enter, leave] = self.blocks[other].walked;
        to > 0 && leave > 0 && from <= enter && leave <= to
    }

    /// Whether every way from `other` to the exit passes `block`; a block post-dominates itself.
    pub fn post_dominates(&self, block: usize, other: usize) -> bool {
        let above = |at: &usize| self.blocks[*at].post_dominator();
        std::iter::successors(Some(other), above).any(|at| at == block)
    }
}

fn number(plus_one: u32) -> Option<usize> {
    (plus_one as usize).checked_sub(1)
}

impl Block {
    /// Indices of its instructions.
    pub fn instructions(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The nearest other block that every way from the entry to it passes.
    pub fn dominator(&self) -> Option<usize> {
        number(self.dominator)
    }

    /// The nearest other block that every way from it to the exit passes.
    pub fn post_dominator(&self) -> Option<usize> {
        number(self.post_dominator)
    }

    /// The innermost loop that it is in.
    pub fn innermost_loop(&self) -> Option<usize> {
        number(self.innermost)
    }

    /// Whether what it raises goes to a handler of the same code object.
    pub fn is_handled(&self) -> bool {
        self.handled
    }
}

impl FlowEdge {
    /// The block that it leaves.
    pub fn from(&self) -> usize {
        self.from as usize
    }

    /// The block that it enters.
    pub fn to(&self) -> usize {
        self.to as usize
    }

    /// Why control goes there.
    pub fn kind(&self) -> EdgeKind {
        match self.kind {
            0 => EdgeKind::FallThrough,
            1 => EdgeKind::True,
            2 => EdgeKind::False,
            3 => EdgeKind::Jump,
            4 => EdgeKind::Resume,
            5 => EdgeKind::Exception,
            6 => EdgeKind::Raise,
            _ => EdgeKind::Return,
        }
    }

    /// Whether it leads back to the head of a loop.
    pub fn is_back(&self) -> bool {
        self.back
    }
}

impl Loop {
    /// The block by which alone control comes in.
    pub fn head(&self) -> usize {
        self.head as usize
    }

    /// The loop around it.
    pub fn parent(&self) -> Option<usize> {
        number(self.parent)
    }

    /// 1 for a loop that is in no other.
    pub fn depth(&self) -> u32 {
        self.depth
    }
}
