//! A whole program: every module is read, visited, instrumented and staged; when all are done, the
//! staged files are put in place together. Files run in parallel and are reported in path order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use equip_plugin_api::edit::{OnError, Site, Value};
use rayon::prelude::*;
use serde::Serialize;

use crate::compile::{Counts, Snippets};
use crate::declaration::{DeclId, Declarations, declarations};
use crate::edits::{Author, BadEdit, Edits, Requested, Templates, site_name};
use crate::inject::Injection;
use crate::pipeline::{Error, Pipeline, Subject, is_entry_script};
use crate::plugin::{EditSink, HostModule, HostProgram, Plugin, PluginError};
use crate::program::{self, Module, Program};
use crate::provenance::Provenance;
use crate::pyc::PycFile;
use crate::python::Helpers;
use crate::rewrite::{Refusal, nearest_lines};
use crate::select::{self, Selection};
use crate::store::{self, Change, Original};

/// What a run is asked to do.
pub struct Options {
    /// Compile every source anew.
    pub force_rebuild: bool,
    /// Write nothing.
    pub dry_run: bool,
    /// Threads; 0 for one for each core.
    pub jobs: usize,
    /// Where compiled snippets are kept.
    pub cache: Option<PathBuf>,
    /// Says in the report what is asked for where.
    pub plan: bool,
    /// Where files go that plugins leave beside the instrumented ones.
    pub output: PathBuf,
}

/// One step of a pipeline.
pub struct Step<'p> {
    /// Who asks for edits.
    pub author: Author,
    /// What it is shown; all where nothing is said.
    pub selection: Option<Selection>,
    /// How it asks.
    pub work: Work<'p>,
}

/// How a step asks for edits.
pub enum Work<'p> {
    /// By a plugin's visitors.
    Plugin(&'p Plugin),
    /// As a pipeline file says.
    Injections(&'p [Injection]),
}

impl<'p> Step<'p> {
    /// A plugin that is shown all.
    pub fn plugin(plugin: &'p Plugin) -> Self {
        Step {
            author: author(plugin),
            selection: None,
            work: Work::Plugin(plugin),
        }
    }

    /// Its selections: its own, or those of its injections.
    fn selections(&self) -> Vec<&Selection> {
        match self.work {
            Work::Plugin(_) => self.selection.iter().collect(),
            Work::Injections(all) => all.iter().map(|one| &one.selection).collect(),
        }
    }
}

/// Work on a program beside what its modules are asked for.
#[derive(Clone, Copy)]
pub struct Watch<'w> {
    /// Told how many files of how many are done.
    pub progress: &'w (dyn Fn(usize, usize) + Sync),
    /// Files that are instrumented; others lose what a pipeline put there before.
    pub included: &'w (dyn Fn(&Module) -> bool + Sync),
    /// Shown the plain and the instrumented bytes of each module that has edits.
    pub result: &'w ShowResult<'w>,
}

/// Shown a module, its plain bytes and its instrumented ones.
pub type ShowResult<'s> = dyn Fn(&Module, &[u8], &[u8]) + Sync + 's;

impl Default for Watch<'_> {
    fn default() -> Self {
        Watch {
            progress: &|_, _| {},
            included: &|_| true,
            result: &|_, _, _| {},
        }
    }
}

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

