//! Everything that crosses the boundary between host and plugin; the only file that names the
//! stable-ABI crate. Authors never see it, and it holds the only `unsafe` of this crate.
//!
//! Rules of growth: append only, always with a default, `last_prefix_field` stays where it is.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError, RwLock};

pub use abi_stable::library::LibHeader;
use abi_stable::library::{CheckTypeLayout, RootModule, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, RResult, RSlice, RStr, RString, RVec};
use abi_stable::{StableAbi, package_version_strings, sabi_trait};

pub use abi_stable::sabi_types::{RMut, RRef};
pub use abi_stable::std_types;

use crate::edit::{Edge, Edits, LoopEdge, OnError, Position, Site, Snippet, Value, When};
use crate::error::{Error, Options, Result};
use crate::view::{Class, Code, Kind, Method, Module, Program};
use crate::visitor::{Plugin, Runtime};

/// Major version of this API: another one is never loaded.
pub const API_MAJOR: u32 = number(env!("CARGO_PKG_VERSION_MAJOR"));
/// Minor version: a plugin with a smaller one is loaded, one with a larger one is not.
pub const API_MINOR: u32 = number(env!("CARGO_PKG_VERSION_MINOR"));

const fn number(text: &str) -> u32 {
    let (bytes, mut at, mut value) = (text.as_bytes(), 0, 0);
    while at < bytes.len() {
        value = value * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    value
}

/// Kinds of errors.
pub mod code {
    pub const PLUGIN: u32 = 1;
    pub const PANIC: u32 = 2;
    pub const OPTIONS: u32 = 3;
    pub const HOST: u32 = 4;
}

/// Bits of what a plugin wants to be shown.
pub mod interest {
    pub const MODULE: u64 = 1;
    pub const CLASS: u64 = 2;
    pub const METHOD: u64 = 4;
    pub const BYTECODE: u64 = 8;
    pub const COMPREHENSIONS: u64 = 16;
    pub const PROGRAM: u64 = 32;
}

// ---- plain information that is read before anything else -----------------------------------------

/// Read by the host before it calls into a library at all. Its layout never changes.
#[repr(C)]
pub struct Info {
    pub magic: [u8; 16],
    pub api_major: u32,
    pub api_minor: u32,
    pub name: [u8; 64],
    pub version: [u8; 32],
    pub rustc: [u8; 96],
}

/// Starts every [`Info`].
pub const MAGIC: [u8; 16] = *b"equip plugin\0\0\0\x01";

const fn fixed<const N: usize>(text: &str) -> [u8; N] {
    let (bytes, mut out, mut at) = (text.as_bytes(), [0; N], 0);
    while at < bytes.len() && at < N {
        out[at] = bytes[at];
        at += 1;
    }
    out
}

impl Info {
    pub const fn new(name: &str, version: &str) -> Self {
        Info {
            magic: MAGIC,
            api_major: API_MAJOR,
            api_minor: API_MINOR,
            name: fixed(name),
            version: fixed(version),
            rustc: fixed(env!("EQUIP_RUSTC")),
        }
    }
}

// ---- records -------------------------------------------------------------------------------------

/// One instruction. Its 16 bytes never change.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Instr {
    pub(crate) opcode: u16,
    /// Of [`instr`].
    pub(crate) flags: u16,
    pub(crate) arg: u32,
    pub(crate) line: u32,
    pub(crate) index: u32,
}

impl Instr {
    #[doc(hidden)]
    pub fn new(opcode: u16, flags: u16, arg: u32, line: u32, index: u32) -> Self {
        Instr {
            opcode,
            flags,
            arg,
            line,
            index,
        }
    }
}

/// Bits of `Instr::flags`.
pub mod instr {
    pub const CAN_RAISE: u16 = 1;
    pub const CONDITIONAL: u16 = 2;
    pub const TAKES_CODE: u16 = 4;
    pub const ARRIVES: u16 = 8;
    pub const MAY_ARRIVE: u16 = 16;
}

