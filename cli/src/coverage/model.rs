//! What is reported of a source: statements, which of them ran, branches, which of them were taken.
//! The rules are those of coverage.py in branch mode.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::data::Measured;
use super::facts::Facts;

/// A source, and what ran of it.
#[derive(Debug)]
pub struct FileReport {
    /// Absolute.
    pub path: PathBuf,
    /// As shown: from the current folder on, where it is below that.
    pub name: String,
    /// Of the source; where there is none, what bytecode tells.
    pub facts: Facts,
    /// Whether there is a source.
    pub has_source: bool,
    /// Whether `hits` and `taken` are numbers, not just yes and no.
    pub counted: bool,
    /// How often each statement that ran did so.
    pub hits: BTreeMap<u32, u64>,
    /// Statements that did not run.
    pub missing: BTreeSet<u32>,
    /// Statements that may go on in several ways, and how many ways count.
    pub branch_lines: BTreeMap<u32, usize>,
    /// How often arcs of branch lines were taken, those that were.
    pub taken: BTreeMap<(u32, i64), u64>,
    /// Arcs of branch lines that should have been taken.
    pub untaken: BTreeSet<(u32, i64)>,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Statements.
    pub statements: usize,
    /// Excluded lines.
    pub excluded: usize,
    /// Statements that did not run.
    pub missing: usize,
    /// Arcs of branch lines.
    pub branches: usize,
    /// Those not taken, of statements that ran.
    pub partial: usize,
    /// Those not taken.
    pub missing_branches: usize,
}

impl FileReport {
    /// Joins what is known of a source with what is known of its run.
    pub fn new(
        path: PathBuf,
        name: String,
        facts: Option<Facts>,
        measured: &Measured,
    ) -> FileReport {
        let has_source = facts.is_some();
        let facts = facts.unwrap_or_else(|| of_bytecode(measured));
        let mut hits: BTreeMap<u32, u64> = BTreeMap::new();
        for (&line, &count) in measured.lines.iter().filter(|(_, count)| **count > 0) {
            let first = facts.first_of(line);
            if facts.statements.contains(&first) {
                let most = hits.entry(first).or_default();
                *most = (*most).max(count);
            }
        }
        let mut executed = arcs_taken(&facts, measured, &hits);
        let mut branch_lines: BTreeMap<u32, usize> = BTreeMap::new();
        for &(from, to) in facts.arcs.keys() {
            if !facts.excluded.contains(&from) && !is_excluded(&facts, to) {
                *branch_lines.entry(from).or_default() += 1;
            }
        }
        branch_lines.retain(|_, ways| *ways > 1);
        let of_branch = |(from, _): &(u32, i64)| branch_lines.contains_key(from);
        executed.retain(|arc, _| of_branch(arc));
        let untaken = facts.arcs.keys().filter(|arc| {
            let (from, to) = **arc;
            of_branch(arc)
                && !executed.contains_key(arc)
                && !facts.no_branch.contains(&from)
                && !is_excluded(&facts, to)
        });
        FileReport {
            untaken: untaken.copied().collect(),
            missing: facts
                .statements
                .iter()
                .copied()
                .filter(|line| !hits.contains_key(line))
                .collect(),
            counted: measured.counted,
            taken: executed,
            path,
            name,
            has_source,
            hits,
            branch_lines,
            facts,
        }
    }

    /// Sums over the whole file.
    pub fn numbers(&self) -> Numbers {
        self.numbers_where(|_| true)
    }

    /// Sums over some of its lines.
    pub fn numbers_where(&self, is_wanted: impl Fn(u32) -> bool) -> Numbers {
        let count = |lines: &BTreeSet<u32>| lines.iter().filter(|line| is_wanted(**line)).count();
        let untaken = self.untaken.iter().filter(|(from, _)| is_wanted(*from));
        Numbers {
            statements: count(&self.facts.statements),
            excluded: count(&self.facts.excluded),
            missing: count(&self.missing),
            branches: self
                .branch_lines
                .iter()
                .filter(|(line, _)| is_wanted(**line))
                .map(|(_, ways)| ways)
                .sum(),
            partial: untaken
                .clone()
                .filter(|(from, _)| !self.missing.contains(from))
                .count(),
            missing_branches: untaken.count(),
        }
    }

    /// Where a branch line was not seen to go.
    pub fn untaken_of(&self, line: u32) -> impl Iterator<Item = i64> {
        self.untaken
            .range((line, i64::MIN)..=(line, i64::MAX))
            .map(|(_, to)| *to)
    }

    /// Where a branch line went, and how often.
    pub fn taken_of(&self, line: u32) -> impl Iterator<Item = (i64, u64)> {
        self.taken
            .range((line, i64::MIN)..=(line, i64::MAX))
            .map(|((_, to), count)| (*to, *count))
    }

