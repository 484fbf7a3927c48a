//! The table of counts.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::args::Counts;
use crate::output::out;

pub fn run(options: &Counts) -> anyhow::Result<u8> {
    let shown = options.file.display();
    let text = std::fs::read_to_string(&options.file).with_context(|| format!("{shown}"))?;
    let counts: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_str(&text).with_context(|| format!("{shown}: not a file of counts"))?;
    let mut rows: Vec<_> = counts
        .iter()
        .flat_map(|(file, functions)| {
            functions
                .iter()
                .map(move |(function, count)| (*count, function, file))
        })
        .collect();
    rows.sort_by(|a, b| b.0.cmp(&a.0).then(a.2.cmp(b.2)).then(a.1.cmp(b.1)));
    let total: u64 = rows.iter().map(|row| row.0).sum();
    let functions = rows.len();
    rows.truncate(options.top.unwrap_or(usize::MAX));
    let width = rows
        .iter()
        .map(|row| row.1.chars().count())
        .max()
        .unwrap_or(8)
        .clamp(8, 60);
    out!("{:>12}  {:width$}  file", "calls", "function");
    for (count, function, file) in rows {
        out!("{count:>12}  {function:width$}  {file}");
    }
    out!("{total:>12}  calls of {functions} functions");
    Ok(0)
}
