//! Compiled snippets of a whole run: one compile for each distinct shape, kept on disk for the next
//! run, so that it starts no interpreter.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use equip_plugin_api::edit::OnError;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::code::flags;
use crate::fragment::Fragment;
use crate::isa::Isa;
use crate::python::{Compiled, Helpers, SnippetSource};
use crate::rewrite::{Compile, Refusal, Shape};
use crate::snippet::{Meaning, RESERVED, Template};

/// What a snippet's meaning depends on beside its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Environment {
    /// Magic number.
    pub magic: u16,
    /// Optimisation level: 0, 1 (`-O`) or 2 (`-OO`).
    pub optimize: u8,
    /// Flags of `from __future__` imports.
    pub futures: u32,
    /// Enclosing class, which mangles private names.
    pub class: Option<String>,
}

impl Environment {
    /// The environment of a code object.
    pub fn new(isa: &Isa, optimize: u8, code_flags: u32, class: Option<&str>) -> Self {
        let futures = code_flags & flags::FUTURES;
        Environment {
            magic: isa.magic,
            optimize,
            futures,
            class: class.map(str::to_owned),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Code { code: Vec<u8>, globals: Vec<String> },
    Textual(Vec<String>),
    Runtime(Vec<u8>),
}

/// Finds a fragment without building its source: template, arity, `__main__` only, what becomes of
/// its errors, environment.
type FastKey = (u64, usize, bool, OnError, Environment);

/// The compiled snippets of a run.
pub struct Snippets {
    helpers: Arc<Helpers>,
    cache: Option<PathBuf>,
    fast: Mutex<FxHashMap<FastKey, Arc<Fragment>>>,
    known: Mutex<FxHashMap<String, Result<Arc<Fragment>, Refusal>>>,
    textual: Mutex<FxHashMap<String, BTreeSet<String>>>,
    runtimes: Mutex<FxHashMap<String, Arc<Vec<u8>>>>,
    compiled: AtomicUsize,
    cached: AtomicUsize,
}

/// How many shapes were compiled, and how many came from the cache on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Compiled by an interpreter.
    pub compiled: usize,
    /// Found on disk.
    pub cached: usize,
}

impl Snippets {
    /// Snippets compiled by `helpers`; `cache` is a folder of equip's own, made when needed.
    pub fn new(helpers: Arc<Helpers>, cache: Option<PathBuf>) -> Self {
        Snippets {
            helpers,
            cache,
            fast: Mutex::default(),
            known: Mutex::default(),
            textual: Mutex::default(),
            runtimes: Mutex::default(),
            compiled: AtomicUsize::new(0),
            cached: AtomicUsize::new(0),
        }
    }

    /// `$XDG_CACHE_HOME/equip`, else `~/.cache/equip`.
    pub fn default_cache() -> Option<PathBuf> {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|p| p.is_absolute());
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        Some(cache.or_else(home)?.join("equip"))
    }

    /// How much was compiled so far.
    pub fn counts(&self) -> Counts {
        Counts {
            compiled: self.compiled.load(Ordering::Relaxed),
            cached: self.cached.load(Ordering::Relaxed),
        }
    }

