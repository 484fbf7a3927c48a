//! The table of counts.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::{Arguments, Counts, Format};
use crate::output::out;

/// The counts of a function: of its calls alone, or of each kind of event that was asked for.
#[derive(Clone, Copy, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a count, or an object of calls, returns, raises and yields"
)]
enum Entry {
    Calls(u64),
    Events(Events),
}

#[derive(Clone, Copy, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Events {
    calls: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    returns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raises: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    yields: Option<u64>,
}

#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    function: &'a str,
    #[serde(flatten)]
    events: Events,
}

type Column = (&'static str, fn(&Events) -> Option<u64>);

const COLUMNS: [Column; 4] = [
    ("calls", |events| Some(events.calls)),
    ("returns", |events| events.returns),
    ("raises", |events| events.raises),
    ("yields", |events| events.yields),
];

pub fn run(options: &Counts, arguments: &Arguments) -> anyhow::Result<u8> {
    let shown = options.file.display();
    let text = std::fs::read_to_string(&options.file).with_context(|| {
        format!("{shown}: callcount writes it when a program that it has instrumented ends")
    })?;
    let counts: BTreeMap<String, BTreeMap<String, Entry>> =
        serde_json::from_str(&text).with_context(|| format!("{shown}: not a file of counts"))?;
    let mut rows = rows(&counts);
    let total: u64 = rows.iter().map(|row| row.events.calls).sum();
    let functions = rows.len();
    rows.truncate(options.top.unwrap_or(usize::MAX));
    match arguments.report {
        Format::Json => {
            let report = json!({"rows": rows, "functions": functions, "calls": total});
            out!("{}", serde_json::to_string_pretty(&report)?);
        }
        Format::Text => {
            table(&rows);
            out!("{total:>12}  calls of {functions} functions");
        }
    }
    Ok(0)
}

/// The largest first.
fn rows(counts: &BTreeMap<String, BTreeMap<String, Entry>>) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (file, functions) in counts {
        for (function, entry) in functions {
            let events = match *entry {
                Entry::Events(events) => events,
                Entry::Calls(calls) => Events {
                    calls,
                    ..Events::default()
                },
            };
            rows.push(Row {
                file,
                function,
                events,
            });
        }
    }
    rows.sort_by_key(|row| (std::cmp::Reverse(row.events.calls), row.file, row.function));
    rows
}

/// With the columns that some function has.
fn table(rows: &[Row<'_>]) {
    let has = |column: &Column| rows.iter().any(|row| column.1(&row.events).is_some());
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| column.0 == "calls" || has(column))
        .collect();
    let names = rows.iter().map(|row| row.function.chars().count());
    let width = names.max().unwrap_or(8).clamp(8, 60);
    let mut line = String::new();
    for (name, _) in &columns {
        let _ = write!(line, "{name:>12}");
    }
    out!("{line}  {:width$}  file", "function");
    for row in rows {
        line.clear();
        for (_, count) in &columns {
            let count = count(&row.events).map_or_else(|| "-".to_owned(), |n| n.to_string());
            let _ = write!(line, "{count:>12}");
        }
        out!("{line}  {:width$}  {}", row.function, row.file);
    }
}
