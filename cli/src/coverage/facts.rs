//! Facts about sources, asked of one process of an interpreter: see `facts.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use equip_core::python::Interpreter;
use serde::Deserialize;

use super::data::Edge;

const SCRIPT: &str = include_str!("facts.py");

/// Why an arc is not taken, and what it does, as parts of a sentence.
type Said = (Option<String>, Option<String>);

/// What is known of a source. A destination is a line, or minus the first line of the code object
/// that is left.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Answer")]
pub struct Facts {
    /// How many lines the source has.
    pub lines: u32,
    /// First lines of statements, less what is excluded.
    pub statements: BTreeSet<u32>,
    /// Lines that do not count.
    pub excluded: BTreeSet<u32>,
    /// From physical lines to the first line of their statement, where that is another.
    pub first: BTreeMap<u32, u32>,
    /// Which statement may follow which.
    pub arcs: BTreeMap<(u32, i64), Vec<Said>>,
    /// From the last statements of a `with`, and the line of the `with`, to what comes behind it:
    /// bytecode calls `__exit__` on the line of the `with`.
    pub through: BTreeMap<(u32, u32), i64>,
    /// Edges of conditionals between two lines of a statement, and where control leaves it behind
    /// them; 0 is out of the code object.
    pub within: BTreeMap<Edge, Vec<u32>>,
    /// Definitions with their body on the same line: their line, and the end of the body. One of the
    /// arcs from such a line is the body's.
    pub one_line: Vec<(u32, i64)>,
    /// Conditionals that need not take all branches.
    pub no_branch: BTreeSet<u32>,
    /// Functions and classes.
    pub regions: Vec<Region>,
    /// Its lines, where asked for.
    pub text: Vec<String>,
    /// Line, column, end column (-1: to the end), class.
    pub colours: Vec<(u32, usize, i64, String)>,
}

/// A function or class.
#[derive(Clone, Debug)]
pub struct Region {
    /// `function` or `class`.
    pub kind: String,
    /// Names from the module on.
    pub name: String,
    /// The line of its `def` or `class`.
    pub start: u32,
    /// First and last of its physical lines; those of nested ones are not among them.
    pub lines: Vec<(u32, u32)>,
}

impl Region {
    /// Whether a line is one of its own.
    pub fn contains(&self, line: u32) -> bool {
        self.lines
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&line))
    }
}

#[derive(Deserialize)]
struct Answer {
    lines: u32,
    statements: BTreeSet<u32>,
    excluded: BTreeSet<u32>,
    multiline: Vec<(u32, u32)>,
    edges: Vec<(u32, i64, Vec<Said>)>,
    through: Vec<(u32, u32, i64)>,
    within: Vec<(u32, u32, u32, u32)>,
    one_line: Vec<(u32, i64)>,
    no_branch: BTreeSet<u32>,
    regions: Vec<RawRegion>,
    #[serde(default)]
    text: Vec<String>,
    #[serde(default)]
    colours: Vec<(u32, usize, i64, String)>,
}

/// Kind, name, line, ranges of lines.
type RawRegion = (String, String, u32, Vec<(u32, u32)>);

impl From<Answer> for Facts {
    fn from(answer: Answer) -> Facts {
        let mut within: BTreeMap<Edge, Vec<u32>> = BTreeMap::new();
        for (line, to, function, behind) in answer.within {
            let edge = Edge { line, to, function };
            within.entry(edge).or_default().push(behind);
        }
        let several = answer.multiline.into_iter();
        let regions = answer.regions.into_iter();
        Facts {
            lines: answer.lines,
            statements: answer.statements,
            excluded: answer.excluded,
            first: several
                .flat_map(|(first, last)| (first..=last).map(move |line| (line, first)))
                .collect(),
            arcs: answer
                .edges
                .into_iter()
                .map(|(from, to, said)| ((from, to), said))
                .collect(),
            through: answer
                .through
                .into_iter()
                .map(|(from, with, to)| ((from, with), to))
                .collect(),
            within,
            one_line: answer.one_line,
            no_branch: answer.no_branch,
            regions: regions
                .map(|(kind, name, start, lines)| Region {
                    kind,
                    name,
                    start,
                    lines,
                })
                .collect(),
            text: answer.text,
            colours: answer.colours,
        }
    }
}

