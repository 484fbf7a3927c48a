//! What each instruction demands of stack and locals, and what it leaves there
//! (CPython `Python/bytecodes.c`, 3.11: `Python/ceval.c`).

use super::decode::Instr;
use super::flow::{Frame, Slot, Step, broken};
use super::kinds::{Kind, Value};
use super::{Rule, Subject};
use crate::code::{flags, kinds};
use crate::isa::{Effect, KeywordCalls, LoopExit, NullSlot, OpInfo, Opcode, Operand};
use crate::marshal::ObjectId;

/// Attribute of a function that is its closure, for `SET_FUNCTION_ATTRIBUTE` and `MAKE_FUNCTION`.
const CLOSURE: u32 = 8;
const ANNOTATIONS: u32 = 4;
const KEYWORD_DEFAULTS: u32 = 2;
const DEFAULTS: u32 = 1;
/// Payload of a [`Kind::Function`] that is ready to be called and makes a generator.
const GENERATOR: u32 = 1;
/// Bit of `COMPARE_OP` that makes its result an exact bool.
const TO_BOOL: u32 = 16;

/// Whether the instruction can raise after it took its operands. Out of memory `MAKE_CELL` can; where an
/// inlined comprehension makes one, the compiler's own handlers are not ready for that.
pub(super) fn can_raise(instr: &Instr) -> bool {
    !matches!(
        instr.op.opcode,
        Opcode::POP_TOP
            | Opcode::PUSH_EXC_INFO
            | Opcode::POP_EXCEPT
            | Opcode::POP_ITER
            | Opcode::END_FOR
            | Opcode::END_SEND
            | Opcode::SWAP
            | Opcode::COPY
            | Opcode::NOP
            | Opcode::NOT_TAKEN
            | Opcode::LOAD_CONST
            | Opcode::LOAD_COMMON_CONSTANT
            | Opcode::LOAD_SMALL_INT
            | Opcode::LOAD_FAST_AND_CLEAR
            | Opcode::MAKE_CELL
            | Opcode::STORE_FAST
            | Opcode::STORE_FAST_STORE_FAST
            | Opcode::STORE_FAST_LOAD_FAST
            | Opcode::RETURN_VALUE
            | Opcode::YIELD_VALUE
            | Opcode::JUMP_FORWARD
            | Opcode::JUMP_BACKWARD_NO_INTERRUPT
    )
}

impl Frame {
    /// Takes an object.
    pub fn pop_object(&mut self) -> Step<Value> {
        let value = self.pop()?;
        match value.is_object() {
            true => Ok(value),
            false => wrong(value, Kind::Any),
        }
    }

    fn pop_objects(&mut self, count: u32) -> Step<()> {
        (0..count).try_for_each(|_| self.pop_object().map(drop))
    }

    /// Takes a thing of one of some kinds.
    pub fn pop_kind(&mut self, wanted: &[Kind]) -> Step<Value> {
        let value = self.pop()?;
        match wanted.contains(&value.kind) {
            true => Ok(value),
            false => wrong(value, wanted[0]),
        }
    }

    /// Takes a tuple, whatever is in it.
    fn pop_tuple(&mut self) -> Step<Value> {
        self.pop_kind(&[Kind::Tuple, Kind::Names, Kind::Closure])
    }

    fn pop_exception(&mut self) -> Step<Value> {
        self.pop_kind(&[Kind::Exception])
    }

    /// Takes an object or NULL.
    fn pop_maybe_null(&mut self) -> Step<Value> {
        let value = self.pop()?;
        match value.is_object() || matches!(value.kind, Kind::Null | Kind::MaybeNull) {
            true => Ok(value),
            false => wrong(value, Kind::MaybeNull),
        }
    }

    /// Looks at the slot that many below the top.
    fn expect(&self, below: u32, wanted: Kind) -> Step<()> {
        let value = self.peek(below)?;
        let fits = match wanted {
            Kind::Any => value.is_object(),
            _ => value.kind == wanted,
        };
        match fits {
            true => Ok(()),
            false => wrong(value, wanted),
        }
    }

