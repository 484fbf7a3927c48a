//! Pipelines: what the command line and a pipeline file ask for becomes the steps of a run.

pub mod diagnostic;
pub mod find;
pub mod keys;
pub mod read;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use equip_core::edits::Author;
use equip_core::options::{self, ON_ERROR, OptionError};
use equip_core::plugin::{self, Failure, Library, Loader, NotSetUp, Plugin};
use equip_core::program::Module;
use equip_core::python::Search;
use equip_core::run::{Problem, Report, Step, Unmatched, Work};
use equip_core::select::Selection;
use equip_core::snippet::nearest;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::Value as Json;

use crate::args::{Arguments, Format, Plugins};
use crate::output::{note, out};
use diagnostic::{Diagnostic, Severity};
use read::{InjectStep, Pipeline, Placed, PluginStep};

/// Exit status of errors in plugins, options, snippets and pipelines: nothing is written.
pub const EDIT: u8 = 3;
/// Version of what no plugin asks for.
const INLINE: &str = "inline";

/// A pipeline that is ready to run.
pub struct Prepared {
    /// The file that it comes from, if any.
    pub file: Option<find::File>,
    /// What to instrument.
    pub targets: Vec<PathBuf>,
    /// Where the file wants an instrumented copy.
    pub output: Option<PathBuf>,
    /// The interpreter that the file names.
    python: Option<PathBuf>,
    include: Option<GlobSet>,
    exclude: GlobSet,
    plugins: Vec<Plugin>,
    slots: Vec<Slot>,
}

/// A step, and where it comes from.
enum Slot {
    Plugin {
        index: usize,
        select: Option<Box<(Selection, std::ops::Range<usize>)>>,
    },
    Inject(InjectStep),
}

/// Reads, loads and configures; says all that is wrong with the file at once.
///
/// # Errors
/// Anything is wrong.
pub fn prepare(
    asked: &Plugins,
    targets: &[PathBuf],
    arguments: &Arguments,
) -> anyhow::Result<Prepared> {
    let file = match arguments.config.as_deref() {
        Some(path) => Some(find::named(path)?),
        None if !asked.plugin.is_empty() => None,
        None => {
            let from = targets.first().map_or(Path::new("."), PathBuf::as_path);
            find::upward(from, arguments.trust_config)?
        }
    };
    if file.is_none() && asked.plugin.is_empty() {
        anyhow::bail!(
            "nothing to do: name a plugin with --plugin (equip plugins lists those that are found), or write a \
             pipeline file (equip init makes one)"
        );
    }
    let mut found = Vec::new();
    let pipeline = match &file {
        Some(file) => {
            let (pipeline, said) = read::read(&file.text, file.section);
            found = said;
            pipeline
        }
        None => Pipeline::default(),
    };
    let mut prepared = Preparing {
        file: file.as_ref(),
        loader: Loader::from_environment(),
        found: &mut found,
        libraries: Vec::new(),
    }
    .prepare(pipeline, asked, targets)?;
    if let Some(file) = &file {
        found.sort_by_key(|one| one.at.start);
        say(&found, file, arguments);
        let errors = found
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count();
        if errors > 0 {
            let many = if errors == 1 { "error" } else { "errors" };
            let message = format!(
                "{}: {errors} {many}; nothing was done",
                file.shown.display()
            );
            return Err(crate::Status(EDIT, message).into());
        }
    }
    if prepared.targets.is_empty() {
        match &file {
            Some(file) => anyhow::bail!(
                "no target: name one on the command line, or in {} (targets = [\"app\"])",
                file.shown.display()
            ),
            None => anyhow::bail!("no target: name a folder, a .py or a .pyc"),
        }
    }
    prepared.file = file;
    Ok(prepared)
}

/// Shows what is wrong with a file.
fn say(found: &[Diagnostic], file: &find::File, arguments: &Arguments) {
    if arguments.report == Format::Json && found.iter().any(|one| one.severity == Severity::Error) {
        let all = found.iter().map(|one| {
            let (line, column) = one.position(&file.text);
            serde_json::json!({
                "severity": if one.severity == Severity::Error { "error" } else { "warning" },
                "file": file.shown, "line": line, "column": column,
                "message": one.message, "expected": one.label, "help": one.help,
            })
        });
        out!(
            "{:#}",
            serde_json::json!({ "problems": all.collect::<Vec<_>>() })
        );
        return;
    }
    for one in found {
        if one.severity == Severity::Error || !arguments.quiet {
            note!("{}\n", one.render(&file.shown, &file.text));
        }
    }
}

