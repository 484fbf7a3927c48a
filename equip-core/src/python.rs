//! Interpreters of the target's version: finding them, and one helper process for each, which
//! compiles sources, snippets and runtime modules. Nothing of the target ever runs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde::Deserialize;

use crate::isa::{Isa, Version};

pub(crate) static HELPER: &str = include_str!("helper.py");

/// Why an interpreter is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of that version, or none with that magic number.
    #[error(
        "no interpreter for CPython {version} (magic number {magic}) found; name one with --python. Tried: {tried}"
    )]
    NotFound {
        /// The version.
        version: Version,
        /// Its magic number.
        magic: u16,
        /// Where equip looked.
        tried: String,
    },
    /// It does not start, or is none.
    #[error("{path}: not a Python interpreter: {why}")]
    Unusable {
        /// Its path.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Its version is not supported.
    #[error(
        "{path}: CPython {found} (magic number {magic}) is not supported; supported: 3.11 to 3.15"
    )]
    Unsupported {
        /// Its path.
        path: PathBuf,
        /// Its version.
        found: String,
        /// Its magic number.
        magic: u16,
    },
    /// The helper process broke off.
    #[error("{path}: the helper process broke off: {why}")]
    Helper {
        /// The interpreter.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Source that does not compile. Lines from 1, columns in UTF-8 bytes from 0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CompileError {
    /// What CPython says.
    pub message: String,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// Column behind the end, or 0.
    pub end_column: usize,
}

/// Answers of the helper.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Code { hex: String, globals: Vec<String> },
    Textual(Vec<String>),
    Error(CompileError),
}

/// A snippet to compile, and what its meaning depends on.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct SnippetSource<'s> {
    /// Python source.
    pub source: &'s str,
    /// Flags of `from __future__` imports.
    pub flags: u32,
    /// Optimisation level.
    pub optimize: u8,
    /// Enclosing class, which mangles private names.
    pub class: Option<&'s str>,
    /// Names that nested scopes take by value.
    pub captures: &'s [String],
    /// Whether it runs only in `__main__`.
    pub main_only: bool,
    /// What becomes of its errors: `raise`, `ignore` or `log`.
    pub on_error: &'s str,
}

/// A compiled snippet, or what is in the way.
#[derive(Clone, Debug)]
pub enum Compiled {
    /// Marshalled code object of the function, and the names it declares global.
    Code(Vec<u8>, Vec<String>),
    /// Reserved names that must be given by their text.
    Textual(Vec<String>),
    /// It does not compile.
    Error(CompileError),
}

/// An interpreter that was asked who it is.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// Its executable.
    pub path: PathBuf,
    /// Its instruction set.
    pub isa: &'static Isa,
}

impl Interpreter {
    /// Asks an executable for its version and magic number.
    ///
    /// # Errors
    /// It does not start, is no Python, or of a version that is not supported.
    pub fn probe(path: &Path) -> Result<Interpreter, Error> {
        let program = "import sys, _imp, importlib.util as u\n\
                       print(sys.implementation.name, '%d.%d' % sys.version_info[:2], int.from_bytes(u.MAGIC_NUMBER[:2], 'little'))";
        let unusable = |why: String| Error::Unusable {
            path: path.to_owned(),
            why,
        };
        let output = Command::new(path)
            .args(["-I", "-S", "-c", program])
            .stdin(Stdio::null())
            .current_dir(std::env::temp_dir())
            .output()
            .map_err(|error| unusable(error.to_string()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<_> = text.split_whitespace().collect();
        let [name, version, magic] = words[..] else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(unusable(
                stderr
                    .lines()
                    .last()
                    .unwrap_or("it printed no version")
                    .to_owned(),
            ));
        };
        if name != "cpython" {
            return Err(unusable(format!("it is {name}, not CPython")));
        }
        let magic = magic
            .parse()
            .map_err(|_| unusable("it printed no magic number".to_owned()))?;
        match Isa::by_magic(magic) {
            Some(isa) => Ok(Interpreter {
                path: path.to_owned(),
                isa,
            }),
            None => Err(Error::Unsupported {
                path: path.to_owned(),
                found: version.to_owned(),
                magic,
            }),
        }
    }
}

/// Where interpreters are looked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// `--python`: comes first, and must be usable.
    pub named: Option<PathBuf>,
    /// `$VIRTUAL_ENV`
    pub virtual_env: Option<PathBuf>,
    /// `$PATH`
    pub path: Vec<PathBuf>,
    /// `$PYENV_ROOT`, else `~/.pyenv`.
    pub pyenv: Option<PathBuf>,
}