    fn push_kind(&mut self, kind: Kind) -> Step<()> {
        self.push(Value::new(kind))
    }

    /// Takes objects and leaves one.
    fn reduce(&mut self, count: u32, kind: Kind) -> Step<()> {
        self.pop_objects(count)?;
        self.push_kind(kind)
    }

    /// An instruction that control leaves by its end.
    pub fn apply(&mut self, subject: &Subject<'_>, instr: &Instr, at: usize) -> Step<()> {
        let (isa, arg) = (subject.isa, instr.arg);
        match instr.op.opcode {
            Opcode::NOP
            | Opcode::NOT_TAKEN
            | Opcode::RESUME
            | Opcode::PRECALL
            | Opcode::KW_NAMES
            | Opcode::SETUP_ANNOTATIONS
            | Opcode::DELETE_GLOBAL => Ok(()),
            Opcode::DELETE_NAME => in_namespace(subject),
            Opcode::POP_TOP => {
                let value = self.pop()?;
                let fits = isa.pops_null
                    || value.is_object()
                    || matches!(value.kind, Kind::LastInstruction | Kind::Function);
                match fits {
                    true => Ok(()),
                    false => wrong(value, Kind::Any),
                }
            }
            Opcode::PUSH_NULL => self.push(Value::NULL),
            Opcode::COPY => {
                let value = self.peek(arg)?;
                match value.is_object() || value.kind == Kind::LastInstruction {
                    true => self.push(value),
                    false => wrong(value, Kind::Any),
                }
            }
            Opcode::SWAP => {
                let (top, other) = (self.index(1)?, self.index(arg)?);
                self.stack.swap(top, other);
                self.lowest = self.lowest.min(other);
                Ok(())
            }

            Opcode::LOAD_CONST => self.push(constant(subject, arg)),
            Opcode::LOAD_COMMON_CONSTANT => {
                let name = isa.common_constants.get(arg as usize);
                match matches!(name, Some(&"True" | &"False")) {
                    true => self.push_kind(Kind::Bool),
                    false => self.push(Value::ANY),
                }
            }
            Opcode::LOAD_SMALL_INT => self.push_kind(Kind::Int),
            Opcode::LOAD_ASSERTION_ERROR
            | Opcode::LOAD_BUILD_CLASS
            | Opcode::LOAD_LOCALS
            | Opcode::RETURN_GENERATOR => self.push(Value::ANY),
            Opcode::LOAD_NAME => {
                in_namespace(subject)?;
                let name = subject.code.names(subject.objects).get(arg as usize);
                self.push(named(subject, name))
            }
            Opcode::STORE_NAME => {
                in_namespace(subject)?;
                self.pop_objects(1)
            }
            Opcode::LOAD_GLOBAL => match arg & 1 {
                0 => self.push(Value::ANY),
                _ => self.push_callable(subject, Value::ANY, Value::NULL),
            },

            Opcode::LOAD_FAST => self.load(subject, instr.op, arg),
            Opcode::LOAD_FAST_BORROW => self.borrow(subject, instr.op, arg),
            Opcode::LOAD_FAST_LOAD_FAST => {
                self.load(subject, instr.op, arg >> 4)?;
                self.load(subject, instr.op, arg & 15)
            }
            Opcode::LOAD_FAST_BORROW_LOAD_FAST_BORROW => {
                self.borrow(subject, instr.op, arg >> 4)?;
                self.borrow(subject, instr.op, arg & 15)
            }
            Opcode::LOAD_FAST_CHECK => self.load_checked(subject, arg),
            Opcode::LOAD_FAST_AND_CLEAR => {
                let held = self.locals[arg as usize];
                self.change(subject, arg, Slot::UNBOUND)?;
                self.push(Value::with(Kind::Saved, held.into()))
            }
            Opcode::STORE_FAST => self.store(subject, arg),
            Opcode::STORE_FAST_STORE_FAST => {
                self.store(subject, arg >> 4)?;
                self.store(subject, arg & 15)
            }
            Opcode::STORE_FAST_LOAD_FAST => {
                self.store(subject, arg >> 4)?;
                self.load(subject, instr.op, arg & 15)
            }
            Opcode::DELETE_FAST => self.change(subject, arg, Slot::UNBOUND),
            Opcode::MAKE_CELL => {
                if subject.is_free(arg) {
                    return self.cell(subject, arg);
                }
                if self.locals[arg as usize] & Slot::CELL != 0 {
                    let name = subject.slot_name(arg);
                    return broken(Rule::Kind, format!("{name} is a cell already"));
                }
                self.change(subject, arg, Slot::CELL)
            }
            Opcode::COPY_FREE_VARS => {
                let first = self.locals.len() - subject.free() as usize;
                self.locals[first..].fill(Slot::CELL);
                self.dirty = true;
                Ok(())
            }
            Opcode::LOAD_CLOSURE => {
                self.cell(subject, arg)?;
                self.push_kind(Kind::Cell)
            }
            Opcode::LOAD_DEREF => {
                self.cell(subject, arg)?;
                let name = subject.slot_names.get(arg as usize);
                self.push(named(subject, name))
            }
            Opcode::LOAD_CLASSDEREF => {
                in_namespace(subject)?;
                self.cell(subject, arg)?;
                self.push(Value::ANY)
            }
            Opcode::LOAD_FROM_DICT_OR_DEREF => {
                self.cell(subject, arg)?;
                self.reduce(1, Kind::Any)
            }
            Opcode::STORE_DEREF => {
                self.cell(subject, arg)?;
                self.pop_objects(1)
            }
            Opcode::DELETE_DEREF => self.cell(subject, arg),

            Opcode::UNARY_NOT => match isa.exact_bool_jumps {
                true => {
                    self.pop_kind(&[Kind::Bool])?;
                    self.push_kind(Kind::Bool)
                }
                false => self.reduce(1, Kind::Bool),
            },
            Opcode::UNARY_POSITIVE
            | Opcode::UNARY_NEGATIVE
            | Opcode::UNARY_INVERT
            | Opcode::GET_AITER
            | Opcode::ASYNC_GEN_WRAP
            | Opcode::CONVERT_VALUE
            | Opcode::LOAD_FROM_DICT_OR_GLOBALS => self.reduce(1, Kind::Any),
            // A string is left as it is.
            Opcode::FORMAT_SIMPLE => {
                let value = self.pop_object()?;
                self.push(value.lent_as(Kind::Any))
            }
            Opcode::TO_BOOL => self.reduce(1, Kind::Bool),
            Opcode::BINARY_OP
            | Opcode::BINARY_SUBSCR
            | Opcode::FORMAT_WITH_SPEC
            | Opcode::IMPORT_NAME => self.reduce(2, Kind::Any),
            Opcode::IS_OP | Opcode::CONTAINS_OP => self.reduce(2, Kind::Bool),
            Opcode::COMPARE_OP => {
                let (right, left) = (self.pop_object()?, self.pop_object()?);
                let ints = left.kind == Kind::Int && right.kind == Kind::Int;
                match ints || isa.exact_bool_jumps && arg & TO_BOOL != 0 {
                    true => self.push_kind(Kind::Bool),
                    false => self.push(Value::ANY),
                }
            }
            Opcode::BINARY_SLICE => self.reduce(3, Kind::Any),
            Opcode::STORE_SLICE => self.pop_objects(4),
            Opcode::STORE_SUBSCR => self.pop_objects(3),
            Opcode::DELETE_SUBSCR | Opcode::STORE_ATTR => self.pop_objects(2),
            Opcode::DELETE_ATTR
            | Opcode::STORE_GLOBAL
            | Opcode::PRINT_EXPR
            | Opcode::IMPORT_STAR => self.pop_objects(1),
            Opcode::IMPORT_FROM => {
                self.expect(1, Kind::Any)?;
                self.push(Value::ANY)
            }
            Opcode::GET_LEN => {
                self.expect(1, Kind::Any)?;
                self.push_kind(Kind::Int)
            }
            Opcode::FORMAT_VALUE => self.reduce(1 + (arg >> 2 & 1), Kind::Any),
            Opcode::BUILD_SLICE => self.reduce(arg, Kind::Any),
            Opcode::BUILD_STRING => self.reduce(arg, Kind::Any),
            Opcode::BUILD_TEMPLATE => {
                self.pop_tuple()?;
                self.pop_tuple()?;
                self.push(Value::ANY)
            }
            Opcode::BUILD_INTERPOLATION => self.reduce(2 + (arg & 1), Kind::Any),

            Opcode::BUILD_TUPLE => self.build_tuple(arg),
            Opcode::BUILD_LIST => self.reduce(arg, Kind::List),
            Opcode::BUILD_SET => self.reduce(arg, Kind::Set),
            Opcode::BUILD_MAP => self.reduce(arg.saturating_mul(2), Kind::Dict),
            Opcode::BUILD_CONST_KEY_MAP => {
                self.pop_tuple()?;
                self.reduce(arg, Kind::Dict)
            }
            Opcode::LIST_TO_TUPLE => {
                self.pop_kind(&[Kind::List])?;
                self.push_kind(Kind::Tuple)
            }
            Opcode::LIST_APPEND | Opcode::LIST_EXTEND => {
                self.pop_object()?;
                self.expect(arg, Kind::List)
            }
            Opcode::SET_ADD | Opcode::SET_UPDATE => {
                self.pop_object()?;
                self.expect(arg, Kind::Set)
            }
            Opcode::MAP_ADD => {
                self.pop_objects(2)?;
                self.expect(arg, Kind::Dict)
            }
            Opcode::DICT_UPDATE => {
                self.pop_object()?;
                self.expect(arg, Kind::Dict)
            }
            Opcode::DICT_MERGE => {
                self.pop_object()?;
                self.expect(arg, Kind::Dict)?;
                // Its error message names the callable.
                let callable = match isa.null_slot {
                    NullSlot::BelowCallable => arg.saturating_add(2),
                    NullSlot::AboveCallable => arg.saturating_add(3),
                };
                self.expect(callable, Kind::Any)
            }
            Opcode::UNPACK_SEQUENCE => self.unpack(arg),
            Opcode::UNPACK_EX => self.unpack((arg & 0xFF) + (arg >> 8) + 1),

            Opcode::LOAD_ATTR => {
                let owner = self.pop_object()?;
                // Only versions that know calls of methods by this bit have it.
                match matches!(instr.op.effect, Effect::PerBit(..)) && arg & 1 == 1 {
                    true => self.push_method(subject, owner),
                    false => self.push(Value::ANY),
                }
            }
            Opcode::LOAD_METHOD => {
                let owner = self.pop_object()?;
                self.push_method(subject, owner)
            }
            Opcode::LOAD_SUPER_ATTR => {
                let owner = self.pop_object()?;
                self.pop_objects(2)?;
                match arg & 1 {
                    0 => self.push(Value::ANY),
                    _ => self.push_method(subject, owner),
                }
            }
            Opcode::LOAD_SPECIAL => {
                let owner = self.pop_object()?;
                self.push(Value::ANY)?;
                self.push(owner.lent_as(Kind::MaybeNull))
            }
            Opcode::CALL => {
                self.pop_objects(arg)?;
                match self.pop_callable(subject)? {
                    Value {
                        kind: Kind::Function,
                        payload: GENERATOR,
                        ..
                    } => self.push_kind(Kind::Iterator),
                    _ => self.push(Value::ANY),
                }
            }
            Opcode::CALL_KW => {
                let names = self.pop_kind(&[Kind::Names])?;
                if names.payload > arg {
                    let count = names.payload;
                    return broken(Rule::Kind, format!("{count} names of {arg} arguments"));
                }
                self.pop_objects(arg)?;
                self.pop_callable(subject)?;
                self.push(Value::ANY)
            }
            Opcode::CALL_FUNCTION_EX => self.call_unpacked(subject, arg),
            Opcode::CALL_INTRINSIC_1 => self.intrinsic_1(isa.intrinsics_1[arg as usize]),
            Opcode::CALL_INTRINSIC_2 => self.intrinsic_2(isa.intrinsics_2[arg as usize], at),
            Opcode::MAKE_FUNCTION => self.make_function(arg),
            Opcode::SET_FUNCTION_ATTRIBUTE => {
                let function = self.pop_kind(&[Kind::Function])?;
                let function = self.function_part(function, arg)?;
                self.push(function)
            }

            Opcode::GET_ITER if isa.iterator_slots == 2 => {
                let iterable = self.pop_object()?;
                self.push(iterable.lent_as(Kind::Iterator))?;
                self.push_kind(Kind::IteratorState)
            }
            Opcode::GET_ITER => self.reduce(1, Kind::Iterator),
            // A generator is left as it is.
            Opcode::GET_YIELD_FROM_ITER => {
                let iterable = self.pop_object()?;
                self.push(iterable.lent_as(Kind::Iterator))
            }
            Opcode::GET_AWAITABLE => self.reduce(1, Kind::Awaitable),
            Opcode::GET_ANEXT => {
                self.expect(1, Kind::Any)?;
                self.push_kind(Kind::Awaitable)
            }
            Opcode::END_FOR => {
                // Only a running loop would come here.
                self.pop_object()?;
                match isa.loop_exit == LoopExit::SkipsEndFor {
                    true => self.pop_object().map(drop),
                    false => Ok(()),
                }
            }
            Opcode::POP_ITER => {
                if isa.iterator_slots == 2 {
                    self.pop_kind(&[Kind::IteratorState, Kind::Null])?;
                }
                self.pop_kind(&[Kind::Iterator]).map(drop)
            }
            Opcode::END_SEND => {
                let value = self.pop_object()?;
                if isa.iterator_slots == 2 {
                    self.pop_kind(&[Kind::IteratorState, Kind::Null])?;
                }
                self.pop_object()?;
                self.push(value)
            }
            Opcode::CLEANUP_THROW => {
                self.pop_exception()?;
                self.pop_object()?;
                if isa.iterator_slots == 2 {
                    self.pop_kind(&[Kind::IteratorState, Kind::Null])?;
                }
                self.pop_object()?;
                self.push(Value::ANY)?;
                if isa.iterator_slots == 2 {
                    self.push(Value::NULL)?;
                }
                self.push(Value::ANY)
            }
            Opcode::END_ASYNC_FOR => {
                self.pop_exception()?;
                self.pop_objects(1)
            }

            Opcode::BEFORE_WITH | Opcode::BEFORE_ASYNC_WITH => {
                self.pop_object()?;
                self.push(Value::ANY)?;
                self.push(Value::ANY)
            }
            Opcode::WITH_EXCEPT_START => {
                self.expect(1, Kind::Exception)?;
                self.expect(3, Kind::LastInstruction)?;
                match isa.has(Opcode::LOAD_SPECIAL) {
                    true => {
                        let owner = self.peek(4)?;
                        if !owner.is_object() && !matches!(owner.kind, Kind::Null | Kind::MaybeNull)
                        {
                            return wrong(owner, Kind::MaybeNull);
                        }
                        self.expect(5, Kind::Any)?;
                    }
                    false => self.expect(4, Kind::Any)?,
                }
                self.push(Value::ANY)
            }
            Opcode::PUSH_EXC_INFO => {
                let exception = self.pop_exception()?;
                self.push_kind(Kind::Previous)?;
                self.push(exception)
            }
            Opcode::POP_EXCEPT => self.pop_kind(&[Kind::Previous]).map(drop),
            Opcode::CHECK_EXC_MATCH => {
                self.pop_object()?;
                self.expect(1, Kind::Exception)?;
                self.push_kind(Kind::Bool)
            }
            Opcode::CHECK_EG_MATCH => {
                self.pop_object()?;
                self.pop_kind(&[Kind::Exception, Kind::MaybeException])?;
                self.push(maybe_exception(at, 0))?;
                self.push(maybe_exception(at, 1))
            }
            Opcode::PREP_RERAISE_STAR => self.intrinsic_2("INTRINSIC_PREP_RERAISE_STAR", at),

            Opcode::MATCH_MAPPING | Opcode::MATCH_SEQUENCE => {
                self.expect(1, Kind::Any)?;
                self.push_kind(Kind::Bool)
            }
            Opcode::MATCH_KEYS => {
                self.pop_tuple().and_then(|keys| self.push(keys))?;
                self.expect(2, Kind::Any)?;
                self.push(Value::ANY)
            }
            Opcode::MATCH_CLASS => {
                self.pop_tuple()?;
                self.reduce(2, Kind::Any)
            }
            _ => broken(Rule::Encoding, "never stands in a pyc"),
        }
    }

