//! Dominance and post-dominance frontiers: where a node's dominance ends. Cooper, Harvey and Kennedy,
//! "A Simple, Fast Dominance Algorithm", figure 5.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use super::dominators::Dominators;

/// For each node the nodes in its frontier, in index order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontiers(Vec<Vec<NodeIndex>>);

impl Frontiers {
    /// The nodes that the node does not strictly dominate, but of which it dominates a predecessor.
    pub fn of(&self, node: NodeIndex) -> &[NodeIndex] {
        &self.0[node.index()]
    }
}

/// The dominance frontier of each node.
pub fn dominance_frontiers<N, E>(graph: &DiGraph<N, E>, dominators: &Dominators) -> Frontiers {
    frontiers(graph, dominators, Direction::Incoming)
}

/// The post-dominance frontier of each node: the branches that decide whether control comes to it.
pub fn post_dominance_frontiers<N, E>(
    graph: &DiGraph<N, E>,
    post_dominators: &Dominators,
) -> Frontiers {
    frontiers(graph, post_dominators, Direction::Outgoing)
}

fn frontiers<N, E>(graph: &DiGraph<N, E>, tree: &Dominators, before: Direction) -> Frontiers {
    let mut found = vec![Vec::new(); graph.node_count()];
    for join in graph.node_indices().filter(|node| tree.contains(*node)) {
        for from in graph.neighbors_directed(join, before) {
            for node in tree.ancestors(from) {
                if Some(node) == tree.immediate(join) {
                    break;
                }
                // All nodes of a join are found one after the other.
                let mine: &mut Vec<NodeIndex> = &mut found[node.index()];
                if mine.last() == Some(&join) {
                    break;
                }
                mine.push(join);
            }
        }
    }
    Frontiers(found)
}
