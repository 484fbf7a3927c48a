//! Follows every path through a code object, the ones into handlers included, with what is known
//! about every stack slot and every local.

use super::decode::{Instr, Instrs, NONE};
use super::kinds::{Kind, Value};
use super::{Fault, Rule, Subject, fault};
use crate::code::kinds as slots;
use crate::isa::{Flow as Goes, Isa, LoopExit, Opcode};

/// What a local may hold; a set of these bits.
pub(super) struct Slot;

impl Slot {
    pub const UNBOUND: u8 = 1;
    pub const OBJECT: u8 = 2;
    pub const CELL: u8 = 4;
}

/// A rule that an instruction breaks, and how.
pub(super) type Step<T> = Result<T, Box<(Rule, String)>>;

#[cold]
pub(super) fn broken<T>(rule: Rule, message: impl Into<String>) -> Step<T> {
    Err(Box::new((rule, message.into())))
}

/// Where control stands.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub stack: Vec<Value>,
    /// See [`Slot`].
    pub locals: Vec<u8>,
    /// How far down the stack was touched since a handler last saw it.
    pub lowest: usize,
    /// Whether a local changed since a handler last saw them.
    pub dirty: bool,
    /// How many stack slots `co_stacksize` grants.
    pub limit: usize,
}

impl Frame {
    #[inline]
    pub fn push(&mut self, value: Value) -> Step<()> {
        if self.stack.len() == self.limit {
            let limit = self.limit;
            return broken(
                Rule::Stack,
                format!("needs more than the {limit} stack slots"),
            );
        }
        self.stack.push(value);
        Ok(())
    }

    #[inline]
    pub fn pop(&mut self) -> Step<Value> {
        match self.stack.pop() {
            Some(value) => {
                self.lowest = self.lowest.min(self.stack.len());
                Ok(value)
            }
            None => broken(Rule::Stack, "takes more than is on the stack"),
        }
    }

    /// The slot that many below the top, which is 1.
    pub fn peek(&self, below: u32) -> Step<Value> {
        Ok(self.stack[self.index(below)?])
    }

    /// The index of the slot that many below the top.
    pub fn index(&self, below: u32) -> Step<usize> {
        match self.stack.len().checked_sub(below as usize) {
            Some(at) if at < self.stack.len() => Ok(at),
            _ => broken(Rule::Stack, "reaches below the stack"),
        }
    }
}

/// What is known at a join point.
#[derive(Clone, Copy, Debug)]
struct Known {
    stack: usize,
    depth: usize,
    locals: usize,
    waiting: bool,
}

/// The analysis; its buffers serve one code object after the other.
#[derive(Debug, Default)]
pub(super) struct Flow {
    frame: Frame,
    known: Vec<Option<Known>>,
    /// Which instruction has which label.
    places: Vec<u32>,
    stacks: Vec<Value>,
    locals: Vec<u8>,
    waiting: Vec<u32>,
}

impl Flow {
    /// Judges a code object whose instructions stand as they should.
    pub fn run(&mut self, subject: &Subject<'_>, all: &Instrs) -> Result<(), Fault> {
        self.known.clear();
        self.known.resize(all.labels as usize, None);
        self.places.clear();
        self.places.resize(all.labels as usize, 0);
        for (at, instr) in all.list.iter().enumerate() {
            if instr.label != NONE {
                self.places[instr.label as usize] = at as u32;
            }
        }
        self.stacks.clear();
        self.locals.clear();
        self.waiting.clear();
        self.enter(subject);
        self.walk(subject, all, 0)?;
        while let Some(label) = self.waiting.pop() {
            let known = self.known[label as usize].as_mut().expect("it waits");
            known.waiting = false;
            let (stack, locals) = (known.stack, known.locals);
            let (depth, slots) = (known.depth, self.frame.locals.len());
            self.frame.stack.clear();
            let stack = &self.stacks[stack..stack + depth];
            self.frame.stack.extend_from_slice(stack);
            let locals = &self.locals[locals..locals + slots];
            self.frame.locals.copy_from_slice(locals);
            self.walk(subject, all, self.places[label as usize] as usize)?;
        }
        Ok(())
    }