    /// An instruction that control does not leave by its end.
    pub fn leave(&mut self, instr: &Instr) -> Step<()> {
        match instr.op.opcode {
            Opcode::RETURN_VALUE => {
                self.pop_object()?;
                self.returns()
            }
            Opcode::RETURN_CONST => self.returns(),
            Opcode::RAISE_VARARGS => self.pop_objects(instr.arg),
            Opcode::RERAISE => {
                if instr.arg > 0 {
                    let below = instr.arg.saturating_add(1);
                    self.expect(below, Kind::LastInstruction)?;
                }
                self.pop_exception().map(drop)
            }
            _ => broken(Rule::Encoding, "never stands in a pyc"),
        }
    }

    fn returns(&self) -> Step<()> {
        match self.stack.len() {
            0 => Ok(()),
            left => broken(Rule::Stack, format!("leaves {left} stack slots behind")),
        }
    }

    fn push_callable(&mut self, subject: &Subject<'_>, callable: Value, beside: Value) -> Step<()> {
        match subject.isa.null_slot {
            NullSlot::BelowCallable => {
                self.push(beside)?;
                self.push(callable)
            }
            NullSlot::AboveCallable => {
                self.push(callable)?;
                self.push(beside)
            }
        }
    }

    /// A method beside its object, or something else beside NULL.
    fn push_method(&mut self, subject: &Subject<'_>, owner: Value) -> Step<()> {
        match subject.isa.null_slot {
            // The method or NULL, then the object or what it is.
            NullSlot::BelowCallable => {
                self.push_kind(Kind::MaybeNull)?;
                self.push(owner.lent_as(Kind::Any))
            }
            NullSlot::AboveCallable => {
                self.push(Value::ANY)?;
                self.push(owner.lent_as(Kind::MaybeNull))
            }
        }
    }

