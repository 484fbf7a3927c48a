//! Every instruction by itself, and with its neighbours: what needs no knowledge of the stack.

use super::tables::Range;
use super::{Fault, Rule, Subject, fault};
use crate::code::kinds;
use crate::isa::{Flow, LoopExit, OpInfo, Opcode, Operand, YieldArg};

/// No index.
pub(super) const NONE: u32 = u32::MAX;

/// How many `EXTENDED_ARG` can stand before an instruction.
const MAX_EXTENDED: u32 = 3;
/// Reason of a `RESUME` in a generator expression before there is a generator.
const BEFORE_GENERATOR: u32 = 4;
/// The largest number that `LOAD_SMALL_INT` has in every version.
const MAX_SMALL_INT: u32 = 256;

/// One instruction; places are code units, other instructions are named by their index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instr {
    pub op: &'static OpInfo,
    pub arg: u32,
    /// Where it starts, its `EXTENDED_ARG` included.
    pub start: u32,
    /// Where the next starts.
    pub end: u32,
    /// The instruction it can jump to, or [`NONE`].
    pub target: u32,
    /// Which of the ranges covers it, or [`NONE`].
    pub range: u32,
    /// Number of the join point that it is, or [`NONE`].
    pub label: u32,
}

/// A code object's instructions; the buffers serve one code object after the other.
#[derive(Debug, Default)]
pub(super) struct Instrs {
    pub list: Vec<Instr>,
    /// The exception table; after [`Instrs::place_ranges`], targets are instructions.
    pub ranges: Vec<Range>,
    /// How many instructions have a label.
    pub labels: u32,
    /// The instruction that starts at a code unit, or [`NONE`].
    starts: Vec<u32>,
}

impl Instrs {
    /// Decodes everything and checks each instruction for itself.
    pub fn read(&mut self, subject: &Subject<'_>, bytecode: &[u8]) -> Result<(), Fault> {
        check_slots(subject)?;
        self.list.clear();
        self.labels = 0;
        self.starts.clear();
        self.starts.resize(subject.units as usize, NONE);
        let (isa, units) = (subject.isa, subject.units);
        if !bytecode.len().is_multiple_of(2) {
            let message = format!("{} bytes of bytecode", bytecode.len());
            return Err(fault(units, Rule::Encoding, message));
        }
        if bytecode.is_empty() {
            return Err(fault(0, Rule::FallsOff, "there is no instruction".into()));
        }
        let unit_at = |unit: u32| {
            let at = 2 * unit as usize;
            (bytecode[at], u32::from(bytecode[at + 1]))
        };
        let extended = isa.number(Opcode::EXTENDED_ARG);
        let mut unit = 0;
        while unit < units {
            let start = unit;
            let (mut number, mut arg) = unit_at(unit);
            while Some(number) == extended {
                unit += 1;
                if unit - start > MAX_EXTENDED {
                    let message = "more than three EXTENDED_ARG in a row".to_owned();
                    return Err(fault(start, Rule::ExtendedArg, message));
                }
                if unit == units {
                    let message = "the code ends behind an EXTENDED_ARG".to_owned();
                    return Err(fault(start, Rule::ExtendedArg, message));
                }
                let (next, low) = unit_at(unit);
                (number, arg) = (next, arg << 8 | low);
            }
            let Some(op) = isa.op(number) else {
                let message = format!("{} has no opcode {number} in a pyc", isa.version);
                return Err(fault(unit, Rule::Encoding, message));
            };
            let end = unit + 1 + u32::from(op.caches);
            if end > units {
                let message = format!("the code ends inside the caches of {:?}", op.opcode);
                return Err(fault(unit, Rule::Caches, message));
            }
            let cache = &bytecode[2 * unit as usize + 2..2 * end as usize];
            if cache.iter().any(|byte| *byte != 0) {
                let message = format!("the caches of {:?} are not zero", op.opcode);
                return Err(fault(unit, Rule::Caches, message));
            }
            check_operand(subject, op, arg)
                .map_err(|(rule, message)| fault(unit, rule, message))?;
            self.starts[start as usize] = self.list.len() as u32;
            self.list.push(Instr {
                op,
                arg,
                start,
                end,
                target: NONE,
                range: NONE,
                label: NONE,
            });
            unit = end;
        }
        self.resolve_jumps(isa.loop_exit)
    }

