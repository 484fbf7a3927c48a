//! A flow graph for Graphviz: blocks in code order, loops as clusters, edges coloured as in pictures.

use std::fmt::Write;

use super::{Block, Flow, instruction, label, lines, name};
use crate::flow::svg::colour;

/// Appends a graph.
pub fn write(flow: &Flow, out: &mut String) {
    let title = format!("{}: {} (CPython {})", flow.file, flow.key, flow.python);
    let _ = writeln!(out, "digraph {} {{", quoted(&title));
    let _ = writeln!(out, "  label={}; labelloc=t;", quoted(&title));
    out.push_str("  node [shape=box, fontname=\"monospace\", fontsize=10];\n");
    out.push_str("  edge [fontname=\"monospace\", fontsize=9];\n");
    for block in flow.blocks.iter().filter(|block| block.r#loop.is_none()) {
        write_block(flow, block, 1, out);
    }
    for id in (0..flow.loops.len()).filter(|id| flow.loops[*id].parent.is_none()) {
        write_loop(flow, id, out);
    }
    for edge in &flow.edges {
        let label = match edge.kind {
            "next" | "exception" => String::new(),
            _ => label(edge),
        };
        let style = match edge.kind {
            "exception" => ", style=dashed",
            _ if edge.back => ", style=bold",
            _ => "",
        };
        let colour = colour(edge.kind);
        let (from, to) = (edge.from, edge.to);
        let _ = writeln!(
            out,
            "  b{from} -> b{to} [label={}, color=\"{colour}\", fontcolor=\"{colour}\"{style}];",
            quoted(&label)
        );
    }
    out.push_str("}\n");
}

/// A loop and those within it. Loops nest as deeply as source does, so recursion is bounded.
fn write_loop(flow: &Flow, id: usize, out: &mut String) {
    let one = &flow.loops[id];
    let depth = one.depth as usize;
    let pad = "  ".repeat(depth);
    let title = quoted(&format!("loop {}", name(flow, one.head)));
    let _ = writeln!(
        out,
        "{pad}subgraph cluster_{id} {{\n{pad}  label={title}; style=filled; color=\"#00000012\";"
    );
    for block in flow.blocks.iter().filter(|block| block.r#loop == Some(id)) {
        write_block(flow, block, depth + 1, out);
    }
    for inner in (0..flow.loops.len()).filter(|inner| flow.loops[*inner].parent == Some(id)) {
        write_loop(flow, inner, out);
    }
    let _ = writeln!(out, "{pad}}}");
}

fn write_block(flow: &Flow, block: &Block, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    let index = block.index;
    if index == flow.exit {
        let _ = writeln!(
            out,
            "{pad}b{index} [label=\"exit\", shape=oval, peripheries=2];"
        );
        return;
    }
    let mut text = format!("{}  {}", name(flow, index), lines(block));
    if index == flow.entry {
        text.push_str("  entry");
    }
    let source = block.source.iter();
    let mut shown: Vec<_> = source
        .map(|source| format!("{:>4} {}", source.line, source.text))
        .collect();
    if shown.is_empty() {
        shown = block.instructions.iter().map(instruction).collect();
    }
    let mut label = quoted(&text);
    label.pop();
    for line in shown {
        // `\l` ends a line that is aligned to the left.
        let line = quoted(&line);
        label.push_str("\\l");
        label.push_str(&line[1..line.len() - 1]);
    }
    label.push_str("\\l\"");
    let style = if index == flow.entry {
        ", penwidth=2"
    } else {
        ""
    };
    let fill = ", style=filled, fillcolor=white";
    let _ = writeln!(out, "{pad}b{index} [label={label}{fill}{style}];");
}

/// A string of DOT: only quotes and backslashes mean something, and a NUL ends it.
pub fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\0', "");
    format!("\"{}\"", text.replace(['\n', '\r'], " "))
}