    /// Takes what is called and what is beside it.
    fn pop_callable(&mut self, subject: &Subject<'_>) -> Step<Value> {
        match subject.isa.null_slot {
            NullSlot::BelowCallable => {
                let callable = self.pop_object()?;
                let method = self.pop_maybe_null()?;
                match method.is_object() {
                    true => Ok(method),
                    false => Ok(callable),
                }
            }
            NullSlot::AboveCallable => {
                self.pop_maybe_null()?;
                self.pop_object()
            }
        }
    }

    fn call_unpacked(&mut self, subject: &Subject<'_>, arg: u32) -> Step<()> {
        let isa = subject.isa;
        // Where keyword calls have an instruction of their own and this one no operand, the slot
        // for keyword arguments is always there.
        let always = isa.keyword_calls == KeywordCalls::CallKw
            && isa.info(Opcode::CALL_FUNCTION_EX).operand == Operand::None;
        if always {
            self.pop_kind(&[Kind::Dict, Kind::Null])?;
        } else if arg & 1 == 1 {
            self.pop_kind(&[Kind::Dict])?;
        }
        self.pop_object()?;
        match isa.null_slot {
            NullSlot::BelowCallable => {
                self.pop_object()?;
                self.pop_kind(&[Kind::Null])?;
            }
            NullSlot::AboveCallable => {
                self.pop_kind(&[Kind::Null])?;
                self.pop_object()?;
            }
        }
        self.push(Value::ANY)
    }

