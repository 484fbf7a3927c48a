//! A flow graph as text: each block with its source, its instructions, and what is known of it.

use std::fmt::Write;

use super::{Block, Flow, instruction, label, lines, name};

/// Appends a graph.
pub fn write(flow: &Flow, out: &mut String) {
    let _ = writeln!(
        out,
        "{}: {} line {} (CPython {})",
        flow.file, flow.key, flow.first_line, flow.python
    );
    for block in &flow.blocks {
        write_block(flow, block, out);
    }
    if !flow.loops.is_empty() {
        let _ = writeln!(out, "\nloops");
    }
    for one in &flow.loops {
        let within = one.parent.map(|id| format!(" within {}", head(flow, id)));
        let within = within.unwrap_or_default();
        let exits = one.exits.iter().map(|edge| shown(flow, *edge));
        let exits: Vec<_> = exits.collect();
        let _ = writeln!(
            out,
            "  {}{within}: depth {}, blocks {}; left by {}",
            head(flow, one.index),
            one.depth,
            names(flow, &one.blocks),
            if exits.is_empty() {
                "nothing".to_owned()
            } else {
                exits.join(", ")
            },
        );
    }
    for region in &flow.irreducible {
        let (blocks, entries) = (names(flow, &region.blocks), names(flow, &region.entries));
        let _ = writeln!(out, "\nirreducible: {blocks}, entered at {entries}");
    }
}

fn write_block(flow: &Flow, block: &Block, out: &mut String) {
    let marks = [
        (block.index == flow.entry).then_some("entry"),
        flow.headed_by(block.index).map(|_| "loop head"),
    ];
    let marks: Vec<_> = marks.into_iter().flatten().collect();
    let mut title = name(flow, block.index);
    for part in [lines(block), marks.join(", ")] {
        if !part.is_empty() {
            let _ = write!(title, "  {part}");
        }
    }
    let _ = writeln!(out, "\n{title}");
    let mut shown_line = None;
    let mut told = Vec::new();
    for instr in &block.instructions {
        let fresh = instr.line != shown_line;
        if let (true, Some(line)) = (fresh, instr.line) {
            let source = block.source.iter().find(|source| source.line == line);
            // A line that comes again is only counted.
            match source.filter(|_| !told.contains(&line)) {
                Some(source) => {
                    let _ = writeln!(out, "{line:>6} | {}", source.text);
                    told.push(line);
                }
                None => {
                    let _ = writeln!(out, "{line:>6} |");
                }
            }
        }
        shown_line = instr.line;
        let _ = writeln!(out, "{:>14}  {}", instr.index, instruction(instr));
    }
    for edge in flow.edges_out(block.index) {
        let _ = writeln!(out, "    {} -> {}", label(edge), name(flow, edge.to));
    }
    let mut facts = Vec::new();
    if let Some(above) = block.immediate_dominator {
        facts.push(format!("dominated by {}", name(flow, above)));
    }
    if let Some(below) = block.immediate_post_dominator {
        facts.push(format!("post-dominated by {}", name(flow, below)));
    }
    if !block.dominance_frontier.is_empty() {
        facts.push(format!(
            "frontier {}",
            names(flow, &block.dominance_frontier)
        ));
    }
    if let Some(id) = block.r#loop {
        facts.push(format!("in {}, depth {}", head(flow, id), block.loop_depth));
    }
    if !facts.is_empty() {
        let _ = writeln!(out, "    {}", facts.join("; "));
    }
    let depends = block.control_dependences.iter();
    let depends: Vec<_> = depends.map(|edge| shown(flow, *edge)).collect();
    if !depends.is_empty() {
        let _ = writeln!(out, "    depends on {}", depends.join(", "));
    }
}

fn head(flow: &Flow, id: usize) -> String {
    format!("loop {}", name(flow, flow.loops[id].head))
}

fn names(flow: &Flow, blocks: &[usize]) -> String {
    let names: Vec<_> = blocks.iter().map(|block| name(flow, *block)).collect();
    names.join(" ")
}

fn shown(flow: &Flow, edge: usize) -> String {
    let edge = &flow.edges[edge];
    let (from, to) = (name(flow, edge.from), name(flow, edge.to));
    format!("{from} {} {to}", edge.kind)
}
