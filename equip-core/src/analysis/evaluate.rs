//! Reads expression trees from a body: the conditions of branches, what is called, what is stored.
//!
//! A value keeps its tree from block to block where all ways bring the same; else it is unknown, as it is in
//! handlers. Trees say how a value was computed, not what it is: a variable in one may have changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use petgraph::Direction::Incoming;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::cfg::{Cfg, EdgeKind, jumps_if};
use super::expression::{Display, Expression};
use super::traversal::reverse_post_order;
use super::variables::{Access, Variable, accesses};
use crate::body::{self, Arg, Body, Depths, Instr};
use crate::isa::{NullSlot, Opcode};
use crate::listing::repr;
use crate::marshal::{Object, ObjectId, Objects};

/// Deeper trees are unknown: whoever walks one recurses.
const MAX_DEPTH: u32 = 64;
/// So are larger ones, counted without regard to what they share.
const MAX_SIZE: u32 = 4096;

/// What stands on the stack beside what is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// A NULL.
    Null,
    /// The object that a method is called on, or a NULL: that instruction left it, when it loaded the method.
    Object(usize),
    /// The first argument, as in calls that the compiler makes, and of decorators.
    Argument,
}

/// A call, by the instruction that makes it. A `with` statement's call of `__enter__` is one, and so is that
/// of `super` that comes with an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub function: Expression,
    /// With what, keyword arguments last.
    pub arguments: Vec<Expression>,
    /// Names of the keyword arguments; `**` for a mapping of them.
    pub keywords: Vec<String>,
    /// What stands beside what is called.
    pub beside: Beside,
}

/// The trees of a body that are of interest, by index of the instruction.
#[derive(Clone, Debug, Default)]
pub struct Expressions {
    /// What conditional jumps test. It holds on the edge that is `true`.
    pub conditions: BTreeMap<usize, Expression>,
    /// What is called.
    pub calls: BTreeMap<usize, Call>,
    /// What is stored in which variable.
    pub stored: BTreeMap<(usize, Variable), Expression>,
}

impl Expressions {
    /// Those of a body. What its graph leaves out has none.
    ///
    /// # Errors
    /// Its stack depths are not those of sound code.
    pub fn of(body: &Body, objects: &Objects<'_>, cfg: &Cfg) -> Result<Expressions, body::Error> {
        let depths = body::depths(body)?;
        let order = reverse_post_order(&cfg.graph, cfg.entry);
        let stacks = Stacks::settle(body, objects, cfg, &depths, &order);
        let mut machine = Machine::new(body, objects);
        for node in order {
            machine.stack = stacks.before(node);
            machine.run(cfg.block(node).instrs());
        }
        Ok(machine.found)
    }
}

/// A value on the stack, and how deep and how large its tree is.
#[derive(Clone, Debug)]
enum Value {
    Null,
    /// What that instruction leaves beside a method: its object, or NULL.
    Object(usize),
    Tree(Arc<Expression>, Shape),
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    depth: u32,
    size: u32,
}

impl Shape {
    const LEAF: Shape = Shape { depth: 1, size: 1 };

    fn with(self, other: Shape) -> Shape {
        Shape {
            depth: self.depth.max(other.depth),
            size: self.size.saturating_add(other.size),
        }
    }

    fn above(self) -> Shape {
        Shape {
            depth: self.depth + 1,
            size: self.size.saturating_add(1),
        }
    }
}

impl Value {
    fn unknown(at: u32, slot: usize) -> Value {
        let unknown = Expression::Unknown(at, slot as u32);
        Value::Tree(Arc::new(unknown), Shape::LEAF)
    }

    fn is_awaited(&self) -> bool {
        matches!(self, Value::Tree(tree, _) if matches!(**tree, Expression::Await(_)))
    }

    fn is(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Object(one), Value::Object(other)) => one == other,
            (Value::Tree(one, _), Value::Tree(other, _)) => Arc::ptr_eq(one, other) || one == other,
            _ => false,
        }
    }
}

/// The stack before each block: a data flow problem whose joins forget what differs.
struct Stacks<'m> {
    cfg: &'m Cfg,
    depths: &'m Depths,
    /// By edge, what comes along it.
    along: Vec<Option<Vec<Value>>>,
    /// By block, the slots in which different values came together. It stays so, which ends the search.
    forgotten: Vec<BTreeSet<usize>>,
}

