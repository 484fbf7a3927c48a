//! What instructions compute, as expression trees: the conditions of branches, and what is called.
//!
//! A value keeps its tree from block to block where only one way leads there; where ways join it is
//! unknown. Trees say how a value was computed, not what it is: a variable in one may have changed since.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::cfg::{Cfg, EdgeKind, jumps_if};
use super::traversal::reverse_post_order;
use crate::body::{self, Arg, Body, Instr};
use crate::isa::Opcode;
use crate::listing::repr;
use crate::marshal::Objects;

/// Deeper trees are cut off: whoever walks one recurses.
const MAX_DEPTH: u32 = 64;

/// A literal that several elements make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Display {
    /// `(a, b)`
    Tuple,
    /// `[a, b]`
    List,
    /// `{a, b}`
    Set,
    /// `{a: b}`, keys and values alternating.
    Dict,
    /// An f-string.
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
    /// `value.name`
    Attribute(Arc<Expression>, String),
    /// `value[key]`
    Item(Arc<Expression>, Arc<Expression>),
    /// `not`, `-`, `~`, `+`
    Unary(&'static str, Arc<Expression>),
    /// An arithmetic or bitwise operator, in place or not.
    Binary(&'static str, Arc<Expression>, Arc<Expression>),
    /// A comparison, `is`, `in` and their negations; `matches` for `except`.
    Compare(&'static str, Arc<Expression>, Arc<Expression>),
    /// `function(arguments)`; starred arguments are one argument `*`.
    Call {
        /// What is called.
        function: Arc<Expression>,
        /// With what, keyword arguments last.
        arguments: Vec<Expression>,
        /// Names of the keyword arguments.
        keywords: Vec<String>,
    },
    /// A literal of several elements.
    Display(Display, Vec<Expression>),
    /// The next item of an iterable; as a condition, that there is one.
    Next(Arc<Expression>),
    /// `await value`
    Await(Arc<Expression>),
    /// What cannot be told: made by that instruction, or there where that block starts, so deep in the stack.
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
            E::Display(display, list) => E::Display(*display, all(list)),
            E::Call {
                function,
                arguments,
                keywords,
            } => E::Call {
                function: one(function),
                arguments: all(arguments),
                keywords: keywords.clone(),
            },
            E::Constant(_) | E::Name(_) | E::Unknown(..) => self.clone(),
        }
    }

    /// The expressions that it is directly made of.
    pub fn parts(&self) -> Vec<&Expression> {
        use Expression as E;
        match self {
            E::Constant(_) | E::Name(_) | E::Unknown(..) => Vec::new(),
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
        // Parentheses wherever they could be needed: trees are to be read, not compiled.
        let inner = |one: &E| match one {
            E::Unary(..) | E::Binary(..) | E::Compare(..) | E::Await(_) => format!("({one})"),
            _ => one.to_string(),
        };
        let list = |list: &[E]| {
            let all: Vec<_> = list.iter().map(E::to_string).collect();
            all.join(", ")
        };
        match self {
            E::Constant(text) | E::Name(text) => f.write_str(text),
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
            E::Display(Display::Tuple, all) if all.len() == 1 => write!(f, "({},)", all[0]),
            E::Display(Display::Tuple, all) => write!(f, "({})", list(all)),
            E::Display(Display::List, all) => write!(f, "[{}]", list(all)),
            E::Display(Display::Set, all) => write!(f, "{{{}}}", list(all)),
            E::Display(Display::Dict, all) => {
                let pairs = all.chunks(2).map(|pair| match pair {
                    [key, value] => format!("{key}: {value}"),
                    rest => list(rest),
                });
                write!(f, "{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
            E::Display(Display::String, all) => write!(f, "f\"…\"({})", list(all)),
            E::Display(Display::Slice, all) => {
                let all: Vec<_> = all.iter().map(E::to_string).collect();
                f.write_str(&all.join(":"))
            }
            E::Call {
                function,
                arguments,
                keywords,
            } => {
                let plain = arguments.len().saturating_sub(keywords.len());
                let shown = arguments.iter().enumerate().map(|(at, value)| {
                    match at.checked_sub(plain).and_then(|at| keywords.get(at)) {
                        Some(name) => format!("{name}={value}"),
                        None => value.to_string(),
                    }
                });
                let shown = shown.collect::<Vec<_>>().join(", ");
                write!(f, "{}({shown})", inner(function))
            }
        }
    }
}

/// A call, by the instruction that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub function: Expression,
    /// With what, keyword arguments last.
    pub arguments: Vec<Expression>,
}

/// The trees of a body that are of interest, by index of the instruction.
#[derive(Clone, Debug, Default)]
pub struct Expressions {
    /// What conditional jumps test. It holds on the edge that is `true`.
    pub conditions: BTreeMap<usize, Expression>,
    /// What is called.
    pub calls: BTreeMap<usize, Call>,
    /// What `STORE` instructions store.
    pub stored: BTreeMap<usize, Expression>,
}

/// A value on the stack, and how deep its tree is.
#[derive(Clone, Debug)]
enum Value {
    Null,
    Tree(Arc<Expression>, u32),
}

impl Expressions {
    /// Those of a body.
    ///
    /// # Errors
    /// Its stack depths are not those of sound code.
    pub fn of(body: &Body, objects: &Objects<'_>, cfg: &Cfg) -> Result<Expressions, body::Error> {
        let depths = body::depths(body)?.before;
        let mut ends: Vec<Option<Vec<Value>>> = vec![None; cfg.graph.node_count()];
        let mut machine = Machine {
            body,
            objects,
            stack: Vec::new(),
            keywords: Vec::new(),
            found: Expressions::default(),
        };
        for node in reverse_post_order(&cfg.graph, cfg.entry) {
            let block = cfg.block(node);
            let Some(last) = block.last() else { continue };
            let depth = depths[block.instrs().start].max(0) as usize;
            let mut ways = cfg
                .graph
                .edges_directed(node, petgraph::Direction::Incoming);
            let (way, others) = (ways.next(), ways.next());
            machine.stack = match (way, others) {
                (Some(way), None) => {
                    use petgraph::visit::EdgeRef;
                    let from = ends[way.source().index()].as_ref();
                    let before = from.filter(|_| !is_exceptional(way.weight().kind));
                    let last = cfg.block(way.source()).last().map(|at| &body.instrs[at]);
                    after_jump(before, last, way.weight().kind)
                }
                _ => Vec::new(),
            };
            machine.fit(depth, block.start);
            for at in block.instrs() {
                machine.fit(depths[at].max(0) as usize, at as u32);
                if at == last {
                    machine.branch(at);
                }
                machine.step(at, &body.instrs[at]);
            }
            ends[node.index()] = Some(std::mem::take(&mut machine.stack));
        }
        Ok(machine.found)
    }
}

fn is_exceptional(kind: EdgeKind) -> bool {
    matches!(kind, EdgeKind::Exception(_) | EdgeKind::Raise(_))
}

/// The stack behind an edge: instructions that leave another one where they jump are undone here.
fn after_jump(before: Option<&Vec<Value>>, last: Option<&Instr>, kind: EdgeKind) -> Vec<Value> {
    let Some(stack) = before else {
        return Vec::new();
    };
    let mut stack = stack.clone();
    match last.map(|last| last.opcode) {
        // They keep the value where they jump; `step` left it in both cases.
        Some(Opcode::JUMP_IF_TRUE_OR_POP) if kind == EdgeKind::False => drop(stack.pop()),
        Some(Opcode::JUMP_IF_FALSE_OR_POP) if kind == EdgeKind::True => drop(stack.pop()),
        Some(Opcode::FOR_ITER | Opcode::SEND)
            if matches!(kind, EdgeKind::False | EdgeKind::Jump) =>
        {
            return Vec::new();
        }
        _ => {}
    }
    stack
}

struct Machine<'m, 'o> {
    body: &'m Body,
    objects: &'m Objects<'o>,
    stack: Vec<Value>,
    /// What `KW_NAMES` has set.
    keywords: Vec<String>,
    found: Expressions,
}

impl Machine<'_, '_> {
    /// The stack must be so deep here: what is missing is unknown, and at its bottom.
    fn fit(&mut self, depth: usize, at: u32) {
        if self.stack.len() > depth {
            self.stack.clear();
        }
        if self.stack.len() < depth {
            let missing = depth - self.stack.len();
            let unknown = (0..missing)
                .map(|below| Value::Tree(Arc::new(Expression::Unknown(at, below as u32)), 1));
            let above = std::mem::take(&mut self.stack);
            self.stack = unknown.chain(above).collect();
        }
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Null)
    }

    fn tree(&mut self) -> (Arc<Expression>, u32) {
        match self.pop() {
            Value::Tree(tree, depth) => (tree, depth),
            Value::Null => (Arc::new(Expression::Constant("NULL".to_owned())), 1),
        }
    }

    fn trees(&mut self, count: usize) -> (Vec<Expression>, u32) {
        let mut all: Vec<_> = (0..count).map(|_| self.tree()).collect();
        all.reverse();
        let depth = all.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        (
            all.into_iter().map(|(tree, _)| (*tree).clone()).collect(),
            depth,
        )
    }

    fn push(&mut self, at: usize, tree: Expression, depth: u32) {
        let (tree, depth) = match depth >= MAX_DEPTH {
            true => (Expression::Unknown(at as u32, 0), 0),
            false => (tree, depth),
        };
        self.stack.push(Value::Tree(Arc::new(tree), depth + 1));
    }

    fn name(&self, index: u32) -> String {
        let id = self.body.names[index as usize];
        self.objects.str(id).unwrap_or_default().into_owned()
    }

    fn slot(&self, slot: u32) -> Expression {
        let id = self.body.locals[slot as usize].name;
        Expression::Name(self.objects.str(id).unwrap_or_default().into_owned())
    }

    fn binary(&mut self, at: usize, make: impl Fn(Arc<Expression>, Arc<Expression>) -> Expression) {
        let (b, one) = self.tree();
        let (a, other) = self.tree();
        self.push(at, make(a, b), one.max(other));
    }

    fn unary(&mut self, at: usize, make: impl Fn(Arc<Expression>) -> Expression) {
        let (a, depth) = self.tree();
        self.push(at, make(a), depth);
    }

    /// Notes what a conditional jump tests.
    fn branch(&mut self, at: usize) {
        let opcode = self.body.instrs[at].opcode;
        let (Some(_), Some(Value::Tree(top, _))) = (jumps_if(opcode), self.stack.last()) else {
            return;
        };
        let none = || Arc::new(Expression::Constant("None".to_owned()));
        let condition = match opcode {
            Opcode::FOR_ITER => {
                let below = usize::from(self.body.isa.iterator_slots);
                match self
                    .stack
                    .len()
                    .checked_sub(below)
                    .map(|at| &self.stack[at])
                {
                    Some(Value::Tree(iterator, _)) => Expression::Next(iterator.clone()),
                    _ => return,
                }
            }
            Opcode::POP_JUMP_IF_NONE
            | Opcode::POP_JUMP_IF_NOT_NONE
            | Opcode::POP_JUMP_FORWARD_IF_NONE
            | Opcode::POP_JUMP_FORWARD_IF_NOT_NONE
            | Opcode::POP_JUMP_BACKWARD_IF_NONE
            | Opcode::POP_JUMP_BACKWARD_IF_NOT_NONE => {
                Expression::Compare("is", top.clone(), none())
            }
            _ => (**top).clone(),
        };
        self.found.conditions.insert(at, condition);
    }

    fn call(&mut self, at: usize, count: usize, keywords: Vec<String>) {
        let (mut arguments, depth) = self.trees(count);
        let (second, first) = (self.pop(), self.pop());
        let (function, more) = match (first, second) {
            (Value::Tree(function, depth), Value::Null) => ((function, depth), None),
            (Value::Null, Value::Tree(function, depth)) => ((function, depth), None),
            (Value::Tree(function, depth), Value::Tree(own, _)) => ((function, depth), Some(own)),
            (Value::Null, Value::Null) => {
                return self.push(at, Expression::Unknown(at as u32, 0), 0);
            }
        };
        if let Some(own) = more {
            arguments.insert(0, (*own).clone());
        }
        let call = Call {
            function: (*function.0).clone(),
            arguments: arguments.clone(),
        };
        self.found.calls.insert(at, call);
        let tree = Expression::Call {
            function: function.0,
            arguments,
            keywords,
        };
        self.push(at, tree, depth.max(function.1));
    }

    fn strings(&self, tree: &Expression) -> Vec<String> {
        // A tuple of names, as Python shows it: names hold neither quotes nor commas.
        let text = match tree {
            Expression::Constant(text) => text.as_str(),
            _ => "",
        };
        let parts = text.trim_matches(['(', ')']).split(',');
        let names = parts.map(|name| name.trim().trim_matches('\'').to_owned());
        names.filter(|name| !name.is_empty()).collect()
    }

    fn step(&mut self, at: usize, instr: &Instr) {
        use Expression as E;
        use Opcode as O;
        let isa = self.body.isa;
        let number = match instr.arg {
            Arg::Int(number) => number as usize,
            _ => 0,
        };
        let named = |list: &'static [&'static str], index: usize| list.get(index).copied();
        match (instr.opcode, instr.arg) {
            (O::LOAD_CONST, Arg::Const(index)) => {
                let text = repr(self.objects, self.body.consts[index as usize]);
                self.push(at, E::Constant(text), 0);
            }
            (O::LOAD_SMALL_INT, _) => self.push(at, E::Constant(number.to_string()), 0),
            (O::LOAD_ASSERTION_ERROR, _) => self.push(at, E::Name("AssertionError".to_owned()), 0),
            (O::LOAD_COMMON_CONSTANT, _) => {
                let text = named(isa.common_constants, number).unwrap_or("?");
                self.push(at, E::Name(text.to_owned()), 0);
            }
            (O::LOAD_BUILD_CLASS, _) => self.push(at, E::Name("__build_class__".to_owned()), 0),
            (O::PUSH_NULL, _) => self.stack.push(Value::Null),
            (O::STORE_FAST_LOAD_FAST, Arg::Locals(_, b)) => {
                let (stored, _) = self.tree();
                self.found.stored.insert(at, (*stored).clone());
                self.push(at, self.slot(b), 0);
            }
            (O::STORE_FAST_STORE_FAST, _) => {
                self.trees(2);
            }
            (_, Arg::Locals(a, b)) => {
                self.push(at, self.slot(a), 0);
                self.push(at, self.slot(b), 0);
            }
            (
                O::LOAD_FAST
                | O::LOAD_FAST_BORROW
                | O::LOAD_FAST_CHECK
                | O::LOAD_FAST_AND_CLEAR
                | O::LOAD_CLOSURE
                | O::LOAD_DEREF
                | O::LOAD_CLASSDEREF,
                Arg::Local(slot),
            ) => self.push(at, self.slot(slot), 0),
            (O::LOAD_FROM_DICT_OR_DEREF, Arg::Local(slot)) => {
                self.tree();
                self.push(at, self.slot(slot), 0);
            }
            (O::LOAD_NAME, Arg::Name(name, _)) => self.push(at, E::Name(self.name(name)), 0),
            (O::LOAD_FROM_DICT_OR_GLOBALS, Arg::Name(name, _)) => {
                self.tree();
                self.push(at, E::Name(self.name(name)), 0);
            }
            (O::LOAD_GLOBAL, Arg::Name(name, flags)) => {
                let null_first = isa.null_slot == crate::isa::NullSlot::BelowCallable;
                let null = flags & 1 != 0;
                self.stack
                    .extend((null && null_first).then_some(Value::Null));
                self.push(at, E::Name(self.name(name)), 0);
                self.stack
                    .extend((null && !null_first).then_some(Value::Null));
            }
            (O::LOAD_ATTR, Arg::Name(name, flags)) => {
                let name = self.name(name);
                self.unary(at, |value| E::Attribute(value, name.clone()));
                self.stack.extend((flags & 1 != 0).then_some(Value::Null));
            }
            (O::LOAD_METHOD, Arg::Name(name, _)) => {
                let name = self.name(name);
                self.unary(at, |value| E::Attribute(value, name.clone()));
                self.stack.push(Value::Null);
            }
            (O::LOAD_SUPER_ATTR, Arg::Name(name, flags)) => {
                let (all, _) = self.trees(3);
                let [function, class, own]: [E; 3] = all.try_into().expect("three were asked for");
                let function = Arc::new(function);
                let arguments = match flags & 2 != 0 {
                    true => vec![class, own],
                    false => Vec::new(),
                };
                let keywords = Vec::new();
                let call = E::Call {
                    function,
                    arguments,
                    keywords,
                };
                let tree = E::Attribute(Arc::new(call), self.name(name));
                self.push(at, tree, 2);
                self.stack.extend((flags & 1 != 0).then_some(Value::Null));
            }
            (O::STORE_FAST | O::STORE_DEREF | O::STORE_NAME | O::STORE_GLOBAL, _) => {
                let (stored, _) = self.tree();
                self.found.stored.insert(at, (*stored).clone());
            }
            (O::COPY, _) => {
                let from = self.stack.len().checked_sub(number);
                let value = from.and_then(|at| self.stack.get(at)).cloned();
                self.stack.push(value.unwrap_or(Value::Null));
            }
            (O::SWAP, _) => {
                let top = self.stack.len().saturating_sub(1);
                if let Some(other) = self.stack.len().checked_sub(number) {
                    self.stack.swap(top, other.min(top));
                }
            }
            (O::TO_BOOL | O::NOP | O::RESUME | O::PRECALL | O::NOT_TAKEN, _) => {}
            (O::UNARY_NOT, _) => self.unary(at, |a| E::Unary("not", a)),
            (O::UNARY_NEGATIVE, _) => self.unary(at, |a| E::Unary("-", a)),
            (O::UNARY_INVERT, _) => self.unary(at, |a| E::Unary("~", a)),
            (O::UNARY_POSITIVE, _) => self.unary(at, |a| E::Unary("+", a)),
            (O::BINARY_OP, _) => match named(isa.binary_operators, number) {
                Some("[]") => self.binary(at, E::Item),
                Some(op) => self.binary(at, |a, b| E::Binary(op, a, b)),
                None => self.other(at, instr),
            },
            (O::BINARY_SUBSCR, _) => self.binary(at, E::Item),
            (O::BINARY_SLICE, _) => {
                let (bounds, depth) = self.trees(2);
                let (value, other) = self.tree();
                let slice = E::Display(Display::Slice, bounds);
                self.push(at, E::Item(value, Arc::new(slice)), depth.max(other));
            }
            (O::BUILD_SLICE, _) => self.display(at, Display::Slice, number),
            (O::COMPARE_OP, _) => match named(isa.compare, number >> isa.compare_shift) {
                Some(op) => self.binary(at, |a, b| E::Compare(op, a, b)),
                None => self.other(at, instr),
            },
            (O::IS_OP, _) => {
                let op = if number == 0 { "is" } else { "is not" };
                self.binary(at, |a, b| E::Compare(op, a, b));
            }
            (O::CONTAINS_OP, _) => {
                let op = if number == 0 { "in" } else { "not in" };
                self.binary(at, |a, b| E::Compare(op, a, b));
            }
            (O::CHECK_EXC_MATCH, _) => {
                let (class, depth) = self.tree();
                if let Some(Value::Tree(raised, other)) = self.stack.last().cloned() {
                    self.push(at, E::Compare("matches", raised, class), depth.max(other));
                } else {
                    self.push(at, E::Unknown(at as u32, 0), 0);
                }
            }
            (O::GET_LEN, _) => {
                if let Some(Value::Tree(top, depth)) = self.stack.last().cloned() {
                    let function = Arc::new(E::Name("len".to_owned()));
                    let (arguments, keywords) = (vec![(*top).clone()], Vec::new());
                    self.push(
                        at,
                        E::Call {
                            function,
                            arguments,
                            keywords,
                        },
                        depth,
                    );
                }
            }
            (O::GET_ITER, _) if isa.iterator_slots == 1 => {}
            (O::GET_AWAITABLE, _) => self.unary(at, E::Await),
            (O::BUILD_TUPLE, _) => self.display(at, Display::Tuple, number),
            (O::BUILD_LIST, _) => self.display(at, Display::List, number),
            (O::BUILD_SET, _) => self.display(at, Display::Set, number),
            (O::BUILD_MAP, _) => self.display(at, Display::Dict, 2 * number),
            (O::BUILD_STRING, _) => self.display(at, Display::String, number),
            (O::KW_NAMES, Arg::Const(index)) => {
                let text = repr(self.objects, self.body.consts[index as usize]);
                self.keywords = self.strings(&E::Constant(text));
            }
            (O::CALL, _) => {
                let keywords = std::mem::take(&mut self.keywords);
                self.call(at, number, keywords);
            }
            (O::CALL_KW, _) => {
                let (names, _) = self.tree();
                let keywords = self.strings(&names);
                self.call(at, number, keywords);
            }
            (O::CALL_FUNCTION_EX, _) => self.call_starred(at, number),
            _ => self.other(at, instr),
        }
    }

    fn display(&mut self, at: usize, display: Display, count: usize) {
        let (all, depth) = self.trees(count);
        self.push(at, Expression::Display(display, all), depth);
    }

    fn call_starred(&mut self, at: usize, flags: usize) {
        // From 3.14 on the dict, or a NULL, is always there.
        let effect = self.body.isa.info(Opcode::CALL_FUNCTION_EX).effect;
        let always = effect.of(0) == effect.of(1);
        let dict = match always || flags & 1 != 0 {
            true => self.pop(),
            false => Value::Null,
        };
        let (starred, depth) = self.tree();
        let mut arguments = vec![Expression::Unary("*", starred)];
        if let Value::Tree(dict, _) = dict {
            arguments.push(Expression::Unary("**", dict));
        }
        let (second, first) = (self.pop(), self.pop());
        let ((Value::Tree(function, other), Value::Null)
        | (Value::Null, Value::Tree(function, other))) = (first, second)
        else {
            return self.push(at, Expression::Unknown(at as u32, 0), 0);
        };
        let call = Call {
            function: (*function).clone(),
            arguments: arguments.clone(),
        };
        self.found.calls.insert(at, call);
        let keywords = Vec::new();
        let tree = Expression::Call {
            function,
            arguments,
            keywords,
        };
        self.push(at, tree, depth.max(other));
    }

    /// Everything else: what it may have touched is unknown. No instruction that is not named above
    /// changes the order of what is more than two slots below both its inputs and its results.
    fn other(&mut self, at: usize, instr: &Instr) {
        let effect = self.body.isa.info(instr.opcode).effect;
        let before = self.stack.len() as i64;
        let after = (before + effect.of(instr.effect_arg())).max(0);
        let kept = (before.min(after) - 2).max(0) as usize;
        self.stack.truncate(kept);
        for below in kept..after as usize {
            let unknown = Expression::Unknown(at as u32, below as u32);
            self.stack.push(Value::Tree(Arc::new(unknown), 1));
        }
    }
}