impl Options {
    /// `$EQUIP_OUTPUT_DIR`, else the current folder: where programs, too, leave what plugins write.
    pub fn default_output() -> PathBuf {
        std::env::var_os("EQUIP_OUTPUT_DIR")
            .filter(|folder| !folder.is_empty())
            .map_or(PathBuf::from("."), PathBuf::from)
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
    fn file(file: &Path, message: impl ToString) -> Self {
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
    fn nothing(problems: Vec<Problem>) -> Report {
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

/// The author that a plugin is in a pipeline.
pub fn author(plugin: &Plugin) -> Author {
    Author {
        name: plugin.name.clone(),
        version: plugin.version.clone(),
        options: plugin.options.clone(),
        selection: String::new(),
        on_error: plugin.on_error,
        runtimes: plugin
            .runtimes
            .iter()
            .map(|r| (r.name.clone(), r.source.clone()))
            .collect(),
    }
}

struct Run<'r> {
    pipeline: Pipeline<'r>,
    steps: &'r [Step<'r>],
    watch: Watch<'r>,
    helpers: &'r Helpers,
    templates: Templates,
    options: &'r Options,
    hash: String,
    /// For each step, for each of its selections.
    hits: Vec<Vec<Hits>>,
}

/// How often a selection matched, and how many edits came of it.
#[derive(Default)]
struct Hits {
    selected: AtomicUsize,
    placed: AtomicUsize,
}

struct Done {
    report: FileReport,
    staged: Option<Change>,
    problems: Vec<Problem>,
}

/// Instruments a program.
pub fn run(
    program: &Program,
    steps: &[Step<'_>],
    helpers: Arc<Helpers>,
    options: &Options,
    watch: Watch<'_>,
) -> Report {
    let authors: Vec<_> = steps.iter().map(|step| step.author.clone()).collect();
    let snippets = Snippets::new(helpers.clone(), options.cache.clone());
    let pipeline = Pipeline {
        authors: &authors,
        snippets: &snippets,
    };
    let hash = pipeline.hash();
    let run = Run {
        pipeline,
        steps,
        watch,
        helpers: &helpers,
        templates: Templates::default(),
        options,
        hash,
        hits: steps
            .iter()
            .map(|step| step.selections().iter().map(|_| Hits::default()).collect())
            .collect(),
    };
    let failed = |plugin: &Plugin, error: PluginError| Problem {
        severity: Severity::Edit,
        plugin: Some(plugin.name.clone()),
        ..Problem::file(Path::new(""), error.reason())
    };
    let plugins = || {
        steps.iter().filter_map(|step| match step.work {
            Work::Plugin(plugin) => Some(plugin),
            Work::Injections(_) => None,
        })
    };
    // Names of modules are looked up on the disk: only for those who ask.
    let names = match plugins().any(Plugin::sees_program) {
        true => program.modules.iter().map(shown).collect(),
        false => Vec::new(),
    };
    let whole = HostProgram {
        modules: names,
        files: Mutex::default(),
    };
    let began = plugins().filter_map(|plugin| {
        plugin
            .begin(&whole)
            .err()
            .map(|error| failed(plugin, error))
    });
    let mut problems: Vec<Problem> = began.collect();
    if !problems.is_empty() {
        return Report::nothing(problems);
    }
    for leftover in &program.leftovers {
        store::remove_leftover(leftover);
    }
    let finished = AtomicUsize::new(0);
    let total = program.modules.len();
    let work = || -> Vec<Done> {
        let modules = program.modules.par_iter().enumerate().with_max_len(8);
        let results = modules.map(|(number, module)| {
            let done = run.module(number, module);
            (watch.progress)(finished.fetch_add(1, Ordering::Relaxed) + 1, total);
            done
        });
        results.collect()
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs)
        .build();
    let done = match pool {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    };
    let unreadable = program
        .unreadable
        .iter()
        .map(|(path, why)| Problem::file(path, why));
    problems.extend(unreadable);
    let (mut files, mut staged) = (Vec::with_capacity(total), Vec::new());
    for mut one in done {
        problems.append(&mut one.problems);
        staged.extend(one.staged.map(|staged| (files.len(), staged)));
        files.push(one.report);
    }
    merge_equal(&mut problems);
    let unmatched = run.unmatched(program);
    for one in unmatched.iter().filter(|one| one.line.is_some()) {
        problems.push(Problem {
            severity: Severity::Edit,
            plugin: Some(one.plugin.clone()),
            ..Problem::file(&common_folder(program), one)
        });
    }
    let is_hopeless = |problems: &[Problem]| {
        let mut severities = problems.iter().map(|problem| problem.severity);
        severities.any(|severity| severity == Severity::Edit)
    };
    let mut notes = Vec::new();
    if !is_hopeless(&problems) {
        for plugin in plugins() {
            match plugin.end(&whole) {
                Ok(note) if note.is_empty() => {}
                Ok(note) => notes.push(format!("{}: {note}", plugin.name)),
                Err(error) => problems.push(failed(plugin, error)),
            }
        }
    }
    let written = !is_hopeless(&problems) && !options.dry_run;
    let mut side_files = Vec::new();
    if written {
        for (index, staged) in staged {
            if let Err(error) = staged.commit() {
                problems.push(Problem::file(&error.path, &error.source));
                files[index].status = Status::Failed;
            }
        }
        let left = whole.files.into_inner();
        for (name, content) in left.unwrap_or_else(PoisonError::into_inner) {
            let path = options.output.join(name);
            match store::write_whole(&path, &content) {
                Ok(()) => side_files.push(path),
                Err(error) => problems.push(Problem::file(&path, error)),
            }
        }
    }
    let Counts { compiled, cached } = snippets.counts();
    Report {
        files,
        problems,
        unmatched,
        compiled_snippets: compiled,
        cached_snippets: cached,
        helpers: helpers.count(),
        written,
        notes,
        side_files,
    }
}

/// A module's name and path, as plugins are told them.
fn shown(module: &Module) -> (String, String) {
    let path = module.source.as_deref().unwrap_or(&module.pyc);
    let name = program::module_name(module);
    (name, path.to_string_lossy().into_owned())
}

/// One wrong snippet is wrong at every site: it is shown once.
fn merge_equal(problems: &mut Vec<Problem>) {
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

/// What the work on a file starts from.
struct Start {
    /// The bytes.
    plain: Vec<u8>,
    /// Where they come from.
    original: Original,
    /// What the same pipeline made of them before.
    same: Option<Vec<u8>>,
}

impl Start {
    fn new(plain: Vec<u8>, original: Original) -> Start {
        Start {
            plain,
            original,
            same: None,
        }
    }
}

impl Run<'_> {
    fn module(&self, number: usize, module: &Module) -> Done {
        let report = FileReport {
            file: module.pyc.clone(),
            status: Status::Failed,
            entry_script: None,
            compiled: false,
            notes: Vec::new(),
            plan: Vec::new(),
        };
        let mut done = Done {
            report,
            staged: None,
            problems: Vec::new(),
        };
        if let Err(problems) = self.try_module(number, module, &mut done) {
            done.problems.extend(problems);
        }
        done
    }

    fn try_module(
        &self,
        number: usize,
        module: &Module,
        done: &mut Done,
    ) -> Result<(), Vec<Problem>> {
        let file = module.source.as_deref().unwrap_or(&module.pyc);
        let fail = |message: String| vec![Problem::file(file, message)];
        let Some(start) = self.plain_bytes(module).map_err(fail)? else {
            done.report.status = Status::Unchanged;
            let bytes = std::fs::read(&module.pyc).map_err(|error| fail(error.to_string()))?;
            if let Ok(pyc) = PycFile::parse(&bytes)
                && is_entry_script(&pyc, module.source.as_deref())
            {
                done.report.entry_script = module.source.clone();
            }
            return Ok(());
        };
        let Start {
            plain,
            original,
            same,
        } = start;
        done.report.compiled = original == Original::Made;
        let pyc = PycFile::parse(&plain).map_err(|error| fail(error.to_string()))?;
        let declarations = declarations(&pyc);
        let name = program::module_name(module);
        let edits = match (self.watch.included)(module) {
            true => self.visit(
                (number, module, &name),
                &pyc,
                &declarations,
                &mut done.report.notes,
            )?,
            false => Edits::default(),
        };
        if self.options.plan {
            done.report.plan = self.plan(&declarations, &edits);
        }
        if is_entry_script(&pyc, module.source.as_deref()) {
            done.report.entry_script = module.source.clone();
        }
        let stage = |bytes: &[u8]| {
            let source = module.source.as_deref();
            store::stage(&module.pyc, source, bytes, original, &plain)
                .map_err(|error| vec![Problem::file(&error.path, error.source)])
        };
        if edits.is_empty() {
            done.report.status = Status::NoEdits;
            // What another pipeline had made of it goes.
            if original == Original::Kept && !self.options.dry_run {
                done.staged = Some(Change::Restore(module.pyc.clone()));
            }
            return Ok(());
        }
        let subject = Subject {
            module_name: &name,
            optimize: module.optimize,
        };
        let result = self
            .pipeline
            .apply(&plain, pyc, &declarations, &edits, subject);
        let result = result.map_err(|error| vec![self.problem(file, &declarations, error)])?;
        (self.watch.result)(module, &plain, &result.bytes);
        if same.is_some_and(|bytes| bytes == result.bytes) {
            done.report.status = Status::Unchanged;
            return Ok(());
        }
        if !self.options.dry_run {
            done.staged = Some(Change::Replace(stage(&result.bytes)?));
        }
        done.report.status = Status::Instrumented {
            functions: result.functions,
            edits: result.edits,
        };
        Ok(())
    }

    /// What to start from; nothing if the work was done and there is no going back.
    fn plain_bytes(&self, module: &Module) -> Result<Option<Start>, String> {
        let current = match std::fs::read(&module.pyc) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.to_string()),
        };
        let Some(source) = module.source.as_deref() else {
            let bytes = current.ok_or("no such file")?;
            return self.existing(module, bytes);
        };
        let fresh =
            current.filter(|bytes| !self.options.force_rebuild && program::is_fresh(bytes, source));
        match fresh {
            Some(bytes) => self.existing(module, bytes),
            None => {
                let isa = module
                    .isa
                    .ok_or("it does not fit its source, and is not of the chosen Python")?;
                let helper = self.helpers.get(isa).map_err(|error| error.to_string())?;
                let compiled = helper
                    .source(source, module.optimize)
                    .map_err(|error| error.to_string())?;
                match compiled {
                    Ok(bytes) => Ok(Some(Start::new(bytes, Original::Made))),
                    Err(error) => Err(format!(
                        "line {}, column {}: {}",
                        error.line,
                        error.column + 1,
                        error.message
                    )),
                }
            }
        }
    }

    fn existing(&self, module: &Module, bytes: Vec<u8>) -> Result<Option<Start>, String> {
        let Some(record) = Provenance::read(&bytes) else {
            return Ok(Some(Start::new(bytes, Original::InPlace)));
        };
        // The same pipeline may ask for something else today: its author has built a plugin anew.
        let same = record.pipeline == self.hash;
        match store::original_of(&module.pyc, &record) {
            Ok((plain, _)) => Ok(Some(Start {
                same: same.then_some(bytes),
                ..Start::new(plain, Original::Kept)
            })),
            Err(_) if same => Ok(None),
            Err(error) => Err(error.source.to_string()),
        }
    }

    fn visit(
        &self,
        (number, module, name): (usize, &Module, &str),
        pyc: &PycFile<'_>,
        declarations: &Declarations<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Edits, Vec<Problem>> {
        let file = module.source.as_deref().unwrap_or(&module.pyc);
        let host = HostModule::new(pyc, declarations, name);
        let subject = select::Subject::new(pyc, declarations, name, file);
        let mut edits = Edits::default();
        let mut problems = Vec::new();
        for (author, step) in self.steps.iter().enumerate() {
            let who = (author, &self.pipeline.authors[author]);
            let mut bad = Vec::new();
            match step.work {
                Work::Injections(all) => {
                    for (injection, hits) in all.iter().zip(&self.hits[author]) {
                        match injection.place(pyc, &subject, &mut edits, &self.templates, who) {
                            Ok(found) => hits.add(found.selected, found.placed),
                            Err(error) => bad.push(error),
                        }
                    }
                }
                Work::Plugin(plugin) => {
                    let mut sink = Sink {
                        edits: &mut edits,
                        templates: &self.templates,
                        author: who,
                        bad: Vec::new(),
                    };
                    let shown = |id| match &step.selection {
                        None => true,
                        Some(selection) => {
                            let matches = selection.matches(&subject, id);
                            self.hits[author][0].add(usize::from(matches), 0);
                            matches
                        }
                    };
                    let visited = plugin
                        .start_numbered(number)
                        .and_then(|visitor| visitor.visit_module(&host, &shown, &mut sink));
                    bad = std::mem::take(&mut sink.bad);
                    match visited {
                        Ok(note) if note.is_empty() => {}
                        Ok(note) => notes.push(format!("{}: {note}", plugin.name)),
                        // A visitor that hands an edit's refusal on says nothing new.
                        Err(_) if !bad.is_empty() => {}
                        Err(error) => problems.push(Problem {
                            severity: Severity::Edit,
                            plugin: Some(plugin.name.clone()),
                            function: error.during.clone(),
                            ..Problem::file(file, error.reason())
                        }),
                    }
                }
            }
            problems.extend(
                bad.into_iter()
                    .map(|bad| self.bad_edit(file, declarations, bad)),
            );
        }
        if problems.is_empty() {
            Ok(edits)
        } else {
            Err(problems)
        }
    }

    /// What is asked for, by function, author and site.
    fn plan(&self, declarations: &Declarations<'_>, edits: &Edits) -> Vec<Planned> {
        let keys = declarations.keys();
        let mut found: BTreeMap<(DeclId, usize, String), usize> = BTreeMap::new();
        for edit in &edits.list {
            let key = (edit.declaration, edit.author, site_name(edit.site));
            *found.entry(key).or_default() += 1;
        }
        let module = declarations.module().id;
        for binding in &edits.bindings {
            let key = (module, binding.author, "import".to_owned());
            *found.entry(key).or_default() += 1;
        }
        let planned = found
            .into_iter()
            .map(|((id, author, site), edits)| Planned {
                function: keys[id.0 as usize].clone(),
                line: declarations.list[id.0 as usize].first_line,
                plugin: self.pipeline.authors[author].name.clone(),
                site,
                edits,
            });
        planned.collect()
    }

    /// Selections that found nothing. Only then the program is looked at a second time, for what may have
    /// been meant.
    fn unmatched(&self, program: &Program) -> Vec<Unmatched> {
        let mut found = Vec::new();
        for (step, hits) in self.hits.iter().enumerate() {
            for (index, hits) in hits.iter().enumerate() {
                let (selected, placed) = (
                    hits.selected.load(Ordering::Relaxed),
                    hits.placed.load(Ordering::Relaxed),
                );
                let injection = match self.steps[step].work {
                    Work::Injections(all) => Some(&all[index]),
                    Work::Plugin(_) => None,
                };
                let line = injection.and_then(|one| one.at.line());
                let calls = injection.and_then(|one| one.calls.as_ref());
                if selected == 0 || (line.is_some() || calls.is_some()) && placed == 0 {
                    found.push((
                        step,
                        injection.map(|one| (index, one)),
                        line.filter(|_| selected > 0),
                        calls.filter(|_| selected > 0),
                    ));
                }
            }
        }
        if found.is_empty() {
            return Vec::new();
        }
        let selection =
            |step: usize, index: Option<usize>| self.steps[step].selections()[index.unwrap_or(0)];
        let wanted: Vec<_> = found
            .iter()
            .map(|(step, injection, ..)| selection(*step, injection.map(|(index, _)| index)))
            .collect();
        let mut names = select::Names::default();
        let mut lines: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); found.len()];
        let mut called: Vec<BTreeSet<String>> = vec![BTreeSet::new(); found.len()];
        for module in program
            .modules
            .iter()
            .filter(|one| (self.watch.included)(one))
        {
            let start = match self.plain_bytes(module) {
                Ok(Some(start)) => start,
                // It was not looked at, since its original is gone: what matches there is not known.
                Ok(None) => return Vec::new(),
                Err(_) => continue,
            };
            let Ok(pyc) = PycFile::parse(&start.plain) else {
                continue;
            };
            let declarations = declarations(&pyc);
            let name = program::module_name(module);
            let file = module.source.as_deref().unwrap_or(&module.pyc);
            let subject = select::Subject::new(&pyc, &declarations, &name, file);
            names.add(&subject, &wanted);
            for (index, (_, injection, line, calls)) in found.iter().enumerate() {
                if let (Some((_, injection)), Some(_)) = (injection, line) {
                    lines[index].extend(injection.lines(&pyc, &subject));
                }
                if let (Some((_, injection)), Some(_)) = (injection, calls) {
                    called[index].extend(injection.called(&pyc, &subject));
                }
            }
        }
        let near = lines.into_iter().zip(called);
        let found = found.into_iter().zip(wanted).zip(near);
        let told = found.map(|((one, selection), (lines, called))| {
            let (step, injection, line, calls) = one;
            Unmatched {
                step,
                injection: injection.map(|(index, _)| index),
                plugin: self.steps[step].author.name.clone(),
                selection: selection.text.clone(),
                line,
                calls: calls.map(|calls| calls.text.clone()),
                near: match (line, calls) {
                    (Some(line), _) => vec![nearest_lines(lines.into_iter().collect(), line)],
                    (None, Some(calls)) => select::near_names(&calls.text, &called),
                    (None, None) => select::near_misses(selection, &names),
                },
            }
        });
        told.collect()
    }

