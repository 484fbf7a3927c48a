//! Write plugins for equip.
//!
//! A plugin is a `cdylib` that depends on this crate alone. It implements one or more visitors; each is
//! shown a part of a compiled Python program and says which Python source it wants put where.
//! `equip new-plugin NAME` makes a crate of one, with tests. This is a whole one:
//!
//! ```no_run
//! use equip_plugin_api::prelude::*;
//!
//! options! {
//!     /// What a user can set.
//!     #[derive(Clone)]
//!     struct Hello {
//!         /// Comes before the function's name.
//!         greeting: String = "hello from".to_owned(),
//!     }
//! }
//!
//! impl Plugin for Hello {
//!     const OPTIONS: Schema = Schema::of::<Hello>();
//!     fn configure(options: Options<'_>) -> Result<Self> { options.parse() }
//! }
//!
//! impl MethodVisitor for Hello {
//!     fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
//!         if method.is_lambda() { return Ok(()) }
//!         edits.before(Snippet::new("print({greeting}, '{qualname}', {arguments})")
//!             .with("greeting", self.greeting.as_str()))
//!     }
//! }
//!
//! export_plugin!(Hello: MethodVisitor, about = "greets from each function");
//! # fn main() {}
//! ```
//!
//! with this `Cargo.toml`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//!
//! [dependencies]
//! equip-plugin-api = "1"
//!
//! [dev-dependencies]
//! equip-testing = "0.1"   # tests of one line each, with every Python that is found
//!
//! [profile.release]
//! panic = "unwind"   # a panic becomes an error message instead of the end of the host
//! ```
//!
//! **Life.** A plugin is configured once for a run and cloned for each module; the clone sees the
//! module first, then its classes and functions in code order, and at last [`Plugin::finish`]. So
//! it may keep state in `&mut self` without locks, and threads never change the output. Modules are
//! visited in parallel and in any order. What concerns all of them is for a [`visitor::ProgramVisitor`]:
//! it comes before the first module, and after the last one with the visitors of all.
//!
//! **Ids.** [`view::Code::index`] numbers the scopes of a module by its compiled file alone, so a probe may
//! count by it. The map from ids to functions goes into the module ([`Edits::bind`]), where the plugin's
//! Python code has it, or into a file beside the program ([`view::Program::write`]).
//!
//! **Options** are a struct that [`options!`] declares and [`Plugin::OPTIONS`] names: the host lists them,
//! with their comments as help, and refuses what does not fit before the plugin is asked.
//! [`Plugin::configure`] checks what types cannot say.
//!
//! **Snippets** are Python source of the target's version with placeholders as in `str.format`
//! (literal braces doubled): `{method_name}` `{qualname}` `{class_name}` `{module_name}`
//! `{file_name}` `{file_path}` `{lineno}` `{end_lineno}` `{site_lineno}` are constants; `{arg0}` …
//! `{arg14}`, `{arguments}` and, at the sites that have them ([`Site`]), `{return_value}`,
//! `{exception}`, `{yield_value}`, `{callee}` and `{result}` are live expressions; values that come with the snippet are
//! constants. Names that a snippet assigns are private to the plugin in that function; all others
//! are the function's, global or builtin. `nonlocal x` or `global x` writes the program's variable.
//!
//! **State of a call.** A private name lives from one site of a call to the next: what
//! [`Edits::before`] assigns, [`Edits::on_exit`] reads. Each call has its own, in recursion, threads
//! and generators. Where `before` may leave it unbound, reading it raises `UnboundLocalError`; in
//! class and module bodies, and where an error of `before` is not raised, it is None then.
//!
//! **Several plugins** at one function nest as decorators do: in pipeline order going in
//! (`before`, `before_call`, `on_resume`), in reverse order coming out (`after`, `after_call`, `on_raise`, `on_exit`,
//! `on_yield`).
//! A `before` that raises is not followed by its own plugin's `on_raise` and `on_exit`; within one
//! plugin `after` comes before `on_exit`, and so does `on_raise`.
//!
//! **Errors of snippets** go into the program, unless the snippet ([`edit::Snippet::on_error`]), its
//! plugin ([`Plugin::ON_ERROR`]) or the user says otherwise.
//!
//! **Python modules** that a plugin needs at run time are shipped inside it ([`Plugin::RUNTIME`])
//! and imported with [`Edits::import`]; nothing must be installed or set where the program runs.
//! They are named after their file, keep one state for each process, find the plugin's options in
//! the global `OPTIONS` (a dict), and may import builtin modules only.
//!
//! **Errors.** Whatever a visitor returns as an error, and every panic, ends the run before
//! anything is written, with the names of plugin and function.
//!
//! **Versions.** A plugin runs in hosts with this API's major version and no smaller minor one. What is
//! added later stands behind what is here, so nothing has to be built anew.
//!
//! A plugin is native code: loading it runs it with the rights of whoever starts equip.
#![deny(unsafe_code)]

#[doc(hidden)]
#[allow(unsafe_code, missing_docs, non_local_definitions, unused_braces)]
pub mod abi;
pub mod edit;
mod error;
#[rustfmt::skip]
pub mod opcode;
pub mod options;
pub mod view;
pub mod visitor;

pub use edit::Edits;
pub use edit::Site;
pub use error::{Error, Options, Result};
pub use visitor::Plugin;

#[doc(hidden)]
pub use serde as __serde;

