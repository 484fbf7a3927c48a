//! What an instruction does with variables: slots of the frame, and names of a module or class body
//! or of globals.

use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;

use crate::body::{Arg, Body, Instr};
use crate::code::kinds;
use crate::isa::Opcode;

/// A variable of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// A local, cell or free variable: index into [`Body::locals`].
    Slot(u32),
    /// A variable of the module or class, a global or a builtin: index into [`Body::names`].
    Name(u32),
}

impl Variable {
    /// Whether other code may change it meanwhile: cells and names, unlike plain locals.
    pub fn is_shared(self, body: &Body) -> bool {
        match self {
            Variable::Slot(slot) => {
                body.locals[slot as usize].kind & (kinds::CELL | kinds::FREE) != 0
            }
            Variable::Name(_) => true,
        }
    }
}

/// What is done with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its value is taken, or its cell, to be captured.
    Read(Variable),
    /// It gets a value.
    Write(Variable),
    /// It is unbound.
    Delete(Variable),
}

/// What an instruction does with variables, in that order.
pub fn accesses(instr: &Instr) -> impl Iterator<Item = Access> + use<> {
    use Access::{Delete, Read, Write};
    use Opcode as O;
    let [one, two] = match (instr.opcode, instr.arg) {
        (O::STORE_FAST_LOAD_FAST, Arg::Locals(a, b)) => [
            Some(Write(Variable::Slot(a))),
            Some(Read(Variable::Slot(b))),
        ],
        (O::STORE_FAST_STORE_FAST, Arg::Locals(a, b)) => [
            Some(Write(Variable::Slot(a))),
            Some(Write(Variable::Slot(b))),
        ],
        (_, Arg::Locals(a, b)) => [Some(Read(Variable::Slot(a))), Some(Read(Variable::Slot(b)))],
        (O::MAKE_CELL, _) => [None, None],
        (O::LOAD_FAST_AND_CLEAR, Arg::Local(a)) => [
            Some(Read(Variable::Slot(a))),
            Some(Delete(Variable::Slot(a))),
        ],
        (O::STORE_FAST | O::STORE_DEREF, Arg::Local(a)) => [Some(Write(Variable::Slot(a))), None],
        (O::DELETE_FAST | O::DELETE_DEREF, Arg::Local(a)) => {
            [Some(Delete(Variable::Slot(a))), None]
        }
        (_, Arg::Local(a)) => [Some(Read(Variable::Slot(a))), None],
        (O::STORE_NAME | O::STORE_GLOBAL, Arg::Name(a, _)) => {
            [Some(Write(Variable::Name(a))), None]
        }
        (O::DELETE_NAME | O::DELETE_GLOBAL, Arg::Name(a, _)) => {
            [Some(Delete(Variable::Name(a))), None]
        }
        (O::LOAD_NAME | O::LOAD_GLOBAL | O::LOAD_FROM_DICT_OR_GLOBALS, Arg::Name(a, _)) => {
            [Some(Read(Variable::Name(a))), None]
        }
        _ => [None, None],
    };
    one.into_iter().chain(two)
}

/// The variables that a body names, numbered.
#[derive(Clone, Debug)]
pub struct Variables {
    all: Vec<Variable>,
    numbers: FxHashMap<Variable, usize>,
}

impl Variables {
    /// Those of a body, in the order in which its instructions name them.
    pub fn of(body: &Body) -> Variables {
        let mut all = Vec::new();
        let mut numbers = FxHashMap::default();
        for access in body.instrs.iter().flat_map(accesses) {
            let (Access::Read(variable) | Access::Write(variable) | Access::Delete(variable)) =
                access;
            numbers.entry(variable).or_insert_with(|| {
                all.push(variable);
                all.len() - 1
            });
        }
        Variables { all, numbers }
    }

    /// All of them.
    pub fn all(&self) -> &[Variable] {
        &self.all
    }

    /// The number of one that the body names.
    ///
    /// # Panics
    /// The body does not name it.
    pub fn number(&self, variable: Variable) -> usize {
        self.numbers[&variable]
    }

    pub(super) fn empty_set(&self) -> FixedBitSet {
        FixedBitSet::with_capacity(self.all.len())
    }
}
