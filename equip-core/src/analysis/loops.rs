//! Natural loops, how they nest, and regions that are loops without one head.
//!
//! A natural loop is what leads to a back edge without passing its head (Aho, Lam, Sethi, Ullman, section
//! 9.6.6); loops that share a head are one. Found from the inside out, so that each block is walked
//! over once for each loop that it is directly in.

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::{EdgeFiltered, EdgeRef};

use super::dominators::Dominators;
use super::traversal::post_order;

/// Names one loop of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoopId(pub u32);

/// One natural loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The only block by which control comes in.
    pub head: NodeIndex,
    /// The edges that lead back to the head.
    pub back_edges: Vec<EdgeIndex>,
    /// The loop around it.
    pub parent: Option<LoopId>,
    /// How many loops a block directly in it is in: 1 for an outermost loop.
    pub depth: u32,
    /// Blocks that are in it and in no loop within it, in index order; the head is one.
    pub own_blocks: Vec<NodeIndex>,
    /// The edges that lead out of it.
    pub exits: Vec<EdgeIndex>,
}

/// Blocks that all lead to each other, with more than one by which control comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IrreducibleRegion {
    /// Its blocks, in index order.
    pub blocks: Vec<NodeIndex>,
    /// Those by which control comes in.
    pub entries: Vec<NodeIndex>,
}

/// The loops of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loops {
    /// Outer loops before those within them.
    pub loops: Vec<Loop>,
    /// What is no natural loop. CPython's compiler makes none.
    pub irreducible: Vec<IrreducibleRegion>,
    innermost: Vec<Option<LoopId>>,
}

impl Loops {
    /// A loop.
    pub fn get(&self, id: LoopId) -> &Loop {
        &self.loops[id.0 as usize]
    }

    /// The innermost loop that a block is in.
    pub fn innermost(&self, node: NodeIndex) -> Option<LoopId> {
        self.innermost[node.index()]
    }

    /// How many loops a block is in.
    pub fn depth(&self, node: NodeIndex) -> u32 {
        self.innermost(node).map_or(0, |id| self.get(id).depth)
    }

    /// The loops that a block is in, innermost first.
    pub fn around(&self, node: NodeIndex) -> impl Iterator<Item = LoopId> + '_ {
        std::iter::successors(self.innermost(node), |id| self.get(*id).parent)
    }

    /// Whether a block is in a loop, or in one within it.
    pub fn contains(&self, id: LoopId, node: NodeIndex) -> bool {
        let depth = self.get(id).depth;
        self.around(node)
            .take_while(|inner| self.get(*inner).depth >= depth)
            .any(|inner| inner == id)
    }
}

/// The loops of what the root of the dominator tree leads to.
pub fn loops<N, E>(graph: &DiGraph<N, E>, dominators: &Dominators) -> Loops {
    let is_back = |from, to| dominators.dominates(to, from);
    // From the inside out: in a post-order, a head comes behind the heads of all loops within its own.
    let mut found: Vec<Loop> = Vec::new();
    let mut inner: Vec<Option<usize>> = vec![None; graph.node_count()];
    let mut outermost: Vec<usize> = Vec::new(); // of each loop so far, with the path made shorter
    for head in post_order(graph, dominators.root()) {
        let edges = graph.edges_directed(head, Direction::Incoming);
        let mut back: Vec<_> = edges
            .filter(|edge| is_back(edge.source(), head))
            .map(|edge| (edge.id(), edge.source()))
            .collect();
        back.sort_unstable();
        if back.is_empty() {
            continue;
        }
        let id = found.len();
        outermost.push(id);
        let mut todo: Vec<NodeIndex> = back.iter().map(|(_, from)| *from).collect();
        while let Some(node) = todo.pop() {
            match inner[node.index()] {
                None if node == head => inner[node.index()] = Some(id),
                None => {
                    inner[node.index()] = Some(id);
                    todo.extend(before(graph, node, dominators));
                }
                Some(known) => {
                    let known = root_of(&mut outermost, known);
                    if known != id {
                        outermost[known] = id;
                        found[known].parent = Some(LoopId(id as u32));
                        let head = found[known].head;
                        todo.extend(before(graph, head, dominators));
                    }
                }
            }
        }
        inner[head.index()] = Some(id);
        found.push(Loop {
            head,
            back_edges: back.iter().map(|(edge, _)| *edge).collect(),
            parent: None,
            depth: 0,
            own_blocks: Vec::new(),
            exits: Vec::new(),
        });
    }
    // Outer loops were found last.
    let count = found.len();
    let turned = |id: usize| LoopId((count - 1 - id) as u32);
    found.reverse();
    for at in 0..count {
        found[at].parent = found[at].parent.map(|id| turned(id.0 as usize));
        let above = found[at].parent.map_or(0, |id| found[id.0 as usize].depth);
        found[at].depth = above + 1;
    }
    let innermost: Vec<_> = inner.iter().map(|id| id.map(turned)).collect();
    let mut all = Loops {
        loops: found,
        irreducible: irreducible(graph, dominators),
        innermost,
    };
    for node in graph.node_indices() {
        if let Some(id) = all.innermost(node) {
            all.loops[id.0 as usize].own_blocks.push(node);
        }
    }
    for edge in graph.edge_references() {
        let left: Vec<_> = all
            .around(edge.source())
            .take_while(|id| !all.contains(*id, edge.target()))
            .collect();
        for id in left {
            all.loops[id.0 as usize].exits.push(edge.id());
        }
    }
    all
}

fn before<'g, N, E>(
    graph: &'g DiGraph<N, E>,
    node: NodeIndex,
    dominators: &'g Dominators,
) -> impl Iterator<Item = NodeIndex> + 'g {
    let all = graph.neighbors_directed(node, Direction::Incoming);
    all.filter(|node| dominators.contains(*node))
}

fn root_of(above: &mut [usize], mut id: usize) -> usize {
    while above[id] != id {
        above[id] = above[above[id]];
        id = above[id];
    }
    id
}

/// Cycles that are left when all back edges are gone (Hecht and Ullman: a graph without such is reducible).
fn irreducible<N, E>(graph: &DiGraph<N, E>, dominators: &Dominators) -> Vec<IrreducibleRegion> {
    let rest = EdgeFiltered::from_fn(graph, |edge| {
        dominators.contains(edge.source()) && !dominators.dominates(edge.target(), edge.source())
    });
    let mut regions: Vec<_> = kosaraju_scc(&rest)
        .into_iter()
        .filter(|blocks| blocks.len() > 1)
        .map(|mut blocks| {
            blocks.sort_unstable();
            let comes_in = |node: &&NodeIndex| {
                before(graph, **node, dominators).any(|from| blocks.binary_search(&from).is_err())
            };
            let entries = blocks.iter().filter(comes_in).copied().collect();
            IrreducibleRegion { blocks, entries }
        })
        .collect();
    regions.sort_by_key(|region| region.blocks[0]);
    regions
}
