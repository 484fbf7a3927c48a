//! Dominator and post-dominator trees, by the algorithm Semi-NCA (Georgiadis, "Linear-Time Algorithms for
//! Dominators and Related Problems", section 2.2.3; LLVM's too).
//!
//! `petgraph` has Cooper, Harvey and Kennedy's, which walks up the tree for each edge into a join. The exit
//! of a function has an edge from each block that may raise: there that is quadratic, 0.2 s for 5,000
//! blocks.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

/// A tree in which each node's ancestors are those that every way from the root to it passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dominators {
    root: NodeIndex,
    immediate: Vec<Option<NodeIndex>>,
    children: Vec<Vec<NodeIndex>>,
    /// Of a walk through the tree: when each node is entered and left; (0, 0) outside of it.
    walked: Vec<(u32, u32)>,
}

impl Dominators {
    /// Where the tree starts: the entry, or for post-dominators the exit.
    pub fn root(&self) -> NodeIndex {
        self.root
    }

    /// The nearest node, other than itself, that each way passes; none for the root, and for nodes that
    /// no way joins with it.
    pub fn immediate(&self, node: NodeIndex) -> Option<NodeIndex> {
        self.immediate[node.index()]
    }

    /// The nodes of which this is the immediate dominator, in index order.
    pub fn children(&self, node: NodeIndex) -> &[NodeIndex] {
        &self.children[node.index()]
    }

    /// Whether the node is in the tree.
    pub fn contains(&self, node: NodeIndex) -> bool {
        self.walked[node.index()].1 > 0
    }

    /// Whether each way from the root to `other` passes `node`; a node dominates itself. False for nodes
    /// outside of the tree.
    pub fn dominates(&self, node: NodeIndex, other: NodeIndex) -> bool {
        let (from, to) = self.walked[node.index()];
        let (enter, leave) = self.walked[other.index()];
        to > 0 && leave > 0 && from <= enter && leave <= to
    }

    /// When a walk through the tree enters and leaves the node: a node dominates those that it enters and leaves between.
    /// (0, 0) outside of the tree.
    pub fn walked(&self, node: NodeIndex) -> (u32, u32) {
        self.walked[node.index()]
    }

    /// The node, its immediate dominator, and so on to the root; nothing for a node outside of the tree.
    pub fn ancestors(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        let first = Some(node).filter(|node| self.contains(*node));
        std::iter::successors(first, |node| self.immediate(*node))
    }
}

/// The dominators of what an entry leads to.
pub fn dominators<N, E>(graph: &DiGraph<N, E>, entry: NodeIndex) -> Dominators {
    tree(
        graph.node_count(),
        entry,
        semi_nca(graph, entry, Direction::Outgoing),
    )
}

/// The post-dominators of what leads to an exit: dominators of the reversed graph.
pub fn post_dominators<N, E>(graph: &DiGraph<N, E>, exit: NodeIndex) -> Dominators {
    tree(
        graph.node_count(),
        exit,
        semi_nca(graph, exit, Direction::Incoming),
    )
}

/// Immediate dominators. Nodes are numbered in the order of a depth-first search meanwhile.
fn semi_nca<N, E>(
    graph: &DiGraph<N, E>,
    root: NodeIndex,
    forward: Direction,
) -> Vec<Option<NodeIndex>> {
    let mut number = vec![usize::MAX; graph.node_count()];
    let mut order = Vec::with_capacity(graph.node_count());
    let mut parent = Vec::with_capacity(graph.node_count());
    let mut todo = vec![(root, 0)];
    while let Some((node, above)) = todo.pop() {
        if number[node.index()] == usize::MAX {
            let mine = order.len();
            number[node.index()] = mine;
            order.push(node);
            parent.push(above);
            let next = graph.neighbors_directed(node, forward);
            todo.extend(next.map(|node| (node, mine)));
        }
    }
    let mut above = parent.clone();
    let mut semi: Vec<usize> = (0..order.len()).collect();
    // On the way up to what is not linked yet, the node with the least semidominator.
    let mut least = semi.clone();
    let mut path = Vec::new();
    for at in (1..order.len()).rev() {
        semi[at] = parent[at];
        for from in graph.neighbors_directed(order[at], forward.opposite()) {
            let from = number[from.index()];
            if from == usize::MAX {
                continue;
            }
            let mut up = from;
            while above[up] > at {
                path.push(up);
                up = above[up];
            }
            while let Some(below) = path.pop() {
                let over = above[below];
                above[below] = above[over];
                if semi[least[over]] < semi[least[below]] {
                    least[below] = least[over];
                }
            }
            semi[at] = semi[at].min(semi[least[from]]);
        }
    }
    let mut immediate = vec![None; graph.node_count()];
    for at in 1..order.len() {
        while parent[at] > semi[at] {
            parent[at] = parent[parent[at]];
        }
        immediate[order[at].index()] = Some(order[parent[at]]);
    }
    immediate
}

fn tree(count: usize, root: NodeIndex, immediate: Vec<Option<NodeIndex>>) -> Dominators {
    let mut children = vec![Vec::new(); count];
    for (node, above) in immediate.iter().enumerate() {
        if let Some(above) = above {
            children[above.index()].push(NodeIndex::new(node));
        }
    }
    let mut walked = vec![(0, 0); count];
    let mut clock = 1;
    walked[root.index()].0 = clock;
    let mut path = vec![(root, 0)];
    while let Some((node, next)) = path.last_mut() {
        clock += 1;
        match children[node.index()].get(*next) {
            Some(child) => {
                *next += 1;
                walked[child.index()].0 = clock;
                path.push((*child, 0));
            }
            None => {
                walked[node.index()].1 = clock;
                path.pop();
            }
        }
    }
    Dominators {
        root,
        immediate,
        children,
        walked,
    }
}
