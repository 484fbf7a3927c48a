//! LCOV's tracefile, as coverage.py writes it; with real numbers where they were counted.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Report;
use super::model::FileReport;

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut files: Vec<_> = report.files.iter().collect();
    files.sort_by_key(|file| &file.name);
    for file in files {
        let _ = writeln!(out, "SF:{}", file.name);
        lines(file, &mut out);
        functions(file, &mut out);
        branches(file, &mut out);
        out.push_str("end_of_record\n");
    }
    out
}

fn lines(file: &FileReport, out: &mut String) {
    for line in &file.facts.statements {
        let _ = writeln!(out, "DA:{line},{}", file.hits.get(line).unwrap_or(&0));
    }
    if !file.facts.statements.is_empty() {
        let _ = writeln!(
            out,
            "LF:{}\nLH:{}",
            file.facts.statements.len(),
            file.hits.len()
        );
    }
}

fn functions(file: &FileReport, out: &mut String) {
    let all = file
        .facts
        .regions
        .iter()
        .filter(|region| region.kind == "function");
    let mut all: Vec<_> = all
        .filter_map(|region| {
            let first = region.lines.first()?.0.min(region.start);
            Some((first, region.lines.last()?.1.max(region.start), region))
        })
        .collect();
    if all.is_empty() {
        return;
    }
    all.sort_by_key(|(first, last, region)| (*first, *last, &region.name));
    let (mut found, mut hit) = (0, 0);
    let mut names = BTreeSet::new();
    for (first, last, region) in all {
        let numbers = file.numbers_where(|line| region.contains(line));
        if numbers.statements == 0 {
            continue;
        }
        let ran = numbers.executed() > 0;
        let name = match names.insert(&region.name) {
            true => region.name.clone(),
            false => format!("{}@{first}", region.name),
        };
        let _ = writeln!(
            out,
            "FN:{first},{last},{name}\nFNDA:{},{name}",
            u8::from(ran)
        );
        found += 1;
        hit += usize::from(ran);
    }
    let _ = writeln!(out, "FNF:{found}\nFNH:{hit}");
}

fn branches(file: &FileReport, out: &mut String) {
    let (mut all, mut taken) = (0, 0);
    for (&line, &ways) in &file.branch_lines {
        let untaken: Vec<_> = file.untaken_of(line).collect();
        all += ways;
        taken += ways - untaken.len();
        if !file.facts.statements.contains(&line) {
            continue;
        }
        // A dash: the line never came to choose.
        let otherwise = if untaken.len() == ways { "-" } else { "0" };
        let mut ends: Vec<_> = file
            .taken_of(line)
            .map(|(to, count)| (to, count.to_string()))
            .collect();
        ends.extend(untaken.into_iter().map(|to| (to, otherwise.to_owned())));
        // Ways out of the function come last, as the second of two.
        ends.sort_by_key(|(to, _)| (*to < 0, *to));
        for (to, count) in ends {
            let _ = writeln!(out, "BRDA:{line},0,{},{count}", file.facts.action(line, to));
        }
    }
    if all > 0 {
        let _ = writeln!(out, "BRF:{all}\nBRH:{taken}");
    }
}