impl Search {
    /// From the environment; `named` is what the user says. A name without a separator is looked
    /// for on `PATH`.
    pub fn from_environment(named: Option<&Path>) -> Search {
        let path: Vec<PathBuf> = std::env::var_os("PATH")
            .map(|p| std::env::split_paths(&p).collect())
            .unwrap_or_default();
        let named = named.map(|name| match name.components().count() {
            1 => path
                .iter()
                .map(|dir| dir.join(name))
                .find(|p| p.is_file())
                .unwrap_or(name.to_owned()),
            _ => name.to_owned(),
        });
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
        Search {
            named,
            virtual_env: std::env::var_os("VIRTUAL_ENV").map(PathBuf::from),
            path,
            pyenv: std::env::var_os("PYENV_ROOT")
                .map(PathBuf::from)
                .or_else(home),
        }
    }

    /// Executables that may be of a version, best first.
    fn candidates(&self, version: Version) -> Vec<PathBuf> {
        let name = format!("python{version}");
        let mut found: Vec<PathBuf> = self.named.iter().cloned().collect();
        found.extend(self.virtual_env.iter().map(|env| env.join("bin/python")));
        found.extend(self.path.iter().map(|dir| dir.join(&name)));
        if let Some(pyenv) = &self.pyenv {
            let prefix = format!("{version}.");
            let mut versions: Vec<_> = std::fs::read_dir(pyenv.join("versions"))
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| {
                    path.file_name()
                        .is_some_and(|n| n.to_string_lossy().starts_with(&prefix))
                })
                .collect();
            versions.sort();
            found.extend(versions.into_iter().rev().map(|dir| dir.join("bin/python")));
        }
        found.extend(self.path.iter().map(|dir| dir.join("python3")));
        found.retain(|path| path.is_file());
        found
    }

    /// An interpreter with exactly that instruction set.
    ///
    /// # Errors
    /// [`Error::NotFound`] with all that were tried.
    pub fn find(&self, isa: &'static Isa) -> Result<Interpreter, Error> {
        let mut tried = Vec::new();
        for candidate in self.candidates(isa.version) {
            match Interpreter::probe(&candidate) {
                Ok(interpreter) if interpreter.isa.magic == isa.magic => return Ok(interpreter),
                Ok(other) => tried.push(format!(
                    "{} (is {})",
                    candidate.display(),
                    other.isa.version
                )),
                Err(Error::Unsupported { path, found, .. }) => {
                    tried.push(format!("{} (is {found})", path.display()))
                }
                Err(error) => tried.push(error.to_string()),
            }
        }
        let name = format!("python{}", isa.version);
        let tried = if tried.is_empty() {
            format!("$VIRTUAL_ENV, {name} on PATH, pyenv")
        } else {
            tried.join(", ")
        };
        Err(Error::NotFound {
            version: isa.version,
            magic: isa.magic,
            tried,
        })
    }

    /// The interpreter that the user would start: `--python`, `$VIRTUAL_ENV`, `python3` on `PATH`.
    ///
    /// # Errors
    /// It is unusable or unsupported, or there is none.
    pub fn default_interpreter(&self) -> Result<Interpreter, Error> {
        if let Some(named) = &self.named {
            return Interpreter::probe(named);
        }
        let env = self.virtual_env.iter().map(|env| env.join("bin/python"));
        let path = self
            .path
            .iter()
            .flat_map(|dir| [dir.join("python3"), dir.join("python")]);
        match env.chain(path).find(|path| path.is_file()) {
            Some(path) => Interpreter::probe(&path),
            None => {
                let why =
                    "neither $VIRTUAL_ENV nor PATH has one; name one with --python".to_owned();
                Err(Error::Unusable {
                    path: "python3".into(),
                    why,
                })
            }
        }
    }
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// One long-lived interpreter process.
pub struct Helper {
    interpreter: Interpreter,
    process: Mutex<Process>,
}

impl Helper {
    /// Starts an interpreter.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(interpreter: Interpreter) -> Result<Helper, Error> {
        let path = interpreter.path.clone();
        let failed = |why: String| Error::Helper {
            path: path.clone(),
            why,
        };
        let mut child = Command::new(&interpreter.path)
            .args(["-I", "-S", "-B", "-c", HELPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir(std::env::temp_dir())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Helper {
            interpreter,
            process: Mutex::new(Process {
                child,
                input,
                output,
            }),
        })
    }

    fn ask(
        &self,
        request: &serde_json::Value,
    ) -> Result<BTreeMap<String, serde_json::Value>, Error> {
        let failed = |why: String| Error::Helper {
            path: self.interpreter.path.clone(),
            why,
        };
        // A poisoned lock means a panic between question and answer: the next answer would be wrong.
        let mut process = self
            .process
            .lock()
            .map_err(|_| failed("it was interrupted".to_owned()))?;
        let mut line = request.to_string();
        line.push('\n');
        process
            .input
            .write_all(line.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        let mut answer = String::new();
        process
            .output
            .read_line(&mut answer)
            .map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&answer).map_err(|_| failed("it ended without an answer".to_owned()))
    }