    fn intrinsic_1(&mut self, name: &str) -> Step<()> {
        let (_, result) = match name {
            "INTRINSIC_STOPITERATION_ERROR" => (self.pop_exception()?, Kind::Exception),
            "INTRINSIC_LIST_TO_TUPLE" => (self.pop_kind(&[Kind::List])?, Kind::Tuple),
            "INTRINSIC_TYPEALIAS" => (self.pop_tuple()?, Kind::Any),
            _ => (self.pop_object()?, Kind::Any),
        };
        self.push_kind(result)
    }

    fn intrinsic_2(&mut self, name: &str, at: usize) -> Step<()> {
        match name {
            "INTRINSIC_PREP_RERAISE_STAR" => {
                self.pop_kind(&[Kind::List])?;
                self.pop_exception()?;
                self.push(maybe_exception(at, 0))
            }
            "INTRINSIC_SET_FUNCTION_TYPE_PARAMS" => {
                self.pop_object()?;
                let function = self.pop_kind(&[Kind::Function])?;
                self.push(function)
            }
            _ => self.reduce(2, Kind::Any),
        }
    }

    fn make_function(&mut self, arg: u32) -> Step<()> {
        let code = self.pop_kind(&[Kind::Code])?;
        let mut function = Value::with(Kind::Function, code.payload);
        for part in [CLOSURE, ANNOTATIONS, KEYWORD_DEFAULTS, DEFAULTS] {
            if arg & part != 0 {
                function = self.function_part(function, part)?;
            }
        }
        self.push(function)
    }

