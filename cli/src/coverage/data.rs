//! The data files that the coverage plugin leaves: reading, judging, merging, writing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The first field of a data file.
const FORMAT: &str = "equip coverage 1";

#[derive(Deserialize, Serialize)]
struct File {
    format: String,
    python: String,
    modules: Vec<Module>,
}

#[derive(Deserialize, Serialize)]
struct Module {
    map: Map,
    counts: Vec<i64>,
}

/// What the counts of a module mean.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Map {
    /// The source.
    pub file: String,
    /// What a count is.
    pub mode: Mode,
    /// How many counts there are.
    pub probes: usize,
    /// Lines that have code, and what says that control came there.
    lines: Vec<(u32, Vec<i64>)>,
    /// Line of a conditional, line of where it leads (0: out of the code object), first line of the
    /// code object, and what says that control went there.
    branches: Vec<(u32, u32, u32, Vec<i64>)>,
    /// Counts that no probe makes, and the sum that each is, of those before it too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sums: Vec<(usize, Vec<i64>)>,
}

/// What a count is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// 1 if it happened at all.
    Hits,
    /// How often it happened.
    Counts,
}

/// An edge of a conditional, in physical lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The conditional.
    pub line: u32,
    /// Where control goes; 0 out of the code object.
    pub to: u32,
    /// First line of the code object.
    pub function: u32,
}

/// What is known of a source: how often control came to each line, and went along each edge.
#[derive(Debug, Default)]
pub struct Measured {
    /// By physical line.
    pub lines: BTreeMap<u32, u64>,
    /// Lines that several code objects have: how often control came there in each of them.
    pub shared: BTreeMap<u32, u64>,
    /// All edges that the bytecode has.
    pub edges: BTreeMap<Edge, u64>,
    /// Versions of Python that ran it.
    pub pythons: Vec<String>,
    /// Whether the numbers are more than yes and no.
    pub counted: bool,
}

/// All data of some files: counts by version of Python and map.
#[derive(Debug, Default)]
pub struct Data {
    counts: BTreeMap<(String, Map), Vec<i64>>,
}

/// Why a data file was left out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// It is cut, or something else.
    #[error("not a whole file of coverage data: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another version of equip, or something else.
    #[error("its format is {0:?}, and this equip reads {FORMAT:?}")]
    Format(String),
    /// Map and counts contradict each other.
    #[error("damaged: {file}: {what}")]
    Damaged {
        /// The module.
        file: String,
        /// What is wrong.
        what: String,
    },
}

impl Map {
    /// Whether every term is one of the counts.
    fn judge(&self, counts: &[i64]) -> Result<(), String> {
        if counts.len() != self.probes {
            return Err(format!(
                "{} counts for {} probes",
                counts.len(),
                self.probes
            ));
        }
        let terms = self.lines.iter().map(|(_, terms)| terms);
        let terms = terms.chain(self.branches.iter().map(|(.., terms)| terms));
        let terms = terms.chain(self.sums.iter().map(|(_, terms)| terms));
        for &term in terms.flatten() {
            let (probe, negative) = probe(term);
            if probe >= self.probes {
                return Err(format!("probe {probe} of {}", self.probes));
            }
            if negative && self.mode == Mode::Hits {
                return Err(format!("the term {term}, which only counts can have"));
            }
        }
        if self.sums.iter().any(|(sum, _)| *sum >= self.probes) {
            return Err("a sum that is none of the counts".to_owned());
        }
        if self.mode == Mode::Hits && counts.iter().any(|count| *count < 0) {
            return Err("a count below 0".to_owned());
        }
        if self.lines.iter().any(|(line, _)| *line == 0) {
            return Err("a line 0".to_owned());
        }
        Ok(())
    }

    /// All counts, those that are sums too.
    fn summed(&self, counts: &[i64]) -> Vec<i64> {
        let mut all = counts.to_vec();
        for (sum, terms) in &self.sums {
            let value = total(terms, &all).clamp(i64::MIN.into(), i64::MAX.into());
            all[*sum] = value as i64;
        }
        all
    }

    /// The value of a list of terms.
    fn value(&self, terms: &[i64], counts: &[i64]) -> u64 {
        let sum = u64::try_from(total(terms, counts).max(0)).unwrap_or(u64::MAX);
        match self.mode {
            Mode::Hits => sum.min(1),
            Mode::Counts => sum,
        }
    }
}

