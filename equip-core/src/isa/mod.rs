//! What one CPython's instruction set is: generated tables, and the named encodings in which
//! versions differ. This is the only place that compares or names versions; all other code
//! matches on an encoding.

#[rustfmt::skip]
mod tables;
mod versions;

pub use equip_plugin_api::opcode::Opcode;
pub use versions::{ALL, PY_311, PY_312, PY_313, PY_314, PY_315};

/// A CPython minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u8, pub u8);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Whether an instruction can run Python code in a frame of its own, without a call in C between: a
/// function, the next step of a generator, a property, `__getitem__`. Of some version, at least.
pub fn runs_frame(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::CALL
            | Opcode::CALL_KW
            | Opcode::CALL_FUNCTION_EX
            | Opcode::FOR_ITER
            | Opcode::SEND
            | Opcode::LOAD_ATTR
            | Opcode::BINARY_SUBSCR
            | Opcode::BINARY_OP
    )
}

/// How an instruction's operand is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// No operand.
    None,
    /// A number with a meaning of its own.
    Int,
    /// Index into the constants.
    Const,
    /// Index into the names.
    Name,
    /// Index into the names, above one flag bit.
    NameShift1,
    /// Index into the names, above two flag bits.
    NameShift2,
    /// Index into the frame's slots (locals, cells and free variables).
    Local,
    /// Two slots of 4 bits each.
    LocalPair,
    /// Distance forward in code units from the end of the instruction and its caches.
    JumpForward,
    /// Distance backward in code units from the same place.
    JumpBackward,
    /// A distance backward that names a place without going there (`END_ASYNC_FOR`).
    LabelBackward,
}

/// Change of stack depth as a function of the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `base + slope * operand`
    Linear(i8, i8),
    /// `base` plus a weight for each of the low four bits that is set.
    PerBit(i8, [i8; 4]),
    /// Low byte plus the rest.
    UnpackEx,
    /// -2 for 3 operands, else -1.
    BuildSlice,
}

impl Effect {
    /// The change for that operand.
    #[inline]
    pub fn of(self, arg: u32) -> i64 {
        let arg = i64::from(arg);
        match self {
            Effect::Linear(base, slope) => i64::from(base) + i64::from(slope) * arg,
            Effect::PerBit(base, weights) => {
                let bits = weights.iter().enumerate();
                i64::from(base)
                    + bits
                        .map(|(b, w)| i64::from(*w) * (arg >> b & 1))
                        .sum::<i64>()
            }
            Effect::UnpackEx => (arg & 0xFF) + (arg >> 8),
            Effect::BuildSlice => -1 - i64::from(arg == 3),
        }
    }
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// To the next instruction or to its target.
    Branch,
    /// To its target.
    Jump,
    /// Nowhere: it returns or raises.
    Exit,
}

/// One instruction of one CPython.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// Its name.
    pub opcode: Opcode,
    /// Whether the operand means anything.
    pub has_arg: bool,
    /// Code units of inline cache behind it.
    pub caches: u8,
    /// How its operand is packed.
    pub operand: Operand,
    /// Stack effect when it falls through.
    pub effect: Effect,
    /// Stack effect when it jumps.
    pub jump: Effect,
    /// Where control goes.
    pub flow: Flow,
}

/// The table that says which line an instruction belongs to. CPython 3.8 to 3.10 will add
/// `Lnotab` and `Pep626`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTable {
    /// PEP 657 location table (InternalDocs/code_objects.md).
    Pep657(Entry),
}

/// What one entry of a PEP 657 table describes, as the compiler of that version writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// One instruction.
    PerInstr,
    /// A run of instructions with equal locations.
    PerRun,
}

/// How handlers are found. CPython 3.8 to 3.10 will add `BlockStack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handlers {
    /// `co_exceptiontable` (InternalDocs/exception_handling.md).
    Table,
}

