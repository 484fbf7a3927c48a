//! Which builtin types locals may have: from constants, literals, and operators of known types.
//!
//! A type is exact: `int` says that `type(x) is int`, since a subclass may do anything. Names of builtins can
//! be rebound, so that calls give any object; the comprehensions that the compiler makes a function of are the
//! exception. What operators give is as in `Objects/*.c` of CPython; a test asks the interpreters for each
//! operator and each pair of types.

use std::fmt;

pub use equip_plugin_api::view::Type;
use equip_plugin_api::view::Types as Told;
use rustc_hash::FxHashMap;

use super::expression::Display;
use super::values::{Domain, Interpretation, Operation};
use crate::body::{self, Body};
use crate::code::{CodeObject, flags};
use crate::marshal::{Object, ObjectId, Objects};

/// A union of types: what a value may be. The empty one is that of a value that no way through the code
/// makes, as an operator gives it that raises.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeSet(u32);

impl TypeSet {
    /// Of any type.
    pub const UNKNOWN: TypeSet = TypeSet(0x3FFF);
    /// No object: an unbound local, a NULL on the stack.
    pub const UNBOUND: TypeSet = TypeSet(1 << 14);
    const EMPTY: TypeSet = TypeSet(0);
    /// Functions of comprehensions, and their code: other objects, of which is known what calling them gives.
    const COMPREHENSIONS: [(&str, TypeSet, Type); 3] = [
        ("<listcomp>", TypeSet(1 << 15), Type::List),
        ("<setcomp>", TypeSet(1 << 16), Type::Set),
        ("<dictcomp>", TypeSet(1 << 17), Type::Dict),
    ];
    const OTHER: TypeSet = TypeSet::of(Type::Other);

    const fn of(one: Type) -> TypeSet {
        TypeSet(1 << one as u32)
    }

    const fn or(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 | other.0)
    }

    fn comprehensions() -> u32 {
        let all = TypeSet::COMPREHENSIONS.iter();
        all.fold(0, |all, (_, one, _)| all | one.0)
    }

    /// Whether it may be of that type.
    pub fn may_be(self, one: Type) -> bool {
        let also = if one == Type::Other {
            TypeSet::comprehensions()
        } else {
            0
        };
        self.0 & (TypeSet::of(one).0 | also) != 0
    }

    /// Whether it may be no object at all: unbound.
    pub fn may_be_unbound(self) -> bool {
        self.0 & TypeSet::UNBOUND.0 != 0
    }

    /// As plugins are told it.
    pub(crate) fn told(self) -> Told {
        Told::of(self.types(), self.may_be_unbound())
    }

    /// Whether it may be of any type, so that nothing is known.
    pub fn is_unknown(self) -> bool {
        self.0 & TypeSet::UNKNOWN.0 == TypeSet::UNKNOWN.0
    }

    /// The types that it may be of.
    pub fn types(self) -> impl Iterator<Item = Type> {
        Type::ALL.into_iter().filter(move |one| self.may_be(*one))
    }

    /// The only type that it may be of, wherever it is bound.
    pub fn only(self) -> Option<Type> {
        let mut types = self.types();
        types.next().filter(|_| types.next().is_none())
    }
}

impl fmt::Display for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told().fmt(f)
    }
}

impl fmt::Debug for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The problem whose facts are the types of locals and of what is on the stack. [`Values::slot`] gives that of a
/// slot of the frame.
///
/// Locals that other code may assign ([`Variable::is_shared`]) are unknown. Assumed is that nobody writes to the
/// frame from outside, as debuggers do, and from 3.13 on any code may by `frame.f_locals` (PEP 667).
///
/// [`Values::slot`]: super::Values::slot
/// [`Variable::is_shared`]: super::Variable::is_shared
pub type Types<'b> = Interpretation<'b, SimpleTypes>;

impl<'b> Types<'b> {
    /// Of a body and the code object that it was decoded from.
    ///
    /// # Errors
    /// Its stack depths are not those of sound code.
    pub fn of(
        body: &'b Body,
        objects: &Objects<'_>,
        code: &CodeObject,
    ) -> Result<Self, body::Error> {
        let constants = body
            .consts
            .iter()
            .map(|id| (*id, of_constant(objects, *id)));
        let constants = constants.collect();
        Interpretation::with(SimpleTypes { constants }, body, code)
    }
}

