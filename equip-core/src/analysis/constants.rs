//! Constant propagation: which locals have the same known value on every way (Kildall, "A Unified Approach to
//! Global Program Optimization"). Conditions are not followed: both edges of a branch count.
//!
//! Folded is only what cannot raise and gives what CPython gives: arithmetic of integers that fit into 64 bits,
//! comparisons of them, equality of strings, identity of singletons, truth.

use rustc_hash::FxHashMap;

use super::values::{Domain, Interpretation, Operation};
use crate::body::{self, Body};
use crate::code::CodeObject;
use crate::marshal::{Object, ObjectId, Objects};

/// A constant. Equal ones have the same type and value; whether they are one object is not said, but of
/// singletons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// The empty string, where no constant of the code object is one.
    EmptyStr,
    /// Any other constant of the code object: of those that are equal, the first.
    Object(ObjectId),
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// There is none, as far as is known: where a local is always unbound.
    Undefined,
    /// That, wherever it is bound.
    Constant(Constant),
    /// No constant, or several.
    NotConstant,
}

impl Value {
    /// The constant, if it is one.
    pub fn constant(self) -> Option<Constant> {
        match self {
            Value::Constant(constant) => Some(constant),
            Value::Undefined | Value::NotConstant => None,
        }
    }
}

/// The problem whose facts are the constants that locals and the stack hold. [`Values::slot`] gives that of a slot
/// of the frame.
///
/// Locals that other code may assign ([`Variable::is_shared`]) are never constant. Assumed is that nobody writes to
/// the frame from outside, as debuggers do, and from 3.13 on any code may by `frame.f_locals` (PEP 667).
///
/// [`Values::slot`]: super::Values::slot
/// [`Variable::is_shared`]: super::Variable::is_shared
pub type Constants<'b> = Interpretation<'b, Folding>;

impl<'b> Constants<'b> {
    /// Of a body and the code object that it was decoded from.
    ///
    /// # Errors
    /// Its stack depths are not those of sound code.
    pub fn of(
        body: &'b Body,
        objects: &Objects<'_>,
        code: &CodeObject,
    ) -> Result<Self, body::Error> {
        Interpretation::with(Folding::of(body, objects), body, code)
    }
}

/// Values as constants: the flat lattice, and what is folded.
pub struct Folding {
    constants: FxHashMap<ObjectId, Known>,
    empty_str: Constant,
}

/// A constant of the code object, and what folding has to know of it.
#[derive(Clone, Copy)]
struct Known {
    constant: Constant,
    truth: Option<bool>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// There is only one with this value.
    Singleton,
    Str,
    Bytes,
    Other,
}

impl Folding {
    fn of(body: &Body, objects: &Objects<'_>) -> Folding {
        let mut first: FxHashMap<Vec<u8>, ObjectId> = FxHashMap::default();
        let mut constants = FxHashMap::default();
        let mut empty_str = Constant::EmptyStr;
        for id in &body.consts {
            let mut key = Vec::new();
            describe(objects, *id, &mut key);
            let object = *first.entry(key).or_insert(*id);
            let known = Known::of(objects, object);
            if (known.kind, known.truth) == (Kind::Str, Some(false)) {
                empty_str = known.constant;
            }
            constants.insert(*id, known);
        }
        Folding {
            constants,
            empty_str,
        }
    }

    fn known(&self, constant: Constant) -> Known {
        let known = |truth, kind| Known {
            constant,
            truth,
            kind,
        };
        match constant {
            Constant::None => known(Some(false), Kind::Singleton),
            Constant::Bool(value) => known(Some(value), Kind::Singleton),
            Constant::Int(value) => known(Some(value != 0), Kind::Other),
            Constant::EmptyStr => known(Some(false), Kind::Str),
            Constant::Object(id) => self.constants[&id],
        }
    }

    fn fold(&self, operation: Operation, of: &[Constant]) -> Option<Constant> {
        use Operation as Op;
        match (operation, of) {
            (Op::Truth, [value]) => Some(Constant::Bool(self.known(*value).truth?)),
            (Op::Unary("not"), [value]) => Some(Constant::Bool(!self.known(*value).truth?)),
            (Op::Unary(operator), [value]) => unary(operator, *value),
            (Op::Compare(operator), [left, right]) => {
                Some(Constant::Bool(self.compare(operator, *left, *right)?))
            }
            (Op::Binary(operator), [left, right]) => binary(operator, *left, *right),
            _ => None,
        }
    }