    /// Takes something that becomes part of a function.
    fn function_part(&mut self, function: Value, part: u32) -> Step<Value> {
        match part {
            DEFAULTS => self.pop_tuple().map(|_| function),
            KEYWORD_DEFAULTS => self.pop_kind(&[Kind::Dict]).map(|_| function),
            ANNOTATIONS => {
                let wanted = [Kind::Tuple, Kind::Names, Kind::Dict];
                self.pop_kind(&wanted).map(|_| function)
            }
            CLOSURE => {
                let cells = self.pop_kind(&[Kind::Closure])?.payload;
                let wanted = function.payload >> 1;
                match cells == wanted {
                    true => Ok(Value::with(Kind::Function, function.payload & GENERATOR)),
                    false => {
                        let message = format!("a closure of {cells} cells for {wanted} variables");
                        broken(Rule::Kind, message)
                    }
                }
            }
            _ => self.pop_object().map(|_| function),
        }
    }

    fn build_tuple(&mut self, count: u32) -> Step<()> {
        let mut cells = count > 0;
        for _ in 0..count {
            cells &= self.pop_object()?.kind == Kind::Cell;
        }
        match cells {
            true => self.push(Value::with(Kind::Closure, count)),
            false => self.push_kind(Kind::Tuple),
        }
    }