/// Values as the types that they may be of: a powerset.
pub struct SimpleTypes {
    constants: FxHashMap<ObjectId, TypeSet>,
}

impl Domain for SimpleTypes {
    type Value = TypeSet;

    fn unknown(&self) -> TypeSet {
        TypeSet::UNKNOWN.or(TypeSet::UNBOUND)
    }

    fn nothing(&self) -> TypeSet {
        TypeSet::UNBOUND
    }

    fn join(&self, into: &mut TypeSet, from: &TypeSet) -> bool {
        let before = *into;
        *into = into.or(*from);
        *into != before
    }

    fn bound(&self, value: &TypeSet) -> TypeSet {
        TypeSet(value.0 & !TypeSet::UNBOUND.0)
    }

    fn result(&self, operation: Operation, of: &[TypeSet]) -> TypeSet {
        use Operation as Op;
        if of.contains(&TypeSet::EMPTY) {
            return TypeSet::EMPTY;
        }
        match (operation, of) {
            (Op::Constant(id), _) => self.constants[&id],
            (Op::CommonConstant(name), _) => of_common_constant(name),
            (Op::SmallInt(_) | Op::Length, _) => TypeSet::of(Type::Int),
            (Op::Unary("not"), _) => TypeSet::of(Type::Bool),
            (Op::Unary(operator), [value]) => each(*value, |one| unary(operator, one)),
            (Op::Binary(operator), [left, right]) => binary(operator, *left, *right),
            (Op::Slice, [whole, ..]) => each(*whole, sliced),
            (Op::Compare(operator), [left, right]) => compared(operator, *left, *right),
            (Op::Truth | Op::Matches, _) => TypeSet::of(Type::Bool),
            (Op::Display(display), _) => TypeSet::of(match display {
                Display::Tuple => Type::Tuple,
                Display::List => Type::List,
                Display::Set => Type::Set,
                Display::Dict => Type::Dict,
                Display::String => Type::Str,
                Display::Slice => Type::Slice,
            }),
            (Op::ToTuple, _) => TypeSet::of(Type::Tuple),
            (Op::Text, [value]) => text(*value),
            (Op::Function, [code]) => of_function(*code),
            (Op::Call, [callable, ..]) => called(*callable),
            (Op::Part, [whole]) => each(*whole, part),
            (Op::Rest, _) => TypeSet::of(Type::List),
            (Op::Captures, _) => TypeSet::of(Type::Tuple).or(TypeSet::of(Type::None)),
            (Op::Exception, _) => TypeSet::OTHER,
            _ => TypeSet::UNKNOWN,
        }
    }
}

fn of_constant(objects: &Objects<'_>, id: ObjectId) -> TypeSet {
    if let Some(code) = objects.code(id) {
        let suspends = flags::GENERATOR | flags::COROUTINE | flags::ASYNC_GENERATOR;
        let name = objects.str(code.name).unwrap_or_default();
        let comprehension = TypeSet::COMPREHENSIONS
            .iter()
            .find(|(known, ..)| *known == name && code.flags & suspends == 0);
        return comprehension.map_or(TypeSet::OTHER, |(_, one, _)| *one);
    }
    let node = objects.node(id);
    TypeSet::of(match (&node.object, node.code) {
        (Object::Singleton, b'N') => Type::None,
        (Object::Singleton, b'T' | b'F') => Type::Bool,
        (Object::Int(_), _) | (Object::Number(_), b'I' | b'l') => Type::Int,
        (Object::Number(_), b'f' | b'g') => Type::Float,
        (Object::Number(_), b'x' | b'y') => Type::Complex,
        (Object::Str(_), _) => Type::Str,
        (Object::Bytes(_), _) => Type::Bytes,
        (Object::Items(_), b'(' | b')') => Type::Tuple,
        (Object::Items(_), b'[') => Type::List,
        (Object::Items(_), b'<') => Type::Set,
        (Object::Items(_), b'>') => Type::FrozenSet,
        (Object::Items(_), b':') => Type::Slice,
        (Object::Singleton, b'.') => Type::Other,
        _ => return TypeSet::UNKNOWN,
    })
}