    fn problem(&self, file: &Path, declarations: &Declarations<'_>, error: Error) -> Problem {
        match error {
            Error::Edit(bad) => self.bad_edit(file, declarations, *bad),
            Error::Function {
                ref qualname,
                ref error,
            } => Problem {
                function: Some(qualname.clone()),
                ..Problem::file(file, error)
            },
            Error::Unsound(complaint) => Problem {
                severity: Severity::Unsound,
                ..Problem::file(
                    file,
                    format!(
                        "{complaint}; the file stays as it was. This is a bug of equip, please report it"
                    ),
                )
            },
            Error::Interpreter(message) => Problem::file(file, message),
        }
    }

    fn bad_edit(&self, file: &Path, declarations: &Declarations<'_>, bad: BadEdit) -> Problem {
        let function = bad.declaration.map(|id| {
            declarations.list[id.0 as usize]
                .qualname
                .clone()
                .into_owned()
        });
        let snippet = match bad.refusal {
            Refusal::Snippet { offset, len, .. } => Some(Excerpt {
                text: bad.text,
                offset,
                len,
            }),
            _ => None,
        };
        Problem {
            severity: Severity::Edit,
            file: file.to_owned(),
            function,
            plugin: Some(self.pipeline.authors[bad.author].name.clone()),
            site: Some(bad.site),
            message: bad.refusal.to_string(),
            snippet,
        }
    }
}