    fn unpack(&mut self, count: u32) -> Step<()> {
        self.pop_object()?;
        (0..count).try_for_each(|_| self.push(Value::ANY))
    }

    /// What is in a slot that must not be unbound.
    fn held(&self, subject: &Subject<'_>, slot: u32) -> Value {
        match self.locals[slot as usize] & !Slot::UNBOUND {
            Slot::CELL => Value::new(Kind::Cell),
            _ => Value::new(subject.parameter(slot)),
        }
    }

    fn load(&mut self, subject: &Subject<'_>, op: &OpInfo, slot: u32) -> Step<()> {
        if op.opcode == Opcode::LOAD_FAST && subject.isa.load_fast_checks {
            return self.load_checked(subject, slot);
        }
        if self.locals[slot as usize] & Slot::UNBOUND != 0 {
            let name = subject.slot_name(slot);
            return broken(Rule::Unbound, format!("{name} may be unbound"));
        }
        self.push(self.held(subject, slot))
    }

    fn load_checked(&mut self, subject: &Subject<'_>, slot: u32) -> Step<()> {
        // It raises, or the local is bound from here on.
        let held = &mut self.locals[slot as usize];
        *held = match *held & !Slot::UNBOUND {
            0 => Slot::OBJECT,
            bound => bound,
        };
        self.push(self.held(subject, slot))
    }

    fn borrow(&mut self, subject: &Subject<'_>, op: &OpInfo, slot: u32) -> Step<()> {
        self.load(subject, op, slot)?;
        let value = self.stack.last_mut().expect("it was pushed");
        *value = value.borrowed_from(slot);
        Ok(())
    }