impl Facts {
    /// The first line of a statement.
    pub fn first_of(&self, line: u32) -> u32 {
        self.first.get(&line).copied().unwrap_or(line)
    }

    /// What an arc does: `jump to line 7`.
    pub fn action(&self, from: u32, to: i64) -> String {
        let said = self.arcs.get(&(from, to)).and_then(|said| said.first());
        match said.and_then(|(_, action)| action.clone()) {
            Some(action) => action,
            None if to < 0 => "jump to the function exit".to_owned(),
            None => format!("jump to line {to}"),
        }
    }

    /// Why an arc was not taken, as far as is known.
    pub fn cause(&self, from: u32, to: i64) -> Option<String> {
        let said = self.arcs.get(&(from, to)).into_iter().flatten();
        let mut causes: Vec<_> = said.filter_map(|(cause, _)| cause.as_deref()).collect();
        causes.dedup();
        (!causes.is_empty()).then(|| causes.join(" or "))
    }
}

/// Patterns, as regular expressions of Python.
#[derive(Debug)]
pub struct Patterns {
    /// Lines that do not count.
    pub exclude: Vec<String>,
    /// Conditionals that need not take all branches.
    pub partial: Vec<String>,
}

/// Why there are no facts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("no such file")]
    Missing,
    /// It cannot be read or parsed.
    #[error("{0}")]
    Source(String),
    /// The process broke off.
    #[error("{path}: the process that reads sources broke off: {why}")]
    Process {
        /// The interpreter.
        path: std::path::PathBuf,
        /// Why.
        why: String,
    },
}

/// A process that tells facts.
pub struct Teller {
    interpreter: Interpreter,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Teller {
    /// Starts one.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(interpreter: Interpreter) -> Result<Teller, Error> {
        let mut child = Command::new(&interpreter.path)
            .args(["-I", "-S", "-B", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir(std::env::temp_dir())
            .spawn()
            .map_err(|error| Error::Process {
                path: interpreter.path.clone(),
                why: error.to_string(),
            })?;
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Teller {
            interpreter,
            child,
            input,
            output,
        })
    }

    fn ask(&mut self, request: &serde_json::Value) -> Result<serde_json::Value, Error> {
        let path = self.interpreter.path.clone();
        let failed = |why: String| Error::Process {
            path: path.clone(),
            why,
        };
        let sent = self.input.write_all(format!("{request}\n").as_bytes());
        sent.map_err(|error| failed(error.to_string()))?;
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        read.map_err(|error| failed(error.to_string()))?;
        let answer = serde_json::from_str(&line);
        let answer: serde_json::Value =
            answer.map_err(|_| failed("it ended without an answer".to_owned()))?;
        match answer.get("error").and_then(|error| error.as_str()) {
            Some(error) => Err(Error::Source(error.to_owned())),
            None if answer.get("missing").is_some() => Err(Error::Missing),
            None => Ok(answer),
        }
    }

    /// Judges the user's patterns.
    ///
    /// # Errors
    /// One of them is no regular expression.
    pub fn check(&mut self, patterns: &Patterns) -> Result<(), Error> {
        let all: Vec<_> = patterns.exclude.iter().chain(&patterns.partial).collect();
        self.ask(&serde_json::json!({"patterns": all})).map(drop)
    }

    /// Facts about a source; its text with them, if wanted.
    ///
    /// # Errors
    /// It is not there, or no Python of that version.
    pub fn facts(&mut self, path: &Path, patterns: &Patterns, text: bool) -> Result<Facts, Error> {
        let Some(name) = path.to_str() else {
            return Err(Error::Source("the path is not valid Unicode".to_owned()));
        };
        let answer = self.ask(&serde_json::json!({
            "path": name, "exclude": any_of(&patterns.exclude), "partial": any_of(&patterns.partial), "text": text,
        }))?;
        serde_json::from_value(answer).map_err(|error| Error::Process {
            path: self.interpreter.path.clone(),
            why: error.to_string(),
        })
    }
}

fn any_of(patterns: &[String]) -> String {
    let all: Vec<_> = patterns.iter().map(|one| format!("(?:{one})")).collect();
    all.join("|")
}

impl Drop for Teller {
    fn drop(&mut self) {
        // It only ever computes, so there is nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