struct Preparing<'p> {
    file: Option<&'p find::File>,
    loader: Loader,
    found: &'p mut Vec<Diagnostic>,
    libraries: Vec<(Library, Option<Box<PluginStep>>)>,
}

impl Preparing<'_> {
    fn prepare(
        mut self,
        mut pipeline: Pipeline,
        asked: &Plugins,
        named: &[PathBuf],
    ) -> anyhow::Result<Prepared> {
        self.distrust(&pipeline);
        let folder = std::env::current_dir().context("the current folder is gone")?;
        let base = self
            .file
            .map_or(folder.as_path(), find::File::folder)
            .to_owned();
        // Libraries first: options of the command line name them.
        let mut slots = Vec::new();
        for step in std::mem::take(&mut pipeline.steps) {
            match step {
                read::Step::Inject(step) => slots.push(Slot::Inject(step)),
                read::Step::Plugin(mut step) => {
                    let select = step.select.take().map(Box::new);
                    if let Some(library) = self.open(&step, &base) {
                        slots.push(Slot::Plugin {
                            index: self.libraries.len(),
                            select,
                        });
                        self.libraries.push((library, Some(step)));
                    }
                }
            }
        }
        for name in &asked.plugin {
            let library = load(&self.loader, name, &folder)
                .map_err(|message| crate::Status(EDIT, message))?;
            if let Some((other, _)) = self
                .libraries
                .iter()
                .find(|(other, _)| other.name == library.name)
            {
                let message = format!(
                    "plugin {} is in the pipeline twice ({})",
                    other.name,
                    other.path.display()
                );
                return Err(crate::Status(EDIT, message).into());
            }
            slots.push(Slot::Plugin {
                index: self.libraries.len(),
                select: None,
            });
            self.libraries.push((library, None));
        }
        self.same_names(&slots);
        let plugins = self.configure(asked)?;
        let targets = self.targets(&pipeline, named, &base);
        let mut globs = |list: &[Placed]| self.globs(list, &base);
        let include = match pipeline.include.is_empty() {
            true => None,
            false => Some(globs(&pipeline.include)),
        };
        let exclude = globs(&pipeline.exclude);
        let python =
            pipeline.python.map(
                |python| match python.text.contains(std::path::is_separator) {
                    true => base.join(python.text),
                    false => PathBuf::from(python.text),
                },
            );
        let output = pipeline.output.map(|output| base.join(output.text));
        Ok(Prepared {
            file: None,
            targets,
            output,
            python,
            include,
            exclude,
            plugins,
            slots,
        })
    }

    /// What only a file that the user named may say.
    fn distrust(&mut self, pipeline: &Pipeline) {
        let Some(file) = self.file.filter(|file| !file.trusted) else {
            return;
        };
        let how = format!(
            "this file was found, not named: if you trust it, say --config {} or --trust-config",
            file.shown.display()
        );
        let mut refuse = |at: &std::ops::Range<usize>, what: &str| {
            self.found.push(
                Diagnostic::error(at.clone(), what, "not in a file that was found").help(&how),
            );
        };
        if let Some(python) = &pipeline.python {
            refuse(&python.at, "`python` names a program to run");
        }
        if let Some(output) = &pipeline.output {
            let path = Path::new(&output.text);
            let climbs = path
                .components()
                .any(|part| part == std::path::Component::ParentDir);
            if climbs || path.is_absolute() {
                refuse(&output.at, "the output is outside the folder of this file");
            }
        }
        for step in &pipeline.steps {
            if let read::Step::Plugin(step) = step
                && !is_bare(&step.name.text)
            {
                refuse(
                    &step.name.at,
                    "`name` is the path of a library, whose code would run",
                );
            }
        }
        let folder = file
            .folder()
            .canonicalize()
            .unwrap_or_else(|_| file.folder().to_owned());
        for target in &pipeline.targets {
            let path = folder.join(&target.text);
            let path = path.canonicalize().unwrap_or(path);
            let climbs = Path::new(&target.text)
                .components()
                .any(|part| part == std::path::Component::ParentDir);
            if climbs || !path.starts_with(&folder) {
                refuse(&target.at, "the target is outside the folder of this file");
            }
        }
    }

    fn open(&mut self, step: &PluginStep, base: &Path) -> Option<Library> {
        let trusted = self.file.is_none_or(|file| file.trusted);
        if !trusted && !is_bare(&step.name.text) {
            return None;
        }
        match load(&self.loader, &step.name.text, base) {
            Ok(library) => Some(library),
            Err(message) => {
                let known = self.loader.installed();
                let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
                let mut said = Diagnostic::error(step.name.at.clone(), message, "this plugin");
                if let Some(near) = nearest(&step.name.text, &names) {
                    said = said.help(format!("did you mean `{near}`?"));
                }
                self.found.push(said);
                None
            }
        }
    }

    /// Names tell whose private names and whose options are meant: each is there once.
    fn same_names(&mut self, slots: &[Slot]) {
        let mut taken: BTreeMap<String, ()> = BTreeMap::new();
        for slot in slots {
            let (name, at) = match slot {
                Slot::Plugin { index, .. } => {
                    let (library, step) = &self.libraries[*index];
                    (
                        library.name.clone(),
                        step.as_ref().map(|step| step.name.at.clone()),
                    )
                }
                Slot::Inject(step) => (
                    step.name.clone(),
                    step.places.first().map(|places| places.selection.clone()),
                ),
            };
            if taken.insert(name.clone(), ()).is_some() {
                let at = at.unwrap_or(0..0);
                let message = format!("`{name}` is in the pipeline twice");
                self.found
                    .push(Diagnostic::error(at, message, "the second"));
            }
        }
    }

    fn configure(&mut self, asked: &Plugins) -> anyhow::Result<Vec<Plugin>> {
        let names: Vec<&str> = self
            .libraries
            .iter()
            .map(|(library, _)| library.name.as_str())
            .collect();
        let mut set = settings(&asked.set, &names)?;
        let mut plugins = Vec::new();
        for (library, step) in &self.libraries {
            let mut options = step
                .as_ref()
                .map(|step| step.options.clone())
                .unwrap_or_default();
            if let Some(rule) = step.as_ref().and_then(|step| step.on_error) {
                options.insert(ON_ERROR.to_owned(), rule.name().into());
            }
            let said = set.remove(&library.name).unwrap_or_default();
            let mine: Vec<String> = said.keys().cloned().collect();
            options.extend(said);
            let on_command_line = |error: &OptionError| {
                let first = error.path.first();
                step.is_none()
                    || matches!(first, Some(options::Step::Key(key)) if mine.contains(key))
            };
            match library.set_up(options.into_iter().collect()) {
                Ok(plugin) => plugins.push(plugin),
                Err(NotSetUp::Plugin(error)) => match step {
                    Some(step) => self.found.push(plugin_error(step, &error)),
                    None => return Err(crate::Status(EDIT, error.to_string()).into()),
                },
                Err(NotSetUp::Options(errors)) => {
                    let (shell, file): (Vec<_>, Vec<_>) =
                        errors.iter().partition(|one| on_command_line(one));
                    if !shell.is_empty() {
                        let name = &library.name;
                        let shown = shell.iter().map(|error| format!("--set {name}.{error}"));
                        let message = shown.collect::<Vec<_>>().join("\n");
                        return Err(crate::Status(EDIT, message).into());
                    }
                    if let Some(step) = step {
                        let said = file
                            .into_iter()
                            .map(|error| option_error(step, &library.name, error));
                        self.found.extend(said);
                    }
                }
            }
        }
        Ok(plugins)
    }

    fn targets(&mut self, pipeline: &Pipeline, named: &[PathBuf], base: &Path) -> Vec<PathBuf> {
        if !named.is_empty() {
            return named.to_vec();
        }
        let current = std::env::current_dir().unwrap_or_default();
        for target in &pipeline.targets {
            if !base.join(&target.text).exists() {
                let message = format!("there is no {}", base.join(&target.text).display());
                self.found
                    .push(Diagnostic::error(target.at.clone(), message, "this target"));
            }
        }
        let paths = pipeline
            .targets
            .iter()
            .map(|target| base.join(&target.text));
        // As a user in this folder would write it.
        let shorter = |path: PathBuf| match path.strip_prefix(&current) {
            Ok(rest) if rest.as_os_str().is_empty() => PathBuf::from("."),
            Ok(rest) => rest.to_owned(),
            Err(_) => path,
        };
        paths.map(shorter).collect()
    }

    fn globs(&mut self, list: &[Placed], base: &Path) -> GlobSet {
        let mut set = GlobSetBuilder::new();
        for one in list {
            let text = one.text.trim_end_matches('/');
            let text = text.strip_prefix("./").unwrap_or(text);
            let glob = |text: &str| {
                let folder = globset::escape(&base.display().to_string());
                let absolute = match text {
                    "." => folder,
                    text if text.starts_with('/') => text.to_owned(),
                    text => format!("{folder}/{text}"),
                };
                GlobBuilder::new(&absolute).literal_separator(true).build()
            };
            match (glob(text), glob(&format!("{text}/**"))) {
                (Ok(itself), Ok(below)) => {
                    set.add(itself).add(below);
                }
                (Err(error), _) | (_, Err(error)) => {
                    let message = format!("`{}` is no pattern: {}", one.text, error.kind());
                    self.found.push(Diagnostic::error(
                        one.at.clone(),
                        message,
                        "expected a path, with *, ** and ?",
                    ));
                }
            }
        }
        set.build().unwrap_or_else(|error| {
            self.found
                .push(Diagnostic::error(0..0, error.to_string(), ""));
            GlobSet::empty()
        })
    }
}

