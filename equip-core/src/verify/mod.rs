//! Judges code objects before CPython runs them, since CPython never does: a wrong operand or a
//! wrong stack is memory corruption there, not an exception.
//!
//! It shares nothing with what wrote the code object but the tables of [`crate::isa`]. First
//! every instruction is decoded, reachable or not, and checked for itself and with its neighbours
//! (`decode`); then an abstract interpretation (`flow`, `kinds`) follows every path, the
//! ones into handlers included, and knows for every stack slot and local what sort of thing is
//! in it.

mod decode;
mod effects;
mod flow;
mod kinds;
mod neighbours;
mod tables;

use std::fmt;

use crate::code::CodeObject;
use crate::isa::Isa;
use crate::marshal::{ObjectId, Objects};
use crate::pyc::PycFile;

/// What a complaint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The file as a whole.
    File,
    /// Bytecode is whole instructions that the version has.
    Encoding,
    /// Inline caches are complete and zero.
    Caches,
    /// At most three `EXTENDED_ARG`, and an instruction behind them.
    ExtendedArg,
    /// Control never runs off the end.
    FallsOff,
    /// Indices are in range and name the right sort of thing.
    Index,
    /// Operands that are no indices have a meaning.
    Operand,
    /// Jumps and handlers lead to the start of an instruction.
    Target,
    /// What CPython expects side by side is.
    Adjacency,
    /// What stands before the start `RESUME`, and that there is exactly one.
    Prologue,
    /// Generator flags, `RETURN_GENERATOR` and suspensions fit together.
    Generator,
    /// Stack depth: never negative, equal where paths join, within `co_stacksize`.
    Stack,
    /// The right sort of thing is in each slot.
    Kind,
    /// NULL is only where CPython expects it.
    Null,
    /// Variables are bound where CPython does not check.
    Unbound,
    /// Borrowed references are outlived by the local they borrow from.
    Borrow,
    /// The location table is well-formed and covers the code.
    Locations,
    /// The exception table is well-formed.
    Handlers,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 18] = [
        Rule::File,
        Rule::Encoding,
        Rule::Caches,
        Rule::ExtendedArg,
        Rule::FallsOff,
        Rule::Index,
        Rule::Operand,
        Rule::Target,
        Rule::Adjacency,
        Rule::Prologue,
        Rule::Generator,
        Rule::Stack,
        Rule::Kind,
        Rule::Null,
        Rule::Unbound,
        Rule::Borrow,
        Rule::Locations,
        Rule::Handlers,
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Rule::File => "file",
            Rule::Encoding => "encoding",
            Rule::Caches => "caches",
            Rule::ExtendedArg => "extended arg",
            Rule::FallsOff => "falls off",
            Rule::Index => "index",
            Rule::Operand => "operand",
            Rule::Target => "target",
            Rule::Adjacency => "adjacency",
            Rule::Prologue => "prologue",
            Rule::Generator => "generator",
            Rule::Stack => "stack",
            Rule::Kind => "kind",
            Rule::Null => "null",
            Rule::Unbound => "unbound",
            Rule::Borrow => "borrow",
            Rule::Locations => "locations",
            Rule::Handlers => "handlers",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a code object must not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which code object; empty for a whole file.
    pub qualname: String,
    /// Where in its bytecode, in bytes.
    pub offset: u32,
    /// The line of that instruction.
    pub line: Option<u32>,
    /// What is broken.
    pub rule: Rule,
    /// How.
    pub message: String,
}

impl Complaint {
    /// About a file as a whole.
    pub fn file(message: String) -> Self {
        Complaint {
            qualname: String::new(),
            offset: 0,
            line: None,
            rule: Rule::File,
            message,
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rule == Rule::File {
            return f.write_str(&self.message);
        }
        write!(f, "{}: offset {}", self.qualname, self.offset)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}: {}", self.rule, self.message)
    }
}

impl std::error::Error for Complaint {}

/// A complaint before its place has a name: the code unit, the rule, and how.
type Fault = Box<(u32, Rule, String)>;

#[cold]
fn fault(unit: u32, rule: Rule, message: String) -> Fault {
    Box::new((unit, rule, message))
}

/// One code object under judgement, its parts looked up.
struct Subject<'o> {
    isa: &'static Isa,
    objects: &'o Objects<'o>,
    code: &'o CodeObject,
    consts: &'o [ObjectId],
    kinds: &'o [u8],
    slot_names: &'o [ObjectId],
    units: u32,
}

/// Judges code objects of a file; the first complaint about each.
pub fn verify(pyc: &PycFile<'_>, codes: &[ObjectId]) -> Vec<Complaint> {
    let mut instrs = decode::Instrs::default();
    let mut flow = flow::Flow::default();
    let mut judge = |id: ObjectId| {
        let code = pyc.objects.code(id)?;
        let (unit, rule, message) = *judge(pyc, code, &mut instrs, &mut flow).err()?;
        let line = pyc
            .objects
            .bytes(code.linetable)
            .and_then(|table| tables::line_at(table, code.firstlineno, unit));
        Some(Complaint {
            qualname: code.qualname(&pyc.objects).into_owned(),
            offset: unit.saturating_mul(2),
            line,
            rule,
            message,
        })
    };
    codes.iter().filter_map(|id| judge(*id)).collect()
}

/// Which slots certainly hold an object, where ways through a sound code object join: the index of the
/// instruction there, and whether each slot does. The analyses are tested against it.
pub fn bound_at_joins(pyc: &PycFile<'_>, id: ObjectId) -> Vec<(usize, Vec<bool>)> {
    let mut instrs = decode::Instrs::default();
    let mut flow = flow::Flow::default();
    match pyc.objects.code(id) {
        Some(code) if judge(pyc, code, &mut instrs, &mut flow).is_ok() => flow.bound_at_joins(),
        _ => Vec::new(),
    }
}

fn judge(
    pyc: &PycFile<'_>,
    code: &CodeObject,
    instrs: &mut decode::Instrs,
    flow: &mut flow::Flow,
) -> Result<(), Fault> {
    let objects = &pyc.objects;
    let bytes = |id, what: &str| {
        let found = objects.bytes(id);
        found.ok_or_else(|| fault(0, Rule::Encoding, format!("{what} is no bytes object")))
    };
    let bytecode = bytes(code.code, "co_code")?;
    let kinds = bytes(code.localspluskinds, "co_localspluskinds")?;
    let Ok(units) = u32::try_from(bytecode.len() / 2) else {
        let message = "co_code is too long".to_owned();
        return Err(fault(0, Rule::Encoding, message));
    };
    let subject = Subject {
        isa: pyc.isa,
        objects,
        code,
        consts: code.consts(objects),
        kinds,
        slot_names: objects.items(code.localsplusnames),
        units,
    };
    let locations = bytes(code.linetable, "co_linetable")?;
    let handlers = bytes(code.exceptiontable, "co_exceptiontable")?;
    instrs.read(&subject, bytecode)?;
    tables::check_locations(locations, code.firstlineno, units)?;
    tables::read_ranges(handlers, units, &mut instrs.ranges)?;
    instrs.place_ranges()?;
    instrs.check_neighbours(&subject)?;
    flow.run(&subject, instrs)
}
