//! Abstract interpretation of a body: what is known of its locals, and of its stack, in front of each
//! instruction (Cousot and Cousot, "Abstract Interpretation: A Unified Lattice Model for Static Analysis of
//! Programs"). What a value is taken for is a [`Domain`]; what instructions do with values is said here, once.
//!
//! Only locals that no other code can reach are followed. Cells, free variables, globals and the names of
//! modules and classes are unknown wherever they are read. What a debugger does to a frame (a jump, a write
//! through `frame.f_locals`, which PEP 667 lets any code do from 3.13 on) is not seen.

use super::cfg::{Cfg, EdgeKind, jumps_if};
use super::dataflow::{Direction, Problem, Solution, solve};
use super::expression::Display;
use crate::body::{self, Arg, Body, Depths, HandlerId, Instr};
use crate::code::{CodeObject, flags, kinds};
use crate::isa::{Flow, Opcode};
use crate::marshal::ObjectId;

/// What makes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A constant of the code object.
    Constant(ObjectId),
    /// An integer that the instruction holds.
    SmallInt(u32),
    /// One of [`common_constants`](crate::isa::Isa::common_constants).
    CommonConstant(&'static str),
    /// `+`, `-`, `~`, `not`
    Unary(&'static str),
    /// An arithmetic or bitwise operator, those in place with their `=`; `[]` for a subscript.
    Binary(&'static str),
    /// `value[start:stop]`
    Slice,
    /// A comparison, `is`, `in` and their negations.
    Compare(&'static str),
    /// `bool(value)`, as conditions ask for it.
    Truth,
    /// A literal of several elements, whatever is in it.
    Display(Display),
    /// The tuple of a list's elements.
    ToTuple,
    /// `str`, `repr`, `ascii` or `format` of a value, in an f-string.
    Text,
    /// `len(value)`, as patterns ask for it.
    Length,
    /// A function of a code object; also one that gets another attribute.
    Function,
    /// A call, of the two slots in which the callable is.
    Call,
    /// One of the values that another unpacks to.
    Part,
    /// What a starred target takes of them.
    Rest,
    /// Whether a pattern or an `except` clause fits.
    Matches,
    /// What a class or mapping pattern captures: a tuple, or None where it does not fit.
    Captures,
    /// What was raised.
    Exception,
    /// Any object.
    Object,
}

/// What values are taken for: a lattice of finite height, and operations that are monotone on it.
pub trait Domain {
    /// An element of the lattice.
    type Value: Clone + PartialEq;

    /// Anything, also what is no object.
    fn unknown(&self) -> Self::Value;

    /// No object: an unbound local, a NULL on the stack.
    fn nothing(&self) -> Self::Value;

    /// Adds to a value what it is on another way; says whether that changed it.
    fn join(&self, into: &mut Self::Value, from: &Self::Value) -> bool;

    /// A local's value, now that reading it has not raised.
    fn bound(&self, value: &Self::Value) -> Self::Value;

    /// What an operation makes of its operands, if it does not raise.
    fn result(&self, operation: Operation, of: &[Self::Value]) -> Self::Value;
}

/// What is known at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values<V> {
    /// The slots of the frame, then those of the stack.
    all: Vec<V>,
    slots: usize,
}

impl<V: Clone> Values<V> {
    /// What is known of a slot of the frame: an index of [`Body::locals`].
    pub fn slot(&self, slot: u32) -> &V {
        &self.all[..self.slots][slot as usize]
    }

    /// What is known of the stack, its bottom first.
    pub fn stack(&self) -> &[V] {
        &self.all[self.slots..]
    }

    fn push(&mut self, value: V) {
        self.all.push(value);
    }

    /// Takes that many values from the stack, the deepest first.
    fn take(&mut self, count: usize, unknown: &V) -> Vec<V> {
        let depth = self.all.len() - self.slots;
        let missing = count.saturating_sub(depth);
        let taken = self.all.split_off(self.all.len() - count.min(depth));
        let filled = std::iter::repeat_n(unknown.clone(), missing).chain(taken);
        filled.collect()
    }

    /// Makes the stack so deep.
    fn settle(&mut self, depth: usize, unknown: &V) {
        self.all.resize(self.slots + depth, unknown.clone());
    }
}

/// The problem whose facts are the values of a domain. [`Constants`](super::Constants) and
/// [`Types`](super::Types) are such.
pub struct Interpretation<'b, D> {
    body: &'b Body,
    domain: D,
    parameters: u32,
    /// What `*args` and `**kwargs` are: slots, and the literal that makes the like.
    starred: Vec<(u32, Display)>,
    depths: Depths,
}

impl<'b, D> Interpretation<'b, D> {
    /// Of a body, the code object that it was decoded from, and a domain.
    ///
    /// # Errors
    /// Its stack depths are not those of sound code.
    pub fn with(domain: D, body: &'b Body, code: &CodeObject) -> Result<Self, body::Error> {
        let shapes = [
            (flags::VARARGS, Display::Tuple),
            (flags::VARKEYWORDS, Display::Dict),
        ];
        let present = shapes
            .into_iter()
            .filter(|(flag, _)| code.flags & flag != 0);
        let first = code.argcount.saturating_add(code.kwonlyargcount);
        Ok(Interpretation {
            body,
            domain,
            parameters: code.parameters(),
            starred: (first..).zip(present.map(|(_, display)| display)).collect(),
            depths: body::depths(body)?,
        })
    }

    fn depth(&self, at: usize) -> usize {
        self.depths.before[at].max(0) as usize
    }

    /// Whether other code may change a slot meanwhile.
    fn is_shared(&self, slot: u32) -> bool {
        self.body.locals[slot as usize].kind & (kinds::CELL | kinds::FREE) != 0
    }
}

impl<D: Domain> Interpretation<'_, D> {
    /// Solves it. With a graph that ignores exceptions the facts hold as long as none is raised.
    pub fn solve(&self, cfg: &Cfg) -> Solution<Values<D::Value>> {
        solve(self.body, cfg, self)
    }

    fn write(&self, fact: &mut Values<D::Value>, slot: u32, value: D::Value) {
        fact.all[slot as usize] = match self.is_shared(slot) {
            true => self.domain.unknown(),
            false => value,
        };
    }

    /// Loads a local. It did not raise: so it was bound, and is.
    fn load(&self, fact: &mut Values<D::Value>, slot: u32) {
        let value = self.domain.bound(fact.slot(slot));
        self.write(fact, slot, value.clone());
        fact.push(value);
    }

    fn store(&self, fact: &mut Values<D::Value>, slot: u32) {
        let value = self.pop(fact);
        self.write(fact, slot, value);
    }

    fn pop(&self, fact: &mut Values<D::Value>) -> D::Value {
        let mut taken = fact.take(1, &self.domain.unknown());
        taken.pop().unwrap_or_else(|| self.domain.unknown())
    }

    /// Replaces values on top of the stack by what is made of them.
    fn make(&self, fact: &mut Values<D::Value>, takes: usize, operation: Operation) {
        let of = fact.take(takes, &self.domain.unknown());
        fact.push(self.domain.result(operation, &of));
    }

    /// How deep the stack is behind an instruction that does not jump.
    fn after(&self, at: usize) -> usize {
        let effect = self.effect(&self.body.instrs[at]);
        (self.depth(at) as i64 + effect).max(0) as usize
    }

    fn effect(&self, instr: &Instr) -> i64 {
        let op = self.body.isa.info(instr.opcode);
        op.effect.of(instr.effect_arg())
    }

    /// How many values an instruction takes that leaves one.
    fn taken_for_one(&self, instr: &Instr) -> usize {
        (1 - self.effect(instr)).max(0) as usize
    }
}

