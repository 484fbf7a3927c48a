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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Type {
    /// All of them.
    pub const ALL: [Type; 14] = [
        Type::Int,
        Type::Float,
        Type::Complex,
        Type::Bool,
        Type::Str,
        Type::Bytes,
        Type::Tuple,
        Type::List,
        Type::Dict,
        Type::Set,
        Type::FrozenSet,
        Type::Slice,
        Type::None,
        Type::Other,
    ];

    /// Its name in Python; `None` for that of None, and `other`.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 14] = [
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
        ];
        NAMES[self as usize]
    }
}

/// What a value may be: a union of types.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Types(u32);

impl Types {
    const UNBOUND: u32 = 1 << Type::ALL.len();

    /// Of those types, and whether there may be no value.
    pub fn of(types: impl IntoIterator<Item = Type>, unbound: bool) -> Types {
        let bits = types
            .into_iter()
            .fold(0, |bits, one| bits | 1 << one as u32);
        Types(bits | if unbound { Self::UNBOUND } else { 0 })
    }

    /// The number under which it crosses the boundary: a bit for each type, then one for unbound.
    #[doc(hidden)]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether it may be of a type.
    pub fn may_be(self, one: Type) -> bool {
        self.0 & 1 << one as u32 != 0
    }

    /// Whether there may be no value.
    pub fn may_be_unbound(self) -> bool {
        self.0 & Self::UNBOUND != 0
    }

    /// Whether nothing is known of it but that there may be a value.
    pub fn is_unknown(self) -> bool {
        Type::ALL.into_iter().all(|one| self.may_be(one))
    }
}

/// As a union in Python: `int | None`, `unknown`, and `unbound` where it may be.
impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = Type::ALL.into_iter().filter(|one| self.may_be(*one));
        let mut names: Vec<_> = match self.is_unknown() {
            true => vec!["unknown"],
            false => types.map(Type::name).collect(),
        };
        names.extend(self.may_be_unbound().then_some("unbound"));
        match names.is_empty() {
            true => f.write_str("never"),
            false => f.write_str(&names.join(" | ")),
        }
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