    /// Lines and branches that were missed, short: `3-5, 7->9, 12->exit`.
    pub fn missing_short(&self) -> String {
        let mut parts: Vec<(u32, String)> = Vec::new();
        let mut run: Option<(u32, u32)> = None;
        let mut close = |run: &mut Option<(u32, u32)>| {
            if let Some((first, last)) = run.take() {
                let text = if first == last {
                    first.to_string()
                } else {
                    format!("{first}-{last}")
                };
                parts.push((first, text));
            }
        };
        // Statements that follow one another are a range, whatever stands between.
        for &line in &self.facts.statements {
            match (self.missing.contains(&line), &mut run) {
                (true, Some((_, last))) => *last = line,
                (true, none) => *none = Some((line, line)),
                (false, run) => close(run),
            }
        }
        close(&mut run);
        for &(from, to) in &self.untaken {
            let is_said = self.missing.contains(&from)
                || u32::try_from(to).is_ok_and(|to| self.missing.contains(&to));
            if !is_said {
                parts.push((from, format!("{from}->{}", end_name(to))));
            }
        }
        parts.sort();
        let parts: Vec<_> = parts.into_iter().map(|(_, text)| text).collect();
        parts.join(", ")
    }
}

/// How often arcs were taken, those that were.
fn arcs_taken(
    facts: &Facts,
    measured: &Measured,
    hits: &BTreeMap<u32, u64>,
) -> BTreeMap<(u32, i64), u64> {
    let mut taken: BTreeMap<(u32, i64), u64> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for (&edge, &count) in &measured.edges {
        let from = facts.first_of(edge.line);
        // Between lines of one statement: what counts is where control goes from there.
        let behind = facts.within.get(&edge).map_or(&[][..], Vec::as_slice);
        for &end in [edge.to].iter().filter(|_| behind.is_empty()).chain(behind) {
            let to = arc_end(facts, end, edge.function);
            let through = u32::try_from(to)
                .ok()
                .and_then(|with| facts.through.get(&(from, with)));
            let arc = (from, through.copied().unwrap_or(to));
            if facts.arcs.contains_key(&arc) {
                let sum = taken.entry(arc).or_default();
                *sum = sum.saturating_add(count);
                told.insert(from);
            }
        }
    }
    let arcs_of = |line: u32| {
        facts
            .arcs
            .range((line, i64::MIN)..=(line, i64::MAX))
            .map(|(arc, _)| *arc)
    };
    for &(line, end) in &facts.one_line {
        let defined = hits.get(&line).copied().unwrap_or(0);
        let ran = measured.shared.get(&line).copied().unwrap_or(0);
        for arc in arcs_of(line) {
            taken.insert(arc, if arc.1 == end { ran } else { defined });
        }
        told.insert(line);
    }
    // Where bytecode goes the same way in any case (through the end of a `with`, say), lines tell
    // what they can.
    for (&(from, to), _) in facts
        .arcs
        .iter()
        .filter(|((from, _), _)| !told.contains(from))
    {
        let reached = u32::try_from(to).ok().and_then(|to| hits.get(&to));
        if let (Some(&here), Some(&there)) = (hits.get(&from), reached) {
            taken.insert((from, to), here.min(there));
        }
    }
    taken.retain(|_, count| *count > 0);
    taken
}

/// `exit`, or the line.
pub fn end_name(to: i64) -> String {
    if to < 0 {
        "exit".to_owned()
    } else {
        to.to_string()
    }
}

fn is_excluded(facts: &Facts, to: i64) -> bool {
    u32::try_from(to).is_ok_and(|to| facts.excluded.contains(&to))
}

fn arc_end(facts: &Facts, to: u32, function: u32) -> i64 {
    match to {
        0 => -i64::from(facts.first_of(function)),
        to => i64::from(facts.first_of(to)),
    }
}

/// Without a source, every line that has code is a statement.
fn of_bytecode(measured: &Measured) -> Facts {
    let statements: BTreeSet<u32> = measured.lines.keys().copied().collect();
    let mut facts = Facts {
        lines: statements.last().copied().unwrap_or(0),
        statements,
        ..Facts::default()
    };
    for edge in measured.edges.keys().filter(|edge| edge.line != edge.to) {
        let to = arc_end(&facts, edge.to, edge.function);
        facts.arcs.insert((edge.line, to), Vec::new());
    }
    facts
}

impl Numbers {
    /// Statements that ran.
    pub fn executed(&self) -> usize {
        self.statements - self.missing
    }

    /// Arcs that were taken.
    pub fn taken(&self) -> usize {
        self.branches - self.missing_branches
    }

    /// Of statements and branches.
    pub fn percent(&self) -> f64 {
        percent(
            self.executed() + self.taken(),
            self.statements + self.branches,
        )
    }

    /// Of statements alone.
    pub fn percent_statements(&self) -> f64 {
        percent(self.executed(), self.statements)
    }

    /// Of branches alone.
    pub fn percent_branches(&self) -> f64 {
        percent(self.taken(), self.branches)
    }
}

impl std::ops::AddAssign for Numbers {
    fn add_assign(&mut self, other: Numbers) {
        self.statements += other.statements;
        self.excluded += other.excluded;
        self.missing += other.missing;
        self.branches += other.branches;
        self.partial += other.partial;
        self.missing_branches += other.missing_branches;
    }
}

/// Nothing to do is all done.
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        100.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

/// A percentage with so many decimals; 0 and 100 only for what is exactly that.
pub fn shown(percent: f64, precision: usize) -> String {
    let least = 0.1_f64.powi(i32::try_from(precision).unwrap_or(0));
    let value = match percent {
        p if 0.0 < p && p < least => least,
        p if 100.0 - least < p && p < 100.0 => 100.0 - least,
        p => p,
    };
    format!("{value:.precision$}")
}