impl<D: Domain> Problem for Interpretation<'_, D> {
    type Fact = Values<D::Value>;
    const DIRECTION: Direction = Direction::Forward;

    fn start(&self) -> Self::Fact {
        let slots = 0..self.body.locals.len() as u32;
        let value = |slot: u32| {
            if self.is_shared(slot) {
                return self.domain.unknown();
            }
            let starred = self.starred.iter().find(|(starred, _)| *starred == slot);
            match starred {
                Some((_, display)) => self.domain.result(Operation::Display(*display), &[]),
                None if slot < self.parameters => self.domain.result(Operation::Object, &[]),
                None => self.domain.nothing(),
            }
        };
        Values {
            slots: slots.len(),
            all: slots.map(value).collect(),
        }
    }

    fn join(&self, into: &mut Self::Fact, from: &Self::Fact) -> bool {
        // Where an exception is caught, only what all stacks had is left; at the exit there is none.
        let mut changed = into.all.len() > from.all.len();
        into.all.truncate(from.all.len());
        for (into, from) in into.all.iter_mut().zip(&from.all) {
            changed |= self.domain.join(into, from);
        }
        changed
    }

    fn transfer(&self, at: usize, fact: &mut Self::Fact) {
        use Opcode as O;
        use Operation as Op;
        let (isa, instr) = (self.body.isa, &self.body.instrs[at]);
        let number = match instr.arg {
            Arg::Int(number) => number as usize,
            _ => 0,
        };
        let operand = |list: &'static [&'static str], index: usize| list.get(index).copied();
        fact.settle(self.depth(at), &self.domain.unknown());
        match (instr.opcode, instr.arg) {
            (O::LOAD_FAST_AND_CLEAR, Arg::Local(slot)) => {
                // A comprehension puts by what it will give back, bound or not (PEP 709).
                fact.push(fact.slot(slot).clone());
                self.write(fact, slot, self.domain.nothing());
            }
            (O::LOAD_FAST | O::LOAD_FAST_BORROW | O::LOAD_FAST_CHECK, Arg::Local(slot)) => {
                self.load(fact, slot);
            }
            (O::STORE_FAST, Arg::Local(slot)) => self.store(fact, slot),
            (O::STORE_FAST_STORE_FAST, Arg::Locals(first, second)) => {
                self.store(fact, first);
                self.store(fact, second);
            }
            (O::STORE_FAST_LOAD_FAST, Arg::Locals(stored, loaded)) => {
                self.store(fact, stored);
                self.load(fact, loaded);
            }
            (_, Arg::Locals(first, second)) => {
                self.load(fact, first);
                self.load(fact, second);
            }
            (O::DELETE_FAST, Arg::Local(slot)) => self.write(fact, slot, self.domain.nothing()),
            (O::MAKE_CELL, Arg::Local(slot)) => self.write(fact, slot, self.domain.unknown()),

            (O::COPY, _) => {
                let from = fact.stack().len().checked_sub(number);
                let value = from.and_then(|from| fact.stack().get(from)).cloned();
                fact.push(value.unwrap_or_else(|| self.domain.unknown()));
            }
            (O::SWAP, _) => {
                let depth = fact.stack().len();
                if let (Some(top), Some(other)) = (depth.checked_sub(1), depth.checked_sub(number))
                    && other <= top
                {
                    fact.all[fact.slots..].swap(top, other);
                }
            }
            (O::PUSH_NULL, _) => fact.push(self.domain.nothing()),

            (O::LOAD_CONST, Arg::Const(index)) => {
                let id = self.body.consts[index as usize];
                self.make(fact, 0, Op::Constant(id));
            }
            (O::LOAD_SMALL_INT, _) => self.make(fact, 0, Op::SmallInt(number as u32)),
            (O::LOAD_COMMON_CONSTANT, _) => match operand(isa.common_constants, number) {
                Some(name) => self.make(fact, 0, Op::CommonConstant(name)),
                None => self.make(fact, 0, Op::Object),
            },

            (O::UNARY_NOT, _) => self.make(fact, 1, Op::Unary("not")),
            (O::UNARY_NEGATIVE, _) => self.make(fact, 1, Op::Unary("-")),
            (O::UNARY_INVERT, _) => self.make(fact, 1, Op::Unary("~")),
            (O::UNARY_POSITIVE, _) => self.make(fact, 1, Op::Unary("+")),
            (O::TO_BOOL, _) => self.make(fact, 1, Op::Truth),
            (O::CALL_INTRINSIC_1, _) => match operand(isa.intrinsics_1, number) {
                Some("INTRINSIC_UNARY_POSITIVE") => self.make(fact, 1, Op::Unary("+")),
                Some("INTRINSIC_LIST_TO_TUPLE") => self.make(fact, 1, Op::ToTuple),
                _ => self.make(fact, 1, Op::Object),
            },
            (O::LIST_TO_TUPLE, _) => self.make(fact, 1, Op::ToTuple),
            (O::BINARY_OP, _) => match operand(isa.binary_operators, number) {
                Some(operator) => self.make(fact, 2, Op::Binary(operator)),
                None => self.make(fact, 2, Op::Object),
            },
            (O::BINARY_SUBSCR, _) => self.make(fact, 2, Op::Binary("[]")),
            (O::BINARY_SLICE, _) => self.make(fact, 3, Op::Slice),
            (O::COMPARE_OP, _) => {
                match operand(isa.compare, number >> isa.compare_shift) {
                    Some(operator) => self.make(fact, 2, Op::Compare(operator)),
                    None => self.make(fact, 2, Op::Object),
                }
                if isa.exact_bool_jumps && number & TO_BOOL != 0 {
                    self.make(fact, 1, Op::Truth);
                }
            }
            (O::IS_OP, _) => {
                let operator = if number == 0 { "is" } else { "is not" };
                self.make(fact, 2, Op::Compare(operator));
            }
            (O::CONTAINS_OP, _) => {
                let operator = if number == 0 { "in" } else { "not in" };
                self.make(fact, 2, Op::Compare(operator));
            }

            (O::BUILD_TUPLE, _) => self.make(fact, number, Op::Display(Display::Tuple)),
            (O::BUILD_LIST, _) => self.make(fact, number, Op::Display(Display::List)),
            (O::BUILD_SET, _) => self.make(fact, number, Op::Display(Display::Set)),
            (O::BUILD_MAP, _) => self.make(fact, 2 * number, Op::Display(Display::Dict)),
            (O::BUILD_CONST_KEY_MAP, _) => {
                self.make(fact, number + 1, Op::Display(Display::Dict));
            }
            (O::BUILD_STRING, _) => self.make(fact, number, Op::Display(Display::String)),
            (O::BUILD_SLICE, _) => self.make(fact, number, Op::Display(Display::Slice)),
            (O::CONVERT_VALUE | O::FORMAT_SIMPLE, _) => self.make(fact, 1, Op::Text),
            (O::FORMAT_WITH_SPEC, _) => {
                self.pop(fact);
                self.make(fact, 1, Op::Text);
            }
            (O::FORMAT_VALUE, _) => {
                fact.take(number >> 2 & 1, &self.domain.unknown());
                self.make(fact, 1, Op::Text);
            }

            (O::MAKE_FUNCTION, _) => {
                let code = self.pop(fact);
                fact.take(self.taken_for_one(instr) - 1, &self.domain.unknown());
                fact.push(code);
                self.make(fact, 1, Op::Function);
            }
            (O::SET_FUNCTION_ATTRIBUTE, _) => {
                let function = self.pop(fact);
                self.pop(fact);
                fact.push(function);
                self.make(fact, 1, Op::Function);
            }
            (O::CALL, _) => {
                // What is taken beside the arguments is the callable and what stands beside it.
                let arguments = self.taken_for_one(instr) - 2;
                fact.take(arguments, &self.domain.unknown());
                self.make(fact, 2, Op::Call);
            }

            (O::UNPACK_SEQUENCE, _) => {
                let whole = self.pop(fact);
                let part = self.domain.result(Op::Part, &[whole]);
                (0..number).for_each(|_| fact.push(part.clone()));
            }
            (O::UNPACK_EX, _) => {
                let whole = self.pop(fact);
                let part = self.domain.result(Op::Part, &[whole]);
                // The first is on top.
                (0..number >> 8).for_each(|_| fact.push(part.clone()));
                fact.push(self.domain.result(Op::Rest, &[]));
                (0..number & 0xFF).for_each(|_| fact.push(part.clone()));
            }
            (O::GET_LEN, _) => self.make(fact, 0, Op::Length),
            (O::MATCH_SEQUENCE | O::MATCH_MAPPING, _) => self.make(fact, 0, Op::Matches),
            (O::MATCH_KEYS, _) => self.make(fact, 0, Op::Captures),
            (O::MATCH_CLASS, _) => self.make(fact, 3, Op::Captures),
            (O::CHECK_EXC_MATCH, _) => self.make(fact, 1, Op::Matches),
            (O::PUSH_EXC_INFO, _) => {
                let raised = self.pop(fact);
                fact.push(self.domain.unknown());
                fact.push(raised);
            }
            (O::END_SEND, _) => {
                let result = self.pop(fact);
                fact.settle(self.after(at) - 1, &self.domain.unknown());
                fact.push(result);
            }
            // Where they jump they keep it: see `along`.
            (O::JUMP_IF_TRUE_OR_POP | O::JUMP_IF_FALSE_OR_POP, _) => {}

            (opcode, _) => {
                let left = leaves(opcode, isa.iterator_slots.into(), instr.effect_arg());
                let (below, objects) = left.unwrap_or((self.after(at), 0));
                let kept = self.after(at).saturating_sub(below + objects);
                fact.settle(kept, &self.domain.unknown());
                fact.settle(kept + below, &self.domain.unknown());
                (0..objects).for_each(|_| self.make(fact, 0, Op::Object));
            }
        }
    }

    fn along(&self, kind: EdgeKind, last: usize, fact: &mut Self::Fact) {
        let instr = &self.body.instrs[last];
        let info = self.body.isa.info(instr.opcode);
        if info.flow != Flow::Branch {
            return;
        }
        let jumps = match jumps_if(instr.opcode) {
            Some(true) => kind == EdgeKind::True,
            Some(false) => kind == EdgeKind::False,
            None => kind == EdgeKind::Jump,
        };
        let unknown = self.domain.unknown();
        if !jumps {
            return fact.settle(self.after(last), &unknown);
        }
        let effect = info.jump.of(instr.effect_arg());
        let depth = (self.depth(last) as i64 + effect).max(0) as usize;
        match instr.opcode {
            // What the delegate has returned is where it was itself, or above it.
            Opcode::SEND => {
                fact.settle(depth.saturating_sub(1), &unknown);
                fact.push(self.domain.result(Operation::Object, &[]));
            }
            _ => fact.settle(depth, &unknown),
        }
    }

    fn raised(&self, handler: Option<HandlerId>, fact: &mut Self::Fact) {
        let Some(handler) = handler.map(|id| &self.body.handlers[id.0 as usize]) else {
            return;
        };
        fact.settle(handler.depth as usize, &self.domain.unknown());
        if handler.lasti {
            fact.push(self.domain.unknown());
        }
        fact.push(self.domain.result(Operation::Exception, &[]));
    }
}

