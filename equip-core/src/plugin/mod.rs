//! Plugins as visitors: configured, shown a program, asked for edits. The only folder of the library that knows
//! the stable ABI.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use abi_stable::std_types::{RResult, RSlice, RStr, RString};
use equip_plugin_api::abi::{
    self, ProgramModule, RawEdits, RawEditsMut, RawError, RawNamed, RawPluginBox, RawProgram,
    RawProgramRef, RawSite, RawViewRef, RawVisitorBox, interest,
};
use equip_plugin_api::edit::{OnError, Site, Value};

use crate::declaration::{DeclId, Declaration, Kind};

mod load;
mod view;

pub use load::{Library, LoadError, Loader, NotSetUp, Runtime, file_name};
pub use view::HostModule;
use view::View;

/// What happened inside a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin}: {}{}", .during.as_deref().map_or(String::new(), |name| format!("{name}: ")), self.reason())]
pub struct PluginError {
    /// The plugin.
    pub plugin: String,
    /// What kind of failure.
    pub kind: Failure,
    /// The message.
    pub message: String,
    /// What was asked of it: `configure`, `start`, `visit_method`, `finish` and so on.
    pub hook: &'static str,
    /// Qualname of what was visited.
    pub during: Option<String>,
}

/// Kinds of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its options; the path of the wrong one, as `a.b[0]`, empty where it is all of them.
    Options(String),
    /// It panicked, at that file and line.
    Panic(String),
    /// It returned an error.
    Plugin,
    /// The host refused what it asked for, or could not tell what it asked.
    Host,
}

impl PluginError {
    /// The message, without the name of the plugin.
    pub fn reason(&self) -> String {
        match &self.kind {
            Failure::Options(path) if path.is_empty() => format!("options: {}", self.message),
            Failure::Options(_) => format!("option {}", self.message),
            Failure::Panic(at) => format!("panicked in {} at {at}: {}", self.hook, self.message),
            _ => self.message.clone(),
        }
    }

    fn new(plugin: &str, error: RawError, hook: &'static str, during: Option<&str>) -> Self {
        let kind = match error.code {
            abi::code::OPTIONS => Failure::Options(error.at.into_string()),
            abi::code::PANIC => Failure::Panic(error.at.into_string()),
            abi::code::HOST => Failure::Host,
            _ => Failure::Plugin,
        };
        PluginError {
            plugin: plugin.to_owned(),
            kind,
            message: error.message.into_string(),
            hook,
            during: during.map(str::to_owned),
        }
    }
}

/// A configured plugin.
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Python modules that it brings along.
    pub runtimes: Vec<Runtime>,
    /// Its options, as JSON text.
    pub options: String,
    /// What becomes of errors of snippets that do not say so themselves.
    pub on_error: OnError,
    sites: Option<Vec<String>>,
    interests: u64,
    plugin: RawPluginBox,
}

impl Plugin {
    /// A visitor for one module.
    ///
    /// # Errors
    /// The plugin panics while it is cloned.
    pub fn start(&self) -> Result<Visitor<'_>, PluginError> {
        self.visitor(self.plugin.start())
    }

    /// The visitor for the module of that number, counted in path order: [`Plugin::end`] shows the plugin
    /// its visitors in that order.
    ///
    /// # Errors
    /// The plugin panics while it is cloned.
    pub fn start_numbered(&self, module: usize) -> Result<Visitor<'_>, PluginError> {
        self.visitor(self.plugin.start_numbered(module as u32))
    }

    /// Whether it is told of a program as a whole.
    pub fn sees_program(&self) -> bool {
        self.interests & interest::PROGRAM != 0
    }

    /// Tells the plugin of the program, before its first module.
    ///
    /// # Errors
    /// The plugin does not want to go on.
    pub fn begin(&self, program: &HostProgram) -> Result<(), PluginError> {
        if !self.sees_program() {
            return Ok(());
        }
        self.whole(program, "begin", |lent| {
            self.plugin.begin(lent).into_result()
        })
    }

    /// Shows the plugin all of its visitors, when the last one has finished; gives its closing words.
    ///
    /// # Errors
    /// The plugin does not want to go on.
    pub fn end(&self, program: &HostProgram) -> Result<String, PluginError> {
        if !self.sees_program() {
            return Ok(String::new());
        }
        let ended = self.whole(program, "end", |lent| self.plugin.end(lent).into_result());
        ended.map(RString::into_string)
    }

    fn whole<T>(
        &self,
        program: &HostProgram,
        hook: &'static str,
        call: impl FnOnce(RawProgramRef<'_>) -> Result<T, RawError>,
    ) -> Result<T, PluginError> {
        let modules = program.modules.iter().map(|(name, path)| ProgramModule {
            name: name.as_str().into(),
            path: path.as_str().into(),
        });
        let lent = Lent {
            plugin: &self.name,
            modules: modules.collect(),
            files: &program.files,
        };
        let result = call(abi::lend_program(&lent));
        result.map_err(|error| PluginError::new(&self.name, error, hook, None))
    }

    fn visitor(
        &self,
        started: RResult<RawVisitorBox, RawError>,
    ) -> Result<Visitor<'_>, PluginError> {
        let visitor = started.into_result();
        let visitor =
            visitor.map_err(|error| PluginError::new(&self.name, error, "start", None))?;
        Ok(Visitor {
            plugin: self,
            visitor,
        })
    }
}

