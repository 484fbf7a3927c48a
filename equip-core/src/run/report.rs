//! What a run says of itself: what became of each file, what went wrong and where, what matched nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What one author asks for in one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Key of the declaration in its module.
    pub function: String,
    /// Its first line.
    pub line: u32,
    /// The author.
    pub plugin: String,
    /// The site.
    pub site: String,
    /// How many edits.
    pub edits: usize,
}

/// A selection that matches nothing, in a program where something else may have been meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// Number of the step.
    pub step: usize,
    /// Number of its injection; none for a plugin.
    pub injection: Option<usize>,
    /// Who.
    pub plugin: String,
    /// The selection.
    pub selection: String,
    /// For an injection whose declarations are there, but not the line in them.
    pub line: Option<u32>,
    /// For an injection at calls whose declarations are there, but no such call in them.
    pub calls: Option<String>,
    /// Names close to what was written; lines, where the line is what is missing.
    pub near: Vec<String>,
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unmatched {
            selection, near, ..
        } = self;
        match (self.line, &self.calls) {
            (Some(line), _) => write!(
                f,
                "line {line} has no such code in what `{selection}` matches"
            )?,
            (None, Some(calls)) => write!(f, "nothing that `{selection}` matches calls `{calls}`")?,
            (None, None) => write!(f, "`{selection}` matches nothing")?,
        }
        match (self.line, near.is_empty()) {
            (_, true) => Ok(()),
            (Some(_), _) => write!(f, "; the nearest that have: {}", near.join(", ")),
            (None, _) => write!(f, "; near misses: {}", near.join(", ")),
        }
    }
}

/// How bad a problem is: the exit status of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// One file could not be handled; the others are done.
    File = 1,
    /// A plugin, snippet, placeholder or option: nothing is written.
    Edit = 3,
    /// The verifier refused what equip made.
    Unsound = 4,
}

/// A part of a snippet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The whole snippet.
    pub text: String,
    /// First byte.
    pub offset: usize,
    /// Length in bytes.
    pub len: usize,
}

/// Something that went wrong, for the person who reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// The file; empty for what befalls a plugin outside of any.
    pub file: PathBuf,
    /// The function.
    pub function: Option<String>,
    /// The plugin.
    pub plugin: Option<String>,
    /// The site.
    pub site: Option<String>,
    /// What went wrong, and what to do.
    pub message: String,
    /// Where in a snippet.
    pub snippet: Option<Excerpt>,
}

impl Problem {
    pub(super) fn file(file: &Path, message: impl ToString) -> Self {
        let (function, plugin, site, snippet) = (None, None, None, None);
        let message = message.to_string();
        Problem {
            severity: Severity::File,
            file: file.to_owned(),
            function,
            plugin,
            site,
            message,
            snippet,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What befalls a plugin outside of any file has no file.
        let file = Some(self.file.display().to_string()).filter(|file| !file.is_empty());
        let plugin = self
            .plugin
            .as_ref()
            .map(|plugin| format!("plugin {plugin}"));
        let places = [file, self.function.clone(), plugin, self.site.clone()];
        for place in places.into_iter().flatten() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        let Some(Excerpt { text, offset, len }) = &self.snippet else {
            return Ok(());
        };
        let offset = (*offset).min(text.len());
        let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let number = text[..offset].matches('\n').count() + 1;
        let line = text[start..].lines().next().unwrap_or_default();
        let column = text[start..offset].chars().count();
        let rest = line.chars().count().saturating_sub(column).max(1);
        let width = text
            .get(offset..offset + len)
            .map_or(*len, |part| part.chars().count())
            .clamp(1, rest);
        write!(
            f,
            "\n  snippet, line {number}, column {}:\n    {line}\n    {}{}",
            column + 1,
            " ".repeat(column),
            "^".repeat(width)
        )
    }
}

/// What became of one module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Status {
    /// It was instrumented.
    Instrumented {
        /// Code objects edited.
        functions: usize,
        /// Edits made.
        edits: usize,
    },
    /// It had been instrumented by the same pipeline.
    Unchanged,
    /// No plugin asked for anything.
    NoEdits,
    /// It could not be handled: see the problems.
    Failed,
}

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// The pyc.
    pub file: PathBuf,
    /// What became of it.
    #[serde(flatten)]
    pub status: Status,
    /// Its source, if it is a script that Python starts without reading its bytecode.
    pub entry_script: Option<PathBuf>,
    /// Whether equip compiled it.
    pub compiled: bool,
    /// What plugins had to say of it, in pipeline order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was asked for, if the plan was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<Planned>,
}

/// What a run did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// One entry for each module, in path order.
    pub files: Vec<FileReport>,
    /// What went wrong.
    pub problems: Vec<Problem>,
    /// Selections that match nothing.
    pub unmatched: Vec<Unmatched>,
    /// Snippet shapes compiled in this run.
    pub compiled_snippets: usize,
    /// Snippet shapes found in the cache.
    pub cached_snippets: usize,
    /// Helper processes started.
    pub helpers: usize,
    /// Whether files were put in place.
    pub written: bool,
    /// What plugins had to say of the program as a whole, in pipeline order.
    pub notes: Vec<String>,
    /// Files that plugins left beside the instrumented ones.
    pub side_files: Vec<PathBuf>,
}

impl Report {
    /// Of a run that never began.
    pub(super) fn nothing(problems: Vec<Problem>) -> Report {
        Report {
            files: Vec::new(),
            problems,
            unmatched: Vec::new(),
            compiled_snippets: 0,
            cached_snippets: 0,
            helpers: 0,
            written: false,
            notes: Vec::new(),
            side_files: Vec::new(),
        }
    }

    /// The exit status: that of the worst problem.
    pub fn exit_status(&self) -> u8 {
        self.problems
            .iter()
            .map(|problem| problem.severity as u8)
            .max()
            .unwrap_or(0)
    }

    /// How many files were instrumented.
    pub fn instrumented(&self) -> usize {
        self.files
            .iter()
            .filter(|file| matches!(file.status, Status::Instrumented { .. }))
            .count()
    }
}

/// One wrong snippet is wrong at every site: it is shown once.
pub(super) fn merge_equal(problems: &mut Vec<Problem>) {
    let mut merged: Vec<(Problem, usize)> = Vec::new();
    for problem in problems.drain(..) {
        let same = |known: &&mut (Problem, usize)| {
            problem.snippet.is_some()
                && known.0.snippet == problem.snippet
                && known.0.message == problem.message
                && known.0.plugin == problem.plugin
                && known.0.site == problem.site
        };
        match merged.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => merged.push((problem, 0)),
        }
    }
    problems.extend(merged.into_iter().map(|(mut problem, more)| {
        if more > 0 {
            problem
                .message
                .push_str(&format!(" (and at {more} more sites)"));
        }
        problem
    }));
}