    fn compile(&self, request: &serde_json::Value, field: &str) -> Result<Answer, Error> {
        let failed = || Error::Helper {
            path: self.interpreter.path.clone(),
            why: "it gave an answer of another form".to_owned(),
        };
        let mut answer = self.ask(request)?;
        if let Some(error) = answer.remove("error") {
            return serde_json::from_value(error)
                .map(Answer::Error)
                .map_err(|_| failed());
        }
        if let Some(names) = answer.remove("textual") {
            return serde_json::from_value(names)
                .map(Answer::Textual)
                .map_err(|_| failed());
        }
        let globals = answer
            .remove("globals")
            .unwrap_or(serde_json::Value::Array(Vec::new()));
        let globals = serde_json::from_value(globals).map_err(|_| failed())?;
        match answer.remove(field) {
            Some(serde_json::Value::String(hex)) => Ok(Answer::Code { hex, globals }),
            _ => Err(failed()),
        }
    }

    /// Compiles a snippet as the body of a function.
    ///
    /// # Errors
    /// The helper broke off. Source that does not compile is a [`Compiled::Error`].
    pub fn snippet(&self, snippet: &SnippetSource<'_>) -> Result<Compiled, Error> {
        let mut request = serde_json::to_value(snippet).expect("plain data");
        request["op"] = "snippet".into();
        Ok(match self.compile(&request, "code")? {
            Answer::Code { hex, globals } => Compiled::Code(unhex(&hex), globals),
            Answer::Textual(names) => Compiled::Textual(names),
            Answer::Error(error) => Compiled::Error(error),
        })
    }

    /// Compiles a runtime module; the result is a marshalled pair of its options and its code.
    ///
    /// # Errors
    /// As [`Helper::snippet`].
    pub fn runtime(
        &self,
        name: &str,
        source: &str,
        options: &str,
        optimize: u8,
    ) -> Result<Result<Vec<u8>, CompileError>, Error> {
        let request = serde_json::json!({
            "op": "runtime", "name": name, "source": source, "options": options, "optimize": optimize,
        });
        self.bytes(&request, "code")
    }

    /// Compiles a source file; the result is a whole pyc with a timestamp.
    ///
    /// # Errors
    /// As [`Helper::snippet`].
    pub fn source(
        &self,
        path: &Path,
        optimize: u8,
    ) -> Result<Result<Vec<u8>, CompileError>, Error> {
        let Some(name) = path.to_str() else {
            let message = "the path is not valid Unicode".to_owned();
            return Ok(Err(CompileError {
                message,
                line: 1,
                column: 0,
                end_column: 0,
            }));
        };
        let request = serde_json::json!({
            "op": "source", "path": name, "filename": name, "optimize": optimize,
        });
        self.bytes(&request, "pyc")
    }

    fn bytes(
        &self,
        request: &serde_json::Value,
        field: &str,
    ) -> Result<Result<Vec<u8>, CompileError>, Error> {
        Ok(match self.compile(request, field)? {
            Answer::Code { hex, .. } => Ok(unhex(&hex)),
            Answer::Error(error) => Err(error),
            Answer::Textual(_) => Ok(Vec::new()),
        })
    }

    /// Its interpreter.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let process = self
            .process
            .get_mut()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        // It only ever computes, so there is nothing to lose.
        let _ = process.child.kill();
        let _ = process.child.wait();
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// The helper processes of one run: at most one for each version, started when first needed.
#[derive(Default)]
pub struct Helpers {
    search: Search,
    started: Mutex<Vec<(u16, std::sync::Arc<Helper>)>>,
}

impl Helpers {
    /// Looks for interpreters there.
    pub fn new(search: Search) -> Self {
        Helpers {
            search,
            started: Mutex::default(),
        }
    }

    /// Where interpreters are looked for.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// The helper of a version.
    ///
    /// # Errors
    /// No interpreter, or it does not start.
    pub fn get(&self, isa: &'static Isa) -> Result<std::sync::Arc<Helper>, Error> {
        let mut started = self
            .started
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, helper)) = started.iter().find(|(magic, _)| *magic == isa.magic) {
            return Ok(helper.clone());
        }
        let helper = std::sync::Arc::new(Helper::start(self.search.find(isa)?)?);
        started.push((isa.magic, helper.clone()));
        Ok(helper)
    }

    /// How many processes were started.
    pub fn count(&self) -> usize {
        self.started.lock().map_or(0, |started| started.len())
    }
}