/// What jump operands count. CPython 3.8 to 3.10 will add absolute and byte-wise forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jumps {
    /// Relative, in code units; conditional jumps exist in both directions.
    BothWays,
    /// Relative, in code units; conditional jumps go forward only.
    ConditionalForward,
}

/// From which sizes of jumps the compiler searches the ones that fit. Only whether an unedited code
/// object comes out as it was depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JumpSearch {
    /// From the smallest.
    Smallest,
    /// From those that the index of the target instruction would need (`Python/assemble.c`).
    TargetIndex,
}

/// Field order of a marshalled code object. CPython 3.8 to 3.10 will add `SeparateNames`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeLayout {
    /// `localsplusnames` and `localspluskinds`.
    LocalsPlus,
}

/// Where the NULL beside a callable goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullSlot {
    /// Below it, pushed first.
    BelowCallable,
    /// Above it, pushed second.
    AboveCallable,
}

/// Who passes keyword names to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordCalls {
    /// `KW_NAMES` into a variable of the interpreter, read by the next `CALL`.
    KwNames,
    /// `CALL_KW` takes them from the stack.
    CallKw,
}

/// Where who traces is told of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEvents {
    /// At any instruction whose line is another than that of the one that ran before.
    AnyInstruction,
    /// The same, but only where a line starts in the code, and where jumps and exceptions lead.
    Starts,
}

/// Where the condition of a `while` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileCondition {
    /// Above the body, and once more at its end.
    Repeated,
    /// At the head of the loop.
    Once,
}

/// What an exhausted `FOR_ITER` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopExit {
    /// Pops the iterator and jumps to its target.
    PopsIterator,
    /// Pops the iterator and goes one unit past its target, an `END_FOR` that never runs then.
    SkipsEndFor,
    /// Keeps the iterator and goes one unit past its target; the next instruction pops it.
    KeepsIterator,
}

/// How a class body reads a variable of an enclosing function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassDeref {
    /// `LOAD_CLASSDEREF`
    Classderef,
    /// `LOAD_LOCALS` and `LOAD_FROM_DICT_OR_DEREF`
    FromDict,
}

/// Where a function keeps its docstring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Docstring {
    /// In the first constant, if that is a string.
    FirstConstant,
    /// In the first constant, if `CO_HAS_DOCSTRING` is set.
    Flag,
}

/// The bits of RESUME's operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeBits {
    /// Selects why the frame resumes; 0 is its start.
    pub reason: u32,
    /// Set where exactly one handler is around the suspended `yield`; 0 where there is no such bit.
    pub depth1: u32,
}

/// What `YIELD_VALUE`'s operand says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YieldArg {
    /// Nothing.
    None,
    /// How many handlers are around it.
    HandlerDepth,
    /// Whether it is part of `yield from` or `await`.
    Delegates,
}

/// Who turns a `StopIteration` that leaves a generator into a `RuntimeError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopIterations {
    /// Who called the generator, when its frame is gone.
    ConvertedByCaller,
    /// A handler around its whole body.
    ConvertedByFrame,
}

