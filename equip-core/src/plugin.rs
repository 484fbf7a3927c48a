//! Shared libraries as visitors: found, checked before any call into them, loaded, asked. The only
//! file of the library that knows the stable ABI; all of its `unsafe` is in the loader.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    CheckingGlobals, check_layout_compatibility_with_globals,
};
use abi_stable::library::{AbiHeaderRef, LibHeader};
use abi_stable::std_types::{RResult, RSlice, RStr, RString, RVec};
use equip_plugin_api::abi::{
    self, Block, Call, FlowEdge, Import, ImportedName, Info, Instr, LocalTypes, Loop, Parameter,
    PluginModuleRef, ProgramModule, RawEdits, RawEditsMut, RawError, RawNamed, RawPluginBox,
    RawProgram, RawProgramRef, RawSite, RawView, RawViewRef, RawVisitorBox, Use, interest,
};
use equip_plugin_api::edit::{OnError, Site, Value};
use equip_plugin_api::view::Arrives;

use crate::analysis::{self, CallSite, Cfg, Exceptions};
use crate::body::{self, Arg, Body};
use crate::code::CodeObject;
use crate::declaration::{DeclId, Declaration, Declarations, Kind, ParameterKind};
use crate::facts::Data;
use crate::listing;
use crate::options::{Declared, ON_ERROR, OptionError};
use crate::pyc::PycFile;
use crate::rewrite;

/// Why a library is no plugin for this host. One line for the user; [`LoadError::detail`] has more.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No such plugin anywhere.
    #[error("no plugin {name:?}: looked for {tried}")]
    NotFound {
        /// What the user said.
        name: String,
        /// All paths that were tried.
        tried: String,
    },
    /// It cannot be opened.
    #[error("{path}: cannot be loaded: {why}")]
    Open {
        /// The library.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It can be opened, but is something else.
    #[error(
        "{path}: not an equip plugin: it does not export {symbol} (see export_plugin! in equip-plugin-api)"
    )]
    NoPlugin {
        /// The library.
        path: PathBuf,
        /// The symbol.
        symbol: &'static str,
    },
    /// It was built for another API version.
    #[error("{path}: built for plugin API {}.{}, this equip has {}.{}: {}", .built.0, .built.1, abi::API_MAJOR, abi::API_MINOR, remedy(*.built))]
    Version {
        /// The library.
        path: PathBuf,
        /// Its version.
        built: (u32, u32),
    },
    /// It cannot say which options it takes.
    #[error("{path}: what it declares of its options cannot be read: {why}")]
    Declaration {
        /// The library.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The same version, but types of another shape.
    #[error(
        "{path}: its types are not those of this equip, though its API version, {}.{}, fits: rebuild it ({summary})",
        .built.0,
        .built.1
    )]
    Layout {
        /// The library.
        path: PathBuf,
        /// Its version.
        built: (u32, u32),
        /// The first difference.
        summary: String,
        /// All differences.
        detail: String,
    },
}

fn remedy(built: (u32, u32)) -> String {
    let (major, minor) = (abi::API_MAJOR, abi::API_MINOR);
    let rebuild = format!("rebuild the plugin with equip-plugin-api {major}.{minor}");
    match built > (major, minor) {
        true => format!("update equip, or {rebuild}"),
        false => rebuild,
    }
}

impl LoadError {
    /// Whether it is a plugin for all that is known, though not for this host.
    pub fn is_plugin(&self) -> bool {
        matches!(
            self,
            LoadError::Version { .. } | LoadError::Layout { .. } | LoadError::Declaration { .. }
        )
    }

    /// All that is known, for those who ask twice.
    pub fn detail(&self) -> Option<&str> {
        match self {
            LoadError::Layout { detail, .. } => Some(detail),
            _ => None,
        }
    }
}

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

/// Where plugins are looked for by bare name. Never the target.
#[derive(Clone, Debug, Default)]
pub struct Loader {
    /// Folders, best first.
    pub directories: Vec<PathBuf>,
}