    /// At each join point that control reaches, which slots certainly hold an object.
    pub fn bound_at_joins(&self) -> Vec<(usize, Vec<bool>)> {
        let slots = self.frame.locals.len();
        let joins = self.places.iter().zip(&self.known);
        let bound = |known: Known| {
            let locals = &self.locals[known.locals..known.locals + slots];
            locals.iter().map(|slot| *slot == Slot::OBJECT).collect()
        };
        joins
            .filter_map(|(at, known)| Some((*at as usize, bound((*known)?))))
            .collect()
    }

    /// The frame as a call makes it.
    fn enter(&mut self, subject: &Subject<'_>) {
        let frame = &mut self.frame;
        frame.stack.clear();
        frame.limit = subject.code.stacksize as usize;
        frame.locals.clear();
        frame.locals.resize(subject.kinds.len(), Slot::UNBOUND);
        let arguments = subject.arguments() as usize;
        frame.locals[..arguments].fill(Slot::OBJECT);
    }

    /// Follows one path until it ends or meets a known one.
    fn walk(&mut self, subject: &Subject<'_>, all: &Instrs, first: usize) -> Result<(), Fault> {
        let mut covered = NONE;
        let mut at = first;
        loop {
            let Some(instr) = all.list.get(at) else {
                let last = all.list.last().map_or(0, |instr| instr.start);
                let message = "control runs off the end of the code".to_owned();
                return Err(fault(last, Rule::FallsOff, message));
            };
            if at != first && instr.label != NONE {
                return self
                    .arrive(instr.label, self.frame.stack.len(), &[])
                    .map_err(|broken| fault(instr.start, broken.0, broken.1));
            }
            let goes_on = self
                .cover(all, instr, &mut covered)
                .and_then(|()| self.step(subject, all, at))
                .and_then(|goes_on| self.stay_above(all, instr).map(|()| goes_on))
                .map_err(|broken| {
                    let message = format!("{:?}: {}", instr.op.opcode, broken.1);
                    fault(instr.start, broken.0, message)
                })?;
            if !goes_on {
                return Ok(());
            }
            at += 1;
        }
    }

    /// Tells the handler of an instruction what it will find.
    fn cover(&mut self, all: &Instrs, instr: &Instr, covered: &mut u32) -> Step<()> {
        if instr.range == NONE {
            *covered = NONE;
            return Ok(());
        }
        if !super::effects::can_raise(instr) {
            return Ok(());
        }
        let range = all.ranges[instr.range as usize];
        let depth = range.depth as usize;
        if depth > self.frame.stack.len() {
            let found = self.frame.stack.len();
            let message = format!("its handler wants {depth} stack slots, there are {found}");
            return broken(Rule::Stack, message);
        }
        if *covered == instr.range && !self.frame.dirty && self.frame.lowest >= depth {
            return Ok(());
        }
        *covered = instr.range;
        self.frame.dirty = false;
        self.frame.lowest = self.frame.stack.len();
        let label = all.list[range.target as usize].label;
        let exception = Value::new(Kind::Exception);
        let raised = Value::new(Kind::LastInstruction);
        match range.lasti {
            true => self.arrive(label, depth, &[raised, exception]),
            false => self.arrive(label, depth, &[exception]),
        }
    }

    /// What can raise must leave the stack that its handler unwinds to.
    fn stay_above(&mut self, all: &Instrs, instr: &Instr) -> Step<()> {
        let Some(range) = all.ranges.get(instr.range as usize) else {
            return Ok(());
        };
        // It raises again before it takes anything.
        let keeps = instr.op.opcode == Opcode::END_ASYNC_FOR;
        let raises = !keeps && super::effects::can_raise(instr);
        match self.frame.lowest < range.depth as usize && raises {
            true => broken(
                Rule::Stack,
                format!("takes stack slots below the {} of its handler", range.depth),
            ),
            false => Ok(()),
        }
    }