/// A basic block. Numbers of other things are plus 1; 0 for none. Its 32 bytes never change.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Block {
    #[doc(hidden)]
    pub start: u32,
    #[doc(hidden)]
    pub end: u32,
    #[doc(hidden)]
    pub dominator: u32,
    #[doc(hidden)]
    pub post_dominator: u32,
    #[doc(hidden)]
    pub innermost: u32,
    #[doc(hidden)]
    pub handled: bool,
    /// When a walk through the tree of dominators enters and leaves it.
    #[doc(hidden)]
    pub walked: [u32; 2],
}

/// An edge between two blocks. Its 16 bytes never change.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct FlowEdge {
    #[doc(hidden)]
    pub from: u32,
    #[doc(hidden)]
    pub to: u32,
    #[doc(hidden)]
    pub kind: u8,
    #[doc(hidden)]
    pub back: bool,
    #[doc(hidden)]
    pub reserved: u32,
}

/// A natural loop; its parent's number is plus 1. Its 16 bytes never change.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Loop {
    #[doc(hidden)]
    pub head: u32,
    #[doc(hidden)]
    pub parent: u32,
    #[doc(hidden)]
    pub depth: u32,
    #[doc(hidden)]
    pub reserved: u32,
}

/// A read of a variable; definitions are instructions plus 1, 0 for the entry.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct Use<'a> {
    #[doc(hidden)]
    pub variable: RStr<'a>,
    #[doc(hidden)]
    pub definitions: RVec<u32>,
}

/// What a local may be: a bit for each type, then one for unbound.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct LocalTypes<'a> {
    #[doc(hidden)]
    pub name: RStr<'a>,
    #[doc(hidden)]
    pub types: u32,
}

/// One parameter of a function.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Parameter<'a> {
    #[doc(hidden)]
    pub name: RStr<'a>,
    #[doc(hidden)]
    pub kind: u8,
}

/// A name that an import statement names.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct ImportedName<'a> {
    #[doc(hidden)]
    pub name: RStr<'a>,
    #[doc(hidden)]
    pub alias: RStr<'a>,
}

/// An import statement.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct Import<'a> {
    #[doc(hidden)]
    pub module: RStr<'a>,
    #[doc(hidden)]
    pub alias: RStr<'a>,
    #[doc(hidden)]
    pub names: RVec<ImportedName<'a>>,
    #[doc(hidden)]
    pub line: u32,
    #[doc(hidden)]
    pub level: u32,
    #[doc(hidden)]
    pub star: bool,
}

/// A call that the source makes.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct Call<'a> {
    #[doc(hidden)]
    pub name: RStr<'a>,
    #[doc(hidden)]
    pub instruction: u32,
    #[doc(hidden)]
    pub line: u32,
}

/// A module of a program.
#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct ProgramModule<'a> {
    #[doc(hidden)]
    pub name: RStr<'a>,
    #[doc(hidden)]
    pub path: RStr<'a>,
}

/// A value: its kind, and the field that the kind means.
#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct RawValue {
    pub kind: u32,
    pub int: i64,
    pub float: f64,
    pub text: RVec<u8>,
    pub items: RVec<RawValue>,
}

#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct RawNamed<'a> {
    pub name: RStr<'a>,
    pub value: RawValue,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, StableAbi)]
pub struct RawSite {
    pub kind: u32,
    pub number: u32,
    pub flag: u32,
}

#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct RawError {
    pub code: u32,
    pub message: RString,
    /// For a panic: file and line. For an option: its path, empty where it is all of them.
    pub at: RString,
}

#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct RawRuntime {
    pub name: RString,
    pub source: RString,
}

#[repr(C)]
#[derive(Clone, Debug, StableAbi)]
pub struct Description {
    pub name: RString,
    pub version: RString,
    pub about: RString,
    pub interests: u64,
    /// Whether a panic can be caught: false for a plugin built with `panic = "abort"`.
    pub unwinds: bool,
    /// What becomes of errors of its snippets.
    pub on_error: u32,
    pub runtimes: RVec<RawRuntime>,
}

