//! The intermediate representation: one code object, ready to edit.
//!
//! It is CPython's own (`Python/instruction_sequence.c`): each instruction knows its location and
//! its handler, and jumps name labels. So inserting instructions fixes nothing up; line table,
//! exception table, distances, caches, `EXTENDED_ARG` and slot order are derived by [`assemble`].

mod assemble;
mod decode;
mod handlers;
mod lines;
mod stack;

pub use assemble::assemble;
pub use decode::decode;
pub use lines::{lines_by_unit, lines_of};
pub use stack::{Depths, depths};

use crate::bytes::Truncated;
use crate::isa::{Isa, Opcode};
use crate::marshal::ObjectId;

/// A place in a body: it stands before one instruction, or at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub u32);

/// Names one [`Handler`] of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(pub u32);

/// Where an exception goes that is raised by an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Where control goes.
    pub target: Label,
    /// Stack depth that is kept.
    pub depth: u32,
    /// Whether the offset of the raising instruction is pushed before the exception.
    pub lasti: bool,
}

/// Source position: lines from 1 (0 is a module's own `RESUME`), columns in UTF-8 bytes from 0.
/// -1 stands for what is not known; without a line nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// First line.
    pub line: i32,
    /// Last line.
    pub end_line: i32,
    /// First column.
    pub column: i32,
    /// Column behind the last.
    pub end_column: i32,
}

impl Location {
    /// No position at all.
    pub const NONE: Location = Location {
        line: -1,
        end_line: -1,
        column: -1,
        end_column: -1,
    };

    /// A line without columns.
    pub fn line(line: i32) -> Self {
        Location {
            line,
            end_line: line,
            column: -1,
            end_column: -1,
        }
    }

    /// The same line without columns.
    pub fn without_columns(self) -> Self {
        if self.line < 0 {
            Location::NONE
        } else {
            Location::line(self.line)
        }
    }
}

/// An instruction's operand, with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// None.
    None,
    /// A number with a meaning of its own.
    Int(u32),
    /// Index into [`Body::consts`].
    Const(u32),
    /// Index into [`Body::names`], and the flag bits packed beside it.
    Name(u32, u8),
    /// Index into [`Body::locals`].
    Local(u32),
    /// Two of them.
    Locals(u32, u32),
    /// A place in the body.
    Jump(Label),
}

/// One instruction, caches and `EXTENDED_ARG` not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instr {
    /// What it does.
    pub opcode: Opcode,
    /// With what.
    pub arg: Arg,
    /// Which source it belongs to.
    pub location: Location,
    /// Where its exceptions go; `None` leaves the function.
    pub handler: Option<HandlerId>,
}

/// A slot of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: ObjectId,
    /// See [`crate::code::kinds`].
    pub kind: u8,
}

/// One code object, decoded.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its instruction set.
    pub isa: &'static Isa,
    /// Its instructions.
    pub instrs: Vec<Instr>,
    /// For each label the index of the instruction that it stands before.
    pub labels: Vec<u32>,
    /// Its handlers.
    pub handlers: Vec<Handler>,
    /// Its slots. Those appended to the ones that were decoded are placed behind the last local by
    /// [`assemble`], which is where CPython wants them.
    pub locals: Vec<Slot>,
    /// Its names.
    pub names: Vec<ObjectId>,
    /// Its constants. Never reordered: the first may be the docstring.
    pub consts: Vec<ObjectId>,
    /// Stack slots needed.
    pub stacksize: u32,
    /// `co_firstlineno`
    pub first_line: i32,
    /// `co_flags`
    pub flags: u32,
}

impl Body {
    /// The index of the instruction that a label stands before.
    #[inline]
    pub fn at(&self, label: Label) -> usize {
        self.labels[label.0 as usize] as usize
    }

    /// The handler of an instruction.
    #[inline]
    pub fn handler(&self, instr: &Instr) -> Option<&Handler> {
        instr.handler.map(|id| &self.handlers[id.0 as usize])
    }
}

impl Instr {
    /// The operand as the number that stack effects are computed from.
    #[inline]
    pub fn effect_arg(&self) -> u32 {
        match self.arg {
            Arg::Int(value) => value,
            Arg::Name(_, flags) => u32::from(flags),
            _ => 0,
        }
    }
}

/// Why bytes are no code object that can be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A number that no instruction of this version has, or one that is never in a pyc.
    #[error("unknown opcode {opcode} at offset {offset}")]
    UnknownOpcode {
        /// The number.
        opcode: u8,
        /// Byte offset in `co_code`.
        offset: u32,
    },
    /// The code ends within an instruction.
    #[error("the code ends within the instruction at offset {offset}")]
    CutShort {
        /// Byte offset in `co_code`.
        offset: u32,
    },
    /// A jump or handler leads to no instruction.
    #[error("offset {offset} leads to {target}, where no instruction starts")]
    Target {
        /// Byte offset of the jump or of the start of the handled range.
        offset: u32,
        /// Byte offset that it leads to.
        target: i64,
    },
    /// An operand names something that is not there.
    #[error("{what} {index} at offset {offset}, but there are only {len}")]
    Index {
        /// What is named.
        what: &'static str,
        /// Its index.
        index: u32,
        /// Byte offset in `co_code`.
        offset: u32,
        /// How many there are.
        len: usize,
    },
    /// The location table ends too early, or is longer than the code.
    #[error("the location table covers {covered} code units of {units}")]
    Lines {
        /// What it covers.
        covered: usize,
        /// What it must cover.
        units: usize,
    },
    /// A malformed table.
    #[error("{table}: {source}")]
    Table {
        /// Which.
        table: &'static str,
        /// How.
        source: Truncated,
    },
    /// An exception table entry that is empty, out of order, or beyond the code.
    #[error("exception table: bad range {start}..{end} (code units)")]
    Range {
        /// First unit.
        start: u32,
        /// Unit behind the last.
        end: u32,
    },
    /// The stack is used below its bottom.
    #[error("stack underflow at instruction {index} ({opcode:?})")]
    Underflow {
        /// Index of the instruction.
        index: usize,
        /// The instruction.
        opcode: Opcode,
    },
    /// Two ways to an instruction that leave different depths.
    #[error("stack depth {one} or {other} at instruction {index} ({opcode:?})")]
    Depth {
        /// Index of the instruction.
        index: usize,
        /// The instruction.
        opcode: Opcode,
        /// One depth.
        one: i32,
        /// The other.
        other: i32,
    },
    /// Control runs off the end of the code.
    #[error("control runs off the end of the code")]
    FallsOff,
    /// A jump in a direction that this version has no instruction for.
    #[error("{opcode:?} cannot jump that way in CPython {version}")]
    Direction {
        /// The instruction.
        opcode: Opcode,
        /// The version.
        version: crate::isa::Version,
    },
    /// Names and kinds of the slots differ in number.
    #[error("{names} slot names, but {kinds} slot kinds")]
    Slots {
        /// Names.
        names: usize,
        /// Kinds.
        kinds: usize,
    },
}