    fn compare(&self, operator: &str, left: Constant, right: Constant) -> Option<bool> {
        let (one, other) = (self.known(left).kind, self.known(right).kind);
        let singleton = one == Kind::Singleton || other == Kind::Singleton;
        // Equal strings are the same constant here; of other types, what is equal may look different.
        let same_text = one == other && matches!(one, Kind::Str | Kind::Bytes);
        match operator {
            "is" if singleton => return Some(left == right),
            "is not" if singleton => return Some(left != right),
            "==" if same_text => return Some(left == right),
            "!=" if same_text => return Some(left != right),
            _ => {}
        }
        let (a, b) = (integer(left)?, integer(right)?);
        Some(match operator {
            "==" => a == b,
            "!=" => a != b,
            "<" => a < b,
            "<=" => a <= b,
            ">" => a > b,
            ">=" => a >= b,
            _ => return None,
        })
    }
}

impl Domain for Folding {
    type Value = Value;

    fn unknown(&self) -> Value {
        Value::NotConstant
    }

    fn nothing(&self) -> Value {
        Value::Undefined
    }

    fn join(&self, into: &mut Value, from: &Value) -> bool {
        let joined = match (*into, *from) {
            (one, Value::Undefined) => one,
            (Value::Undefined, other) => other,
            (one, other) if one == other => one,
            _ => Value::NotConstant,
        };
        std::mem::replace(into, joined) != joined
    }

    fn bound(&self, value: &Value) -> Value {
        *value
    }

    fn result(&self, operation: Operation, of: &[Value]) -> Value {
        use Operation as Op;
        match operation {
            Op::Constant(id) => Value::Constant(self.constants[&id].constant),
            Op::SmallInt(value) => Value::Constant(Constant::Int(value.into())),
            Op::CommonConstant(source) => self
                .common_constant(source)
                .map_or(Value::NotConstant, Value::Constant),
            Op::Truth | Op::Unary(_) | Op::Binary(_) | Op::Compare(_) => {
                if of.contains(&Value::NotConstant) {
                    return Value::NotConstant;
                }
                if of.contains(&Value::Undefined) {
                    return Value::Undefined;
                }
                let of: Vec<_> = of.iter().filter_map(|value| value.constant()).collect();
                self.fold(operation, &of)
                    .map_or(Value::NotConstant, Value::Constant)
            }
            _ => Value::NotConstant,
        }
    }
}

impl Folding {
    /// Those that are literals; the others are builtins.
    fn common_constant(&self, source: &str) -> Option<Constant> {
        match source {
            "None" => Some(Constant::None),
            "True" => Some(Constant::Bool(true)),
            "False" => Some(Constant::Bool(false)),
            "''" => Some(self.empty_str),
            _ => source.parse().ok().map(Constant::Int),
        }
    }
}

impl Known {
    fn of(objects: &Objects<'_>, id: ObjectId) -> Known {
        let node = objects.node(id);
        let constant = match (&node.object, node.code) {
            (Object::Singleton, b'N') => Constant::None,
            (Object::Singleton, b'T') => Constant::Bool(true),
            (Object::Singleton, b'F') => Constant::Bool(false),
            _ => whole(objects, id).map_or(Constant::Object(id), Constant::Int),
        };
        let truth = match &node.object {
            Object::Singleton => Some(matches!(node.code, b'T' | b'.')),
            Object::Int(value) => Some(*value != 0),
            Object::Number(bytes) => match node.code {
                b'l' => Some(true), // zero is an Int
                b'g' => float(bytes).map(|value| value != 0.0),
                _ => None,
            },
            Object::Bytes(bytes) | Object::Str(bytes) => Some(!bytes.is_empty()),
            Object::Items(_) => match node.code {
                b'(' | b')' | b'>' => Some(!objects.items(id).is_empty()),
                _ => None,
            },
            Object::Code(_) => Some(true),
            Object::Null => None,
        };
        let kind = match &node.object {
            Object::Singleton => Kind::Singleton,
            Object::Str(_) => Kind::Str,
            Object::Bytes(_) => Kind::Bytes,
            _ => Kind::Other,
        };
        Known {
            constant,
            truth,
            kind,
        }
    }
}