    /// The compiler for the code objects of one environment.
    pub fn within(&self, isa: &'static Isa, environment: Environment) -> Within<'_> {
        Within {
            snippets: self,
            isa,
            environment,
        }
    }

    /// A runtime module's options and code, marshalled.
    ///
    /// # Errors
    /// It does not compile, or there is no interpreter.
    pub fn runtime(
        &self,
        isa: &'static Isa,
        optimize: u8,
        name: &str,
        source: &str,
        options: &str,
    ) -> Result<Arc<Vec<u8>>, Refusal> {
        let key = format!(
            "runtime\0{}\0{optimize}\0{name}\0{options}\0{source}",
            isa.magic
        );
        let mut runtimes = lock(&self.runtimes);
        if let Some(known) = runtimes.get(&key) {
            return Ok(known.clone());
        }
        let bytes = match self.load(&key) {
            Some(Entry::Runtime(bytes)) => bytes,
            _ => {
                let helper = self.helper(isa)?;
                self.compiled.fetch_add(1, Ordering::Relaxed);
                let compiled = helper
                    .runtime(name, source, options, optimize)
                    .map_err(|error| Refusal::Compiler(error.to_string()))?;
                let bytes = compiled.map_err(|error| {
                    Refusal::Compiler(format!(
                        "runtime module {name}, line {}: {}",
                        error.line, error.message
                    ))
                })?;
                let bytes =
                    canonical(isa, &bytes).map_err(|error| Refusal::Compiler(error.to_string()))?;
                self.save(&key, &Entry::Runtime(bytes.clone()));
                bytes
            }
        };
        let bytes = Arc::new(bytes);
        runtimes.insert(key, bytes.clone());
        Ok(bytes)
    }

    fn helper(&self, isa: &'static Isa) -> Result<Arc<crate::python::Helper>, Refusal> {
        self.helpers
            .get(isa)
            .map_err(|error| Refusal::Compiler(error.to_string()))
    }

    // ---- the cache on disk: each file holds a hash of the rest, so that a torn one is no harm ----

    fn file(&self, key: &str) -> Option<PathBuf> {
        let hash = hash(&[
            env!("CARGO_PKG_VERSION").as_bytes(),
            crate::python::HELPER.as_bytes(),
            key.as_bytes(),
        ]);
        Some(self.cache.as_ref()?.join("snippets").join(hash))
    }

    fn load(&self, key: &str) -> Option<Entry> {
        let bytes = std::fs::read(self.file(key)?).ok()?;
        let (sum, rest) = bytes.split_at_checked(32)?;
        let entry =
            (hash(&[rest]).as_bytes() == sum).then(|| serde_json::from_slice(rest).ok())??;
        self.cached.fetch_add(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Failing to save costs the next run a compile, nothing else.
    fn save(&self, key: &str, entry: &Entry) {
        let Some(path) = self.file(key) else { return };
        let write = || -> std::io::Result<()> {
            let folder = path.parent().expect("it was joined");
            std::fs::create_dir_all(folder)?;
            let rest = serde_json::to_vec(entry)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut file, hash(&[&rest]).as_bytes())?;
            std::io::Write::write_all(&mut file, &rest)?;
            file.persist(&path)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!("snippet cache: {}: {error}", path.display());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// 128 bits of the parts, as 32 hexadecimal digits.
pub fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = SipHasher13::new();
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part);
    }
    let sum = hasher.finish128();
    format!("{:016x}{:016x}", sum.h1, sum.h2)
}

/// The same objects with reference flags that depend on nothing but them: CPython's own depend on
/// the reference counts of the process that wrote them.
fn canonical(isa: &Isa, bytes: &[u8]) -> Result<Vec<u8>, crate::marshal::Error> {
    let (from, root, _) = crate::marshal::read(bytes, 0, isa.layout)?;
    let mut objects = crate::marshal::Objects::default();
    let root = objects.import(&from, root);
    let mut out = Vec::with_capacity(bytes.len());
    crate::marshal::write(&objects, root, isa.layout, &mut out);
    Ok(out)
}

/// [`Snippets`] for one environment.
pub struct Within<'s> {
    snippets: &'s Snippets,
    isa: &'static Isa,
    environment: Environment,
}

impl Compile for Within<'_> {
    fn fragment(&self, shape: &Shape<'_>) -> Result<Arc<Fragment>, Refusal> {
        let template = shape.template;
        let takes = |meaning: &Meaning| matches!(meaning, Meaning::Arg(_) | Meaning::Arguments);
        let arity = if template.uses(takes).is_some() {
            shape.arity
        } else {
            0
        };
        let mut environment = self.environment.clone();
        if !mangles(template.text()) {
            environment.class = None;
        }
        let fast = (
            template.id(),
            arity,
            shape.main_only,
            shape.on_error,
            environment.clone(),
        );
        if shape.captures.is_empty()
            && let Some(known) = lock(&self.snippets.fast).get(&fast)
        {
            return Ok(known.clone());
        }
        let mut textual = lock(&self.snippets.textual)
            .get(template.text())
            .cloned()
            .unwrap_or_default();
        loop {
            let before = textual.len();
            let fragment = self.shape(shape, &environment, &mut textual)?;
            if let Some(fragment) = fragment {
                if textual.is_empty() && shape.captures.is_empty() && !template.is_glued() {
                    lock(&self.snippets.fast).insert(fast, fragment.clone());
                }
                return Ok(fragment);
            }
            if textual.len() == before {
                let message =
                    "a placeholder stands where Python's grammar allows no value".to_owned();
                return Err(Refusal::Snippet {
                    offset: 0,
                    len: template.text().len(),
                    message,
                });
            }
            lock(&self.snippets.textual).insert(template.text().to_owned(), textual.clone());
        }
    }
}

