//! What the authors of a pipeline ask for in one file, checked as far as it can be without
//! compiling: templates are parsed once for the whole run, imports are taken apart.

use std::sync::{Arc, Mutex};

use equip_plugin_api::edit::{OnError, Site, Snippet, Value};
use rustc_hash::FxHashMap;

use crate::declaration::DeclId;
use crate::rewrite::Refusal;
use crate::snippet::Template;

/// Name by which snippets that log their errors know the function that does.
pub(crate) const LOG: &str = "__equip_log__";
/// Name by which [`escape`] knows the object that makes what the caller of a generator sees.
pub(crate) const ESCAPED: &str = "__equip_escaped__";
/// Code at the start of a handler around a generator, where CPython itself has none. The pattern is
/// a check that no tracer is told of; only in an asynchronous generator it has a second part.
pub(crate) fn escape(is_async_generator: bool) -> String {
    let more = match is_async_generator {
        true => " | __equip_escaped__.async_stop()",
        false => "",
    };
    format!(
        "\
try:
    __equip_error__ = None
    match __equip_exception__:
        case __equip_escaped__.stop(){more}:
            __equip_error__ = __equip_escaped__(__equip_exception__, __equip_const_kind__)
except __equip_Exception__:
    __equip_error__ = None
if __equip_error__ is not None:
    raise __equip_error__
"
    )
}
/// The module that they are in; every author has it.
const LOG_MODULE: &str = "equip_errors";
const LOG_SOURCE: &str = include_str!("errors.py");

/// Who asks for edits: a plugin with its options, or a program that uses this library.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// Its name; starts its private and hidden names.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its options, as JSON text.
    pub options: String,
    /// The text of the selection that says what it is shown; empty for all.
    pub selection: String,
    /// What becomes of errors of snippets that do not say so themselves.
    pub on_error: OnError,
    /// Python modules that it brings along: name and source.
    pub runtimes: Vec<(String, String)>,
}

/// One edit of one declaration.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Index of its author.
    pub author: usize,
    /// The declaration.
    pub declaration: DeclId,
    /// Where in it.
    pub site: Site,
    /// What.
    pub template: Arc<Template>,
    /// Values of the author's own placeholders.
    pub values: Vec<(String, Value)>,
    /// What becomes of its errors.
    pub on_error: OnError,
}

/// A snippet as its author asks for it.
#[derive(Clone, Debug)]
pub struct Requested<'t> {
    /// The template's text.
    pub text: &'t str,
    /// Values of the author's own placeholders.
    pub values: Vec<(String, Value)>,
    /// What becomes of its errors; the author's rule where nothing is said.
    pub on_error: Option<OnError>,
}

/// A Python module that travels inside instrumented files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// One that the author brings along: its index in [`Author::runtimes`].
    OfAuthor(usize),
    /// Equip's own, which logs errors of snippets.
    Errors,
}

impl Runtime {
    /// Its name and source.
    pub fn of(self, author: &Author) -> (&str, &str) {
        match self {
            Runtime::OfAuthor(index) => {
                let (name, source) = &author.runtimes[index];
                (name, source)
            }
            Runtime::Errors => (LOG_MODULE, LOG_SOURCE),
        }
    }
}

/// A name that is bound at the top of the module.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Index of its author.
    pub author: usize,
    /// The statement.
    pub template: Arc<Template>,
    /// Values of the author's own placeholders.
    pub values: Vec<(String, Value)>,
    /// Names that it binds.
    pub names: Vec<String>,
    /// For a module that travels inside the instrumented file: which.
    pub runtime: Option<Runtime>,
    /// Whether it binds plain names.
    pub public: bool,
}

/// A snippet that cannot be used, and where it was to go.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{refusal}")]
pub struct BadEdit {
    /// Index of its author.
    pub author: usize,
    /// The declaration, if it is known.
    pub declaration: Option<DeclId>,
    /// The site, in words.
    pub site: String,
    /// The snippet.
    pub text: String,
    /// What is wrong with it.
    pub refusal: Refusal,
}

/// Everything that is asked for in one file.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// Edits, in the order in which they were asked for.
    pub list: Vec<Edit>,
    /// Bindings, likewise; equal ones of one author are one.
    pub bindings: Vec<Binding>,
}

/// Text, and the names of the author's own placeholders.
type TemplateKey = (String, Vec<String>);

/// Parsed templates of a run.
#[derive(Default)]
pub struct Templates {
    known: Mutex<FxHashMap<TemplateKey, Result<Arc<Template>, Refusal>>>,
}