/// Writes down what constants have in common that have the same type and value. Frozensets may be equal and
/// look different; so they count as different.
fn describe(objects: &Objects<'_>, id: ObjectId, key: &mut Vec<u8>) {
    if let Some(value) = whole(objects, id) {
        key.push(b'l');
        return key.extend(value.to_le_bytes());
    }
    let node = objects.node(id);
    let bytes: &[u8] = match &node.object {
        Object::Bytes(bytes) | Object::Str(bytes) | Object::Number(bytes) => bytes,
        _ => &[],
    };
    let items = objects.items(id);
    key.push(match &node.object {
        Object::Str(_) => b'u', // however it is written
        _ if objects.tuple(id).is_some() => b'(',
        _ => node.code,
    });
    key.extend((bytes.len() + items.len()).to_le_bytes());
    key.extend(bytes);
    items.iter().for_each(|item| describe(objects, *item, key));
    if objects.code(id).is_some() {
        key.extend(id.0.to_le_bytes()); // every one is for itself
    }
}

/// An integer constant that fits into 64 bits. Longer ones are digits of 15 bits, and their number, which has
/// the sign.
fn whole(objects: &Objects<'_>, id: ObjectId) -> Option<i64> {
    let node = objects.node(id);
    let bytes = match (&node.object, node.code) {
        (Object::Int(value), _) => return Some((*value).into()),
        (Object::Number(bytes), b'l') => bytes,
        _ => return None,
    };
    let (count, digits) = bytes.split_first_chunk()?;
    let negative = i32::from_le_bytes(*count) < 0;
    let mut value: i128 = 0;
    for digit in digits.chunks_exact(2).rev() {
        value = value.checked_mul(1 << 15)? + i128::from(u16::from_le_bytes([digit[0], digit[1]]));
    }
    i64::try_from(if negative { -value } else { value }).ok()
}

fn float(bytes: &[u8]) -> Option<f64> {
    Some(f64::from_le_bytes(bytes.try_into().ok()?))
}

/// As what a constant takes part in arithmetic.
fn integer(constant: Constant) -> Option<i64> {
    match constant {
        Constant::Int(value) => Some(value),
        Constant::Bool(value) => Some(value.into()),
        Constant::None | Constant::EmptyStr | Constant::Object(_) => None,
    }
}

fn unary(operator: &str, value: Constant) -> Option<Constant> {
    let number = integer(value)?;
    Some(Constant::Int(match operator {
        "+" => number,
        "-" => number.checked_neg()?,
        // Of a bool it warns, and warnings may raise.
        "~" if value == Constant::Int(number) => !number,
        _ => return None,
    }))
}

fn binary(operator: &str, left: Constant, right: Constant) -> Option<Constant> {
    let (a, b) = (integer(left)?, integer(right)?);
    let operator = operator.strip_suffix('=').unwrap_or(operator);
    if let (Constant::Bool(a), Constant::Bool(b)) = (left, right) {
        match operator {
            "&" => return Some(Constant::Bool(a & b)),
            "|" => return Some(Constant::Bool(a | b)),
            "^" => return Some(Constant::Bool(a ^ b)),
            _ => {}
        }
    }
    Some(Constant::Int(match operator {
        "+" => a.checked_add(b)?,
        "-" => a.checked_sub(b)?,
        "*" => a.checked_mul(b)?,
        "&" => a & b,
        "|" => a | b,
        "^" => a ^ b,
        "//" => floor_division(a, b)?.0,
        "%" => floor_division(a, b)?.1,
        "<<" => a.checked_mul(1_i64.checked_shl(b.try_into().ok()?).filter(|by| *by > 0)?)?,
        ">>" if b >= 0 => a >> b.min(63),
        "**" => a.checked_pow(b.try_into().ok()?)?,
        _ => return None,
    }))
}

/// Quotient and remainder as Python has them: the remainder has the divisor's sign.
fn floor_division(a: i64, b: i64) -> Option<(i64, i64)> {
    let (quotient, remainder) = (a.checked_div(b)?, a.checked_rem(b)?);
    match remainder != 0 && (remainder < 0) != (b < 0) {
        true => Some((quotient - 1, remainder + b)),
        false => Some((quotient, remainder)),
    }
}
