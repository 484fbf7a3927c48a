//! Which files a target means, and which of them need compiling. Reads the disk, writes nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::isa::{self, Isa};
use crate::pyc::{self, Validation};
use crate::python::Search;

/// Files that equip keeps beside a pyc end so: the original, where Python or a user made it.
pub const ORIGINAL: &str = ".equip-original";
/// The same, where equip itself compiled it.
pub const MADE: &str = ".equip-made";
/// Files that are written, but not in place yet, hold this, followed by the number of the process.
pub const STAGED: &str = ".equip-staged-";

/// One pyc of a program: where it is, or where it will be.
#[derive(Clone, Debug)]
pub struct Module {
    /// The pyc.
    pub pyc: PathBuf,
    /// Its source; a sourceless pyc has none.
    pub source: Option<PathBuf>,
    /// Optimisation level: 0, 1 or 2.
    pub optimize: u8,
    /// Its instruction set: that of the chosen Python, or for sourceless files that of their magic
    /// number (`None` until the file is read).
    pub isa: Option<&'static Isa>,
}

/// Why a target is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not there, or unreadable.
    #[error("{path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Neither folder nor `.py` nor `.pyc`.
    #[error("{path}: a target is a folder, a .py or a .pyc")]
    NoTarget {
        /// The path.
        path: PathBuf,
    },
    /// Bytecode of several versions, and no way to choose.
    #[error("{path} holds bytecode of several CPythons ({found}): name one with --python")]
    Ambiguous {
        /// The target.
        path: PathBuf,
        /// The versions.
        found: String,
    },
    /// No interpreter.
    #[error(transparent)]
    Python(#[from] crate::python::Error),
}

/// What a run works on.
#[derive(Debug, Default)]
pub struct Program {
    /// Its modules, in path order.
    pub modules: Vec<Module>,
    /// Folders that cannot be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Staged files that an earlier, killed run left.
    pub leftovers: Vec<PathBuf>,
}

/// Finds the modules of targets.
///
/// # Errors
/// A target that is missing or of another kind, or no way to tell which Python is meant.
pub fn find(targets: &[PathBuf], search: &Search) -> Result<Program, Error> {
    let mut program = Program::default();
    let mut sources = Vec::new();
    for target in targets {
        let io = |source| Error::Io {
            path: target.clone(),
            source,
        };
        let path = std::path::absolute(target).map_err(io)?;
        let meta = std::fs::metadata(&path).map_err(io)?;
        let extension = path.extension().and_then(OsStr::to_str);
        match extension {
            _ if meta.is_dir() => walk(&path, &mut program, &mut sources),
            Some("py" | "pyw") => sources.push(path),
            Some("pyc") => program.modules.push(from_pyc(path)),
            _ => {
                return Err(Error::NoTarget {
                    path: target.clone(),
                });
            }
        }
    }
    sources.sort();
    sources.dedup();
    if !sources.is_empty() {
        let isa = choose(&sources, search, &targets[0])?;
        for source in sources {
            from_source(source, isa, &mut program.modules);
        }
    }
    program.modules.sort_by(|a, b| a.pyc.cmp(&b.pyc));
    program.modules.dedup_by(|a, b| a.pyc == b.pyc);
    Ok(program)
}

/// Files, and what could not be read with why.
pub type Touched = (Vec<PathBuf>, Vec<(PathBuf, String)>);

/// Every pyc below targets that equip has touched, of whatever Python: instrumented, or with an
/// original kept beside it; and what could not be read.
///
/// # Errors
/// A target that is missing.
pub fn touched(targets: &[PathBuf]) -> Result<Touched, Error> {
    let (mut found, mut unreadable) = (BTreeSet::new(), Vec::new());
    for target in targets {
        let path = std::path::absolute(target).map_err(|source| Error::Io {
            path: target.clone(),
            source,
        })?;
        let before = found.len();
        let stem = path
            .file_stem()
            .and_then(OsStr::to_str)
            .unwrap_or_default()
            .to_owned();
        let (root, prefix) = match path.extension().and_then(OsStr::to_str) {
            _ if path.is_dir() => (path.clone(), None),
            Some("py") => (path.with_file_name("__pycache__"), Some(format!("{stem}."))),
            _ => (
                path.parent().unwrap_or(&path).to_owned(),
                Some(format!("{stem}.")),
            ),
        };
        for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                // The folder of what is compiled is not there, or the target itself: see below.
                Err(error) if error.depth() == 0 && !root.exists() => continue,
                Err(error) => {
                    unreadable.push((error.path().unwrap_or(&root).to_owned(), error.to_string()));
                    continue;
                }
            };
            let is_cache = entry.file_name() == "__pycache__" && entry.path_is_symlink();
            let within = is_cache.then(|| std::fs::read_dir(entry.path()));
            let within = within.and_then(Result::ok).into_iter().flatten().flatten();
            let paths = within.map(|within| within.path());
            for path in paths.chain([entry.path().to_owned()]) {
                let Some(name) = path.file_name().map(OsStr::to_string_lossy) else {
                    continue;
                };
                if prefix
                    .as_ref()
                    .is_some_and(|prefix| !name.starts_with(prefix.as_str()))
                {
                    continue;
                }
                let kept = name
                    .strip_suffix(ORIGINAL)
                    .or_else(|| name.strip_suffix(MADE));
                if let Some(pyc) = kept {
                    found.insert(path.with_file_name(pyc));
                } else if name.ends_with(".pyc")
                    && path.is_file()
                    && std::fs::read(&path)
                        .is_ok_and(|bytes| crate::provenance::Provenance::read(&bytes).is_some())
                {
                    found.insert(path);
                }
            }
        }
        // A source may be gone, and what was made of it still be there.
        if found.len() == before {
            std::fs::symlink_metadata(&path).map_err(|source| Error::Io {
                path: target.clone(),
                source,
            })?;
        }
    }
    Ok((found.into_iter().collect(), unreadable))
}

