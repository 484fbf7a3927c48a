//! Calls and imports for Graphviz: modules as clusters, one arrow from each caller to each callee. What is
//! unknown is left out of calls; a picture of them all would show little else.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Calls;
use crate::flow::dot::quoted;

const STYLE: &str = "  node [shape=box, fontname=\"monospace\", fontsize=10];\n  edge [fontname=\"monospace\", fontsize=9];\n";

/// Appends the graph of calls.
pub fn write_calls(calls: &Calls, out: &mut String) {
    let _ = write!(out, "digraph calls {{\n  rankdir=LR;\n{STYLE}");
    for module in calls.modules.iter().filter(|module| module.file.is_some()) {
        let (index, name) = (module.index, quoted(&module.name));
        let _ = writeln!(out, "  subgraph cluster_{index} {{\n    label={name};");
        for node in calls.nodes.iter().filter(|node| node.module == Some(index)) {
            let shape = match node.kind {
                "module" => ", shape=folder",
                "class" => ", shape=component",
                _ => "",
            };
            let label = quoted(&node.name);
            let _ = writeln!(out, "    n{} [label={label}{shape}];", node.index);
        }
        out.push_str("  }\n");
    }
    let known = calls
        .calls
        .iter()
        .filter(|call| calls.nodes[call.to].module.is_some());
    arrows("n", known.map(|call| (call.from, call.to, call.line)), out);
    out.push_str("}\n");
}

/// Appends the graph of imports.
pub fn write_imports(calls: &Calls, out: &mut String) {
    let _ = write!(out, "digraph imports {{\n  rankdir=LR;\n{STYLE}");
    for module in &calls.modules {
        let style = if module.file.is_none() {
            ", style=dashed"
        } else {
            ""
        };
        let label = quoted(&module.name);
        let _ = writeln!(out, "  m{} [label={label}{style}];", module.index);
    }
    let all = calls.imports.iter();
    arrows("m", all.map(|one| (one.from, one.to, Some(one.line))), out);
    out.push_str("}\n");
}

/// One arrow for each pair, with the lines.
fn arrows(
    prefix: &str,
    edges: impl Iterator<Item = (usize, usize, Option<u32>)>,
    out: &mut String,
) {
    let mut pairs: BTreeMap<(usize, usize), Vec<u32>> = BTreeMap::new();
    for (from, to, line) in edges {
        let lines = pairs.entry((from, to)).or_default();
        lines.extend(line.filter(|line| !lines.contains(line)));
    }
    for ((from, to), mut lines) in pairs {
        lines.sort_unstable();
        let lines: Vec<_> = lines.iter().map(u32::to_string).collect();
        let label = quoted(&lines.join(", "));
        let _ = writeln!(out, "  {prefix}{from} -> {prefix}{to} [label={label}];");
    }
}