    /// Control reaches a join point with the lowest slots of the stack and some more.
    fn arrive(&mut self, label: u32, keep: usize, more: &[Value]) -> Step<()> {
        let frame = &self.frame;
        let depth = keep + more.len();
        if depth > frame.limit {
            let limit = frame.limit;
            return broken(
                Rule::Stack,
                format!("needs more than the {limit} stack slots"),
            );
        }
        let now = frame.stack[..keep].iter().chain(more);
        let Some(known) = &mut self.known[label as usize] else {
            self.known[label as usize] = Some(Known {
                stack: self.stacks.len(),
                depth,
                locals: self.locals.len(),
                waiting: true,
            });
            self.stacks.extend(now);
            self.locals.extend_from_slice(&frame.locals);
            self.waiting.push(label);
            return Ok(());
        };
        if known.depth != depth {
            let (one, other) = (known.depth, depth);
            let message = format!("the stack is {one} deep on one path, {other} on another");
            return broken(Rule::Stack, message);
        }
        let mut changed = false;
        let stack = &mut self.stacks[known.stack..known.stack + depth];
        for (was, is) in stack.iter_mut().zip(now) {
            if *was != *is {
                let joined = was.join(*is);
                changed |= joined != *was;
                *was = joined;
            }
        }
        let locals = &mut self.locals[known.locals..known.locals + frame.locals.len()];
        for (was, is) in locals.iter_mut().zip(&frame.locals) {
            changed |= *was | *is != *was;
            *was |= *is;
        }
        if changed && !known.waiting {
            known.waiting = true;
            self.waiting.push(label);
        }
        Ok(())
    }

    /// Control goes to another instruction with the stack as it is.
    fn jump(&mut self, all: &Instrs, target: u32) -> Step<()> {
        let label = all.list[target as usize].label;
        self.arrive(label, self.frame.stack.len(), &[])
    }

    /// One instruction; whether control goes on to the next.
    fn step(&mut self, subject: &Subject<'_>, all: &Instrs, at: usize) -> Step<bool> {
        let instr = &all.list[at];
        let isa = subject.isa;
        match instr.op.opcode {
            Opcode::FOR_ITER => {
                // It looks at the iterator; only the end of the loop takes it.
                let lowest = self.frame.lowest;
                let state = match isa.iterator_slots == 2 {
                    true => Some(self.frame.pop_kind(&[Kind::IteratorState, Kind::Null])?),
                    false => None,
                };
                let iterator = self.frame.pop_kind(&[Kind::Iterator])?;
                let frame = &mut self.frame;
                let restore = |frame: &mut Frame| {
                    frame.push(iterator)?;
                    state.map_or(Ok(()), |state| frame.push(state))
                };
                match isa.loop_exit {
                    LoopExit::PopsIterator => self.jump(all, instr.target)?,
                    LoopExit::SkipsEndFor => self.jump(all, instr.target + 1)?,
                    LoopExit::KeepsIterator => {
                        restore(frame)?;
                        frame.lowest = lowest;
                        self.jump(all, instr.target + 1)?;
                        self.frame.push(Value::ANY)?;
                        return Ok(true);
                    }
                }
                restore(&mut self.frame)?;
                self.frame.lowest = lowest;
                self.frame.push(Value::ANY)?;
                Ok(true)
            }
            Opcode::SEND => {
                self.frame.pop_object()?;
                let lowest = self.frame.lowest;
                let state = match isa.iterator_slots == 2 {
                    true => Some(self.frame.pop_kind(&[Kind::IteratorState, Kind::Null])?),
                    false => None,
                };
                let receiver = self.frame.pop_kind(&[Kind::Awaitable, Kind::Iterator])?;
                if isa.loop_exit == LoopExit::PopsIterator {
                    // Before `END_SEND`, the end of the delegation pops the receiver.
                    self.frame.push(Value::ANY)?;
                    self.jump(all, instr.target)?;
                    self.frame.pop()?;
                }
                self.frame.lowest = lowest;
                self.frame.push(receiver)?;
                if let Some(state) = state {
                    self.frame.push(state)?;
                }
                self.frame.push(Value::ANY)?;
                if isa.loop_exit != LoopExit::PopsIterator {
                    self.jump(all, instr.target)?;
                }
                Ok(true)
            }
            Opcode::YIELD_VALUE => {
                // While it is suspended, who asks for the delegate finds it on the top of the stack.
                let resume = all.list.get(at + 1).map_or(0, |next| next.arg);
                let reason = resume & isa.resume.reason;
                self.frame.pop_object()?;
                if super::neighbours::AFTER_DELEGATION.contains(&reason) {
                    self.frame.delegates_to(isa)?;
                    if isa.throw_reads_send {
                        // `throw` may end the delegation, and goes on where the `SEND` says.
                        let receiver = self.frame.pop()?;
                        self.frame.push(Value::ANY)?;
                        self.jump(all, all.list[at - 1].target)?;
                        self.frame.pop()?;
                        self.frame.push(receiver)?;
                    }
                }
                self.frame.push(Value::ANY)?;
                Ok(true)
            }
            Opcode::JUMP_IF_FALSE_OR_POP | Opcode::JUMP_IF_TRUE_OR_POP => {
                let value = self.frame.pop_object()?;
                self.frame.push(value)?;
                self.jump(all, instr.target)?;
                self.frame.pop()?;
                Ok(true)
            }
            Opcode::POP_JUMP_IF_NONE
            | Opcode::POP_JUMP_FORWARD_IF_NONE
            | Opcode::POP_JUMP_BACKWARD_IF_NONE => {
                let value = self.frame.pop_object()?;
                self.jump(all, instr.target)?;
                self.frame.is_not_none(value);
                Ok(true)
            }
            Opcode::POP_JUMP_IF_NOT_NONE
            | Opcode::POP_JUMP_FORWARD_IF_NOT_NONE
            | Opcode::POP_JUMP_BACKWARD_IF_NOT_NONE => {
                let value = self.frame.pop_object()?;
                let before = self.frame.is_not_none(value);
                self.jump(all, instr.target)?;
                before
                    .into_iter()
                    .for_each(|(at, was)| self.frame.stack[at] = was);
                Ok(true)
            }
            _ => match instr.op.flow {
                Goes::Next => {
                    self.frame.apply(subject, instr, at)?;
                    Ok(true)
                }
                Goes::Branch => {
                    self.frame.condition(subject)?;
                    self.jump(all, instr.target)?;
                    Ok(true)
                }
                Goes::Jump => {
                    self.jump(all, instr.target)?;
                    Ok(false)
                }
                Goes::Exit => {
                    self.frame.leave(instr)?;
                    Ok(false)
                }
            },
        }
    }
}