    /// Finds what each jump leads to.
    fn resolve_jumps(&mut self, loop_exit: LoopExit) -> Result<(), Fault> {
        for at in 0..self.list.len() {
            let instr = self.list[at];
            let (end, distance) = (i64::from(instr.end), i64::from(instr.arg));
            let target = match instr.op.operand {
                Operand::JumpForward => end + distance,
                Operand::JumpBackward | Operand::LabelBackward => end - distance,
                _ => continue,
            };
            let target = self.instr_at(target).ok_or_else(|| {
                let (opcode, offset) = (instr.op.opcode, 2 * target);
                let message = format!("{opcode:?} to offset {offset}, where no instruction starts");
                fault(instr.start, Rule::Target, message)
            })?;
            self.list[at].target = target;
            if instr.op.flow == Flow::Next {
                continue;
            }
            let exits_loop = instr.op.opcode == Opcode::FOR_ITER;
            match exits_loop && loop_exit != LoopExit::PopsIterator {
                // Control goes behind the `END_FOR`, which is checked to be one.
                true if target as usize + 1 < self.list.len() => self.label(target + 1),
                true => {
                    let message = "the loop ends at the end of the code".to_owned();
                    return Err(fault(instr.start, Rule::FallsOff, message));
                }
                false => self.label(target),
            }
        }
        Ok(())
    }

    fn label(&mut self, at: u32) {
        let label = &mut self.list[at as usize].label;
        if *label == NONE {
            *label = self.labels;
            self.labels += 1;
        }
    }

    fn instr_at(&self, unit: i64) -> Option<u32> {
        let found = self.starts.get(usize::try_from(unit).ok()?).copied()?;
        (found != NONE).then_some(found)
    }

    /// Attaches the exception table's entries to the instructions that they cover.
    pub fn place_ranges(&mut self) -> Result<(), Fault> {
        for number in 0..self.ranges.len() {
            let range = self.ranges[number];
            let bad = |unit: u32, rule, message| Err(fault(unit, rule, message));
            let Some(first) = self.instr_at(range.start.into()) else {
                let message = format!("a handler's range starts inside, at unit {}", range.start);
                return bad(range.start, Rule::Handlers, message);
            };
            let Some(target) = self.instr_at(range.target.into()) else {
                let offset = 2 * u64::from(range.target);
                let message = format!("the handler is at offset {offset}, inside an instruction");
                return bad(range.start, Rule::Target, message);
            };
            self.ranges[number].target = target;
            self.label(target);
            let mut end = range.start;
            for instr in &mut self.list[first as usize..] {
                if instr.start >= range.end {
                    break;
                }
                instr.range = number as u32;
                end = instr.end;
            }
            if end != range.end {
                let message = format!("a handler's range ends inside, at unit {}", range.end);
                return bad(range.end, Rule::Handlers, message);
            }
        }
        Ok(())
    }
}