// ---- objects -------------------------------------------------------------------------------------

/// The host's view of one declaration, lent to the plugin for one visit.
#[sabi_trait]
pub trait RawView {
    fn kind(&self) -> u8;
    fn index(&self) -> u32;
    /// Number of the parent plus 1; 0 for none.
    fn parent(&self) -> u32;
    fn first_line(&self) -> u32;
    fn end_line(&self) -> u32;
    fn flags(&self) -> u32;
    fn declarations(&self) -> u32;
    fn name(&self) -> RStr<'_>;
    fn qualname(&self) -> RStr<'_>;
    fn key(&self) -> RStr<'_>;
    fn module_name(&self) -> RStr<'_>;
    fn file_path(&self) -> RStr<'_>;
    fn class_name(&self) -> RStr<'_>;
    fn parameters(&self) -> RSlice<'_, Parameter<'_>>;
    fn bases(&self) -> RVec<RStr<'_>>;
    fn decorators(&self) -> RVec<RStr<'_>>;
    fn imports(&self) -> RSlice<'_, Import<'_>>;
    fn lines(&self) -> RSlice<'_, u32>;
    #[sabi(last_prefix_field)]
    fn instructions(&self) -> RSlice<'_, Instr>;
    fn blocks(&self, _exceptions: bool) -> RSlice<'_, Block> {
        RSlice::EMPTY
    }
    fn edges(&self, _exceptions: bool) -> RSlice<'_, FlowEdge> {
        RSlice::EMPTY
    }
    fn loops(&self, _exceptions: bool) -> RSlice<'_, Loop> {
        RSlice::EMPTY
    }
    fn live(&self, _instr: u32) -> RVec<RStr<'_>> {
        RVec::new()
    }
    fn uses(&self, _instr: u32) -> RVec<Use<'_>> {
        RVec::new()
    }
    fn local_types(&self, _instr: u32) -> RVec<LocalTypes<'_>> {
        RVec::new()
    }
    /// Empty for none.
    fn condition(&self, _instr: u32) -> RStr<'_> {
        RStr::empty()
    }
    /// Empty for none.
    fn operand(&self, _instr: u32) -> RString {
        RString::new()
    }
    fn runtime_is_unseen(&self) -> bool {
        true
    }
    fn calls(&self) -> RVec<Call<'_>> {
        RVec::new()
    }
}

/// The program, lent to the plugin before and after its modules.
#[sabi_trait]
pub trait RawProgram {
    fn modules(&self) -> RSlice<'_, ProgramModule<'_>>;
    #[sabi(last_prefix_field)]
    fn write(&self, file: RStr<'_>, content: RSlice<'_, u8>) -> RResult<(), RawError>;
}

