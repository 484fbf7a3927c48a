//! Calls and imports as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Calls, Node};

/// Lines by the name of what is there.
type Lines = BTreeMap<String, Vec<u32>>;

/// Appends who calls whom, module by module.
pub fn write_calls(calls: &Calls, out: &mut String) {
    let mut known: Vec<Lines> = vec![Lines::new(); calls.nodes.len()];
    let (mut unknown, mut callers) = (known.clone(), known.clone());
    for call in &calls.calls {
        let (from, to) = (&calls.nodes[call.from], &calls.nodes[call.to]);
        let of_site = match to.module {
            Some(_) => &mut known[call.from],
            None => &mut unknown[call.from],
        };
        note(of_site, calls.title(to), call.line);
        note(&mut callers[call.to], calls.title(from), call.line);
    }
    for module in calls.modules.iter().filter(|module| module.file.is_some()) {
        let (file, python) = (module.file.as_deref(), module.python.as_deref());
        let _ = writeln!(
            out,
            "{}  {} (CPython {})",
            module.name,
            file.unwrap_or_default(),
            python.unwrap_or_default()
        );
        let own = |node: &&Node| node.module == Some(module.index);
        for node in calls.nodes.iter().filter(own) {
            let parts = [
                ("calls", by_line(&known[node.index])),
                ("unknown", by_line(&unknown[node.index])),
                ("called by", by_name(&callers[node.index])),
            ];
            let is_alone = parts.iter().all(|(_, listed)| listed.is_empty());
            if node.kind == "module" && is_alone {
                continue;
            }
            let title = match node.first_line {
                Some(line) => format!("{} {}  line {line}", node.kind, node.name),
                None => "module".to_owned(),
            };
            let _ = writeln!(out, "  {title}");
            write_parts(&parts, out);
        }
        out.push('\n');
    }
}

/// Appends which module imports which.
pub fn write_imports(calls: &Calls, out: &mut String) {
    let mut known: Vec<Lines> = vec![Lines::new(); calls.modules.len()];
    let (mut outside, mut by) = (known.clone(), known.clone());
    for import in &calls.imports {
        let to = &calls.modules[import.to];
        let of_module = match to.file {
            Some(_) => &mut known[import.from],
            None => &mut outside[import.from],
        };
        note(of_module, to.name.clone(), Some(import.line));
        let from = calls.modules[import.from].name.clone();
        note(&mut by[import.to], from, Some(import.line));
    }
    for module in calls.modules.iter().filter(|module| module.file.is_some()) {
        let _ = writeln!(
            out,
            "{}  {}",
            module.name,
            module.file.as_deref().unwrap_or_default()
        );
        let parts = [
            ("imports", by_line(&known[module.index])),
            ("from outside", by_line(&outside[module.index])),
            ("imported by", by_name(&by[module.index])),
        ];
        write_parts(&parts, out);
    }
}

fn note(lines: &mut Lines, name: String, line: Option<u32>) {
    let lines = lines.entry(name).or_default();
    if let Some(line) = line
        && !lines.contains(&line)
    {
        lines.push(line);
    }
}

fn write_parts(parts: &[(&str, String)], out: &mut String) {
    for (what, listed) in parts.iter().filter(|(_, listed)| !listed.is_empty()) {
        let _ = writeln!(out, "    {what} {listed}");
    }
}

/// `name 3, 5; other 4`, those of one file in the order in which they stand there.
fn by_line(lines: &Lines) -> String {
    let mut all: Vec<_> = lines.iter().collect();
    all.sort_by_key(|(_, lines)| lines.iter().min().copied());
    listed(all.into_iter())
}

/// The same, where lines are of several files.
fn by_name(lines: &Lines) -> String {
    listed(lines.iter())
}

fn listed<'l>(lines: impl Iterator<Item = (&'l String, &'l Vec<u32>)>) -> String {
    let shown = lines.map(|(name, lines)| {
        let mut lines = lines.clone();
        lines.sort_unstable();
        let lines: Vec<_> = lines.iter().map(u32::to_string).collect();
        match lines.is_empty() {
            true => name.clone(),
            false => format!("{name} {}", lines.join(", ")),
        }
    });
    shown.collect::<Vec<_>>().join("; ")
}
