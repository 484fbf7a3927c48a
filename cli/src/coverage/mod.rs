//! Reports of what coverage measured. `data.rs` reads what runs left, `facts.rs` asks an interpreter
//! about the sources, `model.rs` joins the two; the other files write one form each.

pub mod config;
pub mod data;
pub mod facts;
pub mod files;
pub mod html;
pub mod json;
pub mod lcov;
pub mod model;
pub mod text;
pub mod xml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use equip_core::isa;
use equip_core::python::{Interpreter, Search};

use crate::output::note;
use config::Config;
use data::{Data, Measured};
use facts::{Error, Teller};
use files::{Globs, normal};
use model::{FileReport, Numbers};

/// All that is reported.
#[derive(Debug)]
pub struct Report {
    /// In the order of their paths.
    pub files: Vec<FileReport>,
    /// Sums over all of them.
    pub total: Numbers,
    /// The folder from which names are shown.
    pub folder: PathBuf,
    /// Folders named as sources.
    pub sources: Vec<PathBuf>,
    /// Decimals of percentages.
    pub precision: usize,
    /// Whether something is left out that should be there.
    pub incomplete: bool,
}

/// Joins data with sources. Says on standard error what is left out.
///
/// # Errors
/// Settings that make no sense.
pub fn report(
    data: &Data,
    config: &Config,
    search: &Search,
    with_text: bool,
) -> anyhow::Result<Report> {
    let folder = normal(&std::env::current_dir()?);
    let globs = |patterns: &[String]| Globs::new(patterns, &folder).map_err(anyhow::Error::msg);
    let (include, omit) = (globs(&config.include)?, globs(&config.omit)?);
    let (run_include, run_omit) = (globs(&config.run_include)?, globs(&config.run_omit)?);
    let mut measured: BTreeMap<PathBuf, Measured> = BTreeMap::new();
    for (path, file) in data.files() {
        measured.insert(normal(&path), file);
    }
    let sources = Sources::new(&config.source, &folder, &measured);
    let is_measured = |path: &PathBuf| {
        let is_included = match config.source.is_empty() {
            true => run_include.is_empty() || run_include.matches(path),
            false => sources.contains(path),
        };
        is_included && !run_omit.matches(path)
    };
    measured.retain(|path, _| is_measured(path));
    for path in sources.all(config.namespace_packages) {
        if is_measured(&path) {
            measured.entry(path).or_default();
        }
    }
    measured.retain(|path, _| (include.is_empty() || include.matches(path)) && !omit.matches(path));
    if measured.is_empty() {
        return Err(crate::Status(
            1,
            "nothing to report: no file is left by source, include and omit".to_owned(),
        )
        .into());
    }

    let mut tellers = Tellers::new(data.pythons(), search);
    tellers.check(&config.patterns)?;
    let mut report = Report {
        files: Vec::new(),
        total: Numbers::default(),
        sources: sources.folders,
        precision: config.precision,
        incomplete: false,
        folder,
    };
    let mut without_source = Vec::new();
    for (path, file) in measured {
        let name = path
            .strip_prefix(&report.folder)
            .unwrap_or(&path)
            .to_string_lossy();
        let name = printable(&name);
        let facts = match tellers.of(&file.pythons) {
            Some(teller) => match teller.facts(&path, &config.patterns, with_text) {
                Ok(facts) => Some(facts),
                Err(Error::Missing) => {
                    without_source.push(name.clone());
                    None
                }
                Err(error) => {
                    note!("error: {name}: {error}");
                    report.incomplete = true;
                    continue;
                }
            },
            None => None,
        };
        let file = FileReport::new(path, name, facts, &file);
        report.total += file.numbers();
        report.files.push(file);
    }
    if let [first, rest @ ..] = &without_source[..] {
        let more = match rest.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        note!(
            "note: {first}{more}: no source there; its lines are those of the bytecode, with nothing excluded"
        );
    }
    Ok(report)
}

/// Text that no terminal takes for a command.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// A key that sorts `a2` before `a10`.
pub fn natural(text: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, behind) = rest.split_at(letters);
        let digits = behind
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (number, behind) = behind.split_at(digits);
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = behind;
    }
    parts
}

/// What `--source` names: folders, and packages that ran.
struct Sources {
    folders: Vec<PathBuf>,
    /// Modules that are no folders.
    modules: Vec<PathBuf>,
}

impl Sources {
    fn new(names: &[String], folder: &Path, measured: &BTreeMap<PathBuf, Measured>) -> Sources {
        let mut found = Sources {
            folders: Vec::new(),
            modules: Vec::new(),
        };
        for name in names {
            let path = folder.join(name);
            if path.is_dir() {
                found.folders.push(normal(&path));
                continue;
            }
            // A package or module, wherever it ran from.
            let below: PathBuf = name.split('.').collect();
            let mut known = false;
            for file in measured.keys() {
                if file.with_extension("").ends_with(&below) {
                    found.modules.push(file.clone());
                    known = true;
                }
                let packages = file
                    .ancestors()
                    .skip(1)
                    .filter(|folder| folder.ends_with(&below));
                for package in packages.filter(|package| package.join("__init__.py").is_file()) {
                    known = true;
                    if !found.folders.iter().any(|folder| folder == package) {
                        found.folders.push(package.to_owned());
                    }
                }
            }
            if !known {
                note!("note: source {name}: no such folder, and no such package ran");
            }
        }
        found
    }

    fn contains(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
            || self.modules.iter().any(|one| one == path)
    }

    fn all(&self, namespace_packages: bool) -> Vec<PathBuf> {
        let folders = self.folders.iter();
        folders
            .flat_map(|folder| files::sources(folder, namespace_packages))
            .collect()
    }
}

/// One process for each version of Python that is asked, the newest first.
struct Tellers(Vec<(String, Teller)>);

impl Tellers {
    fn new(pythons: Vec<&str>, search: &Search) -> Tellers {
        let mut started = Vec::new();
        for python in pythons.into_iter().rev() {
            let isa = isa::ALL
                .iter()
                .find(|isa| isa.version.to_string() == python);
            let found = match isa {
                Some(isa) => search.find(isa).map_err(|error| error.to_string()),
                None => Err(format!(
                    "data of Python {python}, which this equip does not know"
                )),
            };
            if let Ok(teller) = found.and_then(start).map_err(|why| note!("note: {why}")) {
                started.push((python.to_owned(), teller));
            }
        }
        if started.is_empty() {
            // Another version understands most sources just as well.
            match search
                .default_interpreter()
                .map_err(|error| error.to_string())
            {
                Ok(interpreter) => {
                    note!("note: sources are read with {}", interpreter.path.display());
                    started.extend(
                        start(interpreter)
                            .ok()
                            .map(|teller| (String::new(), teller)),
                    );
                }
                Err(why) => {
                    note!("note: {why}; lines are those of the bytecode, with nothing excluded")
                }
            }
        }
        Tellers(started)
    }

    fn check(&mut self, patterns: &facts::Patterns) -> anyhow::Result<()> {
        match self.0.first_mut() {
            Some((_, teller)) => Ok(teller.check(patterns)?),
            None => Ok(()),
        }
    }

    /// The newest version that ran a file, if it can be asked; else any.
    fn of(&mut self, pythons: &[String]) -> Option<&mut Teller> {
        let best = self
            .0
            .iter()
            .position(|(python, _)| pythons.contains(python));
        self.0.get_mut(best.unwrap_or(0)).map(|(_, teller)| teller)
    }
}

fn start(interpreter: Interpreter) -> Result<Teller, String> {
    Teller::start(interpreter).map_err(|error| error.to_string())
}
