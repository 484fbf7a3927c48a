//! The table.

use super::model::{Numbers, shown};
use super::{Report, natural};

/// Which columns and rows.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// A column of what is missing.
    pub missing: bool,
    /// No complete files.
    pub skip_covered: bool,
    /// No files without statements.
    pub skip_empty: bool,
}

/// The whole table, as coverage.py draws it.
pub fn table(report: &Report, which: Shown) -> String {
    let mut rows = Vec::new();
    let (mut covered, mut empty) = (0, 0);
    let mut files: Vec<_> = report.files.iter().collect();
    files.sort_by_key(|file| natural(&file.name));
    for file in files {
        let numbers = file.numbers();
        if which.skip_covered && numbers.missing == 0 && numbers.partial == 0 {
            covered += 1;
        } else if which.skip_empty && numbers.statements == 0 {
            empty += 1;
        } else {
            rows.push(row(
                &file.name,
                &numbers,
                report.precision,
                file.missing_short(),
            ));
        }
    }
    let total = row("TOTAL", &report.total, report.precision, String::new());
    let header = [
        "Name", "Stmts", "Miss", "Branch", "BrPart", "Cover", "Missing",
    ]
    .map(str::to_owned);
    let name = rows
        .iter()
        .map(|row| row[0].chars().count())
        .max()
        .unwrap_or(0)
        .max(5)
        + 1;
    let cover = rows
        .iter()
        .chain([&total])
        .map(|row| row[5].len() + 2)
        .max()
        .unwrap_or(0)
        .max(7);
    let line = |row: &[String; 7], is_header: bool| {
        let mut out = format!(
            "{:name$}{:>7}{:>7}{:>7}{:>7}{:>cover$}",
            row[0], row[1], row[2], row[3], row[4], row[5]
        );
        if which.missing && is_header {
            out.push_str("   Missing");
        } else if which.missing && !row[6].is_empty() {
            out.push_str(&format!("   {}", row[6]));
        }
        out
    };
    let head = line(&header, true);
    let rule = "-".repeat(head.chars().count());
    let mut out = vec![head, rule.clone()];
    out.extend(rows.iter().map(|row| line(row, false)));
    if !rows.is_empty() {
        out.push(rule);
    }
    out.push(line(&total, false));
    let plural =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    if covered > 0 {
        out.push(format!(
            "\n{} skipped due to complete coverage.",
            plural(covered, "file")
        ));
    }
    if empty > 0 {
        out.push(format!("\n{} skipped.", plural(empty, "empty file")));
    }
    out.join("\n")
}

fn row(name: &str, numbers: &Numbers, precision: usize, missing: String) -> [String; 7] {
    [
        name.to_owned(),
        numbers.statements.to_string(),
        numbers.missing.to_string(),
        numbers.branches.to_string(),
        numbers.partial.to_string(),
        format!("{}%", shown(numbers.percent(), precision)),
        missing,
    ]
}