/// Set in the operand of a comparison that gives an exact bool.
const TO_BOOL: usize = 16;

/// What the other instructions leave in the place of what they take: so many that may be NULL, above them so many
/// objects. None where that is not known.
fn leaves(opcode: Opcode, iterator_slots: usize, arg: u32) -> Option<(usize, usize)> {
    use Opcode as O;
    Some(match opcode {
        O::COPY_FREE_VARS
        | O::DELETE_ATTR
        | O::DELETE_DEREF
        | O::DELETE_GLOBAL
        | O::DELETE_NAME
        | O::DELETE_SUBSCR
        | O::DICT_MERGE
        | O::DICT_UPDATE
        | O::END_ASYNC_FOR
        | O::END_FOR
        | O::EXIT_INIT_CHECK
        | O::EXTENDED_ARG
        | O::IMPORT_STAR
        | O::JUMP_BACKWARD
        | O::JUMP_BACKWARD_NO_INTERRUPT
        | O::JUMP_FORWARD
        | O::KW_NAMES
        | O::LIST_APPEND
        | O::LIST_EXTEND
        | O::MAP_ADD
        | O::NOP
        | O::NOT_TAKEN
        | O::POP_EXCEPT
        | O::POP_ITER
        | O::POP_JUMP_BACKWARD_IF_FALSE
        | O::POP_JUMP_BACKWARD_IF_NONE
        | O::POP_JUMP_BACKWARD_IF_NOT_NONE
        | O::POP_JUMP_BACKWARD_IF_TRUE
        | O::POP_JUMP_FORWARD_IF_FALSE
        | O::POP_JUMP_FORWARD_IF_NONE
        | O::POP_JUMP_FORWARD_IF_NOT_NONE
        | O::POP_JUMP_FORWARD_IF_TRUE
        | O::POP_JUMP_IF_FALSE
        | O::POP_JUMP_IF_NONE
        | O::POP_JUMP_IF_NOT_NONE
        | O::POP_JUMP_IF_TRUE
        | O::POP_TOP
        | O::PRECALL
        | O::PRINT_EXPR
        | O::RAISE_VARARGS
        | O::RERAISE
        | O::RESUME
        | O::RETURN_CONST
        | O::RETURN_VALUE
        | O::SETUP_ANNOTATIONS
        | O::SET_ADD
        | O::SET_UPDATE
        | O::STORE_ATTR
        | O::STORE_DEREF
        | O::STORE_GLOBAL
        | O::STORE_NAME
        | O::STORE_SLICE
        | O::STORE_SUBSCR => (0, 0),
        O::ASYNC_GEN_WRAP
        | O::BUILD_INTERPOLATION
        | O::BUILD_TEMPLATE
        | O::CALL_FUNCTION_EX
        | O::CALL_INTRINSIC_2
        | O::CALL_KW
        | O::FOR_ITER
        | O::GET_AITER
        | O::GET_ANEXT
        | O::GET_AWAITABLE
        | O::GET_YIELD_FROM_ITER
        | O::IMPORT_FROM
        | O::IMPORT_NAME
        | O::LOAD_ASSERTION_ERROR
        | O::LOAD_BUILD_CLASS
        | O::LOAD_CLASSDEREF
        | O::LOAD_CLOSURE
        | O::LOAD_DEREF
        | O::LOAD_FROM_DICT_OR_DEREF
        | O::LOAD_FROM_DICT_OR_GLOBALS
        | O::LOAD_LOCALS
        | O::LOAD_NAME
        | O::PREP_RERAISE_STAR
        | O::RETURN_GENERATOR
        | O::SEND
        | O::WITH_EXCEPT_START
        | O::YIELD_VALUE => (0, 1),
        O::BEFORE_WITH | O::BEFORE_ASYNC_WITH | O::CHECK_EG_MATCH => (0, 2),
        O::LOAD_ATTR | O::LOAD_GLOBAL | O::LOAD_SUPER_ATTR if arg & 1 == 0 => (0, 1),
        O::LOAD_ATTR | O::LOAD_GLOBAL | O::LOAD_SUPER_ATTR => (2, 0),
        O::LOAD_METHOD | O::LOAD_SPECIAL => (2, 0),
        O::GET_ITER if iterator_slots == 1 => (0, 1),
        O::GET_ITER => (iterator_slots, 0),
        O::CLEANUP_THROW => (iterator_slots, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::leaves;
    use crate::isa::{ALL, Opcode};

    /// Those that `transfer` has an arm of its own for.
    const OWN: &[Opcode] = &[
        Opcode::BINARY_OP,
        Opcode::BINARY_SLICE,
        Opcode::BINARY_SUBSCR,
        Opcode::BUILD_CONST_KEY_MAP,
        Opcode::BUILD_LIST,
        Opcode::BUILD_MAP,
        Opcode::BUILD_SET,
        Opcode::BUILD_SLICE,
        Opcode::BUILD_STRING,
        Opcode::BUILD_TUPLE,
        Opcode::CALL,
        Opcode::CALL_INTRINSIC_1,
        Opcode::CHECK_EXC_MATCH,
        Opcode::COMPARE_OP,
        Opcode::CONTAINS_OP,
        Opcode::CONVERT_VALUE,
        Opcode::COPY,
        Opcode::DELETE_FAST,
        Opcode::END_SEND,
        Opcode::FORMAT_SIMPLE,
        Opcode::FORMAT_VALUE,
        Opcode::FORMAT_WITH_SPEC,
        Opcode::GET_LEN,
        Opcode::IS_OP,
        Opcode::JUMP_IF_FALSE_OR_POP,
        Opcode::JUMP_IF_TRUE_OR_POP,
        Opcode::LIST_TO_TUPLE,
        Opcode::LOAD_COMMON_CONSTANT,
        Opcode::LOAD_CONST,
        Opcode::LOAD_FAST,
        Opcode::LOAD_FAST_AND_CLEAR,
        Opcode::LOAD_FAST_BORROW,
        Opcode::LOAD_FAST_BORROW_LOAD_FAST_BORROW,
        Opcode::LOAD_FAST_CHECK,
        Opcode::LOAD_FAST_LOAD_FAST,
        Opcode::LOAD_SMALL_INT,
        Opcode::MAKE_CELL,
        Opcode::MAKE_FUNCTION,
        Opcode::MATCH_CLASS,
        Opcode::MATCH_KEYS,
        Opcode::MATCH_MAPPING,
        Opcode::MATCH_SEQUENCE,
        Opcode::PUSH_EXC_INFO,
        Opcode::PUSH_NULL,
        Opcode::SET_FUNCTION_ATTRIBUTE,
        Opcode::STORE_FAST,
        Opcode::STORE_FAST_LOAD_FAST,
        Opcode::STORE_FAST_STORE_FAST,
        Opcode::SWAP,
        Opcode::TO_BOOL,
        Opcode::UNARY_INVERT,
        Opcode::UNARY_NEGATIVE,
        Opcode::UNARY_NOT,
        Opcode::UNARY_POSITIVE,
        Opcode::UNPACK_EX,
        Opcode::UNPACK_SEQUENCE,
    ];

    #[test]
    fn every_instruction_of_every_version_is_known() {
        for isa in ALL {
            let all = (0..=255).filter_map(|number| isa.op(number));
            for opcode in all.map(|info| info.opcode) {
                let own = OWN.contains(&opcode);
                let known = own != leaves(opcode, 1, 0).is_some();
                assert!(known, "CPython {}: {opcode:?}", isa.version);
            }
        }
    }
}