fn total(terms: &[i64], counts: &[i64]) -> i128 {
    let signed = terms.iter().map(|&term| {
        let (probe, negative) = probe(term);
        let count = i128::from(counts.get(probe).copied().unwrap_or(0));
        if negative { -count } else { count }
    });
    signed.sum()
}

/// The probe of a term, and whether it is subtracted: -1-n stands for probe n.
fn probe(term: i64) -> (usize, bool) {
    let probe = if term < 0 { !term } else { term };
    (usize::try_from(probe).unwrap_or(usize::MAX), term < 0)
}

impl Data {
    /// Adds a file's data; none of them if there is something wrong with it.
    ///
    /// # Errors
    /// It cannot be read, or is no whole and consistent data file.
    pub fn read(&mut self, path: &Path) -> Result<(), Error> {
        let file: File = serde_json::from_slice(&std::fs::read(path)?)?;
        if file.format != FORMAT {
            return Err(Error::Format(file.format));
        }
        for module in &file.modules {
            let judged = module.map.judge(&module.counts);
            judged.map_err(|what| Error::Damaged {
                file: module.map.file.clone(),
                what,
            })?;
        }
        for Module { map, counts } in file.modules {
            let mode = map.mode;
            let all = self.counts.entry((file.python.clone(), map));
            let all = all.or_insert_with(|| vec![0; counts.len()]);
            for (sum, count) in all.iter_mut().zip(counts) {
                *sum = match mode {
                    Mode::Hits => (*sum).max(count.min(1)),
                    Mode::Counts => sum.saturating_add(count),
                };
            }
        }
        Ok(())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Versions of Python, the oldest first.
    pub fn pythons(&self) -> Vec<&str> {
        let mut all: Vec<_> = self.counts.keys().map(|(python, _)| &**python).collect();
        all.sort_by_key(|python| super::natural(python));
        all.dedup();
        all
    }

    /// The same data as a file of one version of Python.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_json(&self, python: &str) -> serde_json::Result<String> {
        let of_it = self.counts.iter().filter(|((of, _), _)| of == python);
        let modules = of_it.map(|((_, map), counts)| Module {
            map: map.clone(),
            counts: counts.clone(),
        });
        // A module on a line of its own, as the runtime writes it.
        let mut modules = modules.map(|module| serde_json::to_string(&module));
        let modules = modules.try_fold(Vec::new(), |mut all, module| {
            all.push(module?);
            Ok::<_, serde_json::Error>(all)
        })?;
        Ok(format!(
            "{{\"format\": {}, \"python\": {}, \"modules\": [\n{}\n]}}\n",
            serde_json::to_string(FORMAT)?,
            serde_json::to_string(python)?,
            modules.join(",\n")
        ))
    }

    /// By source.
    pub fn files(&self) -> BTreeMap<PathBuf, Measured> {
        let mut files: BTreeMap<PathBuf, Measured> = BTreeMap::new();
        let mut counted: BTreeMap<&str, bool> = BTreeMap::new();
        for (_, map) in self.counts.keys() {
            *counted.entry(&map.file).or_insert(true) &= map.mode == Mode::Counts;
        }
        for ((python, map), counts) in &self.counts {
            let counts = &map.summed(counts);
            let path = std::path::absolute(&map.file).unwrap_or_else(|_| map.file.clone().into());
            let file = files.entry(path).or_default();
            file.counted = counted.get(&*map.file).copied().unwrap_or(false);
            if !file.pythons.contains(python) {
                file.pythons.push(python.clone());
            }
            // A line that is listed several times in one map is one of several code objects.
            let mut lines: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
            for (line, terms) in &map.lines {
                lines
                    .entry(*line)
                    .or_default()
                    .push(map.value(terms, counts));
            }
            for (line, values) in lines {
                let add = |sums: &mut BTreeMap<u32, u64>, value: Option<&u64>| {
                    let sum = sums.entry(line).or_default();
                    *sum = sum.saturating_add(value.copied().unwrap_or(0));
                };
                add(&mut file.lines, values.iter().max());
                if values.len() > 1 {
                    add(&mut file.shared, values.iter().min());
                }
            }
            for &(line, to, function, ref terms) in &map.branches {
                let edge = Edge { line, to, function };
                let sum = file.edges.entry(edge).or_default();
                *sum = sum.saturating_add(map.value(terms, counts));
            }
        }
        for file in files.values_mut().filter(|file| !file.counted) {
            let counts = file.lines.values_mut().chain(file.shared.values_mut());
            let counts = counts.chain(file.edges.values_mut());
            counts.for_each(|count| *count = (*count).min(1));
        }
        files
    }
}