/// A program as plugins are shown it, and the files that they leave for it.
#[derive(Debug, Default)]
pub struct HostProgram {
    /// Names and paths of its modules, in path order.
    pub modules: Vec<(String, String)>,
    /// Files by name, each with its plugin's name in front.
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
}

struct Lent<'p> {
    plugin: &'p str,
    modules: Vec<ProgramModule<'p>>,
    files: &'p Mutex<BTreeMap<String, Vec<u8>>>,
}

impl RawProgram for Lent<'_> {
    fn modules(&self) -> RSlice<'_, ProgramModule<'_>> {
        self.modules.as_slice().into()
    }

    fn write(&self, file: RStr<'_>, content: RSlice<'_, u8>) -> RResult<(), RawError> {
        let name = file.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
            let message = format!(
                "{name:?} is no plain file name: letters, digits, dots, - and _, at most 100"
            );
            return RResult::RErr(refused(message));
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(format!("{}.{name}", self.plugin), content.to_vec());
        RResult::ROk(())
    }
}

/// Takes what a visitor asks for.
pub trait EditSink {
    /// Code at a site of a declaration.
    ///
    /// # Errors
    /// A message for the plugin.
    fn edit(
        &mut self,
        decl: DeclId,
        site: Site,
        code: &str,
        values: Vec<(String, Value)>,
        on_error: Option<OnError>,
    ) -> Result<(), String>;
    /// An import at the top of the module.
    ///
    /// # Errors
    /// A message for the plugin.
    fn import(&mut self, statement: &str, public: bool) -> Result<(), String>;
    /// A name bound at the top of the module.
    ///
    /// # Errors
    /// A message for the plugin.
    fn bind(&mut self, name: &str, code: &str, values: Vec<(String, Value)>) -> Result<(), String>;
    /// A message: 1 error, 2 warning, 3 information, 4 detail.
    fn log(&mut self, level: u32, message: &str);
}

/// A plugin at work on one module.
pub struct Visitor<'p> {
    plugin: &'p Plugin,
    visitor: RawVisitorBox,
}