impl Loader {
    /// `$EQUIP_PLUGIN_PATH`, the folder of this executable, `deps` in it, `../lib/equip/plugins`, the
    /// user's data folder.
    pub fn from_environment() -> Loader {
        let mut directories: Vec<PathBuf> = std::env::var_os("EQUIP_PLUGIN_PATH")
            .map(|path| {
                std::env::split_paths(&path)
                    .filter(|p| p.is_absolute())
                    .collect()
            })
            .unwrap_or_default();
        let exe = std::env::current_exe()
            .and_then(|exe| exe.canonicalize())
            .ok();
        if let Some(folder) = exe.as_deref().and_then(Path::parent) {
            let above = folder.parent().unwrap_or(folder);
            directories.extend([
                folder.to_owned(),
                folder.join("deps"),
                above.join("lib/equip/plugins"),
            ]);
        }
        let data = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        directories.extend(data.or_else(home).map(|data| data.join("equip/plugins")));
        Loader { directories }
    }

    /// The library that a name means: with a separator it is a path; else a file of the current
    /// folder, if it has a library's suffix; else it is looked for in [`Loader::directories`].
    ///
    /// # Errors
    /// [`LoadError::NotFound`] with every path that was tried.
    pub fn find(&self, name: &str, folder: &Path) -> Result<PathBuf, LoadError> {
        let mut tried = Vec::new();
        if Path::new(name).components().count() > 1 || name.contains('/') {
            tried.push(folder.join(name));
        } else {
            let file = file_name(name);
            if file == name {
                tried.push(folder.join(name));
            }
            tried.extend(self.directories.iter().map(|dir| dir.join(&file)));
        }
        let found = tried.iter().find(|path| path.exists());
        match found.and_then(|path| path.canonicalize().ok()) {
            Some(path) => Ok(path),
            None => {
                let tried = tried
                    .iter()
                    .map(|p| p.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", ");
                Err(LoadError::NotFound {
                    name: name.to_owned(),
                    tried,
                })
            }
        }
    }

    /// Libraries that a bare name may mean, best first: name and path. Whether they are plugins, loading tells.
    pub fn installed(&self) -> Vec<(String, PathBuf)> {
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let mut found = Vec::new();
        for folder in &self.directories {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
            files.sort();
            found.extend(files.into_iter().filter_map(|path| {
                let file = path.file_name()?.to_str()?;
                let name = file.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned();
                Some((name, path))
            }));
        }
        found
    }

    /// Loads a library, which stays loaded for as long as the process lives.
    ///
    /// # Errors
    /// [`LoadError`]; nothing of the library was called unless it is a plugin of this API.
    pub fn load(&self, path: &Path) -> Result<Library, LoadError> {
        if path.is_dir() {
            return Err(LoadError::Open {
                path: path.to_owned(),
                why: "it is a folder".to_owned(),
            });
        }
        open(path)
    }
}

/// A loaded plugin, not configured yet.
pub struct Library {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in its own words.
    pub about: String,
    /// The API version that it was built for.
    pub api: (u32, u32),
    /// The compiler that built it.
    pub rustc: String,
    /// Its file.
    pub path: PathBuf,
    /// Whether a panic in it can be caught.
    pub unwinds: bool,
    /// Its options and sites, as far as it says.
    pub declared: Declared,
    interests: u64,
    on_error: OnError,
    runtimes: Vec<Runtime>,
    module: PluginModuleRef,
}