impl Templates {
    /// The template of that text; `own` are the placeholders that come with values.
    ///
    /// # Errors
    /// The text is no template.
    pub fn get(&self, text: &str, own: &[(String, Value)]) -> Result<Arc<Template>, Refusal> {
        let names: Vec<String> = own.iter().map(|(name, _)| name.clone()).collect();
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let entry = known
            .entry((text.to_owned(), names))
            .or_insert_with_key(|(text, names)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let template = Template::parse(text, &names).map(Arc::new);
                template.map_err(|problem| Refusal::Snippet {
                    offset: problem.offset,
                    len: 1,
                    message: problem.message,
                })
            });
        entry.clone()
    }

    /// A template of equip's own.
    pub(crate) fn verbatim(&self, text: &str) -> Arc<Template> {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let key = (text.to_owned(), vec!["verbatim".to_owned()]);
        let entry = known
            .entry(key)
            .or_insert_with_key(|(text, _)| Ok(Arc::new(Template::verbatim(text))));
        entry.clone().expect("verbatim text is not parsed")
    }
}

/// A site in words, for messages.
pub fn site_name(site: Site) -> String {
    let kind = site.kind().name();
    match site {
        Site::Line(number)
        | Site::Instruction(number, _)
        | Site::BranchAt(number, _)
        | Site::LoopAt(number, _)
        | Site::BeforeCallAt(number)
        | Site::AfterCallAt(number) => format!("{kind}({number})"),
        _ => kind.to_owned(),
    }
}

impl Edits {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.bindings.is_empty()
    }

    /// Asks for code at a site of a declaration.
    ///
    /// # Errors
    /// The snippet is no template.
    pub fn add(
        &mut self,
        templates: &Templates,
        (author, who): (usize, &Author),
        declaration: DeclId,
        site: Site,
        requested: Requested<'_>,
    ) -> Result<(), BadEdit> {
        let Requested {
            text,
            values,
            on_error,
        } = requested;
        let on_error = on_error.unwrap_or(who.on_error);
        let bad = |refusal| {
            let (site, text) = (site_name(site), text.to_owned());
            BadEdit {
                author,
                declaration: Some(declaration),
                site,
                text,
                refusal,
            }
        };
        let template = templates.get(text, &values).map_err(bad)?;
        if on_error == OnError::Log {
            let statement = format!("from {LOG_MODULE} import log as {LOG}");
            self.import(templates, (author, who), &statement, false)?;
        }
        self.list.push(Edit {
            author,
            declaration,
            site,
            template,
            values,
            on_error,
        });
        Ok(())
    }

    /// Like [`Edits::add`], for a program's only author.
    ///
    /// # Errors
    /// As [`Edits::add`].
    pub fn insert(
        &mut self,
        templates: &Templates,
        declaration: DeclId,
        site: Site,
        snippet: Snippet<'_>,
    ) -> Result<(), BadEdit> {
        let values = snippet
            .values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let requested = Requested {
            text: snippet.code,
            values,
            on_error: snippet.on_error,
        };
        self.add(
            templates,
            (0, &Author::default()),
            declaration,
            site,
            requested,
        )
    }

    /// Asks for what [`escape`] needs.
    ///
    /// # Errors
    /// None: the statement is equip's own.
    pub(crate) fn import_escape(&mut self, author: (usize, &Author)) -> Result<(), BadEdit> {
        let statement = format!("from {LOG_MODULE} import escaped as {ESCAPED}");
        self.import(&Templates::default(), author, &statement, false)
    }

    /// Asks for an import at the top of the module.
    ///
    /// # Errors
    /// It is no import statement of one line.
    pub fn import(
        &mut self,
        templates: &Templates,
        (author, who): (usize, &Author),
        statement: &str,
        public: bool,
    ) -> Result<(), BadEdit> {
        let bad = |message: &str| {
            let refusal = Refusal::Snippet {
                offset: 0,
                len: statement.len().max(1),
                message: message.to_owned(),
            };
            BadEdit {
                author,
                declaration: None,
                site: "import".to_owned(),
                text: statement.to_owned(),
                refusal,
            }
        };
        let import = parse_import(statement).map_err(bad)?;
        let mut brought = who.runtimes.iter();
        let runtime = match brought.position(|(name, _)| *name == import.root) {
            Some(index) => Some(Runtime::OfAuthor(index)),
            None => (import.root == LOG_MODULE).then_some(Runtime::Errors),
        };
        let template = match (runtime, import.members) {
            (None, _) => templates.verbatim(statement),
            (Some(_), Some(members)) => templates.verbatim(&runtime_import(&members)),
            (Some(_), None) => {
                templates.verbatim(&format!("{RUNTIME}{} = __equip_rt\n", import.names[0]))
            }
        };
        let binding = Binding {
            author,
            template,
            values: Vec::new(),
            names: import.names,
            runtime,
            public,
        };
        let same = |known: &&Binding| {
            known.author == author
                && known.template.text() == binding.template.text()
                && known.runtime == runtime
                && known.public == public
        };
        if self.bindings.iter().find(same).is_none() {
            self.bindings.push(binding);
        }
        Ok(())
    }

    /// Asks for a name that holds the value of an expression, computed at the top of the module.
    ///
    /// # Errors
    /// The expression is no template, or `name` no identifier.
    pub fn bind(
        &mut self,
        templates: &Templates,
        author: usize,
        name: &str,
        expression: &str,
        values: Vec<(String, Value)>,
    ) -> Result<(), BadEdit> {
        let text = format!("{name} = (\n{expression}\n)");
        let bad = |refusal| {
            let site = format!("bind {name}");
            BadEdit {
                author,
                declaration: None,
                site,
                text: text.clone(),
                refusal,
            }
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(is_name)
            || name.starts_with(|c: char| c.is_numeric())
        {
            let message = format!("{name:?} is no identifier");
            return Err(bad(Refusal::Snippet {
                offset: 0,
                len: name.len().max(1),
                message,
            }));
        }
        let template = templates.get(&text, &values).map_err(bad)?;
        let names = vec![name.to_owned()];
        self.bindings.push(Binding {
            author,
            template,
            values,
            names,
            runtime: None,
            public: false,
        });
        Ok(())
    }
}