impl Visitor<'_> {
    /// Shows the plugin all that it wants to see of a module and that is `shown`, parents before children;
    /// gives its closing words.
    ///
    /// # Errors
    /// The first failure; the visitor is not called again after that.
    pub fn visit_module(
        mut self,
        host: &HostModule<'_>,
        shown: &dyn Fn(DeclId) -> bool,
        sink: &mut dyn EditSink,
    ) -> Result<String, PluginError> {
        let interests = self.plugin.interests;
        for declaration in &host.declarations.list {
            if !shown(declaration.id) {
                continue;
            }
            let (bit, hook) = match declaration.kind {
                Kind::Module => (interest::MODULE, "visit_module"),
                Kind::Class => (interest::CLASS, "visit_class"),
                Kind::Function | Kind::Lambda => (interest::METHOD, "visit_method"),
                Kind::Comprehension if interests & interest::COMPREHENSIONS != 0 => {
                    (interest::METHOD, "visit_method")
                }
                Kind::Comprehension => (0, ""),
                Kind::Annotation => continue,
            };
            for (what, hook) in [(bit, hook), (interest::BYTECODE, "visit_instruction")] {
                if interests & what != 0 {
                    self.ask(host, declaration, sink, hook, |visitor, view, edits| {
                        visitor.visit(what, view, edits)
                    })?;
                }
            }
        }
        let module = host.declarations.module();
        let text = self.ask(host, module, sink, "finish", |visitor, view, edits| {
            visitor.finish(view, edits)
        })?;
        Ok(text.into_string())
    }

    /// Lends the plugin a view and a place for edits, for one call.
    fn ask<T>(
        &mut self,
        host: &HostModule<'_>,
        declaration: &Declaration<'_>,
        sink: &mut dyn EditSink,
        hook: &'static str,
        call: impl FnOnce(&mut RawVisitorBox, RawViewRef<'_>, RawEditsMut<'_>) -> RResult<T, RawError>,
    ) -> Result<T, PluginError> {
        let view = View::new(host, declaration);
        let mut edits = Taken {
            declaration: declaration.id,
            sites: self.plugin.sites.as_deref(),
            sink: RefCell::new(sink),
            failed: Cell::new(false),
        };
        let (lent, taking) = (abi::lend_view(&view), abi::lend_edits(&mut edits));
        let result = call(&mut self.visitor, lent, taking).into_result();
        // What equip could not do counts, even if the plugin went on.
        let failure = view
            .failure
            .take()
            .or_else(|| edits.failed.get().then(|| FAILED.to_owned()));
        let result = match failure {
            Some(message) => Err(refused(message)),
            None => result,
        };
        let during = (hook != "finish").then_some(declaration.qualname.as_ref());
        result.map_err(|error| PluginError::new(&self.plugin.name, error, hook, during))
    }
}

/// What a plugin is told when equip panics on its behalf.
const FAILED: &str = "equip itself failed on what the plugin asked for; please report it";

fn refused(message: String) -> RawError {
    RawError {
        code: abi::code::HOST,
        message: message.into(),
        at: RString::new(),
    }
}

struct Taken<'s> {
    declaration: DeclId,
    /// Those that the plugin has declared.
    sites: Option<&'s [String]>,
    /// A message may come while an edit is being taken.
    sink: RefCell<&'s mut dyn EditSink>,
    failed: Cell<bool>,
}

impl Taken<'_> {
    /// A panic of the host would end the process at the boundary, like one of the plugin.
    fn take(
        &self,
        run: impl FnOnce(&mut dyn EditSink) -> Result<(), String>,
    ) -> RResult<(), RawError> {
        let result = catch_unwind(AssertUnwindSafe(|| run(&mut **self.sink.borrow_mut())));
        let result = result.unwrap_or_else(|_| {
            self.failed.set(true);
            Err(FAILED.to_owned())
        });
        result.map_err(refused).into()
    }
}

fn values(named: RSlice<'_, RawNamed<'_>>) -> Result<Vec<(String, Value)>, String> {
    let value = |named: &RawNamed<'_>| match named.value.value() {
        Some(value) => Ok((named.name.to_string(), value)),
        None => Err(format!(
            "the value of {{{}}} is of a kind that this host does not know",
            named.name
        )),
    };
    named.iter().map(value).collect()
}

impl RawEdits for Taken<'_> {
    fn edit(
        &mut self,
        site: RawSite,
        code: RStr<'_>,
        named: RSlice<'_, RawNamed<'_>>,
        on_error: u32,
    ) -> RResult<(), RawError> {
        let declaration = self.declaration;
        let on_error = abi::on_error(on_error);
        let sites = self.sites;
        self.take(|sink| {
            let site = site
                .site()
                .ok_or("this equip is older than the plugin: it does not know the site")?;
            let kind = site.kind().name();
            if let Some(declared) = sites
                && !declared.iter().any(|name| name == kind)
            {
                return Err(format!(
                    "it asks for {kind}, which is none of the sites that it declares: {}",
                    declared.join(", ")
                ));
            }
            sink.edit(declaration, site, code.as_str(), values(named)?, on_error)
        })
    }

    fn import(&mut self, statement: RStr<'_>, public: bool) -> RResult<(), RawError> {
        self.take(|sink| sink.import(statement.as_str(), public))
    }

    fn bind(
        &mut self,
        name: RStr<'_>,
        code: RStr<'_>,
        named: RSlice<'_, RawNamed<'_>>,
    ) -> RResult<(), RawError> {
        self.take(|sink| sink.bind(name.as_str(), code.as_str(), values(named)?))
    }

    fn log(&self, level: u32, message: RStr<'_>) {
        let _ = self.take(|sink| {
            sink.log(level, message.as_str());
            Ok(())
        });
    }
}