/// Where the host takes edits.
#[sabi_trait]
pub trait RawEdits {
    fn edit(
        &mut self,
        site: RawSite,
        code: RStr<'_>,
        values: RSlice<'_, RawNamed<'_>>,
        on_error: u32,
    ) -> RResult<(), RawError>;
    fn import(&mut self, statement: RStr<'_>, public: bool) -> RResult<(), RawError>;
    fn bind(
        &mut self,
        name: RStr<'_>,
        code: RStr<'_>,
        values: RSlice<'_, RawNamed<'_>>,
    ) -> RResult<(), RawError>;
    #[sabi(last_prefix_field)]
    fn log(&self, level: u32, message: RStr<'_>);
}

/// A plugin's visitor of one module.
#[sabi_trait]
pub trait RawVisitor: Send {
    /// One visit: `what` is one bit of [`interest`].
    fn visit(
        &mut self,
        what: u64,
        view: RawViewRef<'_>,
        edits: RawEditsMut<'_>,
    ) -> RResult<(), RawError>;
    #[sabi(last_prefix_field)]
    fn finish(
        &mut self,
        view: RawViewRef<'_>,
        edits: RawEditsMut<'_>,
    ) -> RResult<RString, RawError>;
}

/// A configured plugin.
#[sabi_trait]
pub trait RawPlugin: Send + Sync {
    #[sabi(last_prefix_field)]
    fn start(&self) -> RResult<RawVisitorBox, RawError>;
    /// The visitor of the module of that number, which `end` is to have.
    fn start_numbered(&self, _module: u32) -> RResult<RawVisitorBox, RawError> {
        self.start()
    }
    fn begin(&self, _program: RawProgramRef<'_>) -> RResult<(), RawError> {
        RResult::ROk(())
    }
    fn end(&self, _program: RawProgramRef<'_>) -> RResult<RString, RawError> {
        RResult::ROk(RString::new())
    }
}

pub type RawViewRef<'a> = RawView_TO<'a, RRef<'a, ()>>;
pub type RawEditsMut<'a> = RawEdits_TO<'a, RMut<'a, ()>>;
pub type RawProgramRef<'a> = RawProgram_TO<'a, RRef<'a, ()>>;
pub type RawVisitorBox = RawVisitor_TO<'static, RBox<()>>;
pub type RawPluginBox = RawPlugin_TO<'static, RBox<()>>;

/// Lends a host's view.
pub fn lend_view<'a, T: RawView + 'a>(view: &'a T) -> RawViewRef<'a> {
    RawView_TO::from_ptr(RRef::new(view), TD_Opaque)
}

/// Lends a host's program.
pub fn lend_program<'a, T: RawProgram + 'a>(program: &'a T) -> RawProgramRef<'a> {
    RawProgram_TO::from_ptr(RRef::new(program), TD_Opaque)
}

/// Lends a host's edits.
pub fn lend_edits<'a, T: RawEdits + 'a>(edits: &'a mut T) -> RawEditsMut<'a> {
    RawEdits_TO::from_ptr(RMut::new(edits), TD_Opaque)
}

#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef)))]
#[sabi(missing_field(option))]
pub struct PluginModule {
    pub describe: extern "C" fn() -> Description,
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(RStr<'_>) -> RResult<RawPluginBox, RawError>,
    /// What the plugin declares, as a JSON object: `options` and `sites`, each null where it does not say.
    pub declared: extern "C" fn() -> RResult<RString, RawError>,
}

impl RootModule for PluginModuleRef {
    abi_stable::declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "equip_plugin";
    const NAME: &'static str = "equip_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

// ---- the plugin's side ---------------------------------------------------------------------------

/// What `export_plugin!` writes for a plugin type.
pub trait Dispatch: Plugin {
    const NAME: &'static str;
    const VERSION: &'static str;
    const ABOUT: &'static str;
    const INTERESTS: u64;
    const COMPREHENSIONS: bool = false;
    fn module(&mut self, _view: &Module<'_>, _edits: &mut Edits<'_>) -> Result {
        Ok(())
    }
    fn class(&mut self, _view: &Class<'_>, _edits: &mut Edits<'_>) -> Result {
        Ok(())
    }
    fn method(&mut self, _view: &Method<'_>, _edits: &mut Edits<'_>) -> Result {
        Ok(())
    }
    fn bytecode(&mut self, _view: &Code<'_>, _edits: &mut Edits<'_>) -> Result {
        Ok(())
    }
    fn begin(&mut self, _program: &Program<'_>) -> Result {
        Ok(())
    }
    fn end(&mut self, _program: &Program<'_>, _modules: Vec<Self>) -> Result<String> {
        Ok(String::new())
    }
}

/// The header that the host looks for in a library.
pub const fn header<P: Dispatch>() -> LibHeader {
    // SAFETY: `root` returns the PluginModuleRef that `module` makes.
    unsafe { LibHeader::from_constructor::<PluginModuleRef>(root::<P>, CheckTypeLayout::Yes) }
}

extern "C" fn root<P: Dispatch>() -> RootModuleResult {
    abi_stable::library::__call_root_module_loader(module::<P>)
}

/// What a library exports; a host that links the plugin calls it itself.
pub fn module<P: Dispatch>() -> PluginModuleRef {
    PluginModule {
        describe: describe::<P>,
        create: create::<P>,
        declared: declared::<P>,
    }
    .leak_into_prefix()
}

extern "C" fn describe<P: Dispatch>() -> Description {
    let runtime = |runtime: &Runtime| RawRuntime {
        name: runtime.name().into(),
        source: runtime.source.into(),
    };
    let shown = if P::COMPREHENSIONS {
        interest::COMPREHENSIONS
    } else {
        0
    };
    Description {
        name: P::NAME.into(),
        version: P::VERSION.into(),
        about: P::ABOUT.into(),
        interests: P::INTERESTS | shown,
        unwinds: cfg!(panic = "unwind"),
        on_error: on_error_number(Some(P::ON_ERROR)),
        runtimes: P::RUNTIME.iter().map(runtime).collect(),
    }
}

extern "C" fn declared<P: Dispatch>() -> RResult<RString, RawError> {
    watch_panics();
    guard(|| {
        let sites: Vec<&str> = P::SITES.iter().map(|kind| kind.name()).collect();
        let sites = (!sites.is_empty()).then_some(sites);
        let declared = serde_json::json!({"options": P::OPTIONS.json(), "sites": sites});
        Ok(declared.to_string().into())
    })
}

extern "C" fn create<P: Dispatch>(options: RStr<'_>) -> RResult<RawPluginBox, RawError> {
    watch_panics();
    guard(|| {
        let plugin = P::configure(Options {
            json: options.as_str(),
        })?;
        Ok(RawPlugin_TO::from_value(
            Configured {
                plugin: RwLock::new(Guarded(Some(plugin))),
                visited: Arc::default(),
            },
            TD_Opaque,
        ))
    })
}

struct Configured<P: Dispatch> {
    plugin: RwLock<Guarded<P>>,
    visited: Visited<P>,
}

/// The visitors that have ended, by the numbers of their modules: for plugins that look at all of them.
type Visited<P> = Arc<Mutex<BTreeMap<u32, Guarded<P>>>>;

/// A plugin's state, dropped under guard.
struct Guarded<P>(Option<P>);

impl<P> Drop for Guarded<P> {
    fn drop(&mut self) {
        let state = self.0.take();
        let _ = guard(|| {
            drop(state);
            Ok(())
        });
    }
}

impl<P: Dispatch> Configured<P> {
    fn visitor(&self, module: Option<u32>) -> RResult<RawVisitorBox, RawError> {
        guard(|| {
            // A panic ended the visit that it was in; others go on.
            let plugin = self.plugin.read().unwrap_or_else(PoisonError::into_inner);
            let keeps = module.filter(|_| P::INTERESTS & interest::PROGRAM != 0);
            let visiting = Visiting {
                state: Guarded(plugin.0.clone()),
                kept: keeps.map(|module| (module, self.visited.clone())),
            };
            Ok(RawVisitor_TO::from_value(visiting, TD_Opaque))
        })
    }

    fn whole<T>(&self, call: impl FnOnce(&mut P) -> Result<T>) -> RResult<T, RawError> {
        guard(|| {
            let mut plugin = self.plugin.write().unwrap_or_else(PoisonError::into_inner);
            match plugin.0.as_mut() {
                Some(plugin) => call(plugin),
                None => Err(Error::new("the plugin has ended")),
            }
        })
    }
}

impl<P: Dispatch> RawPlugin for Configured<P> {
    fn start(&self) -> RResult<RawVisitorBox, RawError> {
        self.visitor(None)
    }

    fn start_numbered(&self, module: u32) -> RResult<RawVisitorBox, RawError> {
        self.visitor(Some(module))
    }

    fn begin(&self, program: RawProgramRef<'_>) -> RResult<(), RawError> {
        self.whole(|plugin| plugin.begin(&Program(program)))
    }

    fn end(&self, program: RawProgramRef<'_>) -> RResult<RString, RawError> {
        self.whole(|plugin| {
            let visited = &mut *self.visited.lock().unwrap_or_else(PoisonError::into_inner);
            let modules = std::mem::take(visited).into_values();
            let modules = modules.filter_map(|mut state| state.0.take()).collect();
            Ok(plugin.end(&Program(program), modules)?.into())
        })
    }
}

struct Visiting<P: Dispatch> {
    state: Guarded<P>,
    kept: Option<(u32, Visited<P>)>,
}

impl<P: Dispatch> RawVisitor for Visiting<P> {
    fn visit(
        &mut self,
        what: u64,
        view: RawViewRef<'_>,
        edits: RawEditsMut<'_>,
    ) -> RResult<(), RawError> {
        let state = self.state.0.as_mut();
        guard(|| {
            let Some(plugin) = state else {
                return Err(Error::new("the visitor has ended"));
            };
            let mut edits = Edits(edits);
            match what {
                interest::MODULE => plugin.module(&Module(Code(view)), &mut edits),
                interest::CLASS => plugin.class(&Class(Code(view)), &mut edits),
                interest::METHOD => plugin.method(&Method(Code(view)), &mut edits),
                interest::BYTECODE => plugin.bytecode(&Code(view), &mut edits),
                // A newer host that shows something this plugin does not know.
                _ => Ok(()),
            }
        })
    }

    fn finish(
        &mut self,
        view: RawViewRef<'_>,
        edits: RawEditsMut<'_>,
    ) -> RResult<RString, RawError> {
        guard(|| {
            let Some(plugin) = self.state.0.as_mut() else {
                return Err(Error::new("the visitor has ended"));
            };
            let text = plugin.finish(&Module(Code(view)), &mut Edits(edits))?;
            if let Some((module, visited)) = &self.kept {
                let state = Guarded(self.state.0.take());
                let mut visited = visited.lock().unwrap_or_else(PoisonError::into_inner);
                visited.insert(*module, state);
            }
            Ok(text.into())
        })
    }
}

// ---- panics --------------------------------------------------------------------------------------

thread_local! {
    static GUARDED: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Each shared library has its own copy of std, and so a panic hook of its own. Guarded panics say
/// where they happened and print nothing; others go to the hook that was there.
pub fn watch_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.get() == 0 {
                return previous(info);
            }
            let place = info
                .location()
                .map(|at| format!("{}:{}", at.file(), at.line()));
            // A thread that ends may have dropped it already.
            let _ = PLACE.try_with(|cell| {
                if let Ok(mut cell) = cell.try_borrow_mut() {
                    *cell = place.unwrap_or_default();
                }
            });
        }));
    });
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned())
}

/// Runs a closure; a panic in it becomes an error value. Without this it would end the process.
pub fn guard<T>(run: impl FnOnce() -> Result<T>) -> RResult<T, RawError> {
    GUARDED.set(GUARDED.get() + 1);
    let result = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => RResult::ROk(value),
        Ok(Err(error)) => RResult::RErr(RawError {
            code: error.code,
            message: error.message.into(),
            at: error.at.into(),
        }),
        Err(payload) => {
            let message = payload_text(&*payload);
            let at = PLACE.try_with(RefCell::take).unwrap_or_default();
            // Dropping what was thrown may throw again, from another place.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            RResult::RErr(RawError {
                code: code::PANIC,
                message: message.into(),
                at: at.into(),
            })
        }
    };
    GUARDED.set(GUARDED.get() - 1);
    result
}