/// Common constants are given as source: builtins by name, literals as they are.
fn of_common_constant(source: &str) -> TypeSet {
    TypeSet::of(match source {
        "None" => Type::None,
        "True" | "False" => Type::Bool,
        _ if source.starts_with(['\'', '"']) => Type::Str,
        _ if source.parse::<i64>().is_ok() => Type::Int,
        _ if source.starts_with(char::is_alphabetic) => Type::Other,
        _ => return TypeSet::UNKNOWN,
    })
}

/// What a value of any of some types gives; an object of another type may give anything.
fn each(value: TypeSet, one: impl Fn(Type) -> TypeSet) -> TypeSet {
    if value.may_be(Type::Other) {
        return TypeSet::UNKNOWN;
    }
    let types = value.types();
    types.fold(TypeSet::EMPTY, |all, member| all.or(one(member)))
}

fn of_function(code: TypeSet) -> TypeSet {
    let others = TypeSet(code.0 & !TypeSet::comprehensions());
    match others == TypeSet::EMPTY {
        true => code,
        false => TypeSet(code.0 & TypeSet::comprehensions()).or(TypeSet::OTHER),
    }
}

/// Of a comprehension's function what it makes; it stands where other calls may have a NULL.
fn called(callable: TypeSet) -> TypeSet {
    if callable.0 & !TypeSet::comprehensions() != 0 {
        return TypeSet::UNKNOWN;
    }
    let all = TypeSet::COMPREHENSIONS.iter();
    all.filter(|(_, one, _)| callable.0 & one.0 != 0)
        .fold(TypeSet::EMPTY, |all, (.., made)| all.or(TypeSet::of(*made)))
}

fn unary(operator: &str, value: Type) -> TypeSet {
    use Type as T;
    match (operator, value) {
        (_, T::Int | T::Bool) => TypeSet::of(T::Int),
        ("+" | "-", T::Float | T::Complex) => TypeSet::of(value),
        _ => TypeSet::EMPTY,
    }
}

fn binary(operator: &str, left: TypeSet, right: TypeSet) -> TypeSet {
    if operator == "[]" {
        return each(left, |left| {
            let indices = right.types();
            indices.fold(TypeSet::EMPTY, |all, index| all.or(item(left, index)))
        });
    }
    if [left, right]
        .iter()
        .any(|operand| operand.may_be(Type::Other))
    {
        return TypeSet::UNKNOWN;
    }
    let in_place = operator.len() > 1 && operator.ends_with('=');
    let operator = if in_place {
        &operator[..operator.len() - 1]
    } else {
        operator
    };
    let mut all = TypeSet::EMPTY;
    for one in left.types() {
        for other in right.types() {
            all = all.or(arithmetic(operator, one, other));
            if in_place {
                all = all.or(changed(operator, one, other));
            }
        }
    }
    all
}

