//! What is known about one stack slot: the sort of thing in it, and whether it is a borrowed
//! reference.

use std::fmt;

/// The sort of thing in a stack slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Some object.
    Any,
    /// NULL.
    Null,
    /// An object or NULL, as beside the callable of a method call.
    MaybeNull,
    /// A cell.
    Cell,
    /// What `FOR_ITER` can ask for the next item.
    Iterator,
    /// The second slot of an iteration: an index that is no object, or NULL.
    IteratorState,
    /// What `SEND` can send to.
    Awaitable,
    /// A list.
    List,
    /// A set.
    Set,
    /// A dict.
    Dict,
    /// A tuple.
    Tuple,
    /// A tuple of names; payload: how many.
    Names,
    /// A tuple of cells; payload: how many.
    Closure,
    /// An exact int, whose comparisons are exact bools.
    Int,
    /// Exactly `True` or `False`.
    Bool,
    /// An exception.
    Exception,
    /// An exception or None; payload: which, so that a test for None is understood.
    MaybeException,
    /// What was being handled before: an exception or None.
    Previous,
    /// The place of a raise, no object in some versions.
    LastInstruction,
    /// A code object; payload: twice the number of its free variables, plus one for a generator.
    Code,
    /// A function; payload: twice the number of cells that its closure still lacks, plus one for a
    /// generator.
    Function,
    /// What a local held, NULL included; payload: see [`super::flow::Slot`].
    Saved,
    /// Different things on different paths.
    Mixed,
}

/// A [`Kind`], its payload, and whether the reference is borrowed from a local.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub kind: Kind,
    /// The local that keeps it alive, plus one; 0: the slot owns its reference.
    lender: u32,
    /// See [`Kind`].
    pub payload: u32,
}

impl Value {
    pub const ANY: Value = Value::new(Kind::Any);
    pub const NULL: Value = Value::new(Kind::Null);

    pub const fn new(kind: Kind) -> Self {
        Value {
            kind,
            lender: 0,
            payload: 0,
        }
    }

    pub const fn with(kind: Kind, payload: u32) -> Self {
        Value {
            kind,
            lender: 0,
            payload,
        }
    }

    /// The same thing, borrowed from a local.
    pub const fn borrowed_from(self, local: u32) -> Self {
        Value {
            lender: local + 1,
            ..self
        }
    }

    /// Another thing with the same reference.
    pub const fn lent_as(self, kind: Kind) -> Self {
        Value {
            kind,
            payload: 0,
            lender: self.lender,
        }
    }

    /// The local that it is borrowed from.
    pub fn lender(self) -> Option<u32> {
        self.lender.checked_sub(1)
    }

    /// Whether every instruction that takes objects takes it.
    pub fn is_object(self) -> bool {
        match self.kind {
            Kind::Null
            | Kind::MaybeNull
            | Kind::IteratorState
            | Kind::LastInstruction
            | Kind::Saved
            | Kind::Mixed => false,
            Kind::Function => self.payload < 2,
            _ => true,
        }
    }

    /// What both are, where two paths meet.
    pub fn join(self, other: Value) -> Value {
        if self == other {
            return self;
        }
        let lender = match (self.lender, other.lender) {
            (one, other) if one == other => one,
            (0, one) | (one, 0) => one,
            _ => return Value::new(Kind::Mixed),
        };
        match join_kinds(self, other) {
            // Nothing more is known of it, so that it stays what it is at every further join.
            (Kind::Mixed, _) => Value::new(Kind::Mixed),
            (kind, payload) => Value {
                kind,
                lender,
                payload,
            },
        }
    }
}