impl<'m> Stacks<'m> {
    fn settle(
        body: &Body,
        objects: &Objects<'_>,
        cfg: &'m Cfg,
        depths: &'m Depths,
        order: &[NodeIndex],
    ) -> Stacks<'m> {
        let mut rank = vec![0; cfg.graph.node_count()];
        for (at, node) in order.iter().enumerate() {
            rank[node.index()] = at;
        }
        let mut stacks = Stacks {
            cfg,
            depths,
            along: vec![None; cfg.graph.edge_count()],
            forgotten: vec![BTreeSet::new(); cfg.graph.node_count()],
        };
        let slots = usize::from(body.isa.iterator_slots);
        let mut machine = Machine::new(body, objects);
        let mut todo: BTreeSet<usize> = (0..order.len().min(1)).collect();
        while let Some(next) = todo.pop_first() {
            let node = order[next];
            machine.stack = stacks.join(node);
            machine.run(cfg.block(node).instrs());
            let last = cfg.block(node).last().map(|at| body.instrs[at].opcode);
            for edge in cfg.graph.edges(node) {
                let depth = stacks.depth(edge.target());
                let stack = match edge.weight().kind {
                    EdgeKind::Exception(handler) | EdgeKind::Raise(handler) => {
                        let kept = handler.map_or(0, |id| body.handlers[id.0 as usize].depth);
                        let kept = machine.untouched.min(kept as usize).min(depth);
                        machine.stack[..kept].to_vec()
                    }
                    kind => behind(&machine.stack, last, kind, slots, depth),
                };
                let before = &mut stacks.along[edge.id().index()];
                let same = before.as_ref().is_some_and(|before| {
                    before.len() == stack.len()
                        && before.iter().zip(&stack).all(|(one, other)| one.is(other))
                });
                if !same {
                    *before = Some(stack);
                    todo.insert(rank[edge.target().index()]);
                }
            }
        }
        stacks
    }

    fn depth(&self, node: NodeIndex) -> usize {
        let depth = self.depths.before.get(self.cfg.block(node).start as usize);
        depth.map_or(0, |depth| (*depth).max(0) as usize)
    }

    fn ways(&self, node: NodeIndex) -> impl Iterator<Item = &Vec<Value>> {
        let edges = self.cfg.graph.edges_directed(node, Incoming);
        edges.filter_map(|edge| self.along[edge.id().index()].as_ref())
    }

    fn join(&mut self, node: NodeIndex) -> Vec<Value> {
        let differs = |slot: &usize| {
            let mut values = self.ways(node).map(|stack| stack.get(*slot));
            let Some(first) = values.next().flatten() else {
                return true;
            };
            !values.all(|other| other.is_some_and(|other| first.is(other)))
        };
        let differing: Vec<usize> = (0..self.depth(node)).filter(differs).collect();
        self.forgotten[node.index()].extend(differing);
        self.before(node)
    }

    fn before(&self, node: NodeIndex) -> Vec<Value> {
        let start = self.cfg.block(node).start;
        let slots = (0..self.depth(node)).map(|slot| {
            let known = self.ways(node).next().and_then(|stack| stack.get(slot));
            match known {
                Some(value) if !self.forgotten[node.index()].contains(&slot) => value.clone(),
                _ => Value::unknown(start, slot),
            }
        });
        slots.collect()
    }
}

/// The stack behind an edge that no exception takes, as far as it is known: instructions that leave another one where they jump are
/// undone here.
fn behind(
    stack: &[Value],
    last: Option<Opcode>,
    kind: EdgeKind,
    slots: usize,
    depth: usize,
) -> Vec<Value> {
    let kept = match (last, kind) {
        (Some(Opcode::FOR_ITER), EdgeKind::False) => stack.len().saturating_sub(1),
        (Some(Opcode::SEND), EdgeKind::Jump) => {
            let receiver = stack.len().checked_sub(1 + slots).map(|at| &stack[at]);
            // What was awaited is still there or not, according to version; its result is on top.
            let mut stack = stack[..stack.len().min(depth.saturating_sub(1))].to_vec();
            stack.extend(receiver.filter(|value| value.is_awaited()).cloned());
            return stack;
        }
        _ => stack.len(),
    };
    stack[..kept.min(depth)].to_vec()
}

struct Machine<'m, 'o> {
    body: &'m Body,
    objects: &'m Objects<'o>,
    stack: Vec<Value>,
    /// So many slots at the bottom are as they were when the block began.
    untouched: usize,
    /// What `KW_NAMES` has set.
    keywords: Vec<String>,
    found: Expressions,
}