#[doc(hidden)]
pub fn __json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Everything that a plugin needs.
pub mod prelude {
    pub use crate::edit::{
        Edge, Edits, Level, LoopEdge, OnError, Position, Site, SiteKind, Snippet, Value, When,
    };
    pub use crate::error::{Error, Options, Result};
    pub use crate::opcode::Opcode;
    pub use crate::options::Schema;
    pub use crate::view::{
        Arrives, Block, Call, Class, Code, Definition, EdgeKind, Exceptions, Flow, FlowEdge,
        Import, Instr, Kind, LocalTypes, Loop, Method, Module, Parameter, ParameterKind, Program,
        ProgramModule, Type, Types, Use,
    };
    pub use crate::visitor::{
        BytecodeVisitor, ClassVisitor, MethodVisitor, ModuleVisitor, Plugin, ProgramVisitor,
        Runtime,
    };
    pub use crate::{export_plugin, link_plugin, options, runtime};
}

/// Python modules to ship, as paths from the plugin's own folder (that of its `Cargo.toml`):
/// `runtime!["runtime/hits.py"]` gives a module named `hits`.
#[macro_export]
macro_rules! runtime {
    ($($path:literal),* $(,)?) => {
        &[$($crate::visitor::Runtime {
            path: $path,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)),
        }),*]
    };
}

/// Makes the plugin known to the host: its type, and the list of its visitors. What is not in the
/// list is not called.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty : $visitor:ident $(+ $more:ident)* $(, about = $about:literal)? $(,)?) => {
        $crate::link_plugin!(
            $plugin: $visitor $(+ $more)*, name = env!("CARGO_PKG_NAME"), about = concat!($($about)?)
        );
        const _: () = {
            #[unsafe(no_mangle)]
            pub static EQUIP_PLUGIN_INFO: $crate::abi::Info =
                $crate::abi::Info::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
            #[unsafe(no_mangle)]
            pub static EQUIP_PLUGIN: $crate::abi::LibHeader = $crate::abi::header::<$plugin>();
        };
    };
}

/// As [`export_plugin!`], for a plugin that is part of a program which uses `equip-core`: nothing is
/// exported, so there may be several in one crate. `equip_core::plugin::Library::linked` takes the type.
#[macro_export]
macro_rules! link_plugin {
    ($plugin:ty : $visitor:ident $(+ $more:ident)*, name = $name:expr $(, about = $about:expr)? $(,)?) => {
        impl $crate::abi::Dispatch for $plugin {
            const NAME: &'static str = $name;
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            const ABOUT: &'static str = $crate::__or_empty!($($about)?);
            const INTERESTS: u64 = $crate::__interest!($visitor) $(| $crate::__interest!($more))*;
            $crate::__dispatch! { $visitor }
            $($crate::__dispatch! { $more })*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __or_empty {
    () => {
        ""
    };
    ($text:expr) => {
        $text
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __interest {
    (ProgramVisitor) => {
        $crate::abi::interest::PROGRAM
    };
    (ModuleVisitor) => {
        $crate::abi::interest::MODULE
    };
    (ClassVisitor) => {
        $crate::abi::interest::CLASS
    };
    (MethodVisitor) => {
        $crate::abi::interest::METHOD
    };
    (BytecodeVisitor) => {
        $crate::abi::interest::BYTECODE
    };
    ($other:ident) => {
        compile_error!(concat!(
            "`",
            stringify!($other),
            "` is no visitor: there are ModuleVisitor, \
                                ClassVisitor, MethodVisitor, BytecodeVisitor and ProgramVisitor"
        ))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __dispatch {
    (ModuleVisitor) => {
        fn module(
            &mut self,
            view: &$crate::view::Module<'_>,
            edits: &mut $crate::edit::Edits<'_>,
        ) -> $crate::Result {
            $crate::visitor::ModuleVisitor::visit_module(self, view, edits)
        }
    };
    (ProgramVisitor) => {
        fn begin(&mut self, program: &$crate::view::Program<'_>) -> $crate::Result {
            $crate::visitor::ProgramVisitor::begin(self, program)
        }
        fn end(
            &mut self,
            program: &$crate::view::Program<'_>,
            modules: Vec<Self>,
        ) -> $crate::Result<String> {
            $crate::visitor::ProgramVisitor::end(self, program, modules)
        }
    };
    (ClassVisitor) => {
        fn class(
            &mut self,
            view: &$crate::view::Class<'_>,
            edits: &mut $crate::edit::Edits<'_>,
        ) -> $crate::Result {
            $crate::visitor::ClassVisitor::visit_class(self, view, edits)
        }
    };
    (MethodVisitor) => {
        const COMPREHENSIONS: bool = <Self as $crate::visitor::MethodVisitor>::COMPREHENSIONS;
        fn method(
            &mut self,
            view: &$crate::view::Method<'_>,
            edits: &mut $crate::edit::Edits<'_>,
        ) -> $crate::Result {
            $crate::visitor::MethodVisitor::visit_method(self, view, edits)
        }
    };
    (BytecodeVisitor) => {
        fn bytecode(
            &mut self,
            view: &$crate::view::Code<'_>,
            edits: &mut $crate::edit::Edits<'_>,
        ) -> $crate::Result {
            let wanted = <Self as $crate::visitor::BytecodeVisitor>::OPCODES;
            for instr in view.instructions() {
                if wanted.is_empty() || wanted.contains(&instr.opcode()) {
                    $crate::visitor::BytecodeVisitor::visit_instruction(self, view, instr, edits)?;
                }
            }
            Ok(())
        }
    };
    ($other:ident) => {};
}