/// Whether compiling within a class may change a name: one that starts with two underscores.
fn mangles(text: &str) -> bool {
    text.match_indices("__").any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let name: String = text[at..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && (!name.ends_with("__") || name == "__class__")
            || name.contains("super")
    }) || text.contains("super")
}

impl Within<'_> {
    /// The fragment, or nothing if more placeholders must be text than was thought.
    fn shape(
        &self,
        shape: &Shape<'_>,
        environment: &Environment,
        textual: &mut BTreeSet<String>,
    ) -> Result<Option<Arc<Fragment>>, Refusal> {
        let template: &Template = shape.template;
        let source = template
            .source(shape.arity, textual, shape.value)
            .map_err(|problem| Refusal::Snippet {
                offset: problem.offset,
                len: 1,
                message: problem.message,
            })?;
        let key = format!(
            "snippet\0{}\0{}\0{}\0{:?}\0{}\0{}\0{}\0{}",
            environment.magic,
            environment.optimize,
            environment.futures,
            environment.class,
            shape.captures.join(","),
            shape.main_only,
            shape.on_error.name(),
            source.text
        );
        // The lock is held while compiling: that is what makes it one compile per shape.
        let mut known = lock(&self.snippets.known);
        if let Some(result) = known.get(&key) {
            return result.clone().map(Some);
        }
        let entry = match self.snippets.load(&key) {
            Some(entry @ (Entry::Code { .. } | Entry::Textual(_))) => entry,
            _ => {
                let helper = self.snippets.helper(self.isa)?;
                self.snippets.compiled.fetch_add(1, Ordering::Relaxed);
                let compiled = helper
                    .snippet(&SnippetSource {
                        source: &source.text,
                        flags: environment.futures,
                        optimize: environment.optimize,
                        class: environment.class.as_deref(),
                        captures: shape.captures,
                        main_only: shape.main_only,
                        on_error: shape.on_error.name(),
                    })
                    .map_err(|error| Refusal::Compiler(error.to_string()))?;
                let entry = match compiled {
                    Compiled::Code(code, globals) => Entry::Code { code, globals },
                    Compiled::Textual(names) => Entry::Textual(names),
                    Compiled::Error(error) => {
                        let offset = source.origin(error.line, error.column);
                        let end = source.origin(error.line, error.end_column.max(error.column + 1));
                        let message = error.message.replace(RESERVED, "");
                        let refusal = Refusal::Snippet {
                            offset,
                            len: end.saturating_sub(offset).max(1),
                            message,
                        };
                        known.insert(key, Err(refusal.clone()));
                        return Err(refusal);
                    }
                };
                self.snippets.save(&key, &entry);
                entry
            }
        };
        match entry {
            Entry::Textual(names) => {
                textual.extend(names);
                Ok(None)
            }
            Entry::Code { code, globals } => {
                let fragment = Fragment::read(self.isa, &code, globals)
                    .map_err(|error| Refusal::Compiler(error.to_string()))?;
                let fragment = Arc::new(fragment);
                known.insert(key, Ok(fragment.clone()));
                Ok(Some(fragment))
            }
            Entry::Runtime(_) => Err(Refusal::Compiler("the snippet cache is damaged".to_owned())),
        }
    }
}
