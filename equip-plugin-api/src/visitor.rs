//! What an author implements.

use crate::edit::{Edits, OnError, SiteKind};
use crate::error::{Options, Result};
use crate::opcode::Opcode;
use crate::options::Schema;
use crate::view::{Class, Code, Instr, Method, Module, Program};

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

    /// What a user can set: `Schema::of::<Settings>()`, where [`options!`](crate::options!) declares
    /// `Settings`. The host then lists and checks options without running the plugin.
    const OPTIONS: Schema = Schema::UNKNOWN;

    /// The sites that it may ask for, for who chooses plugins: an edit at another one is an error. Empty
    /// where it does not say.
    const SITES: &'static [SiteKind] = &[];

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

/// Is told of a program as a whole: before its first module and after its last one. What is learnt in a
/// module stays with the visitor of that module; [`ProgramVisitor::end`] gets all of them.
pub trait ProgramVisitor: Plugin {
    /// Comes once, before any module is read. Visitors are clones of what `self` is then.
    ///
    /// # Errors
    /// End the run before anything is written.
    fn begin(&mut self, program: &Program<'_>) -> Result {
        let _ = program;
        Ok(())
    }

    /// Comes once, when all modules have been visited, whether anything is written or not. `modules` are
    /// the visitors as [`Plugin::finish`] left them, in path order, without those of modules that could
    /// not be read. The text, if any, is shown in the report.
    ///
    /// # Errors
    /// End the run before anything is written.
    fn end(&mut self, program: &Program<'_>, modules: Vec<Self>) -> Result<String>;
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
