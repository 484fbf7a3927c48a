//! Write plugins for equip.
//!
//! A plugin is a `cdylib` that depends on this crate and on serde alone. It implements one or more
//! visitors; each is shown a part of a compiled Python program and says which Python source it
//! wants put where. This is a whole one:
//!
//! ```no_run
//! use equip_plugin_api::prelude::*;
//!
//! #[derive(Clone, serde::Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! struct Hello { greeting: String }
//!
//! impl Default for Hello {
//!     fn default() -> Self { Hello { greeting: "hello from".to_owned() } }
//! }
//!
//! impl Plugin for Hello {
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
//! equip-plugin-api = "0.1"
//! serde = { version = "1", features = ["derive"] }
//!
//! [profile.release]
//! panic = "unwind"   # a panic becomes an error message instead of the end of the host
//! ```
//!
//! **Life.** A plugin is configured once for a run and cloned for each module; the clone sees the
//! module first, then its classes and functions in code order, and at last [`Plugin::finish`]. So
//! it may keep state in `&mut self` without locks, and threads never change the output.
//!
//! **Snippets** are Python source of the target's version with placeholders as in `str.format`
//! (literal braces doubled): `{method_name}` `{qualname}` `{class_name}` `{module_name}`
//! `{file_name}` `{file_path}` `{lineno}` `{end_lineno}` `{site_lineno}` are constants; `{arg0}` …
//! `{arg14}`, `{arguments}` and, at the sites that have them ([`Site`]), `{return_value}`,
//! `{exception}` and `{yield_value}` are live expressions; values that come with the snippet are
//! constants. Names that a snippet assigns are private to the plugin in that function; all others
//! are the function's, global or builtin. `nonlocal x` or `global x` writes the program's variable.
//!
//! **State of a call.** A private name lives from one site of a call to the next: what
//! [`Edits::before`] assigns, [`Edits::on_exit`] reads. Each call has its own, in recursion, threads
//! and generators. Where `before` may leave it unbound, reading it raises `UnboundLocalError`; in
//! class and module bodies, and where an error of `before` is not raised, it is None then.
//!
//! **Several plugins** at one function nest as decorators do: in pipeline order going in
//! (`before`, `on_resume`), in reverse order coming out (`after`, `on_raise`, `on_exit`, `on_yield`).
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
//! A plugin is native code: loading it runs it with the rights of whoever starts equip.
#![deny(unsafe_code)]

#[doc(hidden)]
#[allow(unsafe_code, missing_docs, non_local_definitions, unused_braces)]
pub mod abi;
pub mod edit;
mod error;
#[rustfmt::skip]
pub mod opcode;
pub mod view;
pub mod visitor;

pub use edit::Edits;
pub use edit::Site;
pub use error::{Error, Options, Result};
pub use visitor::Plugin;

/// Everything that a plugin needs.
pub mod prelude {
    pub use crate::edit::{
        Edge, Edits, Level, LoopEdge, OnError, Position, Site, Snippet, Value, When,
    };
    pub use crate::error::{Error, Options, Result};
    pub use crate::opcode::Opcode;
    pub use crate::view::{
        Arrives, Block, Class, Code, Definition, EdgeKind, Exceptions, Flow, FlowEdge, Import,
        Instr, Kind, LocalTypes, Loop, Method, Module, Parameter, ParameterKind, Type, Types, Use,
    };
    pub use crate::visitor::{
        BytecodeVisitor, ClassVisitor, MethodVisitor, ModuleVisitor, Plugin, Runtime,
    };
    pub use crate::{export_plugin, runtime};
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
        const _: () = {
            impl $crate::abi::Dispatch for $plugin {
                const NAME: &'static str = env!("CARGO_PKG_NAME");
                const VERSION: &'static str = env!("CARGO_PKG_VERSION");
                const ABOUT: &'static str = concat!($($about)?);
                const INTERESTS: u64 = $crate::__interest!($visitor) $(| $crate::__interest!($more))*;
                $crate::__dispatch! { $visitor }
                $($crate::__dispatch! { $more })*
            }
            #[unsafe(no_mangle)]
            pub static EQUIP_PLUGIN_INFO: $crate::abi::Info =
                $crate::abi::Info::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
            #[unsafe(no_mangle)]
            pub static EQUIP_PLUGIN: $crate::abi::LibHeader = $crate::abi::header::<$plugin>();
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __interest {
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
                                ClassVisitor, MethodVisitor and BytecodeVisitor"
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
