//! Expression trees: what instructions compute, as Python would write it, and which trees are equal.
//! Never evaluates anything. [`evaluate`](super::evaluate) reads them from a body.

use std::fmt;
use std::sync::Arc;

use crate::marshal::ObjectId;

/// A literal that several elements make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Display {
    /// `(a, b)`
    Tuple,
    /// `[a, b]`
    List,
    /// `{a, b}`
    Set,
    /// `{a: b}`, keys and values alternating; `**other` stands for both.
    Dict,
    /// An f-string: its text as string constants, and what it formats, each an f-string of its own.
    String,
    /// `a:b` in brackets.
    Slice,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expression {
    /// A constant, as Python shows it.
    Constant(String),
    /// A variable, of whatever scope.
    Name(String),
    /// An imported module, with the dots of a relative import. `import a.b` gives `a`.
    Module(String),
    /// A function or class body that is made here, of that code object, and its name.
    Function(ObjectId, String),
    /// `value.name`
    Attribute(Arc<Expression>, String),
    /// `value[key]`
    Item(Arc<Expression>, Arc<Expression>),
    /// `not`, `-`, `~`, `+`
    Unary(&'static str, Arc<Expression>),
    /// An arithmetic or bitwise operator, in place or not.
    Binary(&'static str, Arc<Expression>, Arc<Expression>),
    /// A comparison, `is`, `in` and their negations; `matches` for `except` and for patterns.
    Compare(&'static str, Arc<Expression>, Arc<Expression>),
    /// `function(arguments)`; a starred argument is one argument with the operator `*`.
    Call {
        /// What is called.
        function: Arc<Expression>,
        /// With what, keyword arguments last.
        arguments: Vec<Expression>,
        /// Names of the keyword arguments; `**` for a mapping of them.
        keywords: Vec<String>,
    },
    /// A literal of several elements.
    Display(Display, Vec<Expression>),
    /// The next item of an iterable; as a condition, that there is one.
    Next(Arc<Expression>),
    /// `await value`
    Await(Arc<Expression>),
    /// What cannot be told: made by that instruction, or there where that block starts, in that stack slot.
    Unknown(u32, u32),
}

impl Expression {
    /// Whether both compute the same but for the order of operands that may be exchanged: `a + b > 0` is
    /// `b + a > 0` and `0 < a + b`. Operators of classes that do not commute are taken for ones that do.
    pub fn equals(&self, other: &Expression) -> bool {
        self.normal() == other.normal()
    }

    /// One form for all that are [equal](Expression::equals).
    fn normal(&self) -> Expression {
        use Expression as E;
        let all = |list: &[E]| list.iter().map(E::normal).collect();
        let one = |value: &Arc<E>| Arc::new(value.normal());
        let sorted = |a: &Arc<E>, b: &Arc<E>| {
            let (a, b) = (one(a), one(b));
            if a <= b { (a, b) } else { (b, a) }
        };
        match self {
            E::Binary(op @ ("+" | "*" | "&" | "|" | "^"), a, b) => {
                let (a, b) = sorted(a, b);
                E::Binary(op, a, b)
            }
            E::Compare(op @ ("==" | "!=" | "is" | "is not"), a, b) => {
                let (a, b) = sorted(a, b);
                E::Compare(op, a, b)
            }
            E::Compare(">", a, b) => E::Compare("<", one(b), one(a)),
            E::Compare(">=", a, b) => E::Compare("<=", one(b), one(a)),
            E::Compare(op, a, b) => E::Compare(op, one(a), one(b)),
            E::Binary(op, a, b) => E::Binary(op, one(a), one(b)),
            E::Unary(op, a) => E::Unary(op, one(a)),
            E::Attribute(a, name) => E::Attribute(one(a), name.clone()),
            E::Item(a, b) => E::Item(one(a), one(b)),
            E::Next(a) => E::Next(one(a)),
            E::Await(a) => E::Await(one(a)),
            E::Display(Display::Set, list) => {
                let mut list: Vec<E> = all(list);
                list.sort();
                E::Display(Display::Set, list)
            }
            E::Call {
                function,
                arguments,
                keywords,
            } => E::Call {
                function: one(function),
                arguments: all(arguments),
                keywords: keywords.clone(),
            },
            E::Display(display, list) => E::Display(*display, all(list)),
            E::Constant(_) | E::Name(_) | E::Module(_) | E::Function(..) | E::Unknown(..) => {
                self.clone()
            }
        }
    }

    /// The expressions that it is directly made of.
    pub fn parts(&self) -> Vec<&Expression> {
        use Expression as E;
        match self {
            E::Constant(_) | E::Name(_) | E::Module(_) | E::Function(..) | E::Unknown(..) => {
                Vec::new()
            }
            E::Attribute(a, _) | E::Unary(_, a) | E::Next(a) | E::Await(a) => vec![a],
            E::Item(a, b) | E::Binary(_, a, b) | E::Compare(_, a, b) => vec![a, b],
            E::Display(_, list) => list.iter().collect(),
            E::Call {
                function,
                arguments,
                ..
            } => std::iter::once(&**function).chain(arguments).collect(),
        }
    }

    /// The names of the variables in it, each once, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut todo = vec![self];
        while let Some(one) = todo.pop() {
            if let Expression::Name(name) = one
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
            todo.extend(one.parts().into_iter().rev());
        }
        names
    }

    /// As a dotted name, if it is one.
    pub fn dotted(&self) -> Option<String> {
        match self {
            Expression::Name(name) => Some(name.clone()),
            Expression::Attribute(value, name) => Some(format!("{}.{name}", value.dotted()?)),
            _ => None,
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Expression as E;
        match self {
            E::Constant(text) | E::Name(text) | E::Function(_, text) => f.write_str(text),
            E::Module(name) => write!(f, "import {name}"),
            E::Attribute(value, name) => write!(f, "{}.{name}", inner(value)),
            E::Item(value, key) => write!(f, "{}[{key}]", inner(value)),
            E::Unary("not", value) => write!(f, "not {}", inner(value)),
            E::Unary(op, value) => write!(f, "{op}{}", inner(value)),
            E::Binary(op, a, b) | E::Compare(op, a, b) => {
                write!(f, "{} {op} {}", inner(a), inner(b))
            }
            E::Next(value) => write!(f, "next of {}", inner(value)),
            E::Await(value) => write!(f, "await {}", inner(value)),
            E::Unknown(..) => f.write_str("?"),
            E::Display(display, all) => literal(*display, all, f),
            E::Call {
                function,
                arguments,
                keywords,
            } => {
                let plain = arguments.len().saturating_sub(keywords.len());
                let names = std::iter::repeat_n(None, plain).chain(keywords.iter().map(Some));
                let shown = names.zip(arguments).map(|(name, value)| match name {
                    Some(name) if name == "**" => format!("**{}", inner(value)),
                    Some(name) => format!("{name}={value}"),
                    None => value.to_string(),
                });
                let shown: Vec<_> = shown.collect();
                write!(f, "{}({})", inner(function), shown.join(", "))
            }
        }
    }
}

/// With parentheses wherever they could be needed: trees are to be read, not compiled.
fn inner(one: &Expression) -> String {
    use Expression as E;
    match one {
        E::Unary(..) | E::Binary(..) | E::Compare(..) | E::Await(_) | E::Next(_) => {
            format!("({one})")
        }
        E::Module(name) => name.clone(),
        _ => one.to_string(),
    }
}

fn literal(display: Display, all: &[Expression], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let list = |all: &[Expression]| {
        let all: Vec<_> = all.iter().map(Expression::to_string).collect();
        all.join(", ")
    };
    match display {
        Display::Tuple if all.len() == 1 => write!(f, "({},)", all[0]),
        Display::Tuple => write!(f, "({})", list(all)),
        Display::List => write!(f, "[{}]", list(all)),
        Display::Set if all.is_empty() => f.write_str("set()"),
        Display::Set => write!(f, "{{{}}}", list(all)),
        Display::Dict => {
            let (mut shown, mut rest) = (Vec::new(), all.iter());
            while let Some(key) = rest.next() {
                shown.push(match (key, rest.as_slice()) {
                    (Expression::Unary("**", _), _) | (_, []) => key.to_string(),
                    (key, [value, ..]) => format!("{key}: {value}"),
                });
                if !matches!(key, Expression::Unary("**", _)) {
                    rest.next();
                }
            }
            write!(f, "{{{}}}", shown.join(", "))
        }
        Display::String => {
            let parts = all.iter().map(|part| match part {
                Expression::Constant(text) if all.len() > 1 => {
                    text.trim_matches(['\'', '"']).to_owned()
                }
                Expression::Display(Display::String, one) if one.len() == 1 => {
                    format!("{{{}}}", one[0])
                }
                part => format!("{{{part}}}"),
            });
            write!(f, "f'{}'", parts.collect::<String>())
        }
        Display::Slice => {
            let bounds = all.iter().map(|bound| match bound {
                Expression::Constant(none) if none == "None" => String::new(),
                bound => bound.to_string(),
            });
            f.write_str(&bounds.collect::<Vec<_>>().join(":"))
        }
    }
}