impl<'m, 'o> Machine<'m, 'o> {
    fn new(body: &'m Body, objects: &'m Objects<'o>) -> Self {
        Machine {
            body,
            objects,
            stack: Vec::new(),
            untouched: 0,
            keywords: Vec::new(),
            found: Expressions::default(),
        }
    }

    fn run(&mut self, instrs: std::ops::Range<usize>) {
        self.untouched = self.stack.len();
        for at in instrs {
            let instr = &self.body.instrs[at];
            self.branch(at, instr);
            self.step(at, instr);
        }
    }

    fn pop(&mut self) -> Value {
        self.touch(self.stack.len().saturating_sub(1));
        self.stack.pop().unwrap_or(Value::Null)
    }

    fn touch(&mut self, slot: usize) {
        self.untouched = self.untouched.min(slot);
    }

    fn tree(&mut self) -> (Arc<Expression>, Shape) {
        match self.pop() {
            Value::Tree(tree, shape) => (tree, shape),
            Value::Null | Value::Object(_) => (
                Arc::new(Expression::Constant("NULL".to_owned())),
                Shape::LEAF,
            ),
        }
    }

    fn trees(&mut self, count: usize) -> (Vec<Expression>, Shape) {
        let from = self.stack.len().saturating_sub(count);
        self.touch(from);
        let mut shape = Shape::LEAF;
        let trees = self.stack.drain(from..).map(|value| match value {
            Value::Tree(tree, its) => {
                shape = shape.with(its);
                Arc::unwrap_or_clone(tree)
            }
            Value::Null | Value::Object(_) => Expression::Constant("NULL".to_owned()),
        });
        (trees.collect(), shape)
    }

    /// Pushes a tree, made of others that are so large together.
    fn push(&mut self, at: usize, tree: Expression, parts: Shape) {
        let shape = parts.above();
        self.stack
            .push(match shape.depth > MAX_DEPTH || shape.size > MAX_SIZE {
                true => Value::unknown(at as u32, self.stack.len()),
                false => Value::Tree(Arc::new(tree), shape),
            });
    }

    fn leaf(&mut self, tree: Expression) {
        self.stack.push(Value::Tree(Arc::new(tree), Shape::LEAF));
    }

    fn unknown(&mut self, at: usize) {
        self.stack.push(Value::unknown(at as u32, self.stack.len()));
    }

    fn name(&self, index: u32) -> String {
        let id = self.body.names[index as usize];
        self.objects.str(id).unwrap_or_default().into_owned()
    }

    fn slot(&self, slot: u32) -> Expression {
        let id = self.body.locals[slot as usize].name;
        Expression::Name(self.objects.str(id).unwrap_or_default().into_owned())
    }

    /// A constant; tuples and the like as what the source may have had in their place.
    fn constant(&self, id: ObjectId, depth: u32) -> (Expression, Shape) {
        let objects = self.objects;
        if let Some(code) = objects.code(id) {
            let name = objects.str(code.name).unwrap_or_default().into_owned();
            return (Expression::Function(id, name), Shape::LEAF);
        }
        let node = objects.node(id);
        let display = match (&node.object, node.code) {
            (Object::Items(_), b'(' | b')') => Display::Tuple,
            (Object::Items(_), b'>') if !objects.items(id).is_empty() => Display::Set,
            (Object::Items(_), b':') => Display::Slice,
            _ => return (Expression::Constant(repr(objects, id)), Shape::LEAF),
        };
        if depth == MAX_DEPTH || objects.items(id).len() > MAX_SIZE as usize {
            return (Expression::Constant(repr(objects, id)), Shape::LEAF);
        }
        let mut shape = Shape::LEAF;
        let items = objects.items(id).iter().map(|item| {
            let (item, its) = self.constant(*item, depth + 1);
            shape = shape.with(its);
            item
        });
        let mut items: Vec<_> = items.collect();
        if display == Display::Slice && items.last().is_some_and(is_none) {
            items.pop(); // the step, which is hardly ever written
        }
        (Expression::Display(display, items), shape.above())
    }

    fn binary(&mut self, at: usize, make: impl Fn(Arc<Expression>, Arc<Expression>) -> Expression) {
        let (b, one) = self.tree();
        let (a, other) = self.tree();
        self.push(at, make(a, b), one.with(other));
    }

    fn unary(&mut self, at: usize, make: impl FnOnce(Arc<Expression>) -> Expression) {
        let (a, shape) = self.tree();
        self.push(at, make(a), shape);
    }

