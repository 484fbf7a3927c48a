//! Orders in which to visit a graph. Nothing recurses, so graphs may be as deep as they like.
//!
//! Any order goes backwards if it is given `petgraph::visit::Reversed(&graph)`.

use std::hash::Hash;

use petgraph::algo::all_simple_paths;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, GraphBase, IntoEdges, IntoNeighbors, NodeIndexable};

/// What a walk along edges meets, as the depth-first search of textbooks classifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<N, E> {
    /// A node for the first time.
    Discover(N),
    /// An edge to a node that is new.
    Tree(E),
    /// An edge to a node that is on the path from the root.
    Back(E),
    /// An edge to a node that is finished.
    CrossOrForward(E),
    /// A node, all of whose edges were walked.
    Finish(N),
}

/// What a visitor wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// All that follows.
    On,
    /// Nothing behind the node or edge that it was just shown (it stays unvisited, if it was a tree edge).
    Prune,
    /// Nothing more.
    Stop,
}

/// Walks along all edges that a root leads to, depth first, and shows each edge and node to `visit`.
pub fn walk<G>(
    graph: G,
    root: G::NodeId,
    mut visit: impl FnMut(Event<G::NodeId, G::EdgeRef>) -> Walk,
) where
    G: IntoEdges + NodeIndexable,
{
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; graph.node_bound()];
    let mut path: Vec<(G::NodeId, G::Edges)> = Vec::new();
    let mut entering = Some(root);
    loop {
        if let Some(node) = entering.take() {
            marks[graph.to_index(node)] = Mark::Open;
            match visit(Event::Discover(node)) {
                Walk::Stop => return,
                Walk::Prune => marks[graph.to_index(node)] = Mark::Done,
                Walk::On => path.push((node, graph.edges(node))),
            }
        }
        let Some((node, edges)) = path.last_mut() else {
            return;
        };
        let node = *node;
        let said = match edges.next() {
            Some(edge) => {
                let to = graph.to_index(edge.target());
                match marks[to] {
                    Mark::Open => visit(Event::Back(edge)),
                    Mark::Done => visit(Event::CrossOrForward(edge)),
                    Mark::New => {
                        let said = visit(Event::Tree(edge));
                        entering = (said == Walk::On).then(|| edge.target());
                        said
                    }
                }
            }
            None => {
                path.pop();
                marks[graph.to_index(node)] = Mark::Done;
                visit(Event::Finish(node))
            }
        };
        if said == Walk::Stop {
            return;
        }
    }
}

/// Nodes that a root leads to, each before those found from it.
pub fn pre_order<G>(graph: G, root: G::NodeId) -> Vec<G::NodeId>
where
    G: IntoEdges + NodeIndexable,
{
    let mut order = Vec::new();
    walk(graph, root, |event| {
        if let Event::Discover(node) = event {
            order.push(node);
        }
        Walk::On
    });
    order
}

/// Nodes that a root leads to, each behind those found from it.
pub fn post_order<G>(graph: G, root: G::NodeId) -> Vec<G::NodeId>
where
    G: IntoEdges + NodeIndexable,
{
    let mut order = Vec::new();
    walk(graph, root, |event| {
        if let Event::Finish(node) = event {
            order.push(node);
        }
        Walk::On
    });
    order
}

/// Nodes that a root leads to, each before all that it leads to but by back edges: the order in
/// which forward data flow converges fastest.
pub fn reverse_post_order<G>(graph: G, root: G::NodeId) -> Vec<G::NodeId>
where
    G: IntoEdges + NodeIndexable,
{
    let mut order = post_order(graph, root);
    order.reverse();
    order
}

/// Paths between two nodes that visit none twice: at most `count`, each with at most `edges` edges.
pub fn paths<N, E>(
    graph: &DiGraph<N, E>,
    from: NodeIndex,
    to: NodeIndex,
    edges: usize,
    count: usize,
) -> Vec<Vec<NodeIndex>> {
    if from == to {
        return vec![vec![from]].into_iter().take(count).collect();
    }
    let Some(between) = edges.checked_sub(1) else {
        return Vec::new();
    };
    all_simple_paths::<Vec<_>, _, std::hash::RandomState>(graph, from, to, 0, Some(between))
        .take(count)
        .collect()
}

/// Whether a node leads to another (or is it).
pub fn leads_to<G>(graph: G, from: G::NodeId, to: G::NodeId) -> bool
where
    G: IntoNeighbors + petgraph::visit::Visitable + GraphBase,
    G::NodeId: Eq + Hash,
{
    petgraph::algo::has_path_connecting(graph, from, to, None)
}