/// An error in a plugin's options, where the option is.
fn option_error(step: &PluginStep, plugin: &str, error: &OptionError) -> Diagnostic {
    let at = match step.places.get(&error.path()) {
        Some((key, value)) => {
            if error.key {
                key
            } else {
                value
            }
        }
        None => &step.options_at,
    };
    Diagnostic::error(
        at.clone(),
        format!("options of {plugin}: {error}"),
        "this option",
    )
}

/// What a plugin itself says of its options.
fn plugin_error(step: &PluginStep, error: &plugin::PluginError) -> Diagnostic {
    let path = match &error.kind {
        Failure::Options(path) => path.as_str(),
        _ => "",
    };
    let at = step
        .places
        .get(path)
        .map(|(_, value)| value)
        .unwrap_or(&step.options_at);
    Diagnostic::error(at.clone(), error.to_string(), "these options")
}

/// Whether a name can only be looked for where plugins are installed.
fn is_bare(name: &str) -> bool {
    !name.contains(['/', '\\'])
        && Path::new(name).components().count() == 1
        && plugin::file_name(name) != name
}

fn load(loader: &Loader, name: &str, folder: &Path) -> Result<Library, String> {
    let path = loader
        .find(name, folder)
        .map_err(|error| error.to_string())?;
    let library = loader.load(&path).map_err(|error| {
        if let Some(detail) = error.detail() {
            tracing::debug!("{detail}");
        }
        error.to_string()
    })?;
    if !library.unwinds {
        tracing::warn!(
            "plugin {} was built with panic = \"abort\": a panic in it ends equip",
            library.name
        );
    }
    tracing::info!(
        "plugin {} {} from {}",
        library.name,
        library.version,
        path.display()
    );
    Ok(library)
}