    fn display(&mut self, at: usize, display: Display, count: usize) {
        let (all, shape) = self.trees(count);
        self.push(at, Expression::Display(display, all), shape);
    }

    /// Pushes what is asked of the value on top, which stays.
    fn test(&mut self, at: usize, make: impl FnOnce(Arc<Expression>) -> Expression) {
        match self.stack.last().cloned() {
            Some(Value::Tree(tree, shape)) => self.push(at, make(tree), shape),
            _ => self.unknown(at),
        }
    }

    /// Notes what a conditional jump tests.
    fn branch(&mut self, at: usize, instr: &Instr) {
        use Opcode as O;
        if jumps_if(instr.opcode).is_none() {
            return;
        }
        let below = match instr.opcode {
            O::FOR_ITER => usize::from(self.body.isa.iterator_slots),
            _ => 1,
        };
        let Some(at_slot) = self.stack.len().checked_sub(below) else {
            return;
        };
        let Value::Tree(tested, _) = &self.stack[at_slot] else {
            return;
        };
        let condition = match instr.opcode {
            O::FOR_ITER => Expression::Next(tested.clone()),
            O::POP_JUMP_IF_NONE
            | O::POP_JUMP_IF_NOT_NONE
            | O::POP_JUMP_FORWARD_IF_NONE
            | O::POP_JUMP_FORWARD_IF_NOT_NONE
            | O::POP_JUMP_BACKWARD_IF_NONE
            | O::POP_JUMP_BACKWARD_IF_NOT_NONE => {
                let none = Expression::Constant("None".to_owned());
                Expression::Compare("is", tested.clone(), Arc::new(none))
            }
            _ => (**tested).clone(),
        };
        self.found.conditions.insert(at, condition);
    }

    fn store(&mut self, at: usize, instr: &Instr) {
        let written = accesses(instr).filter_map(|access| match access {
            Access::Write(variable) => Some(variable),
            _ => None,
        });
        for variable in written.collect::<Vec<_>>() {
            let (tree, _) = self.tree();
            self.found.stored.insert((at, variable), (*tree).clone());
        }
    }

    fn call(&mut self, at: usize, count: usize, keywords: Vec<String>) {
        let (arguments, shape) = self.trees(count);
        self.called(at, arguments, keywords, shape);
    }

    /// A call whose arguments are taken already.
    fn called(
        &mut self,
        at: usize,
        mut arguments: Vec<Expression>,
        keywords: Vec<String>,
        mut shape: Shape,
    ) {
        let (second, first) = (self.pop(), self.pop());
        let (function, its, beside) = match (first, second) {
            (Value::Tree(function, its), Value::Null)
            | (Value::Null, Value::Tree(function, its)) => (function, its, Beside::Null),
            (Value::Tree(function, its), Value::Object(load)) => {
                (function, its, Beside::Object(load))
            }
            // A decorator, or a comprehension: their argument is where an object would be.
            (Value::Tree(function, its), Value::Tree(own, more)) => {
                arguments.insert(0, (*own).clone());
                shape = shape.with(more);
                (function, its, Beside::Argument)
            }
            _ => return self.unknown(at),
        };
        let call = Call {
            function: (*function).clone(),
            arguments: arguments.clone(),
            keywords: keywords.clone(),
            beside,
        };
        self.found.calls.insert(at, call);
        let tree = Expression::Call {
            function,
            arguments,
            keywords,
        };
        self.push(at, tree, shape.with(its));
    }

    fn call_starred(&mut self, at: usize, flags: usize) {
        // From 3.14 on the mapping, or a NULL, is always there.
        let effect = self.body.isa.info(Opcode::CALL_FUNCTION_EX).effect;
        let always = effect.of(0) == effect.of(1);
        let mapping = match always || flags & 1 != 0 {
            true => self.pop(),
            false => Value::Null,
        };
        let (starred, mut shape) = self.tree();
        let mut arguments = match &*starred {
            Expression::Display(Display::Tuple, all) => all.clone(),
            _ => vec![Expression::Unary("*", starred)],
        };
        let mut keywords = Vec::new();
        if let Value::Tree(mapping, its) = mapping {
            shape = shape.with(its);
            match named(&mapping) {
                Some(named) => {
                    for (name, value) in named {
                        keywords.push(name);
                        arguments.push(value);
                    }
                }
                None => {
                    keywords.push("**".to_owned());
                    arguments.push((*mapping).clone());
                }
            }
        }
        self.called(at, arguments, keywords, shape);
    }