fn text_of(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[allow(unsafe_code)]
fn open(path: &Path) -> Result<Library, LoadError> {
    let owned = || path.to_owned();
    // SAFETY: opening runs the library's initialisers. It is native code that the user names; that
    // loading it runs it is documented.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        LoadError::Open {
            path: owned(),
            why: source.unwrap_or_else(|| error.to_string()),
        }
    })?;
    // Objects of the plugin point into it, so it must never be closed.
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: the symbol is a static of type Info, whose layout never changes; the magic bytes at
    // its start are compared before anything behind them is read.
    let info: &'static Info = unsafe {
        let symbol = library.get::<*const [u8; 16]>("EQUIP_PLUGIN_INFO");
        let symbol = symbol.map_err(|_| LoadError::NoPlugin {
            path: owned(),
            symbol: "EQUIP_PLUGIN_INFO",
        })?;
        let magic: *const [u8; 16] = *symbol;
        if magic.is_null() || *magic != abi::MAGIC {
            return Err(LoadError::NoPlugin {
                path: owned(),
                symbol: "EQUIP_PLUGIN_INFO",
            });
        }
        &*magic.cast::<Info>()
    };
    let built = (info.api_major, info.api_minor);
    // Minor versions grow compatibly: an older plugin never asks for what is new. A newer one might ask for
    // what this host has not got, and would find that out in the middle of a run.
    if built.0 != abi::API_MAJOR || built.1 > abi::API_MINOR {
        return Err(LoadError::Version {
            path: owned(),
            built,
        });
    }
    // SAFETY: a library of this API version exports a LibHeader by that name; `upgrade` checks the
    // stable-ABI crate's own version and self tests before it is used as one.
    let header: &'static LibHeader = unsafe {
        let symbol = library.get::<*const ()>("EQUIP_PLUGIN");
        let symbol = symbol.map_err(|_| LoadError::NoPlugin {
            path: owned(),
            symbol: "EQUIP_PLUGIN",
        })?;
        let header = std::mem::transmute::<*const (), AbiHeaderRef>(*symbol);
        header
            .upgrade()
            .map_err(|error| layout_error(path, built, &error.to_string()))?
    };
    let ours = <PluginModuleRef as StableAbi>::LAYOUT;
    let Some(theirs) = header.layout() else {
        return Err(layout_error(path, built, "it carries no layout"));
    };
    // One way round the plugin may be newer, the other way round older: types grow at their ends.
    // Each check starts afresh: the process-wide state of the plain function remembers an older plugin
    // and then refuses those that are as new as the host. Plugins share no objects with each other.
    let fits = |interface, implementation| {
        let fresh = CheckingGlobals::new();
        check_layout_compatibility_with_globals(interface, implementation, &fresh)
    };
    if let Err(error) = fits(ours, theirs)
        && fits(theirs, ours).is_err()
    {
        return Err(layout_error(path, built, &error.to_string()));
    }
    // SAFETY: the layouts were found compatible just now, one way or the other; a field or method
    // that one side lacks is a prefix type's missing one, which has a default.
    let module = unsafe { header.init_root_module_with_unchecked_layout::<PluginModuleRef>() };
    let module = module.map_err(|error| layout_error(path, built, &error.to_string()))?;
    described(module, info, path)
}

/// What a plugin says of itself, asked of it.
fn described(module: PluginModuleRef, info: &Info, path: &Path) -> Result<Library, LoadError> {
    let declared = match module.declared().map(|declared| declared().into_result()) {
        // A plugin of API 1.0.
        None => Declared::default(),
        Some(Ok(text)) => serde_json::from_str(&text).map_err(|error| LoadError::Declaration {
            path: path.to_owned(),
            why: error.to_string(),
        })?,
        Some(Err(error)) => {
            return Err(LoadError::Declaration {
                path: path.to_owned(),
                why: error.message.into_string(),
            });
        }
    };
    let description = module.describe()();
    let runtimes = description.runtimes.into_iter();
    Ok(Library {
        name: description.name.into_string(),
        version: description.version.into_string(),
        about: description.about.into_string(),
        api: (info.api_major, info.api_minor),
        rustc: text_of(&info.rustc),
        path: path.to_owned(),
        unwinds: description.unwinds,
        declared,
        interests: description.interests,
        on_error: abi::on_error(description.on_error).unwrap_or_default(),
        runtimes: runtimes
            .map(|runtime| Runtime {
                name: runtime.name.into(),
                source: runtime.source.into(),
            })
            .collect(),
        module,
    })
}

/// The checker's text runs to thousands of lines; what differs is behind its `Error:`.
fn layout_error(path: &Path, built: (u32, u32), detail: &str) -> LoadError {
    let lines = detail
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with("Error:"));
    let summary: Vec<_> = lines.filter(|line| !line.is_empty()).take(5).collect();
    let summary = if summary.is_empty() {
        detail.lines().next().unwrap_or_default().to_owned()
    } else {
        summary.join(" ")
    };
    LoadError::Layout {
        path: path.to_owned(),
        built,
        summary,
        detail: detail.to_owned(),
    }
}

