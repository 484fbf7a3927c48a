//! What a visitor is shown. Views give facts on demand; they cost nothing until asked.

use std::ops::Deref;

pub use crate::abi::ProgramModule;
pub use crate::abi::{
    Block, Call, FlowEdge, Import, ImportedName, Instr, LocalTypes, Loop, Parameter, Use,
};
use crate::abi::{RawProgramRef, RawViewRef, instr};
use crate::opcode::Opcode;

mod data;
mod flow;
pub use data::{Definition, Type, Types};
pub use flow::{EdgeKind, Exceptions, Flow};

/// Whether running an instruction is an arrival at its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrives {
    /// The line goes on.
    Never,
    /// By some of the ways on which control comes there, or somewhere between them and the instruction.
    Sometimes,
    /// By whatever way control comes there: the line is reached as often as the instruction runs.
    Always,
}

/// What kind of scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A module's own body.
    Module,
    /// A class body.
    Class,
    /// `def` or `async def`.
    Function,
    /// `lambda`
    Lambda,
    /// A comprehension or generator expression with a code object of its own.
    Comprehension,
    /// A scope of the compiler's own.
    Annotation,
}

/// How a parameter takes its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParameterKind {
    /// Before `/`.
    PositionalOnly,
    /// Ordinary.
    Positional,
    /// `*args`
    VarPositional,
    /// After `*`.
    KeywordOnly,
    /// `**kwargs`
    VarKeyword,
}

/// Any scope that has code: what [`Module`], [`Class`] and [`Method`] have in common.
pub struct Code<'a>(pub(crate) RawViewRef<'a>);

impl Code<'_> {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.0.kind() {
            0 => Kind::Module,
            1 => Kind::Class,
            2 => Kind::Function,
            3 => Kind::Lambda,
            4 => Kind::Comprehension,
            _ => Kind::Annotation,
        }
    }

    /// Its name: `<module>`, `<lambda>`, or as declared.
    pub fn name(&self) -> &str {
        self.0.name().as_str()
    }

    /// Its dotted name within the module (PEP 3155).
    pub fn qualname(&self) -> &str {
        self.0.qualname().as_str()
    }

    /// A name that no other function of the module has: the qualname, with `:firstlineno`, and
    /// `:n`, where that is needed.
    pub fn key(&self) -> &str {
        self.0.key().as_str()
    }

    /// Dotted name of the module.
    pub fn module_name(&self) -> &str {
        self.0.module_name().as_str()
    }

    /// Its source file, as the compiler noted it.
    pub fn file_path(&self) -> &str {
        self.0.file_path().as_str()
    }

    /// Base name of its source file.
    pub fn file_name(&self) -> &str {
        self.file_path()
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or_default()
    }

    /// First line: the first decorator's, where there is one.
    pub fn first_line(&self) -> u32 {
        self.0.first_line()
    }

    /// Last line that any instruction of it or of a scope within has.
    pub fn end_line(&self) -> u32 {
        self.0.end_line()
    }

    /// Whether who traces or profiles the program sees nothing of the functions of runtime modules; CPython 3.11 tells of
    /// their calls.
    pub fn runtime_is_unseen(&self) -> bool {
        self.0.runtime_is_unseen()
    }

    /// `co_flags`
    pub fn flags(&self) -> u32 {
        self.0.flags()
    }

    /// Its number in the module: 0 is the module; parents come before children. It depends on the compiled
    /// file alone, whatever else is instrumented, so it is an id for maps that a plugin keeps.
    pub fn index(&self) -> u32 {
        self.0.index()
    }

    /// The number of the scope that holds it.
    pub fn parent_index(&self) -> Option<u32> {
        self.0.parent().checked_sub(1)
    }

    /// Name of the nearest enclosing class, at any distance.
    pub fn class_name(&self) -> Option<&str> {
        Some(self.0.class_name().as_str()).filter(|name| !name.is_empty())
    }

    /// Decorators as dotted names, `...` for what is no plain name, outermost first.
    pub fn decorators(&self) -> Vec<&str> {
        self.0
            .decorators()
            .into_iter()
            .map(|name| name.as_str())
            .collect()
    }

    /// The lines that control can come to in it, ascending: those that [`line`](crate::edit::Edits::line) takes.
    /// Scopes within are not included, nor is the line of a `def` itself.
    pub fn lines(&self) -> &[u32] {
        self.0.lines().as_slice()
    }

    /// Its instructions.
    pub fn instructions(&self) -> &[Instr] {
        self.0.instructions().as_slice()
    }

    /// The calls that its source makes, in code order: what [`Site::BeforeCall`](crate::Site) and
    /// [`Site::AfterCall`](crate::Site) are about, and their `…At` name one of. There may be several for one of
    /// the source: CPython copies what stands in a `finally`. Where control never comes there is none.
    pub fn calls(&self) -> Vec<Call<'_>> {
        self.0.calls().into()
    }

    /// What an instruction's operand means, as `equip dis` shows it: the name of a variable, a constant.
    /// Empty for none.
    pub fn operand(&self, instr: &Instr) -> String {
        self.0.operand(instr.index()).into()
    }

    /// How control flows through it: basic blocks, edges, dominators and loops.
    pub fn flow(&self, exceptions: Exceptions) -> Flow<'_> {
        let followed = exceptions == Exceptions::Followed;
        Flow::new(
            self.0.blocks(followed).as_slice(),
            self.0.edges(followed).as_slice(),
            self.0.loops(followed).as_slice(),
        )
    }

    /// The variables whose value right before an instruction may still be read.
    pub fn live(&self, instr: &Instr) -> Vec<&str> {
        let live = self.0.live(instr.index()).into_iter();
        live.map(|name| name.as_str()).collect()
    }

    /// What an instruction reads, and where that may come from: use-def chains.
    pub fn uses(&self, instr: &Instr) -> Vec<Use<'_>> {
        self.0.uses(instr.index()).into()
    }

    /// What each local may be right before an instruction, cells and free variables left unknown.
    pub fn local_types(&self, instr: &Instr) -> Vec<LocalTypes<'_>> {
        self.0.local_types(instr.index()).into()
    }

    /// What a conditional tests, as an expression; it holds on the edge that is true. What is not to be told
    /// from the bytecode is a `?` in it.
    pub fn condition(&self, instr: &Instr) -> Option<&str> {
        let text = self.0.condition(instr.index()).as_str();
        (!text.is_empty()).then_some(text)
    }
}