// ---- conversions ---------------------------------------------------------------------------------

impl From<&Value> for RawValue {
    fn from(value: &Value) -> Self {
        let mut raw = RawValue {
            kind: 0,
            int: 0,
            float: 0.0,
            text: RVec::new(),
            items: RVec::new(),
        };
        raw.kind = match value {
            Value::None => 0,
            Value::Bool(value) => {
                raw.int = (*value).into();
                1
            }
            Value::Int(value) => {
                raw.int = *value;
                2
            }
            Value::Float(value) => {
                raw.float = *value;
                3
            }
            Value::Str(text) => {
                raw.text = text.as_bytes().into();
                4
            }
            Value::Bytes(bytes) => {
                raw.text = bytes.as_slice().into();
                5
            }
            Value::Tuple(items) => {
                raw.items = items.iter().map(RawValue::from).collect();
                6
            }
        };
        raw
    }
}

impl RawValue {
    /// The value; `None` for a kind that this side does not know.
    pub fn value(&self) -> Option<Value> {
        Some(match self.kind {
            0 => Value::None,
            1 => Value::Bool(self.int != 0),
            2 => Value::Int(self.int),
            3 => Value::Float(self.float),
            4 => Value::Str(String::from_utf8_lossy(&self.text).into_owned()),
            5 => Value::Bytes(self.text.to_vec()),
            6 => Value::Tuple(
                self.items
                    .iter()
                    .map(RawValue::value)
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }
}

impl From<Site> for RawSite {
    fn from(site: Site) -> Self {
        let always = |when| u32::from(when == When::Always);
        let holds = |edge| u32::from(edge == Edge::True);
        let loop_edge = |edge| match edge {
            LoopEdge::Head => 0,
            LoopEdge::Back => 1,
            LoopEdge::Exit => 2,
        };
        let (kind, number, flag) = match site {
            Site::Before => (0, 0, 0),
            Site::After => (1, 0, 0),
            Site::Line(line) => (2, line, 0),
            Site::EachLine => (3, 0, 0),
            Site::ModuleEnter(when) => (4, 0, always(when)),
            Site::ModuleExit(when) => (5, 0, always(when)),
            Site::Instruction(index, position) => {
                (6, index, u32::from(position == Position::After))
            }
            Site::OnRaise => (7, 0, 0),
            Site::OnExit => (8, 0, 0),
            Site::OnYield => (9, 0, 0),
            Site::OnResume => (10, 0, 0),
            Site::Branch(edge) => (11, 0, holds(edge)),
            Site::BranchAt(index, edge) => (12, index, holds(edge)),
            Site::Loop(edge) => (13, 0, loop_edge(edge)),
            Site::LoopAt(index, edge) => (14, index, loop_edge(edge)),
            Site::BeforeCall => (15, 0, 0),
            Site::BeforeCallAt(index) => (16, index, 0),
            Site::AfterCall => (17, 0, 0),
            Site::AfterCallAt(index) => (18, index, 0),
            Site::Handler => (19, 0, 0),
        };
        RawSite { kind, number, flag }
    }
}

impl RawSite {
    /// The site; `None` for one that this side does not know.
    pub fn site(self) -> Option<Site> {
        let when = if self.flag == 0 {
            When::Main
        } else {
            When::Always
        };
        let edge = if self.flag == 0 {
            Edge::False
        } else {
            Edge::True
        };
        let loop_edge = match self.flag {
            0 => Some(LoopEdge::Head),
            1 => Some(LoopEdge::Back),
            2 => Some(LoopEdge::Exit),
            _ => None,
        };
        let position = if self.flag == 0 {
            Position::Before
        } else {
            Position::After
        };
        Some(match self.kind {
            0 => Site::Before,
            1 => Site::After,
            2 => Site::Line(self.number),
            3 => Site::EachLine,
            4 => Site::ModuleEnter(when),
            5 => Site::ModuleExit(when),
            6 => Site::Instruction(self.number, position),
            7 => Site::OnRaise,
            8 => Site::OnExit,
            9 => Site::OnYield,
            10 => Site::OnResume,
            11 => Site::Branch(edge),
            12 => Site::BranchAt(self.number, edge),
            13 => Site::Loop(loop_edge?),
            14 => Site::LoopAt(self.number, loop_edge?),
            15 => Site::BeforeCall,
            16 => Site::BeforeCallAt(self.number),
            17 => Site::AfterCall,
            18 => Site::AfterCallAt(self.number),
            19 => Site::Handler,
            _ => return None,
        })
    }
}

/// The number under which a rule for errors crosses the boundary; 0 where nothing is said.
pub fn on_error_number(on_error: Option<OnError>) -> u32 {
    match on_error {
        None => 0,
        Some(OnError::Raise) => 1,
        Some(OnError::Ignore) => 2,
        Some(OnError::Log) => 3,
    }
}

/// The rule of a number; `None` for one that says nothing, or that this side does not know.
pub fn on_error(number: u32) -> Option<OnError> {
    match number {
        1 => Some(OnError::Raise),
        2 => Some(OnError::Ignore),
        3 => Some(OnError::Log),
        _ => None,
    }
}

/// The number under which a kind crosses the boundary.
pub fn kind_number(kind: Kind) -> u8 {
    kind as u8
}

fn named<'a>(values: &'a [(&'a str, Value)]) -> RVec<RawNamed<'a>> {
    values
        .iter()
        .map(|(name, value)| RawNamed {
            name: (*name).into(),
            value: value.into(),
        })
        .collect()
}

fn told(result: RResult<(), RawError>) -> Result {
    result.into_result().map_err(|error| Error {
        code: error.code,
        message: error.message.into(),
        at: error.at.into(),
    })
}

pub(crate) fn edit(edits: &mut RawEditsMut<'_>, site: Site, snippet: &Snippet<'_>) -> Result {
    told(edits.edit(
        site.into(),
        snippet.code.into(),
        named(&snippet.values).as_rslice(),
        on_error_number(snippet.on_error),
    ))
}

pub(crate) fn write(program: &RawProgramRef<'_>, file: &str, content: &[u8]) -> Result {
    told(program.write(file.into(), content.into()))
}

pub(crate) fn import(edits: &mut RawEditsMut<'_>, statement: &str, public: bool) -> Result {
    told(edits.import(statement.into(), public))
}

pub(crate) fn bind(edits: &mut RawEditsMut<'_>, name: &str, snippet: &Snippet<'_>) -> Result {
    told(edits.bind(
        name.into(),
        snippet.code.into(),
        named(&snippet.values).as_rslice(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_place() {
        watch_panics();
        let error = guard::<()>(|| panic!("cannot count {:?}", "boom"))
            .into_result()
            .unwrap_err();
        assert_eq!(error.code, code::PANIC);
        assert_eq!(error.message.as_str(), "cannot count \"boom\"");
        assert!(error.at.as_str().contains("abi.rs:"), "{}", error.at);
    }

    #[test]
    fn a_payload_that_panics_too_does_not_hide_the_place() {
        struct Payload;
        impl Drop for Payload {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        watch_panics();
        let line = line!() + 1;
        let thrown = guard::<()>(|| std::panic::panic_any(Payload)).into_result();
        let error = thrown.unwrap_err();
        assert_eq!(error.message.as_str(), "panic");
        assert!(
            error.at.as_str().ends_with(&format!(":{line}")),
            "{}",
            error.at
        );
        assert_eq!(GUARDED.get(), 0);
    }

    #[test]
    fn values_and_sites_survive_the_crossing() {
        let value = Value::Tuple(vec![
            Value::None,
            Value::Str("é".into()),
            Value::Bytes(vec![0, 255]),
            Value::Float(0.5),
        ]);
        assert_eq!(RawValue::from(&value).value(), Some(value));
        for site in [
            Site::Before,
            Site::Line(7),
            Site::ModuleExit(When::Always),
            Site::Instruction(3, Position::After),
            Site::OnRaise,
            Site::OnExit,
            Site::OnYield,
            Site::OnResume,
            Site::Branch(Edge::True),
            Site::BranchAt(5, Edge::False),
            Site::Loop(LoopEdge::Back),
            Site::LoopAt(5, LoopEdge::Exit),
            Site::BeforeCall,
            Site::BeforeCallAt(5),
            Site::AfterCall,
            Site::AfterCallAt(5),
            Site::Handler,
        ] {
            assert_eq!(RawSite::from(site).site(), Some(site));
        }
    }
}