    /// Names that a constant tuple holds.
    fn names(&self, tree: &Expression) -> Vec<String> {
        let Expression::Display(Display::Tuple, all) = tree else {
            return Vec::new();
        };
        all.iter().filter_map(text_of).collect()
    }

    /// Adds to the list, set or dict that is so deep in the stack. `more` tells what comes in.
    fn add(
        &mut self,
        at: usize,
        count: usize,
        depth: usize,
        more: impl FnOnce(Vec<Expression>) -> Vec<Expression>,
    ) {
        let (added, shape) = self.trees(count);
        let Some(slot) = self.stack.len().checked_sub(depth) else {
            return;
        };
        if slot >= self.stack.len() {
            return;
        }
        self.touch(slot);
        let unknown = Value::unknown(at as u32, slot);
        let Value::Tree(tree, its) = &mut self.stack[slot] else {
            return;
        };
        let whole = its.with(shape);
        match Arc::make_mut(tree) {
            Expression::Display(_, all) if whole.size < MAX_SIZE && whole.depth < MAX_DEPTH => {
                all.extend(more(added));
                *its = whole;
            }
            _ => self.stack[slot] = unknown,
        }
    }

    fn step(&mut self, at: usize, instr: &Instr) {
        use Expression as E;
        use Opcode as O;
        let isa = self.body.isa;
        let number = match instr.arg {
            Arg::Int(number) => number as usize,
            _ => 0,
        };
        let listed = |list: &'static [&'static str], index: usize| list.get(index).copied();
        match (instr.opcode, instr.arg) {
            (O::NOP | O::RESUME | O::PRECALL | O::NOT_TAKEN | O::TO_BOOL, _) => {}
            // Where they jump they keep it: `behind` knows how deep the stack is there.
            (O::JUMP_IF_TRUE_OR_POP | O::JUMP_IF_FALSE_OR_POP, _) => {}

            (O::LOAD_CONST, Arg::Const(index)) => {
                let (tree, shape) = self.constant(self.body.consts[index as usize], 0);
                let tree = Value::Tree(Arc::new(tree), shape);
                let fits = matches!(tree, Value::Tree(_, shape) if shape.size <= MAX_SIZE);
                self.stack.push(match fits {
                    true => tree,
                    false => Value::unknown(at as u32, self.stack.len()),
                });
            }
            (O::LOAD_SMALL_INT, _) => self.leaf(E::Constant(number.to_string())),
            (O::LOAD_ASSERTION_ERROR, _) => self.leaf(E::Name("AssertionError".to_owned())),
            (O::LOAD_COMMON_CONSTANT, _) => {
                let text = listed(isa.common_constants, number)
                    .unwrap_or("?")
                    .to_owned();
                let is_name = text.starts_with(|first: char| first.is_alphabetic());
                self.leaf(
                    match is_name && !["None", "True", "False"].contains(&&*text) {
                        true => E::Name(text),
                        false => E::Constant(text),
                    },
                );
            }
            (O::LOAD_BUILD_CLASS, _) => self.leaf(E::Name("__build_class__".to_owned())),
            (O::PUSH_NULL, _) => self.stack.push(Value::Null),
            (O::STORE_FAST_LOAD_FAST, Arg::Locals(_, loaded)) => {
                self.store(at, instr);
                self.leaf(self.slot(loaded));
            }
            (
                O::STORE_FAST
                | O::STORE_DEREF
                | O::STORE_NAME
                | O::STORE_GLOBAL
                | O::STORE_FAST_STORE_FAST,
                _,
            ) => self.store(at, instr),
            (_, Arg::Locals(a, b)) => {
                self.leaf(self.slot(a));
                self.leaf(self.slot(b));
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
            ) => self.leaf(self.slot(slot)),
            (O::LOAD_FROM_DICT_OR_DEREF, Arg::Local(slot)) => {
                self.pop();
                self.leaf(self.slot(slot));
            }
            (O::LOAD_NAME, Arg::Name(name, _)) => self.leaf(E::Name(self.name(name))),
            (O::LOAD_FROM_DICT_OR_GLOBALS, Arg::Name(name, _)) => {
                self.pop();
                self.leaf(E::Name(self.name(name)));
            }
            (O::LOAD_GLOBAL, Arg::Name(name, flags)) => {
                let below = isa.null_slot == NullSlot::BelowCallable;
                let null = flags & 1 != 0;
                self.stack.extend((null && below).then_some(Value::Null));
                self.leaf(E::Name(self.name(name)));
                self.stack.extend((null && !below).then_some(Value::Null));
            }
            (O::LOAD_ATTR, Arg::Name(name, flags)) => {
                let name = self.name(name);
                self.unary(at, |value| E::Attribute(value, name));
                self.stack
                    .extend((flags & 1 != 0).then_some(Value::Object(at)));
            }
            (O::LOAD_METHOD, Arg::Name(name, _)) => {
                let name = self.name(name);
                self.unary(at, |value| E::Attribute(value, name));
                self.stack.push(Value::Object(at));
            }
            (O::LOAD_SUPER_ATTR, Arg::Name(name, flags)) => {
                let (mut all, shape) = self.trees(3);
                if all.len() < 3 {
                    return self.unknown(at);
                }
                let mut written = all.split_off(1);
                let function = all.remove(0);
                if flags & 2 == 0 {
                    written.clear(); // they are the compiler's
                }
                let made = Call {
                    function: function.clone(),
                    arguments: written.clone(),
                    keywords: Vec::new(),
                    beside: Beside::Null,
                };
                self.found.calls.insert(at, made);
                let call = E::Call {
                    function: Arc::new(function),
                    arguments: written,
                    keywords: Vec::new(),
                };
                let tree = E::Attribute(Arc::new(call), self.name(name));
                self.push(at, tree, shape.above());
                self.stack
                    .extend((flags & 1 != 0).then_some(Value::Object(at)));
            }
            (O::LOAD_SPECIAL, _) => {
                let name = listed(isa.special_methods, number)
                    .unwrap_or("?")
                    .to_owned();
                self.unary(at, |value| E::Attribute(value, name));
                self.stack.push(Value::Object(at));
            }
            (O::BEFORE_WITH, _) => {
                let (value, shape) = self.tree();
                let part = |name: &str| E::Attribute(value.clone(), name.to_owned());
                self.push(at, part("__exit__"), shape);
                self.push(at, part("__enter__"), shape);
                self.stack.push(Value::Null);
                self.call(at, 0, Vec::new());
            }

            (O::COPY, _) => {
                let from = self.stack.len().checked_sub(number);
                let value = from.and_then(|at| self.stack.get(at)).cloned();
                self.stack.push(value.unwrap_or(Value::Null));
            }
            (O::SWAP, _) => {
                if let (Some(top), Some(other)) = (
                    self.stack.len().checked_sub(1),
                    self.stack.len().checked_sub(number),
                ) {
                    self.touch(other.min(top));
                    self.stack.swap(top, other.min(top));
                }
            }

            (O::UNARY_NOT, _) => self.unary(at, |a| E::Unary("not", a)),
            (O::UNARY_NEGATIVE, _) => self.unary(at, |a| E::Unary("-", a)),
            (O::UNARY_INVERT, _) => self.unary(at, |a| E::Unary("~", a)),
            (O::UNARY_POSITIVE, _) => self.unary(at, |a| E::Unary("+", a)),
            (O::CALL_INTRINSIC_1, _) => match listed(isa.intrinsics_1, number) {
                Some("INTRINSIC_UNARY_POSITIVE") => self.unary(at, |a| E::Unary("+", a)),
                Some("INTRINSIC_LIST_TO_TUPLE") => self.unary(at, to_tuple),
                _ => self.other(at, instr),
            },
            (O::LIST_TO_TUPLE, _) => self.unary(at, to_tuple),
            (O::BINARY_OP, _) => match listed(isa.binary_operators, number) {
                Some("[]") => self.binary(at, E::Item),
                Some(op) => self.binary(at, |a, b| E::Binary(op, a, b)),
                None => self.other(at, instr),
            },
            (O::BINARY_SUBSCR, _) => self.binary(at, E::Item),
            (O::BINARY_SLICE, _) => {
                self.display(at, Display::Slice, 2);
                self.binary(at, E::Item);
            }
            (O::COMPARE_OP, _) => match listed(isa.compare, number >> isa.compare_shift) {
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
                let (class, _) = self.tree();
                self.test(at, |raised| E::Compare("matches", raised, class));
            }
            (O::CHECK_EG_MATCH, _) => {
                let (class, shape) = self.tree();
                let (raised, its) = self.tree();
                self.unknown(at);
                self.push(at, E::Compare("matches", raised, class), shape.with(its));
            }
            (O::MATCH_SEQUENCE | O::MATCH_MAPPING, _) => {
                let pattern = match instr.opcode {
                    O::MATCH_SEQUENCE => "[...]",
                    _ => "{...}",
                };
                let pattern = Arc::new(E::Constant(pattern.to_owned()));
                self.test(at, |value| E::Compare("matches", value, pattern));
            }
            (O::MATCH_KEYS, _) => {
                let (keys, shape) = self.tree();
                self.test(at, |value| E::Compare("matches", value, keys.clone()));
                let values = self.pop();
                self.stack.push(Value::Tree(keys, shape));
                self.stack.push(values);
            }
            (O::MATCH_CLASS, _) => {
                self.pop(); // names of the attributes
                self.binary(at, |value, class| E::Compare("matches", value, class));
            }
            (O::GET_LEN, _) => self.test(at, |value| E::Call {
                function: Arc::new(E::Name("len".to_owned())),
                arguments: vec![(*value).clone()],
                keywords: Vec::new(),
            }),

            (O::GET_ITER, _) => {
                if isa.iterator_slots == 2 {
                    self.stack.push(Value::Null);
                }
            }
            (O::FOR_ITER, _) => {
                let iterator = self.stack.len().checked_sub(isa.iterator_slots.into());
                match iterator.map(|at| self.stack[at].clone()) {
                    Some(Value::Tree(iterator, shape)) => self.push(at, E::Next(iterator), shape),
                    _ => self.unknown(at),
                }
            }
            (O::GET_AWAITABLE, _) => self.unary(at, E::Await),
            (O::END_SEND, _) => {
                let result = self.pop();
                for _ in 0..isa.iterator_slots {
                    self.pop();
                }
                self.stack.push(result);
            }

            (O::CLEANUP_THROW, _) => {
                // What was thrown in ended the awaited, which has a result then.
                self.pop();
                self.pop();
                for _ in 1..isa.iterator_slots {
                    self.pop();
                }
                let receiver = self.pop();
                for _ in 0..isa.iterator_slots {
                    self.stack.push(Value::Null);
                }
                match receiver.is_awaited() {
                    true => self.stack.push(receiver),
                    false => self.unknown(at),
                }
            }

            (O::IMPORT_NAME, Arg::Name(name, _)) => {
                let (from, _) = self.tree();
                let (level, _) = self.tree();
                let level = match &*level {
                    E::Constant(text) => text.parse().unwrap_or(0),
                    _ => 0,
                };
                let name = self.name(name);
                // `import a.b` gives a; where names are taken from it, or it gets one, that goes on from b.
                let name = match level == 0 && is_none(&from) {
                    true => name.split('.').next().unwrap_or_default(),
                    false => &name,
                };
                self.leaf(E::Module(".".repeat(level) + name));
            }
            (O::IMPORT_FROM, Arg::Name(name, _)) => {
                let name = self.name(name);
                self.test(at, |module| E::Attribute(module, name));
            }
            (O::MAKE_FUNCTION, _) => {
                let function = self.pop();
                let with = -isa.info(instr.opcode).effect.of(instr.effect_arg());
                self.trees(with.max(0) as usize);
                self.stack.push(function);
            }
            (O::SET_FUNCTION_ATTRIBUTE, _) => {
                let function = self.pop();
                self.pop();
                self.stack.push(function);
            }

            (O::BUILD_SLICE, _) => self.display(at, Display::Slice, number),
            (O::BUILD_TUPLE, _) => self.display(at, Display::Tuple, number),
            (O::BUILD_LIST, _) => self.display(at, Display::List, number),
            (O::BUILD_SET, _) => self.display(at, Display::Set, number),
            (O::BUILD_MAP, _) => self.display(at, Display::Dict, 2 * number),
            (O::BUILD_STRING, _) => self.display(at, Display::String, number),
            (O::BUILD_CONST_KEY_MAP, _) => {
                let (keys, shape) = self.tree();
                let (values, its) = self.trees(number);
                match &*keys {
                    E::Display(Display::Tuple, keys) if keys.len() == values.len() => {
                        let pairs = keys.iter().cloned().zip(values);
                        let pairs = pairs.flat_map(|(key, value)| [key, value]).collect();
                        self.push(at, E::Display(Display::Dict, pairs), shape.with(its));
                    }
                    _ => self.unknown(at),
                }
            }
            (O::FORMAT_SIMPLE | O::FORMAT_VALUE | O::FORMAT_WITH_SPEC, _) => {
                let with_spec = instr.opcode == O::FORMAT_WITH_SPEC
                    || instr.opcode == O::FORMAT_VALUE && number & 4 != 0;
                if with_spec {
                    self.pop();
                }
                self.display(at, Display::String, 1);
            }
            (O::CONVERT_VALUE, _) => {}
            (O::LIST_APPEND | O::SET_ADD, _) => self.add(at, 1, number, |added| added),
            (O::MAP_ADD, _) => self.add(at, 2, number, |added| added),
            (O::LIST_EXTEND | O::SET_UPDATE, _) => {
                self.add(at, 1, number, |mut added| match added.pop() {
                    Some(E::Display(Display::Tuple | Display::List | Display::Set, all)) => all,
                    Some(other) => vec![E::Unary("*", Arc::new(other))],
                    None => added,
                });
            }
            (O::DICT_UPDATE | O::DICT_MERGE, _) => {
                self.add(at, 1, number, |mut added| match added.pop() {
                    Some(E::Display(Display::Dict, all)) => all,
                    Some(other) => vec![E::Unary("**", Arc::new(other))],
                    None => added,
                });
            }

            (O::KW_NAMES, Arg::Const(index)) => {
                let (names, _) = self.constant(self.body.consts[index as usize], 0);
                self.keywords = self.names(&names);
            }
            (O::CALL, _) => {
                let keywords = std::mem::take(&mut self.keywords);
                self.call(at, number, keywords);
            }
            (O::CALL_KW, _) => {
                let (names, _) = self.tree();
                let keywords = self.names(&names);
                self.call(at, number, keywords);
            }
            (O::CALL_FUNCTION_EX, _) => self.call_starred(at, number),
            _ => self.other(at, instr),
        }
    }

    /// Everything else: what it takes and leaves is unknown.
    fn other(&mut self, at: usize, instr: &Instr) {
        let effect = self.body.isa.info(instr.opcode).effect;
        let before = self.stack.len();
        let after = (before as i64 + effect.of(instr.effect_arg())).max(0) as usize;
        let kept = before.min(after).min(before.saturating_sub(takes(instr)));
        self.touch(kept);
        self.stack.truncate(kept);
        (kept..after).for_each(|_| self.unknown(at));
    }
}