impl Library {
    /// A plugin that is part of this program: the type that [`link_plugin!`](equip_plugin_api::link_plugin!)
    /// or [`export_plugin!`](equip_plugin_api::export_plugin!) names.
    ///
    /// # Errors
    /// What it declares of its options cannot be told: [`LoadError::Declaration`].
    pub fn linked<P: abi::Dispatch>() -> Result<Library, LoadError> {
        let info = Info::new(P::NAME, P::VERSION);
        described(abi::module::<P>(), &info, Path::new(P::NAME))
    }

    /// What it is shown: `program`, `modules`, `classes`, `functions`, `instructions`.
    pub fn visitors(&self) -> Vec<&'static str> {
        let all = [
            (interest::PROGRAM, "program"),
            (interest::MODULE, "modules"),
            (interest::CLASS, "classes"),
            (interest::METHOD, "functions"),
            (interest::BYTECODE, "instructions"),
        ];
        let shown = all.into_iter().filter(|(bit, _)| self.interests & bit != 0);
        shown.map(|(_, name)| name).collect()
    }

    /// Makes the plugin from a table of options, `on_error` included, after checking it.
    ///
    /// # Errors
    /// Everything that is wrong with the table; or what the plugin says of it, with the path it names.
    pub fn set_up(
        &self,
        mut table: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Plugin, NotSetUp> {
        let wrong = self.declared.check(&table);
        if !wrong.is_empty() {
            return Err(NotSetUp::Options(wrong));
        }
        // This one is the host's, whatever the plugin.
        let said = table.remove(ON_ERROR);
        let on_error = said
            .as_ref()
            .and_then(|said| OnError::named(said.as_str()?));
        let json = serde_json::Value::Object(table).to_string();
        let mut plugin = self.configure(&json).map_err(NotSetUp::Plugin)?;
        plugin.on_error = on_error.unwrap_or(plugin.on_error);
        Ok(plugin)
    }

    /// Makes the plugin from its options, given as JSON text, which the plugin alone checks.
    ///
    /// # Errors
    /// It does not like them, or panics.
    pub fn configure(&self, options: &str) -> Result<Plugin, PluginError> {
        let plugin = self.module.create()(options.into()).into_result();
        Ok(Plugin {
            name: self.name.clone(),
            version: self.version.clone(),
            runtimes: self.runtimes.clone(),
            options: options.to_owned(),
            on_error: self.on_error,
            sites: self.declared.sites.clone(),
            interests: self.interests,
            plugin: plugin
                .map_err(|error| PluginError::new(&self.name, error, "configure", None))?,
        })
    }
}

/// Why a plugin cannot be had with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSetUp {
    /// They are not those that it declares.
    Options(Vec<OptionError>),
    /// It does not take them.
    Plugin(PluginError),
}

/// A Python module that a plugin brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
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

/// One module as plugins are shown it.
pub struct HostModule<'a> {
    declarations: &'a Declarations<'a>,
    name: &'a str,
    file_path: String,
    keys: OnceCell<Vec<String>>,
    facts: Vec<Facts>,
    pyc: &'a PycFile<'a>,
}

/// What is worked out about a declaration once, for all plugins that ask.
#[derive(Clone, Default)]
struct Facts {
    body: OnceCell<Result<Body, String>>,
    lines: OnceCell<Vec<u32>>,
    instructions: OnceCell<Vec<Instr>>,
    /// Without and with exceptions.
    flows: [OnceCell<Flow>; 2],
    data: OnceCell<Result<Data, String>>,
    calls: OnceCell<Vec<CallSite>>,
}

#[derive(Clone, Default)]
struct Flow {
    blocks: Vec<Block>,
    edges: Vec<FlowEdge>,
    loops: Vec<Loop>,
}

impl<'a> HostModule<'a> {
    /// Prepares a module; facts are computed when a plugin asks.
    pub fn new(pyc: &'a PycFile<'a>, declarations: &'a Declarations<'a>, name: &'a str) -> Self {
        let file_path = pyc
            .objects
            .str(pyc.module().filename)
            .unwrap_or_default()
            .into_owned();
        HostModule {
            declarations,
            name,
            file_path,
            keys: OnceCell::new(),
            facts: vec![Facts::default(); declarations.list.len()],
            pyc,
        }
    }
}

