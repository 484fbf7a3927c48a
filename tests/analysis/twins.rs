//! The slow twins: each analysis written down from its definition, by reachability alone.

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