fn join_kinds(one: Value, other: Value) -> (Kind, u32) {
    use Kind::*;
    if one.kind == other.kind {
        let payload = match one.kind {
            _ if one.payload == other.payload => one.payload,
            Saved => one.payload | other.payload,
            MaybeException => 0,
            Names | Closure => return (Tuple, 0),
            Code => return (Any, 0),
            Function if one.payload < 2 && other.payload < 2 => 0,
            _ => return (Mixed, 0),
        };
        return (one.kind, payload);
    }
    let either = |kind| one.kind == kind || other.kind == kind;
    match (one.kind, other.kind) {
        (Exception, MaybeException) | (MaybeException, Exception) => (MaybeException, 0),
        (Iterator, Awaitable) | (Awaitable, Iterator) => (Awaitable, 0),
        (Tuple | Names | Closure, Tuple | Names | Closure) => (Tuple, 0),
        (Null, IteratorState) | (IteratorState, Null) => (IteratorState, 0),
        _ if one.is_object() && other.is_object() => (Any, 0),
        _ if either(Null) || either(MaybeNull) => {
            let fits = |value: Value| value.is_object() || matches!(value.kind, Null | MaybeNull);
            match fits(one) && fits(other) {
                true => (MaybeNull, 0),
                false => (Mixed, 0),
            }
        }
        _ => (Mixed, 0),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Any => "an object",
            Kind::Null => "NULL",
            Kind::MaybeNull => "an object or NULL",
            Kind::Cell => "a cell",
            Kind::Iterator => "an iterator",
            Kind::IteratorState => "the state of an iteration",
            Kind::Awaitable => "an awaitable or iterator",
            Kind::List => "a list",
            Kind::Set => "a set",
            Kind::Dict => "a dict",
            Kind::Tuple => "a tuple",
            Kind::Names => "a tuple of names",
            Kind::Closure => "a tuple of cells",
            Kind::Int => "an int",
            Kind::Bool => "a bool",
            Kind::Exception => "an exception",
            Kind::MaybeException => "an exception or None",
            Kind::Previous => "the previous exception",
            Kind::LastInstruction => "the place of a raise",
            Kind::Code => "a code object",
            Kind::Function => "a function",
            Kind::Saved => "what a local held",
            Kind::Mixed => "different things on different paths",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.payload) {
            (Kind::Function, 2..) => f.write_str("a function without its closure"),
            _ => self.kind.fmt(f),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 23] = [
        Kind::Any,
        Kind::Null,
        Kind::MaybeNull,
        Kind::Cell,
        Kind::Iterator,
        Kind::IteratorState,
        Kind::Awaitable,
        Kind::List,
        Kind::Set,
        Kind::Dict,
        Kind::Tuple,
        Kind::Names,
        Kind::Closure,
        Kind::Int,
        Kind::Bool,
        Kind::Exception,
        Kind::MaybeException,
        Kind::Previous,
        Kind::LastInstruction,
        Kind::Code,
        Kind::Function,
        Kind::Saved,
        Kind::Mixed,
    ];

    fn values() -> Vec<Value> {
        use Kind::*;
        let payloads = |kind| match kind {
            Names | Closure | MaybeException | Code | Function | Saved => 0..4,
            _ => 0..1,
        };
        let values = ALL
            .into_iter()
            .flat_map(|kind| payloads(kind).map(move |payload| Value::with(kind, payload)));
        values
            .flat_map(|value| [value, value.borrowed_from(0), value.borrowed_from(7)])
            .collect()
    }

    /// Without these, the analysis might not end, or depend on the order of paths.
    #[test]
    fn joining_is_idempotent_commutative_and_climbs() {
        for one in values() {
            assert!(one.join(one) == one);
            for other in values() {
                let joined = one.join(other);
                assert!(joined == other.join(one), "{one} {other}");
                assert!(joined.join(one) == joined, "{one} {other} {joined}");
                assert!(joined.is_object() <= (one.is_object() && other.is_object()));
            }
        }
    }

    #[test]
    fn joining_is_associative_for_objects() {
        for one in ALL.map(Value::new) {
            for two in ALL.map(Value::new) {
                for three in ALL.map(Value::new) {
                    let left = one.join(two).join(three);
                    let right = one.join(two.join(three));
                    assert!(left == right, "{one}, {two}, {three}: {left} or {right}");
                }
            }
        }
    }
}