struct View<'v> {
    host: &'v HostModule<'v>,
    declaration: &'v Declaration<'v>,
    parameters: OnceCell<Vec<Parameter<'v>>>,
    imports: OnceCell<Vec<Import<'v>>>,
    /// Why a question could not be answered.
    failure: RefCell<Option<String>>,
}

impl<'v> View<'v> {
    fn new(host: &'v HostModule<'v>, declaration: &'v Declaration<'v>) -> Self {
        View {
            host,
            declaration,
            parameters: OnceCell::new(),
            imports: OnceCell::new(),
            failure: RefCell::new(None),
        }
    }

    fn facts(&self) -> &'v Facts {
        &self.host.facts[self.declaration.id.0 as usize]
    }

    fn body(&self) -> Result<&'v Body, String> {
        let found = self.facts().body.get_or_init(|| {
            let code = self.code()?;
            let body = body::decode(self.host.pyc.isa, &self.host.pyc.objects, code);
            body.map_err(|error| error.to_string())
        });
        found.as_ref().map_err(Clone::clone)
    }

    fn code(&self) -> Result<&'v CodeObject, String> {
        let code = self.host.pyc.objects.code(self.declaration.code);
        code.ok_or_else(|| "a declaration without a code object".to_owned())
    }

    fn flow(&self, exceptions: bool) -> Result<&'v Flow, String> {
        let kind = match exceptions {
            true => Exceptions::Followed,
            false => Exceptions::Ignored,
        };
        let body = self.body()?;
        let cell = &self.facts().flows[usize::from(exceptions)];
        Ok(cell.get_or_init(|| flow(body, kind)))
    }

    fn data(&self) -> Result<&'v Data, String> {
        let (body, code) = (self.body()?, self.code()?);
        let found = &self.facts().data;
        let found = found.get_or_init(|| Data::of(body, &self.host.pyc.objects, code));
        found.as_ref().map_err(Clone::clone)
    }

    /// An answer; nothing if there is none, which then fails the visit. A panic of the host would end
    /// the process at the boundary.
    fn answer<T: Default>(&self, answer: impl FnOnce() -> Result<T, String>) -> T {
        let result = catch_unwind(AssertUnwindSafe(answer));
        let result = result.unwrap_or_else(|_| Err(FAILED.to_owned()));
        result.unwrap_or_else(|message| {
            self.failure.borrow_mut().get_or_insert(message);
            T::default()
        })
    }
}

fn instructions(body: &Body) -> Vec<Instr> {
    let arrivals = rewrite::arrivals(body);
    let all = body.instrs.iter().enumerate().map(|(index, instr)| {
        let arg = match instr.arg {
            Arg::None => 0,
            Arg::Int(value) | Arg::Const(value) | Arg::Local(value) | Arg::Name(value, _) => value,
            Arg::Locals(one, other) => one << 4 | other,
            Arg::Jump(label) => body.at(label) as u32,
        };
        let flags = [
            (
                analysis::cfg::can_raise(body.isa, instr.opcode),
                abi::instr::CAN_RAISE,
            ),
            (
                rewrite::is_conditional(body, index),
                abi::instr::CONDITIONAL,
            ),
            (rewrite::takes_code(body, index), abi::instr::TAKES_CODE),
            (arrivals[index] == Arrives::Always, abi::instr::ARRIVES),
            (
                arrivals[index] == Arrives::Sometimes,
                abi::instr::MAY_ARRIVE,
            ),
        ];
        let flags = flags.into_iter().filter(|(holds, _)| *holds);
        Instr::new(
            instr.opcode.0,
            flags.fold(0, |all, (_, flag)| all | flag),
            arg,
            instr.location.line.max(0) as u32,
            index as u32,
        )
    });
    all.collect()
}