macro_rules! view {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<'a>(pub(crate) Code<'a>);

        impl<'a> Deref for $name<'a> {
            type Target = Code<'a>;
            fn deref(&self) -> &Code<'a> {
                &self.0
            }
        }
    };
}

view! {
    /// A module.
    Module
}
view! {
    /// A class.
    Class
}
view! {
    /// A function, method or lambda.
    Method
}

/// All that is instrumented in one run.
pub struct Program<'a>(pub(crate) RawProgramRef<'a>);

impl Program<'_> {
    /// Its modules, in path order, those included that cannot be read.
    pub fn modules(&self) -> &[ProgramModule<'_>] {
        self.0.modules().as_slice()
    }

    /// Leaves a file beside the program's own output: `NAME.file` of the plugin NAME, in the folder in
    /// which equip was started, or in `$EQUIP_OUTPUT_DIR`. It is put in place, whole, when the
    /// instrumented files are; a run that writes nothing leaves none. `file` is a plain name; of two
    /// files of one name the later stays.
    ///
    /// # Errors
    /// `file` is no plain name.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) -> crate::Result {
        crate::abi::write(&self.0, file, content.as_ref())
    }
}

impl ProgramModule<'_> {
    /// Its dotted name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its source; of what has none, its compiled file.
    pub fn path(&self) -> &str {
        self.path.as_str()
    }
}

impl Module<'_> {
    /// Import statements of the whole module, functions included, in code order.
    pub fn imports(&self) -> &[Import<'_>] {
        self.0.0.imports().as_slice()
    }

    /// How many declarations it has, itself included.
    pub fn declarations(&self) -> u32 {
        self.0.0.declarations()
    }
}

