//! A whole program: every module is read, visited, instrumented and staged; when all are done, the
//! staged files are put in place together. Files run in parallel and are reported in path order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use equip_plugin_api::edit::{OnError, Site, Value};
use rayon::prelude::*;

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
use crate::rewrite::Refusal;
use crate::select::{self, Selection};
use crate::store::{self, Change, Original};
use crate::verify;

mod report;
mod unmatched;

pub use report::{Excerpt, FileReport, Planned, Problem, Report, Severity, Status, Unmatched};

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

impl Options {
    /// `$EQUIP_OUTPUT_DIR`, else the current folder: where programs, too, leave what plugins write.
    pub fn default_output() -> PathBuf {
        std::env::var_os("EQUIP_OUTPUT_DIR")
            .filter(|folder| !folder.is_empty())
            .map_or(PathBuf::from("."), PathBuf::from)
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
    report::merge_equal(&mut problems);
    let unmatched = run.unmatched(program);
    for one in unmatched.iter().filter(|one| one.line.is_some()) {
        problems.push(Problem {
            severity: Severity::Edit,
            plugin: Some(one.plugin.clone()),
            ..Problem::file(&common_folder(program), one)
        });
    }
    let known: Vec<_> = problems
        .iter()
        .filter_map(|one| one.snippet.clone())
        .collect();
    let uncompiled = run.uncompiled(program).into_iter();
    problems.extend(
        uncompiled.filter(|one| !one.snippet.iter().any(|snippet| known.contains(snippet))),
    );
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

/// What is wrong with bytecode before anything is put into it is no bug of equip or of a plugin.
fn blame(file: &Path, has_source: bool, plain: &[u8], problems: Vec<Problem>) -> Vec<Problem> {
    if !problems.iter().any(|problem| problem.snippet.is_none()) {
        return problems;
    }
    let complaint = PycFile::parse(plain).ok().and_then(|pyc| {
        let all = pyc.code_objects();
        verify::verify(&pyc, &all).into_iter().next()
    });
    let Some(complaint) = complaint else {
        return problems;
    };
    let advice = match has_source {
        true => "compile it anew with --force-rebuild",
        false => "replace it by an undamaged copy",
    };
    let message = format!("the bytecode was unsound before: {complaint}; {advice}");
    vec![Problem::file(file, message)]
}

/// A module's name and path, as plugins are told them.
fn shown(module: &Module) -> (String, String) {
    let path = module.source.as_deref().unwrap_or(&module.pyc);
    let name = program::module_name(module);
    (name, path.to_string_lossy().into_owned())
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
        let blame = |problems| blame(file, module.source.is_some(), &plain, problems);
        let pyc = PycFile::parse(&plain).map_err(|error| fail(error.to_string()))?;
        let declarations = declarations(&pyc);
        let name = program::module_name(module);
        let edits = match (self.watch.included)(module) {
            true => self
                .visit(
                    (number, module, &name),
                    &pyc,
                    &declarations,
                    &mut done.report.notes,
                )
                .map_err(blame)?,
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
        let result =
            result.map_err(|error| blame(vec![self.problem(file, &declarations, error)]))?;
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
            return Ok(Some(
                match store::original_of_damaged(&module.pyc, &bytes) {
                    Some((plain, _)) => Start::new(plain, Original::Kept),
                    None => Start::new(bytes, Original::InPlace),
                },
            ));
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