fn flow(body: &Body, exceptions: Exceptions) -> Flow {
    let cfg = Cfg::of(body, exceptions);
    let dominators = analysis::dominators(&cfg.graph, cfg.entry);
    let post_dominators = analysis::post_dominators(&cfg.graph, cfg.exit);
    let loops = analysis::loops(&cfg.graph, &dominators);
    let plus_one = |number: Option<usize>| number.map_or(0, |number| number as u32 + 1);
    let blocks = cfg.graph.node_indices().map(|node| {
        let block = cfg.block(node);
        let last = block.last().map(|last| &body.instrs[last]);
        Block {
            start: block.start,
            end: block.end,
            dominator: plus_one(dominators.immediate(node).map(|node| node.index())),
            post_dominator: plus_one(post_dominators.immediate(node).map(|node| node.index())),
            innermost: plus_one(loops.innermost(node).map(|id| id.0 as usize)),
            handled: last.is_some_and(|last| body.handler(last).is_some()),
            walked: dominators.walked(node).into(),
        }
    });
    let edges = cfg.graph.node_indices().flat_map(|node| {
        cfg.edges_out(node)
            .into_iter()
            .map(move |(_, to, edge)| FlowEdge {
                from: node.index() as u32,
                to: to.index() as u32,
                kind: edge.kind.number(),
                back: edge.is_back,
                reserved: 0,
            })
    });
    let all_loops = loops.loops.iter().map(|one| Loop {
        head: one.head.index() as u32,
        parent: plus_one(one.parent.map(|id| id.0 as usize)),
        depth: one.depth,
        reserved: 0,
    });
    Flow {
        blocks: blocks.collect(),
        edges: edges.collect(),
        loops: all_loops.collect(),
    }
}

