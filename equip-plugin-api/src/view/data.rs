//! How data flows through a code object.

use std::fmt;

use crate::abi::{LocalTypes, Use};

/// What gives a variable its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Definition {
    /// It has it where the code starts: it is a parameter, it is of another scope, or it is unbound.
    Entry,
    /// The instruction of that index assigns it, or deletes it.
    Instruction(u32),
}

impl Use<'_> {
    /// What is read: a local, or a name.
    pub fn variable(&self) -> &str {
        self.variable.as_str()
    }

    /// What it may find: the definitions that reach it. Of cells and names only those of this code object:
    /// other code may assign them too.
    pub fn definitions(&self) -> impl Iterator<Item = Definition> + '_ {
        self.definitions.iter().map(|plus_one| match plus_one {
            0 => Definition::Entry,
            _ => Definition::Instruction(plus_one - 1),
        })
    }
}

/// A builtin type, exactly: a subclass is [`Type::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// `int`, and no bool.
    Int,
    /// `float`
    Float,
    /// `complex`
    Complex,
    /// `bool`
    Bool,
    /// `str`
    Str,
    /// `bytes`
    Bytes,
    /// `tuple`
    Tuple,
    /// `list`
    List,
    /// `dict`
    Dict,
    /// `set`
    Set,
    /// `frozenset`
    FrozenSet,
    /// `slice`
    Slice,
    /// That of `None`.
    None,
    /// Any other.
    Other,
}

const NAMES: [&str; 15] = [
    "int",
    "float",
    "complex",
    "bool",
    "str",
    "bytes",
    "tuple",
    "list",
    "dict",
    "set",
    "frozenset",
    "slice",
    "None",
    "other",
    "unbound",
];
const UNBOUND: u32 = 1 << 14;
const ALL: u32 = UNBOUND - 1;

/// What a value may be: a union of types.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Types(u32);

impl Types {
    /// Whether it may be of a type.
    pub fn may_be(self, one: Type) -> bool {
        self.0 & 1 << one as u32 != 0
    }

    /// Whether there may be no value.
    pub fn may_be_unbound(self) -> bool {
        self.0 & UNBOUND != 0
    }

    /// Whether nothing is known of it but that there may be a value.
    pub fn is_unknown(self) -> bool {
        self.0 & ALL == ALL
    }
}

impl fmt::Display for Types {
    /// `int | None | unbound`, `unknown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = match self.is_unknown() {
            true => self.0 & UNBOUND,
            false => self.0,
        };
        let named = (0..15).filter(|bit| bits & 1 << bit != 0);
        let mut names: Vec<_> = named.map(|bit| NAMES[bit as usize]).collect();
        if self.is_unknown() {
            names.insert(0, "unknown");
        }
        f.write_str(&names.join(" | "))
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl LocalTypes<'_> {
    /// The local.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// What it may be.
    pub fn types(&self) -> Types {
        Types(self.types)
    }
}