/// One CPython's instruction set and formats.
#[derive(Debug)]
pub struct Isa {
    /// Its version.
    pub version: Version,
    /// Its magic number (final release).
    pub magic: u16,
    /// Name in the middle of `x.cpython-311.pyc`.
    pub cache_tag: &'static str,
    /// Its location table.
    pub lines: LineTable,
    /// Its exception handlers.
    pub handlers: Handlers,
    /// Its jumps.
    pub jumps: Jumps,
    /// How its compiler sizes jumps.
    pub jump_search: JumpSearch,
    /// Its code object.
    pub layout: CodeLayout,
    /// Where calls want their NULL.
    pub null_slot: NullSlot,
    /// How keyword calls are made.
    pub keyword_calls: KeywordCalls,
    /// How `for` loops end.
    pub loop_exit: LoopExit,
    /// Stack slots that an iteration in progress takes.
    pub iterator_slots: u8,
    /// How class bodies read enclosing variables.
    pub class_deref: ClassDeref,
    /// Where docstrings are.
    pub docstring: Docstring,
    /// Bits of RESUME.
    pub resume: ResumeBits,
    /// Operand of `YIELD_VALUE`.
    pub yield_arg: YieldArg,
    /// Who converts `StopIteration`.
    pub stop_iterations: StopIterations,
    /// Whether `throw` reads the operand of the `SEND` before a `YIELD_VALUE`.
    pub throw_reads_send: bool,
    /// Whether who traces or profiles is told nothing of a function without a `RESUME` (PEP 669); else of its end.
    pub unseen_without_resume: bool,
    /// Whether a handler may have the line that raised without being a line event of its own.
    pub handler_lines: bool,
    /// Where the condition of a `while` stands.
    pub while_condition: WhileCondition,
    /// Where who traces is told of lines.
    pub line_events: LineEvents,
    /// Whether what is thrown into a suspended frame comes from a `RESUME` to who traces lines, so that its
    /// handler always is an event; else from the suspension.
    pub thrown_from_resume: bool,
    /// Whether what a callee raises is looked up one code unit before the instruction that runs it.
    pub callers_handler_before: bool,
    /// Whether `LOAD_FAST` itself raises on an unbound local; else that is `LOAD_FAST_CHECK`'s work.
    pub load_fast_checks: bool,
    /// Whether `POP_TOP` may find a NULL.
    pub pops_null: bool,
    /// Whether conditional jumps want an exact bool.
    pub exact_bool_jumps: bool,
    /// How far left the operator stands in `COMPARE_OP`'s operand.
    pub compare_shift: u32,
    /// Flag bit that makes an `IMPORT_NAME` eager wherever it stands; 0 where all are.
    pub eager_import: u32,
    ops: &'static [Option<OpInfo>; 256],
    numbers: &'static [u8],
    /// `BINARY_OP` operands, as source.
    pub binary_operators: &'static [&'static str],
    /// `COMPARE_OP` operands, as source.
    pub compare: &'static [&'static str],
    /// `CALL_INTRINSIC_1` operands.
    pub intrinsics_1: &'static [&'static str],
    /// `CALL_INTRINSIC_2` operands.
    pub intrinsics_2: &'static [&'static str],
    /// `LOAD_SPECIAL` operands.
    pub special_methods: &'static [&'static str],
    /// `LOAD_COMMON_CONSTANT` operands.
    pub common_constants: &'static [&'static str],
}

impl Isa {
    /// The instruction set behind a pyc's magic number, if equip supports it.
    pub fn by_magic(magic: u16) -> Option<&'static Isa> {
        ALL.iter().copied().find(|isa| isa.magic == magic)
    }

    /// The instruction set of a version.
    pub fn by_version(version: Version) -> Option<&'static Isa> {
        ALL.iter().copied().find(|isa| isa.version == version)
    }

    /// The instruction of that number, if a pyc may hold it.
    #[inline]
    pub fn op(&self, number: u8) -> Option<&'static OpInfo> {
        self.ops[number as usize].as_ref()
    }

    /// The number of an instruction, if this CPython has it.
    #[inline]
    pub fn number(&self, opcode: Opcode) -> Option<u8> {
        self.numbers
            .get(opcode.0 as usize)
            .copied()
            .filter(|n| *n != 0)
    }

    /// Whether this CPython has that instruction.
    #[inline]
    pub fn has(&self, opcode: Opcode) -> bool {
        self.number(opcode).is_some()
    }

    /// The facts of an instruction of this CPython.
    ///
    /// # Panics
    /// If this CPython does not have it: callers ask only for what they decoded, or asked
    /// [`Isa::has`] about.
    #[inline]
    pub fn info(&self, opcode: Opcode) -> &'static OpInfo {
        let number = self.number(opcode).expect("an instruction of this version");
        self.op(number)
            .expect("numbers and instructions are generated together")
    }
}