impl RawView for View<'_> {
    fn kind(&self) -> u8 {
        use equip_plugin_api::view::Kind as Shown;
        abi::kind_number(match self.declaration.kind {
            Kind::Module => Shown::Module,
            Kind::Class => Shown::Class,
            Kind::Function => Shown::Function,
            Kind::Lambda => Shown::Lambda,
            Kind::Comprehension => Shown::Comprehension,
            Kind::Annotation => Shown::Annotation,
        })
    }

    fn index(&self) -> u32 {
        self.declaration.id.0
    }

    fn parent(&self) -> u32 {
        self.declaration.parent.map_or(0, |id| id.0 + 1)
    }

    fn first_line(&self) -> u32 {
        self.declaration.first_line
    }

    fn end_line(&self) -> u32 {
        self.declaration.end_line
    }

    fn flags(&self) -> u32 {
        self.declaration.flags
    }

    fn declarations(&self) -> u32 {
        self.host.declarations.list.len() as u32
    }

    fn runtime_is_unseen(&self) -> bool {
        self.host.pyc.isa.unseen_without_resume
    }

    fn name(&self) -> RStr<'_> {
        self.declaration.name.as_ref().into()
    }

    fn qualname(&self) -> RStr<'_> {
        self.declaration.qualname.as_ref().into()
    }

    fn key(&self) -> RStr<'_> {
        let key = self.answer(|| {
            let keys = self.host.keys.get_or_init(|| self.host.declarations.keys());
            Ok(keys[self.declaration.id.0 as usize].as_str())
        });
        key.into()
    }

    fn module_name(&self) -> RStr<'_> {
        self.host.name.into()
    }

    fn file_path(&self) -> RStr<'_> {
        self.host.file_path.as_str().into()
    }

    fn class_name(&self) -> RStr<'_> {
        let class = self
            .declaration
            .class
            .map(|id| self.host.declarations.list[id.0 as usize].name.as_ref());
        class.unwrap_or_default().into()
    }

    fn parameters(&self) -> RSlice<'_, Parameter<'_>> {
        let parameters = self.parameters.get_or_init(|| {
            let all = self
                .declaration
                .parameters
                .iter()
                .map(|parameter| Parameter {
                    name: parameter.name.as_ref().into(),
                    kind: match parameter.kind {
                        ParameterKind::PositionalOnly => 0,
                        ParameterKind::Positional => 1,
                        ParameterKind::VarPositional => 2,
                        ParameterKind::KeywordOnly => 3,
                        ParameterKind::VarKeyword => 4,
                    },
                });
            all.collect()
        });
        parameters.as_slice().into()
    }

    fn bases(&self) -> RVec<RStr<'_>> {
        self.declaration
            .bases
            .iter()
            .map(|base| base.as_str().into())
            .collect()
    }

    fn decorators(&self) -> RVec<RStr<'_>> {
        self.declaration
            .decorators
            .iter()
            .map(|name| name.as_str().into())
            .collect()
    }

    fn imports(&self) -> RSlice<'_, Import<'_>> {
        let imports = self.imports.get_or_init(|| {
            let all = self.host.declarations.imports.iter().map(|import| Import {
                module: import.module.as_str().into(),
                alias: import.alias.as_deref().unwrap_or_default().into(),
                names: import
                    .names
                    .iter()
                    .map(|(name, alias)| ImportedName {
                        name: name.as_str().into(),
                        alias: alias.as_deref().unwrap_or_default().into(),
                    })
                    .collect(),
                line: import.line,
                level: import.level,
                star: import.star,
            });
            all.collect()
        });
        imports.as_slice().into()
    }

    fn lines(&self) -> RSlice<'_, u32> {
        let all = self.answer(|| {
            let (body, cell) = (self.body()?, &self.facts().lines);
            Ok(cell.get_or_init(|| rewrite::lines(body)).as_slice())
        });
        all.into()
    }

    fn instructions(&self) -> RSlice<'_, Instr> {
        let all = self.answer(|| {
            let (body, cell) = (self.body()?, &self.facts().instructions);
            Ok(cell.get_or_init(|| instructions(body)).as_slice())
        });
        all.into()
    }

    fn blocks(&self, exceptions: bool) -> RSlice<'_, Block> {
        self.answer(|| Ok(self.flow(exceptions)?.blocks.as_slice()))
            .into()
    }

    fn edges(&self, exceptions: bool) -> RSlice<'_, FlowEdge> {
        self.answer(|| Ok(self.flow(exceptions)?.edges.as_slice()))
            .into()
    }

    fn loops(&self, exceptions: bool) -> RSlice<'_, Loop> {
        self.answer(|| Ok(self.flow(exceptions)?.loops.as_slice()))
            .into()
    }

    fn live(&self, instr: u32) -> RVec<RStr<'_>> {
        self.answer(|| Ok(self.data()?.live(instr as usize).map(RStr::from).collect()))
    }

    fn uses(&self, instr: u32) -> RVec<Use<'_>> {
        self.answer(|| {
            let uses = self.data()?.uses(instr as usize).iter();
            let uses = uses.map(|(variable, definitions)| Use {
                variable: variable.as_str().into(),
                definitions: definitions.clone().into(),
            });
            Ok(uses.collect())
        })
    }

    fn local_types(&self, instr: u32) -> RVec<LocalTypes<'_>> {
        self.answer(|| {
            let types = self.data()?.types(instr as usize);
            let types = types.map(|(name, types)| LocalTypes {
                name: name.into(),
                types,
            });
            Ok(types.collect())
        })
    }

    fn condition(&self, instr: u32) -> RStr<'_> {
        self.answer(|| Ok(self.data()?.condition(instr as usize).unwrap_or_default()))
            .into()
    }

    fn calls(&self) -> RVec<Call<'_>> {
        self.answer(|| {
            let (body, cell) = (self.body()?, &self.facts().calls);
            let calls = cell.get_or_init(|| analysis::call_sites(body, &self.host.pyc.objects));
            let calls = calls.iter().map(|call| Call {
                name: call.name.as_str().into(),
                instruction: call.at as u32,
                line: body.instrs[call.at].location.line.max(0) as u32,
            });
            Ok(calls.collect())
        })
    }

    fn operand(&self, instr: u32) -> RString {
        let text = self.answer(|| {
            let body = self.body()?;
            let instr = body.instrs.get(instr as usize);
            let instr = instr.ok_or("no such instruction")?;
            let label = |at: u32| at.to_string();
            Ok(listing::operand(
                body,
                &self.host.pyc.objects,
                instr,
                &label,
            ))
        });
        text.into()
    }
}

/// The file name that a plugin of that name has.
pub fn file_name(name: &str) -> String {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let plain = Path::new(name).extension() == Some(OsStr::new(suffix.trim_start_matches('.')));
    if plain {
        name.to_owned()
    } else {
        format!("{prefix}{}{suffix}", name.replace('-', "_"))
    }
}