struct ImportStatement {
    root: String,
    names: Vec<String>,
    /// (member, name) of `from … import`.
    members: Option<Vec<(String, String)>>,
}

fn parse_import(statement: &str) -> Result<ImportStatement, &'static str> {
    let usage = "not an import statement: `import a.b as c` or `from m import a as b`";
    let statement = statement.trim();
    let renamed = |part: &str| -> Option<(String, Option<String>)> {
        let mut words = part.split_whitespace();
        let name = words.next()?.to_owned();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => Some((name, None)),
            (Some("as"), Some(alias), None) => Some((name, Some(alias.to_owned()))),
            _ => None,
        }
    };
    if statement.contains(['\n', ';', '#']) {
        return Err("an import is one statement on one line");
    }
    if let Some(rest) = statement.strip_prefix("from ") {
        let (module, names) = rest.split_once(" import ").ok_or(usage)?;
        let names = names
            .trim()
            .trim_start_matches('(')
            .trim_end_matches(')')
            .trim_end_matches(',');
        if names.trim() == "*" {
            return Err("`from m import *` binds names that nobody can tell");
        }
        let mut members = Vec::new();
        for part in names.split(',') {
            let (name, alias) = renamed(part).ok_or(usage)?;
            members.push((name.clone(), alias.unwrap_or(name)));
        }
        let names = members.iter().map(|(_, name)| name.clone()).collect();
        return Ok(ImportStatement {
            root: module.trim().to_owned(),
            names,
            members: Some(members),
        });
    }
    let rest = statement.strip_prefix("import ").ok_or(usage)?;
    let mut names = Vec::new();
    let mut root = String::new();
    for part in rest.split(',') {
        let (name, alias) = renamed(part).ok_or(usage)?;
        root = name.clone();
        names.push(alias.unwrap_or_else(|| name.split('.').next().unwrap_or_default().to_owned()));
    }
    Ok(ImportStatement {
        root,
        names,
        members: None,
    })
}

/// Finds or makes a runtime module. It is kept in `sys`'s own namespace: there is one for each
/// process (and subinterpreter) however many modules use it, `sys.modules` may be emptied, and
/// nothing needs to be found on `sys.path`. Only builtin modules are imported, and not by what the program
/// may have put in the place of `builtins.__import__`: the module's spec leads to importlib's own. `_imp`'s
/// lock makes threads that import at the same time agree.
const RUNTIME: &str = "\
__equip_own = getattr(globals().get('__spec__').__class__.__init__, '__globals__', None) or {}
if 'BuiltinImporter' in __equip_own:
    __equip_sys = __equip_own['sys']
    __equip_import = __equip_own['__import__']
else:
    import sys as __equip_sys, builtins as __equip_builtins
    __equip_import = __equip_builtins.__import__
__equip_rt = __equip_sys.__dict__.get(__equip_const_key__)
if __equip_rt is None:
    __equip_imp = __equip_import('_imp')
    __equip_imp.acquire_lock()
    try:
        __equip_rt = __equip_sys.__dict__.get(__equip_const_key__)
        if __equip_rt is None:
            __equip_builtins = __equip_import('builtins')
            __equip_rt = __equip_sys.__class__(__equip_const_name__)
            __equip_rt.__builtins__ = {**__equip_builtins.__dict__, '__import__': __equip_import}
            __equip_rt.OPTIONS, __equip_code = __equip_import('marshal').loads(__equip_const_code__)
            __equip_builtins.exec(__equip_code, __equip_rt.__dict__)
            __equip_sys.__dict__[__equip_const_key__] = __equip_rt
    finally:
        __equip_imp.release_lock()
";

fn runtime_import(members: &[(String, String)]) -> String {
    let mut text = RUNTIME.to_owned();
    for (member, name) in members {
        text.push_str(&format!("{name} = __equip_rt.{member}\n"));
    }
    text
}
