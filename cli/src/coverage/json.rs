//! JSON, with the keys of coverage.py's (its format 3).

use serde_json::{Map, Value, json};

use super::facts::Region;
use super::model::{FileReport, Numbers, shown};
use super::{Report, xml};

/// The whole report.
pub fn value(report: &Report) -> Value {
    let mut files = Map::new();
    for file in &report.files {
        files.insert(file.name.clone(), of_file(file, report.precision));
    }
    json!({
        "meta": {
            "format": 3,
            "version": concat!("equip ", env!("CARGO_PKG_VERSION")),
            "timestamp": xml::iso(xml::now()),
            "branch_coverage": true,
            "show_contexts": false,
        },
        "files": files,
        "totals": summary(&report.total, report.precision),
    })
}

fn summary(numbers: &Numbers, precision: usize) -> Value {
    json!({
        "covered_lines": numbers.executed(),
        "num_statements": numbers.statements,
        "percent_covered": numbers.percent(),
        "percent_covered_display": shown(numbers.percent(), precision),
        "missing_lines": numbers.missing,
        "excluded_lines": numbers.excluded,
        "percent_statements_covered": numbers.percent_statements(),
        "percent_statements_covered_display": shown(numbers.percent_statements(), precision),
        "num_branches": numbers.branches,
        "num_partial_branches": numbers.partial,
        "covered_branches": numbers.taken(),
        "missing_branches": numbers.missing_branches,
        "percent_branches_covered": numbers.percent_branches(),
        "percent_branches_covered_display": shown(numbers.percent_branches(), precision),
    })
}

/// Of those lines of a file that are wanted.
fn part(
    file: &FileReport,
    precision: usize,
    is_wanted: &dyn Fn(u32) -> bool,
) -> Map<String, Value> {
    let lines = |lines: &mut dyn Iterator<Item = u32>| -> Value {
        lines
            .filter(|line| is_wanted(*line))
            .collect::<Vec<_>>()
            .into()
    };
    let arcs = |arcs: &mut dyn Iterator<Item = (u32, i64)>| -> Value {
        let wanted = arcs.filter(|(from, _)| is_wanted(*from));
        wanted
            .map(|(from, to)| json!([from, to]))
            .collect::<Vec<_>>()
            .into()
    };
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("executed_lines", lines(&mut file.hits.keys().copied()));
    put(
        "summary",
        summary(&file.numbers_where(is_wanted), precision),
    );
    put("missing_lines", lines(&mut file.missing.iter().copied()));
    put(
        "excluded_lines",
        lines(&mut file.facts.excluded.iter().copied()),
    );
    put("executed_branches", arcs(&mut file.taken.keys().copied()));
    put("missing_branches", arcs(&mut file.untaken.iter().copied()));
    out
}

fn of_file(file: &FileReport, precision: usize) -> Value {
    let mut out = part(file, precision, &|_| true);
    for (kind, plural) in [("function", "functions"), ("class", "classes")] {
        let mut regions: Vec<&Region> = file
            .facts
            .regions
            .iter()
            .filter(|region| region.kind == kind)
            .collect();
        regions.sort_by_key(|region| region.start);
        let has_statements = |region: &Region| {
            file.facts
                .statements
                .iter()
                .any(|line| region.contains(*line))
        };
        let mut all = Map::new();
        for region in &regions {
            let mut name = region.name.clone();
            // The first one of a name that has statements keeps it.
            let another = || {
                regions
                    .iter()
                    .any(|one| one.name == region.name && has_statements(one))
            };
            if all.contains_key(&name) || (!has_statements(region) && another()) {
                name = format!("{name}@{}", region.start);
            }
            let mut of_it = part(file, precision, &|line| region.contains(line));
            of_it.insert("start_line".to_owned(), region.start.into());
            all.insert(name, of_it.into());
        }
        let outside = |line: u32| !regions.iter().any(|region| region.contains(line));
        let start = (1..=file.facts.lines)
            .find(|line| outside(*line))
            .unwrap_or(1);
        let mut rest = part(file, precision, &outside);
        rest.insert("start_line".to_owned(), start.into());
        all.insert(String::new(), rest.into());
        out.insert(plural.to_owned(), all.into());
    }
    out.into()
}
