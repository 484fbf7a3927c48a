//! Which branches decide whether a block runs. Ferrante, Ottenstein and Warren, "The Program Dependence
//! Graph and Its Use in Optimization", section 3.1.1.

use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use super::dominators::Dominators;

/// For each node the edges that decide whether control comes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependence(Vec<Vec<EdgeIndex>>);

impl Dependence {
    /// The edges after which control must come to the node, while it need not before them.
    pub fn of(&self, node: NodeIndex) -> &[EdgeIndex] {
        &self.0[node.index()]
    }
}

/// Control dependence of each node that leads to the exit.
pub fn control_dependence<N, E>(graph: &DiGraph<N, E>, post_dominators: &Dominators) -> Dependence {
    let mut found = vec![Vec::new(); graph.node_count()];
    for edge in graph.edge_references() {
        let stop = post_dominators.immediate(edge.source());
        for node in post_dominators.ancestors(edge.target()) {
            if Some(node) == stop {
                break;
            }
            found[node.index()].push(edge.id());
        }
    }
    Dependence(found)
}