    fn cell(&self, subject: &Subject<'_>, slot: u32) -> Step<()> {
        match self.locals[slot as usize] == Slot::CELL {
            true => Ok(()),
            false => {
                let name = subject.slot_name(slot);
                broken(Rule::Kind, format!("{name} is no cell on every path"))
            }
        }
    }

    fn store(&mut self, subject: &Subject<'_>, slot: u32) -> Step<()> {
        let value = self.pop()?;
        if let Some(lender) = value.lender() {
            let (name, lender) = (subject.slot_name(slot), subject.slot_name(lender));
            let message = format!("{name} gets a reference that only {lender} owns");
            return broken(Rule::Borrow, message);
        }
        if subject.parameter(slot) != Kind::Any {
            let name = subject.slot_name(slot);
            return broken(Rule::Kind, format!("{name} is not for storing"));
        }
        let holds = match value.kind {
            Kind::Saved => value.payload as u8,
            Kind::Cell => Slot::CELL,
            _ if value.is_object() => Slot::OBJECT,
            _ => return wrong(value, Kind::Any),
        };
        self.change(subject, slot, holds)
    }

    /// A local gets other contents.
    fn change(&mut self, subject: &Subject<'_>, slot: u32, holds: u8) -> Step<()> {
        if subject.is_free(slot) {
            let name = subject.slot_name(slot);
            return broken(Rule::Kind, format!("{name} is a free variable"));
        }
        if self.stack.iter().any(|value| value.lender() == Some(slot)) {
            let name = subject.slot_name(slot);
            let message = format!("{name} changes while the stack holds a reference that it owns");
            return broken(Rule::Borrow, message);
        }
        let local = &mut self.locals[slot as usize];
        self.dirty |= *local != holds;
        *local = holds;
        Ok(())
    }
}

#[cold]
fn wrong<T>(found: Value, wanted: Kind) -> Step<T> {
    let null = |kind| matches!(kind, Kind::Null | Kind::MaybeNull);
    let rule = match null(found.kind) || null(wanted) {
        true => Rule::Null,
        false => Rule::Kind,
    };
    broken(rule, format!("finds {found} where it wants {wanted}"))
}

/// Only code with a namespace has names.
fn in_namespace(subject: &Subject<'_>) -> Step<()> {
    match subject.code.flags & flags::OPTIMIZED == 0 {
        true => Ok(()),
        false => broken(Rule::Operand, "a function has no namespace"),
    }
}

/// What a variable holds: CPython's compiler relies on its own name for a set (PEP 649).
fn named(subject: &Subject<'_>, name: Option<&ObjectId>) -> Value {
    match name.and_then(|id| subject.objects.str_bytes(*id)) {
        Some(b"__conditional_annotations__") => Value::new(Kind::Set),
        _ => Value::ANY,
    }
}

/// The exception or None that an instruction leaves in one of its places.
fn maybe_exception(at: usize, place: u32) -> Value {
    let id = u32::try_from(at).ok().and_then(|at| at.checked_mul(2));
    let id = id.and_then(|id| id.checked_add(place + 1)).unwrap_or(0);
    Value::with(Kind::MaybeException, id)
}

fn constant(subject: &Subject<'_>, index: u32) -> Value {
    let (id, objects) = (subject.consts[index as usize], subject.objects);
    if let Some(code) = objects.code(id) {
        let kinds = objects.bytes(code.localspluskinds).unwrap_or_default();
        let free = kinds.iter().filter(|kind| **kind & kinds::FREE != 0);
        let generator = u32::from(code.flags & flags::GENERATOR != 0);
        return Value::with(Kind::Code, (free.count() as u32) << 1 | generator);
    }
    if let Some(items) = objects.tuple(id) {
        let mut items_are_names = items.iter().map(|id| objects.str_bytes(*id).is_some());
        return match items_are_names.all(|is| is) {
            true => Value::with(Kind::Names, items.len() as u32),
            false => Value::new(Kind::Tuple),
        };
    }
    match objects.is_bool(id) {
        true => Value::new(Kind::Bool),
        false if objects.int(id).is_some() => Value::new(Kind::Int),
        false => Value::ANY,
    }
}