/// The slots of the frame, and what names them.
fn check_slots(subject: &Subject<'_>) -> Result<(), Fault> {
    let (objects, code) = (subject.objects, subject.code);
    let bad = |rule, message: String| Err(fault(0, rule, message));
    let parts = [
        (code.consts, "co_consts"),
        (code.names, "co_names"),
        (code.localsplusnames, "co_localsplusnames"),
    ];
    for (id, what) in parts {
        if objects.tuple(id).is_none() {
            return bad(Rule::Index, format!("{what} is no tuple"));
        }
    }
    let names = code.names(objects).iter().chain(subject.slot_names);
    if names.clone().any(|id| objects.str_bytes(*id).is_none()) {
        return bad(Rule::Index, "a name is no string".to_owned());
    }
    let (slots, named) = (subject.kinds.len(), subject.slot_names.len());
    if slots != named {
        let message = format!("{named} slots have names, {slots} have kinds");
        return bad(Rule::Index, message);
    }
    let arguments = subject.arguments();
    let locals = subject.kinds.iter();
    let locals = locals.take_while(|kind| **kind & kinds::LOCAL != 0);
    if arguments > locals.count() as u64 {
        let message = format!("{arguments} parameters are more than the locals");
        return bad(Rule::Index, message);
    }
    if code.posonlyargcount > code.argcount {
        let message = "more positional-only parameters than positional ones".to_owned();
        return bad(Rule::Index, message);
    }
    // Free variables are copied to the last slots.
    let free = |kind: &&u8| **kind & kinds::FREE != 0;
    let last = subject.kinds.iter().rev().take_while(free).count();
    if subject.kinds.iter().filter(free).count() != last {
        return bad(Rule::Index, "free variables are not the last slots".into());
    }
    Ok(())
}

impl Subject<'_> {
    /// How many slots the caller fills.
    pub(super) fn arguments(&self) -> u64 {
        u64::from(self.code.parameters())
    }

    /// How many free variables there are.
    pub(super) fn free(&self) -> u32 {
        let free = self.kinds.iter().rev();
        free.take_while(|kind| **kind & kinds::FREE != 0).count() as u32
    }

    /// The name of a slot, for messages.
    pub(super) fn slot_name(&self, slot: u32) -> String {
        let name = self.slot_names.get(slot as usize);
        let name = name.and_then(|id| self.objects.str(*id));
        name.map_or_else(|| format!("slot {slot}"), |name| format!("'{name}'"))
    }
}

type Found = Result<(), (Rule, String)>;

/// One instruction's operand.
fn check_operand(subject: &Subject<'_>, op: &OpInfo, arg: u32) -> Found {
    let names = subject.objects.items(subject.code.names).len();
    match op.operand {
        Operand::None if arg == 0 => Ok(()),
        Operand::None => {
            let message = format!("{:?} has an operand, {arg}", op.opcode);
            Err((Rule::Operand, message))
        }
        Operand::Const => {
            index(op, "constant", arg, subject.consts.len())?;
            check_constant(subject, op, arg)
        }
        Operand::Name => index(op, "name", arg, names),
        Operand::NameShift1 => index(op, "name", arg >> 1, names),
        Operand::NameShift2 => {
            index(op, "name", arg >> 2, names)?;
            match op.opcode == Opcode::IMPORT_NAME && arg & 3 > subject.isa.eager_import {
                true => Err((Rule::Operand, format!("IMPORT_NAME with flag {}", arg & 3))),
                false => Ok(()),
            }
        }
        Operand::Local => check_slot(subject, op, arg),
        Operand::LocalPair => {
            if arg > 0xFF {
                let message = format!("{:?} with operand {arg}", op.opcode);
                return Err((Rule::Operand, message));
            }
            check_slot(subject, op, arg >> 4)?;
            check_slot(subject, op, arg & 15)
        }
        Operand::JumpForward | Operand::JumpBackward | Operand::LabelBackward => Ok(()),
        Operand::Int => check_number(subject, op, arg),
    }
}

fn index(op: &OpInfo, what: &str, index: u32, len: usize) -> Found {
    match (index as usize) < len {
        true => Ok(()),
        false => {
            let message = format!("{:?} of {what} {index}, there are {len}", op.opcode);
            Err((Rule::Index, message))
        }
    }
}

fn check_constant(subject: &Subject<'_>, op: &OpInfo, arg: u32) -> Found {
    if op.opcode != Opcode::KW_NAMES {
        return Ok(());
    }
    let (id, objects) = (subject.consts[arg as usize], subject.objects);
    let names = objects.tuple(id);
    match names.is_some_and(|names| names.iter().all(|id| objects.str_bytes(*id).is_some())) {
        true => Ok(()),
        false => {
            let message = format!("constant {arg} of KW_NAMES is no tuple of names");
            Err((Rule::Index, message))
        }
    }
}