/// How many values those instructions take that leave others in their place.
fn takes(instr: &Instr) -> usize {
    use Opcode as O;
    match (instr.opcode, instr.arg) {
        (O::BUILD_INTERPOLATION, _) => 3,
        (O::CALL_INTRINSIC_2 | O::BUILD_TEMPLATE | O::PREP_RERAISE_STAR, _) => 2,
        (
            O::CALL_INTRINSIC_1
            | O::GET_AITER
            | O::GET_YIELD_FROM_ITER
            | O::BEFORE_ASYNC_WITH
            | O::SEND
            | O::YIELD_VALUE
            | O::ASYNC_GEN_WRAP
            | O::PUSH_EXC_INFO
            | O::UNPACK_SEQUENCE
            | O::UNPACK_EX,
            _,
        ) => 1,
        _ => 0,
    }
}

fn to_tuple(list: Arc<Expression>) -> Expression {
    match Arc::unwrap_or_clone(list) {
        Expression::Display(Display::List, all) => Expression::Display(Display::Tuple, all),
        other => {
            let all = vec![Expression::Unary("*", Arc::new(other))];
            Expression::Display(Display::Tuple, all)
        }
    }
}

fn is_none(tree: &Expression) -> bool {
    matches!(tree, Expression::Constant(text) if text == "None")
}

/// A constant string that could be a name.
fn text_of(tree: &Expression) -> Option<String> {
    match tree {
        Expression::Constant(text) => Some(
            text.strip_prefix(['\'', '"'])?
                .strip_suffix(['\'', '"'])?
                .to_owned(),
        ),
        _ => None,
    }
}

/// A mapping of keyword arguments, argument by argument, if it is written out.
fn named(mapping: &Expression) -> Option<Vec<(String, Expression)>> {
    let Expression::Display(Display::Dict, all) = mapping else {
        return None;
    };
    let (mut found, mut rest) = (Vec::new(), all.iter());
    while let Some(key) = rest.next() {
        found.push(match key {
            Expression::Unary("**", other) => ("**".to_owned(), (**other).clone()),
            key => (text_of(key)?, rest.next()?.clone()),
        });
    }
    Some(found)
}