impl Class<'_> {
    /// Base classes as dotted names, `...` for what is no plain name.
    pub fn bases(&self) -> Vec<&str> {
        self.0
            .0
            .bases()
            .into_iter()
            .map(|name| name.as_str())
            .collect()
    }
}

impl Method<'_> {
    /// Parameters in signature order: positional, `*args`, keyword-only, `**kwargs`.
    pub fn parameters(&self) -> &[Parameter<'_>] {
        self.0.0.parameters().as_slice()
    }

    /// Whether it is a `lambda`.
    pub fn is_lambda(&self) -> bool {
        self.kind() == Kind::Lambda
    }

    /// Whether calling it makes a generator.
    pub fn is_generator(&self) -> bool {
        self.flags() & 0x20 != 0
    }

    /// Whether it is an `async def` without `yield`.
    pub fn is_coroutine(&self) -> bool {
        self.flags() & 0x80 != 0
    }

    /// Whether it is an `async def` with `yield`.
    pub fn is_async_generator(&self) -> bool {
        self.flags() & 0x200 != 0
    }
}

impl Parameter<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// How it takes its arguments.
    pub fn kind(&self) -> ParameterKind {
        match self.kind {
            0 => ParameterKind::PositionalOnly,
            1 => ParameterKind::Positional,
            2 => ParameterKind::VarPositional,
            3 => ParameterKind::KeywordOnly,
            _ => ParameterKind::VarKeyword,
        }
    }
}

impl Instr {
    /// What it does.
    pub fn opcode(&self) -> Opcode {
        Opcode(self.opcode)
    }

    /// Its operand as a number; for jumps, the index of the instruction that is jumped to.
    pub fn arg(&self) -> u32 {
        self.arg
    }

    /// Its line, if it has one.
    pub fn line(&self) -> Option<u32> {
        (self.line != 0).then_some(self.line)
    }

    /// Its number in the code object, for [`Site::Instruction`](crate::Site).
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Whether it may raise without being a `raise`.
    pub fn can_raise(&self) -> bool {
        self.flags & instr::CAN_RAISE != 0
    }

    /// Whether [`Site::BranchAt`](crate::Site) may name it: it is a conditional of the program's.
    pub fn is_conditional(&self) -> bool {
        self.flags & instr::CONDITIONAL != 0
    }

    /// Whether control arrives at its line when it runs, as [`Site::Line`](crate::Site) has it.
    pub fn arrives(&self) -> Arrives {
        match self.flags & (instr::ARRIVES | instr::MAY_ARRIVE) {
            0 => Arrives::Never,
            instr::ARRIVES => Arrives::Always,
            _ => Arrives::Sometimes,
        }
    }

    /// Whether code may stand before it: [`Site::Instruction`](crate::Site) may name it.
    pub fn takes_code(&self) -> bool {
        self.flags & instr::TAKES_CODE != 0
    }
}

impl Call<'_> {
    /// What is called, as written: `print`, `cursor.execute`, `super().save`; a `?` for each part that is no name, as in
    /// `?.strip`. Private names are as CPython has them (`self._Cart__total`).
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The index of its instruction (of [`Instr::index`]).
    pub fn instruction(&self) -> u32 {
        self.instruction
    }

    /// Its line, if it has one.
    pub fn line(&self) -> Option<u32> {
        (self.line != 0).then_some(self.line)
    }
}

impl Import<'_> {
    /// Its line.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Leading dots of a relative import.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The module as written; empty for `from . import x`.
    pub fn module(&self) -> &str {
        self.module.as_str()
    }

    /// What `from … import` names; empty for `import a.b`.
    pub fn names(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.names.iter().map(|name| {
            (
                name.name.as_str(),
                Some(name.alias.as_str()).filter(|alias| !alias.is_empty()),
            )
        })
    }

    /// `as` name of `import a.b as c`.
    pub fn alias(&self) -> Option<&str> {
        Some(self.alias.as_str()).filter(|alias| !alias.is_empty())
    }

    /// `from m import *`
    pub fn is_star(&self) -> bool {
        self.star
    }
}