/// `plugin.key=value` for each plugin.
fn settings(
    set: &[String],
    names: &[&str],
) -> anyhow::Result<BTreeMap<String, BTreeMap<String, Json>>> {
    let mut options: BTreeMap<String, BTreeMap<String, Json>> = BTreeMap::new();
    for one in set {
        let failed = |message: String| {
            anyhow::Error::from(crate::Status(EDIT, format!("--set {one}: {message}")))
        };
        let Some(((plugin, key), value)) = one
            .split_once('=')
            .and_then(|(name, value)| Some((name.split_once('.')?, value)))
        else {
            return Err(failed("it has the form plugin.key=value".to_owned()));
        };
        if !names.contains(&plugin) {
            let near = nearest(plugin, names)
                .map(|name| format!("; did you mean {name}?"))
                .unwrap_or_default();
            return Err(failed(format!("no plugin {plugin} in this run{near}")));
        }
        let value = read::bare(value).map_err(failed)?;
        options
            .entry(plugin.to_owned())
            .or_default()
            .insert(key.to_owned(), value);
    }
    Ok(options)
}

impl Prepared {
    /// Where interpreters are looked for: the command line's choice before the file's.
    pub fn search(&self, arguments: &Arguments) -> Search {
        Search::from_environment(arguments.python.as_deref().or(self.python.as_deref()))
    }

    /// Whether a module is to be instrumented; `original` tells where the file of a copy comes from.
    pub fn includes(&self, module: &Module, original: &dyn Fn(&Path) -> PathBuf) -> bool {
        let file = module.source.as_deref().unwrap_or(&module.pyc);
        let file = &original(file);
        self.include.as_ref().is_none_or(|set| set.is_match(file)) && !self.exclude.is_match(file)
    }