impl Hits {
    fn add(&self, selected: usize, placed: usize) {
        self.selected.fetch_add(selected, Ordering::Relaxed);
        self.placed.fetch_add(placed, Ordering::Relaxed);
    }
}

/// The innermost folder that holds all of a program.
fn common_folder(program: &Program) -> PathBuf {
    let mut files = program.modules.iter().map(|module| {
        let file = module.source.as_deref().unwrap_or(&module.pyc);
        file.parent().unwrap_or(file)
    });
    let first = files.next().unwrap_or(Path::new("."));
    let common = files.fold(first, |common, file| {
        let mut shared = common.ancestors();
        shared
            .find(|folder| file.starts_with(folder))
            .unwrap_or(common)
    });
    common.to_owned()
}

struct Sink<'s> {
    edits: &'s mut Edits,
    templates: &'s Templates,
    author: (usize, &'s Author),
    bad: Vec<BadEdit>,
}

impl Sink<'_> {
    fn note(&mut self, result: Result<(), BadEdit>) -> Result<(), String> {
        result.map_err(|bad| {
            let message = bad.to_string();
            self.bad.push(bad);
            message
        })
    }
}

impl EditSink for Sink<'_> {
    fn edit(
        &mut self,
        decl: DeclId,
        site: Site,
        code: &str,
        values: Vec<(String, Value)>,
        on_error: Option<OnError>,
    ) -> Result<(), String> {
        let result = self.edits.add(
            self.templates,
            self.author,
            decl,
            site,
            Requested {
                text: code,
                values,
                on_error,
            },
        );
        self.note(result)
    }

    fn import(&mut self, statement: &str, public: bool) -> Result<(), String> {
        let result = self
            .edits
            .import(self.templates, self.author, statement, public);
        self.note(result)
    }

    fn bind(&mut self, name: &str, code: &str, values: Vec<(String, Value)>) -> Result<(), String> {
        let result = self
            .edits
            .bind(self.templates, self.author.0, name, code, values);
        self.note(result)
    }

    fn log(&mut self, level: u32, message: &str) {
        let plugin = self.author.1.name.as_str();
        match level {
            1 => tracing::error!(plugin, "{message}"),
            2 => tracing::warn!(plugin, "{message}"),
            3 => tracing::info!(plugin, "{message}"),
            _ => tracing::debug!(plugin, "{message}"),
        }
    }
}