fn check_slot(subject: &Subject<'_>, op: &OpInfo, slot: u32) -> Found {
    index(op, "slot", slot, subject.kinds.len())?;
    let kind = subject.kinds[slot as usize];
    let (fits, wanted) = match op.opcode {
        // CPython 3.12 to 3.15 also make new cells in slots of free variables, where a
        // comprehension in a type parameter's scope has a variable of that name.
        Opcode::MAKE_CELL => (kind & (kinds::CELL | kinds::FREE) != 0, "a cell"),
        Opcode::LOAD_CLOSURE
        | Opcode::LOAD_DEREF
        | Opcode::STORE_DEREF
        | Opcode::DELETE_DEREF
        | Opcode::LOAD_CLASSDEREF
        | Opcode::LOAD_FROM_DICT_OR_DEREF => (kind & (kinds::CELL | kinds::FREE) != 0, "a cell"),
        Opcode::STORE_FAST
        | Opcode::DELETE_FAST
        | Opcode::STORE_FAST_STORE_FAST
        | Opcode::LOAD_FAST_AND_CLEAR => (kind & kinds::FREE == 0, "a local"),
        _ => return Ok(()),
    };
    match fits {
        true => Ok(()),
        false => {
            let (opcode, name) = (op.opcode, subject.slot_name(slot));
            let message = format!("{opcode:?} of {name}, which is not {wanted}");
            Err((Rule::Index, message))
        }
    }
}

/// Operands that are numbers of their own meaning.
fn check_number(subject: &Subject<'_>, op: &OpInfo, arg: u32) -> Found {
    let isa = subject.isa;
    let below = |len: usize| (arg as usize) < len;
    let fits = match op.opcode {
        Opcode::BINARY_OP => below(isa.binary_operators.len()),
        Opcode::COMPARE_OP => ((arg >> isa.compare_shift) as usize) < isa.compare.len(),
        Opcode::CALL_INTRINSIC_1 => arg > 0 && below(isa.intrinsics_1.len()),
        Opcode::CALL_INTRINSIC_2 => arg > 0 && below(isa.intrinsics_2.len()),
        Opcode::LOAD_SPECIAL => below(isa.special_methods.len()),
        Opcode::LOAD_COMMON_CONSTANT => below(isa.common_constants.len()),
        Opcode::LOAD_SMALL_INT => arg <= MAX_SMALL_INT,
        Opcode::IS_OP | Opcode::CONTAINS_OP | Opcode::CALL_FUNCTION_EX => arg <= 1,
        Opcode::RAISE_VARARGS | Opcode::GET_AWAITABLE => arg <= 2,
        Opcode::CONVERT_VALUE => (1..=3).contains(&arg),
        Opcode::BUILD_SLICE => arg == 2 || arg == 3,
        Opcode::FORMAT_VALUE => arg < 8,
        Opcode::MAKE_FUNCTION => arg < 16,
        Opcode::SET_FUNCTION_ATTRIBUTE => [1, 2, 4, 8, 16].contains(&arg),
        Opcode::BUILD_INTERPOLATION => arg < 16,
        Opcode::GET_ITER => arg <= 3,
        Opcode::COPY => arg >= 1,
        Opcode::SWAP => arg >= 2,
        Opcode::LIST_APPEND
        | Opcode::SET_ADD
        | Opcode::MAP_ADD
        | Opcode::LIST_EXTEND
        | Opcode::SET_UPDATE
        | Opcode::DICT_MERGE
        | Opcode::DICT_UPDATE => arg >= 1,
        Opcode::YIELD_VALUE => isa.yield_arg != YieldArg::Delegates || arg <= 1,
        Opcode::RESUME => {
            let bits = isa.resume;
            arg & !(bits.reason | bits.depth1) == 0 && arg & bits.reason <= BEFORE_GENERATOR
        }
        _ => true,
    };
    match fits {
        true => Ok(()),
        false => Err((Rule::Operand, format!("{:?} with operand {arg}", op.opcode))),
    }
}
