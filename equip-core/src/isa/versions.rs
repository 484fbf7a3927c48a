//! One stanza per CPython: the named encodings that it uses.

use super::tables as t;
use super::*;

/// All supported versions, oldest first.
pub static ALL: [&Isa; 5] = [&PY_311, &PY_312, &PY_313, &PY_314, &PY_315];

macro_rules! generated {
    ($isa:expr, $ops:ident, $magic:ident, $numbers:ident, $bin:ident, $cmp:ident, $i1:ident, $i2:ident, $sm:ident, $cc:ident) => {
        Isa {
            magic: t::$magic,
            ops: &t::$ops,
            numbers: &t::$numbers,
            binary_operators: t::$bin,
            compare: t::$cmp,
            intrinsics_1: t::$i1,
            intrinsics_2: t::$i2,
            special_methods: t::$sm,
            common_constants: t::$cc,
            ..$isa
        }
    };
}

const BASE_311: Isa = Isa {
    version: Version(3, 11),
    magic: 0,
    cache_tag: "cpython-311",
    lines: LineTable::Pep657(Entry::PerInstr),
    handlers: Handlers::Table,
    jumps: Jumps::BothWays,
    jump_search: JumpSearch::Smallest,
    layout: CodeLayout::LocalsPlus,
    null_slot: NullSlot::BelowCallable,
    keyword_calls: KeywordCalls::KwNames,
    loop_exit: LoopExit::PopsIterator,
    iterator_slots: 1,
    class_deref: ClassDeref::Classderef,
    docstring: Docstring::FirstConstant,
    resume: ResumeBits {
        reason: 3,
        depth1: 0,
    },
    yield_arg: YieldArg::None,
    stop_iterations: StopIterations::ConvertedByCaller,
    throw_reads_send: true,
    unseen_without_resume: false,
    handler_lines: true,
    while_condition: WhileCondition::Repeated,
    line_events: LineEvents::AnyInstruction,
    thrown_from_resume: false,
    load_fast_checks: true,
    callers_handler_before: false,
    pops_null: false,
    exact_bool_jumps: false,
    compare_shift: 0,
    eager_import: 0,
    ops: &t::PY_311,
    numbers: &[],
    binary_operators: &[],
    compare: &[],
    intrinsics_1: &[],
    intrinsics_2: &[],
    special_methods: &[],
    common_constants: &[],
};

const BASE_312: Isa = Isa {
    version: Version(3, 12),
    cache_tag: "cpython-312",
    lines: LineTable::Pep657(Entry::PerRun),
    jumps: Jumps::ConditionalForward,
    loop_exit: LoopExit::SkipsEndFor,
    class_deref: ClassDeref::FromDict,
    yield_arg: YieldArg::HandlerDepth,
    stop_iterations: StopIterations::ConvertedByFrame,
    throw_reads_send: false,
    unseen_without_resume: true,
    handler_lines: false,
    line_events: LineEvents::Starts,
    load_fast_checks: false,
    compare_shift: 4,
    ..BASE_311
};

const BASE_313: Isa = Isa {
    version: Version(3, 13),
    cache_tag: "cpython-313",
    null_slot: NullSlot::AboveCallable,
    keyword_calls: KeywordCalls::CallKw,
    jump_search: JumpSearch::TargetIndex,
    loop_exit: LoopExit::KeepsIterator,
    yield_arg: YieldArg::Delegates,
    handler_lines: true,
    thrown_from_resume: true,
    callers_handler_before: true,
    resume: ResumeBits {
        reason: 3,
        depth1: 4,
    },
    exact_bool_jumps: true,
    compare_shift: 5,
    ..BASE_312
};

const BASE_314: Isa = Isa {
    version: Version(3, 14),
    cache_tag: "cpython-314",
    docstring: Docstring::Flag,
    while_condition: WhileCondition::Once,
    pops_null: true,
    ..BASE_313
};

const BASE_315: Isa = Isa {
    version: Version(3, 15),
    cache_tag: "cpython-315",
    iterator_slots: 2,
    resume: ResumeBits {
        reason: 7,
        depth1: 8,
    },
    eager_import: 2,
    ..BASE_314
};

/// CPython 3.11.
#[rustfmt::skip]
pub static PY_311: Isa = generated!(BASE_311, PY_311, PY_311_MAGIC, PY_311_NUMBERS, PY_311_BINARY_OPERATORS, PY_311_COMPARE, PY_311_INTRINSICS_1, PY_311_INTRINSICS_2, PY_311_SPECIAL_METHODS, PY_311_COMMON_CONSTANTS);
/// CPython 3.12.
#[rustfmt::skip]
pub static PY_312: Isa = generated!(BASE_312, PY_312, PY_312_MAGIC, PY_312_NUMBERS, PY_312_BINARY_OPERATORS, PY_312_COMPARE, PY_312_INTRINSICS_1, PY_312_INTRINSICS_2, PY_312_SPECIAL_METHODS, PY_312_COMMON_CONSTANTS);
/// CPython 3.13.
#[rustfmt::skip]
pub static PY_313: Isa = generated!(BASE_313, PY_313, PY_313_MAGIC, PY_313_NUMBERS, PY_313_BINARY_OPERATORS, PY_313_COMPARE, PY_313_INTRINSICS_1, PY_313_INTRINSICS_2, PY_313_SPECIAL_METHODS, PY_313_COMMON_CONSTANTS);
/// CPython 3.14.
#[rustfmt::skip]
pub static PY_314: Isa = generated!(BASE_314, PY_314, PY_314_MAGIC, PY_314_NUMBERS, PY_314_BINARY_OPERATORS, PY_314_COMPARE, PY_314_INTRINSICS_1, PY_314_INTRINSICS_2, PY_314_SPECIAL_METHODS, PY_314_COMMON_CONSTANTS);
/// CPython 3.15.
#[rustfmt::skip]
pub static PY_315: Isa = generated!(BASE_315, PY_315, PY_315_MAGIC, PY_315_NUMBERS, PY_315_BINARY_OPERATORS, PY_315_COMPARE, PY_315_INTRINSICS_1, PY_315_INTRINSICS_2, PY_315_SPECIAL_METHODS, PY_315_COMMON_CONSTANTS);