impl Frame {
    /// What `SEND` would send to is on the top of the stack.
    fn delegates_to(&self, isa: &Isa) -> Step<()> {
        let receiver = self.peek(u32::from(isa.iterator_slots))?;
        match matches!(receiver.kind, Kind::Awaitable | Kind::Iterator) {
            true => Ok(()),
            false => broken(
                Rule::Kind,
                format!("suspends in a delegation to {receiver}"),
            ),
        }
    }

    /// What a conditional jump tests.
    fn condition(&mut self, subject: &Subject<'_>) -> Step<()> {
        match subject.isa.exact_bool_jumps {
            true => self.pop_kind(&[Kind::Bool]).map(drop),
            false => self.pop_object().map(drop),
        }
    }

    /// A value turned out not to be None, and so did its copies; the slots as they were.
    fn is_not_none(&mut self, value: Value) -> Vec<(usize, Value)> {
        let mut before = Vec::new();
        if value.kind == Kind::MaybeException && value.payload != 0 {
            for (at, slot) in self.stack.iter_mut().enumerate() {
                if *slot == value {
                    before.push((at, *slot));
                    *slot = Value::new(Kind::Exception);
                }
            }
        }
        before
    }
}

impl Subject<'_> {
    /// What a parameter without a name in the source holds: its makers keep these contracts.
    pub(super) fn parameter(&self, slot: u32) -> Kind {
        if u64::from(slot) >= self.arguments() {
            return Kind::Any;
        }
        let name = self.slot_names.get(slot as usize);
        match name.and_then(|id| self.objects.str_bytes(*id)) {
            Some(b".0") => Kind::Iterator,
            Some(b".defaults") => Kind::Tuple,
            Some(b".kwdefaults") => Kind::Dict,
            Some(b".format") => Kind::Int,
            Some(b"format") if self.is_annotate() => Kind::Int,
            _ => Kind::Any,
        }
    }

    /// Whether it is the function that the compiler makes of annotations (PEP 649).
    fn is_annotate(&self) -> bool {
        self.objects.str_bytes(self.code.name) == Some(b"__annotate__")
    }

    /// Whether a slot is a free variable.
    pub(super) fn is_free(&self, slot: u32) -> bool {
        self.kinds[slot as usize] & slots::FREE != 0
    }
}
