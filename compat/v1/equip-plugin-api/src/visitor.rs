//! What an author implements.

use crate::edit::{Edits, OnError};
use crate::error::{Options, Result};
use crate::opcode::Opcode;
use crate::view::{Class, Code, Instr, Method, Module};

/// A Python module shipped inside a plugin; see [`runtime!`](crate::runtime).
#[derive(Clone, Copy, Debug)]
pub struct Runtime {
    /// Its path; the file's stem is the module's name.
    pub path: &'static str,
    /// Its source.
    pub source: &'static str,
}

impl Runtime {
    /// The name under which snippets import it.
    pub fn name(&self) -> &'static str {
        let file = self.path.rsplit(['/', '\\']).next().unwrap_or(self.path);
        file.strip_suffix(".py").unwrap_or(file)
    }
}

/// A plugin: configured once for a run, cloned for each module.
pub trait Plugin: Sized + Clone + Send + Sync + 'static {
    /// Python modules that it brings along.
    const RUNTIME: &'static [Runtime] = &[];

    /// What becomes of errors of its snippets that do not say so themselves. Who uses the plugin can
    /// say otherwise: `--set NAME.on_error=ignore`.
    const ON_ERROR: OnError = OnError::Raise;

    /// Makes the plugin from the user's options.
    ///
    /// # Errors
    /// Options that are unknown or make no sense.
    fn configure(options: Options<'_>) -> Result<Self>;

    /// Comes after the last visit of a module; edits asked for here are the module body's. The text,
    /// if any, is shown in the report, modules in path order.
    ///
    /// # Errors
    /// End the run before anything is written, as everywhere.
    fn finish(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        let _ = (module, edits);
        Ok(String::new())
    }
}

/// Is shown each module, before what it holds.
pub trait ModuleVisitor: Plugin {
    /// Visits one module.
    ///
    /// # Errors
    /// End the run before anything is written.
    fn visit_module(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result;
}

/// Is shown each class, nested ones included.
pub trait ClassVisitor: Plugin {
    /// Visits one class.
    ///
    /// # Errors
    /// End the run before anything is written.
    fn visit_class(&mut self, class: &Class<'_>, edits: &mut Edits<'_>) -> Result;
}

/// Is shown each `def`, `async def` and `lambda`, nested ones included.
pub trait MethodVisitor: Plugin {
    /// Whether to show comprehensions and generator expressions too. Which of them have code of
    /// their own depends on the Python version.
    const COMPREHENSIONS: bool = false;

    /// Visits one function.
    ///
    /// # Errors
    /// End the run before anything is written.
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result;
}

/// Is shown single instructions of all scopes but the compiler's own annotation scopes.
pub trait BytecodeVisitor: Plugin {
    /// The instructions to show; empty for all. The fewer, the faster.
    const OPCODES: &'static [Opcode] = &[];

    /// Visits one instruction.
    ///
    /// # Errors
    /// End the run before anything is written.
    fn visit_instruction(
        &mut self,
        code: &Code<'_>,
        instr: &Instr,
        edits: &mut Edits<'_>,
    ) -> Result;
}