fn walk(root: &Path, program: &mut Program, sources: &mut Vec<PathBuf>) {
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0
            || !(entry.file_type().is_dir()
                && entry.file_name().as_encoded_bytes().starts_with(b"."))
    };
    let entries = walkdir::WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(visible);
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                let why = error
                    .io_error()
                    .map_or_else(|| error.to_string(), ToString::to_string);
                program.unreadable.push((path, why));
                continue;
            }
        };
        let name = entry.file_name().to_string_lossy();
        let in_cache =
            entry.path().parent().and_then(Path::file_name) == Some(OsStr::new("__pycache__"));
        if name.contains(STAGED) {
            program.leftovers.push(entry.into_path());
        } else if !in_cache && (entry.file_type().is_file() || entry.path_is_symlink()) {
            let path = entry.into_path();
            match path.extension().and_then(OsStr::to_str) {
                Some("py") => sources.push(path),
                Some("pyc") if !path.with_extension("py").exists() => {
                    program.modules.push(from_pyc(path))
                }
                _ => {}
            }
        }
    }
}

/// A pyc that was named, or that has no source.
fn from_pyc(pyc: PathBuf) -> Module {
    let name = pyc
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let optimize = match &name {
        name if name.ends_with(".opt-1.pyc") => 1,
        name if name.ends_with(".opt-2.pyc") => 2,
        _ => 0,
    };
    let stem = name.split('.').next().unwrap_or_default();
    let in_cache = pyc
        .parent()
        .filter(|dir| dir.file_name() == Some(OsStr::new("__pycache__")));
    let source = in_cache
        .and_then(Path::parent)
        .map(|dir| dir.join(format!("{stem}.py")));
    Module {
        source: source.filter(|source| source.is_file()),
        pyc,
        optimize,
        isa: None,
    }
}

/// Where Python keeps the bytecode of a source.
fn cached(source: &Path, isa: &Isa, optimize: u8) -> PathBuf {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let level = if optimize == 0 {
        String::new()
    } else {
        format!(".opt-{optimize}")
    };
    let name = format!("{stem}.{}{level}.pyc", isa.cache_tag);
    source
        .parent()
        .unwrap_or(Path::new(""))
        .join("__pycache__")
        .join(name)
}

fn from_source(source: PathBuf, isa: &'static Isa, modules: &mut Vec<Module>) {
    for optimize in 0..3 {
        let pyc = cached(&source, isa, optimize);
        if optimize == 0 || pyc.exists() {
            modules.push(Module {
                pyc,
                source: Some(source.clone()),
                optimize,
                isa: Some(isa),
            });
        }
    }
}

/// The Python that a program of sources is meant for: the one that was named; the only one that it
/// has bytecode of; the one that the user would start.
fn choose(sources: &[PathBuf], search: &Search, target: &Path) -> Result<&'static Isa, Error> {
    if search.named.is_some() {
        return Ok(search.default_interpreter()?.isa);
    }
    let mut found = BTreeSet::new();
    for source in sources {
        found.extend(
            isa::ALL
                .iter()
                .filter(|isa| cached(source, isa, 0).exists())
                .map(|isa| isa.version),
        );
    }
    let default = search.default_interpreter();
    match found.len() {
        0 => Ok(default?.isa),
        1 => Ok(found
            .first()
            .and_then(|version| Isa::by_version(*version))
            .expect("it is one of ALL")),
        _ => match default {
            Ok(default) if found.contains(&default.isa.version) => Ok(default.isa),
            _ => {
                let found = found
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                Err(Error::Ambiguous {
                    path: target.to_owned(),
                    found,
                })
            }
        },
    }
}

/// Whether bytecode fits its source, as Python's import decides.
pub fn is_fresh(header: &[u8], source: &Path) -> bool {
    let Ok((isa, validation)) = pyc::parse_header(header) else {
        return false;
    };
    match validation {
        Validation::UncheckedHash(_) => true,
        Validation::CheckedHash(hash) => {
            std::fs::read(source).is_ok_and(|text| pyc::source_hash(isa, &text) == hash)
        }
        Validation::Timestamp { mtime, size } => std::fs::metadata(source).is_ok_and(|meta| {
            let modified = meta.modified().ok();
            let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            since.is_some_and(|since| since.as_secs() as u32 == mtime) && meta.len() as u32 == size
        }),
    }
}

/// The dotted name under which a module is imported, as far as its folders tell: packages are
/// folders with an `__init__`.
pub fn module_name(module: &Module) -> String {
    let file = module.source.as_deref().unwrap_or(&module.pyc);
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.split('.').next().unwrap_or_default().to_owned();
    let mut parts = if stem == "__init__" {
        Vec::new()
    } else {
        vec![stem]
    };
    let mut dir = file.parent();
    if dir.and_then(Path::file_name) == Some(OsStr::new("__pycache__")) {
        dir = dir.and_then(Path::parent);
    }
    while let Some(here) =
        dir.filter(|d| d.join("__init__.py").is_file() || d.join("__init__.pyc").is_file())
    {
        parts.push(
            here.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
        dir = here.parent();
    }
    parts.reverse();
    parts.join(".")
}