/// An operator of builtin types; empty where it raises.
fn arithmetic(operator: &str, left: Type, right: Type) -> TypeSet {
    use Type as T;
    let one = TypeSet::of;
    let either = |a: Type, b: Type| one(a).or(one(b));
    if let (Some(a), Some(b)) = (number(left), number(right)) {
        let wider = a.max(b);
        return match (operator, wider) {
            ("&" | "|" | "^", T::Int) if left == T::Bool && right == T::Bool => one(T::Bool),
            ("&" | "|" | "^" | "<<" | ">>", T::Int) => one(T::Int),
            ("+" | "-" | "*", _) => one(wider),
            ("/", T::Int) => one(T::Float),
            ("/", _) => one(wider),
            ("//" | "%", T::Int | T::Float) => one(wider),
            ("**", T::Int) => either(T::Int, T::Float),
            ("**", T::Float) => either(T::Float, T::Complex),
            ("**", _) => one(wider),
            _ => TypeSet::EMPTY,
        };
    }
    let sequence = |ty: Type| matches!(ty, T::Str | T::Bytes | T::Tuple | T::List);
    let whole = |ty: Type| number(ty) == Some(T::Int);
    let set = |ty: Type| matches!(ty, T::Set | T::FrozenSet);
    match (operator, left, right) {
        ("+", ..) if left == right && sequence(left) => one(left),
        ("*", ..) if sequence(left) && whole(right) => one(left),
        ("*", ..) if whole(left) && sequence(right) => one(right),
        // Of what is formatted last, `%s` may hand on its own string, of a subclass too.
        ("%", T::Str, T::Tuple | T::Dict) => either(T::Str, T::Other),
        ("%", T::Str | T::Bytes, _) => one(left),
        ("&" | "|" | "^" | "-", ..) if set(left) && set(right) => one(left),
        ("|", T::Dict, T::Dict) => one(T::Dict),
        _ => TypeSet::EMPTY,
    }
}

/// What operators in place take beyond the others: lists and dicts take anything iterable.
fn changed(operator: &str, left: Type, right: Type) -> TypeSet {
    use Type as T;
    let iterable = matches!(
        right,
        T::Str | T::Bytes | T::Tuple | T::List | T::Dict | T::Set | T::FrozenSet
    );
    match (operator, left) {
        ("+", T::List) | ("|", T::Dict) if iterable => TypeSet::of(left),
        _ => TypeSet::EMPTY,
    }
}

/// As what a number takes part in arithmetic.
fn number(ty: Type) -> Option<Type> {
    match ty {
        Type::Bool => Some(Type::Int),
        Type::Int | Type::Float | Type::Complex => Some(ty),
        _ => None,
    }
}

/// `value[index]`
fn item(value: Type, index: Type) -> TypeSet {
    use Type as T;
    match (value, index) {
        (T::Str, T::Int | T::Bool | T::Slice | T::Other) => TypeSet::of(T::Str),
        (T::Bytes, T::Int | T::Bool) => TypeSet::of(T::Int),
        (T::Bytes, T::Other) => TypeSet::of(T::Int).or(TypeSet::of(T::Bytes)),
        (T::Bytes | T::Tuple | T::List, T::Slice) => TypeSet::of(value),
        (T::Tuple | T::List, T::Int | T::Bool | T::Other) => TypeSet::UNKNOWN,
        (T::Dict, _) => TypeSet::UNKNOWN,
        _ => TypeSet::EMPTY,
    }
}

/// `value[start:stop]`
fn sliced(value: Type) -> TypeSet {
    item(value, Type::Slice)
}

fn compared(operator: &str, left: TypeSet, right: TypeSet) -> TypeSet {
    use Type as T;
    // What orders two sequences is the answer of their elements, whatever it is.
    let ordered = |operand: TypeSet| {
        [T::Tuple, T::List, T::Slice, T::Other]
            .iter()
            .any(|one| operand.may_be(*one))
    };
    let unknown = match operator {
        "is" | "is not" | "in" | "not in" => false,
        "==" | "!=" => left.may_be(T::Other) || right.may_be(T::Other),
        _ => ordered(left) && ordered(right) || left.may_be(T::Other) || right.may_be(T::Other),
    };
    match unknown {
        true => TypeSet::UNKNOWN,
        false => TypeSet::of(T::Bool),
    }
}

/// What `str`, `repr` and `format` give: of other types, it may be of a subclass of `str`.
fn text(value: TypeSet) -> TypeSet {
    match value.may_be(Type::Other) {
        true => TypeSet::of(Type::Str).or(TypeSet::OTHER),
        false => TypeSet::of(Type::Str),
    }
}

/// What unpacking gives.
fn part(whole: Type) -> TypeSet {
    match whole {
        Type::Str => TypeSet::of(Type::Str),
        Type::Bytes => TypeSet::of(Type::Int),
        Type::Tuple | Type::List | Type::Dict | Type::Set | Type::FrozenSet => TypeSet::UNKNOWN,
        _ => TypeSet::EMPTY,
    }
}