    /// The steps of the run.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let steps = self.slots.iter().map(|slot| match slot {
            Slot::Plugin { index, select } => {
                let mut step = Step::plugin(&self.plugins[*index]);
                step.selection = select.as_ref().map(|select| select.0.clone());
                step.author.selection = select
                    .as_ref()
                    .map(|select| select.0.text.clone())
                    .unwrap_or_default();
                step
            }
            Slot::Inject(step) => Step {
                author: Author {
                    name: step.name.clone(),
                    version: INLINE.to_owned(),
                    options: Json::from(step.options.clone()).to_string(),
                    ..Author::default()
                },
                selection: None,
                work: Work::Injections(&step.injections),
            },
        });
        steps.collect()
    }

    /// Shows problems and selections without a match, at their place in the pipeline file where they have one.
    pub fn say(&self, report: &Report, arguments: &Arguments) {
        self.say_problems(report);
        for one in report.unmatched.iter().filter(|one| one.line.is_none()) {
            if arguments.quiet {
                continue;
            }
            match (&self.file, self.selection_of(one)) {
                (Some(file), Some(at)) => {
                    let targets = self.shown_targets();
                    let message = match one.calls {
                        Some(_) => format!("nothing that is selected in {targets} calls this"),
                        None => format!("this selection matches nothing in {targets}"),
                    };
                    let mut said = Diagnostic::error(at, message, "").warning();
                    if !one.near.is_empty() {
                        said = said.help(format!("near misses: {}", one.near.join(", ")));
                    }
                    note!("{}\n", said.render(&file.shown, &file.text));
                }
                _ => note!("warning: plugin {}: {one}", one.plugin),
            }
        }
    }

    /// Shows problems alone.
    pub fn say_problems(&self, report: &Report) {
        for problem in &report.problems {
            let lines = report.unmatched.iter().filter(|one| one.line.is_some());
            let line = lines
                .into_iter()
                .find(|one| one.to_string() == problem.message);
            if let (Some(file), Some(at)) =
                (&self.file, line.and_then(|one| self.selection_of(one)))
            {
                let said =
                    Diagnostic::error(at, problem.message.clone(), "these have none on that line");
                note!("{}\n", said.render(&file.shown, &file.text));
                continue;
            }
            match (&self.file, self.place_of(problem)) {
                (Some(file), Some(said)) => note!("{}\n", said.render(&file.shown, &file.text)),
                _ => note!("error: {problem}"),
            }
        }
    }

    fn shown_targets(&self) -> String {
        let names: Vec<_> = self
            .targets
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        names.join(", ")
    }

    fn selection_of(&self, one: &Unmatched) -> Option<std::ops::Range<usize>> {
        match (self.slots.get(one.step)?, one.injection) {
            (Slot::Plugin { select, .. }, None) => select.as_ref().map(|select| select.1.clone()),
            (Slot::Inject(step), Some(index)) => {
                let places = step.places.get(index)?;
                let calls = places.calls.clone().filter(|_| one.calls.is_some());
                Some(calls.unwrap_or_else(|| places.selection.clone()))
            }
            _ => None,
        }
    }

    /// A problem of an injection, where its code is.
    fn place_of(&self, problem: &Problem) -> Option<Diagnostic> {
        let file = self.file.as_ref()?;
        let name = problem.plugin.as_deref()?;
        let step = self.slots.iter().find_map(|slot| match slot {
            Slot::Inject(step) if step.name == name => Some(step),
            _ => None,
        })?;
        let label = match (&problem.site, &problem.function) {
            (Some(site), Some(function)) => {
                format!("{site} of {function} in {}", problem.file.display())
            }
            (Some(site), None) => format!("{site} in {}", problem.file.display()),
            _ => String::new(),
        };
        let Some(snippet) = &problem.snippet else {
            let at = step.places.first()?.selection.clone();
            return Some(Diagnostic::error(at, problem.message.clone(), label));
        };
        let injections = step.injections.iter().zip(&step.places);
        let code = injections.flat_map(|(one, places)| {
            let code = places.code.iter().map(|at| (&one.code, at));
            code.chain(one.imports.iter().zip(&places.imports))
        });
        let (_, code) = code.into_iter().find(|(text, _)| **text == snippet.text)?;
        let part = snippet.offset..snippet.offset + snippet.len;
        let at = read::inside(&file.text, code, &snippet.text, part);
        Some(Diagnostic::error(at, problem.message.clone(), label))
    }
}
