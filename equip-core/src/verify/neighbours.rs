//! Instructions that CPython expects side by side, and the start of a code object.

use super::decode::{Instr, Instrs, NONE};
use super::{Fault, Rule, Subject, fault};
use crate::code::flags;
use crate::isa::{Isa, LoopExit, Opcode, YieldArg, runs_frame};

/// Reason of a `RESUME` at the start of a frame; the others follow a suspension.
const START: u32 = 0;
/// Reasons of a `RESUME` behind `yield from` and `await`.
pub(super) const AFTER_DELEGATION: [u32; 2] = [2, 3];
/// Reason of a `RESUME` in a generator expression before there is a generator.
const BEFORE_GENERATOR: u32 = 4;
/// `CALL_INTRINSIC_1` that turns a `StopIteration` into a `RuntimeError`: all handlers that a
/// generator has when `close` may skip it.
const STOPITERATION_ERROR: &str = "INTRINSIC_STOPITERATION_ERROR";

/// Instructions with their neighbours.
struct Row<'i> {
    isa: &'static Isa,
    all: &'i Instrs,
}

impl Row<'_> {
    fn opcode(&self, at: usize) -> Option<Opcode> {
        self.all.list.get(at).map(|instr| instr.op.opcode)
    }

    /// Whether the instructions from `at` on are these, and nothing leads between them.
    fn follow(&self, at: usize, wanted: &[Opcode]) -> bool {
        let found = self.all.list.get(at..at + wanted.len());
        found.is_some_and(|found| {
            let inside = found.iter().all(|instr| instr.label == NONE);
            inside
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(instr, opcode)| instr.op.opcode == *opcode)
        })
    }

    fn reason(&self, instr: &Instr) -> u32 {
        instr.arg & self.isa.resume.reason
    }

    /// Whether the only handler around an instruction is the one that every generator has, or, in a
    /// generator without it, one that would only pass on what the delegate did not raise.
    fn only_wrapped(&self, instr: &Instr) -> bool {
        let Some(range) = self.all.ranges.get(instr.range as usize) else {
            return false;
        };
        let handler = &self.all.list[range.target as usize];
        let name = self.isa.intrinsics_1.get(handler.arg as usize);
        match handler.op.opcode {
            // Other code that starts like it has more to do.
            Opcode::CALL_INTRINSIC_1 => {
                let next = self.opcode(range.target as usize + 1);
                name == Some(&STOPITERATION_ERROR) && next == Some(Opcode::RERAISE)
            }
            Opcode::CLEANUP_THROW => handler.range == NONE,
            _ => false,
        }
    }
}

impl Instrs {
    /// What a callee raises goes to the handler of the code unit before the instruction that runs it, with
    /// the stack of that instruction: it must be the same, or none.
    fn check_callers_handler(&self, at: usize) -> Result<(), Fault> {
        let instr = &self.list[at];
        let before = match at.checked_sub(1).map(|at| &self.list[at]) {
            Some(before) if before.range != NONE => before,
            _ => return Ok(()),
        };
        // An `EXTENDED_ARG` of its own is in its own range.
        let is_extended = instr.arg > 0xFF;
        let range = |range: u32| {
            let range = self.ranges.get(range as usize)?;
            Some((range.target, range.depth, range.lasti))
        };
        match is_extended || range(before.range) == range(instr.range) {
            true => Ok(()),
            false => {
                let (one, other) = (before.op.opcode, instr.op.opcode);
                let message = format!(
                    "what {other:?} calls would raise into the handler of the {one:?} before it"
                );
                Err(fault(instr.start, Rule::Handlers, message))
            }
        }
    }

    /// What stands side by side.
    pub fn check_neighbours(&self, subject: &Subject<'_>) -> Result<(), Fault> {
        let row = Row {
            isa: subject.isa,
            all: self,
        };
        let start = check_prologue(subject, &row)?;
        // The delegation whose suspension is still to come: other code may stand before that.
        let mut sending = None;
        for (at, instr) in self.list.iter().enumerate() {
            if subject.isa.callers_handler_before && runs_frame(instr.op.opcode) {
                self.check_callers_handler(at)?;
            }
            let found = match instr.op.opcode {
                Opcode::RESUME => check_resume(&row, at, start),
                Opcode::YIELD_VALUE => check_yield(subject, &row, at, sending.take().is_some()),
                Opcode::SEND => {
                    sending = Some(instr.start);
                    check_send(&row, instr)
                }
                Opcode::FOR_ITER => check_loop(&row, instr),
                Opcode::KW_NAMES | Opcode::PRECALL | Opcode::CALL => check_call(subject, &row, at),
                Opcode::END_ASYNC_FOR if instr.target != NONE => {
                    let target = self.list[instr.target as usize].op.opcode;
                    // The compiler also names what stands before it.
                    match matches!(target, Opcode::END_SEND | Opcode::CLEANUP_THROW) {
                        true => Ok(()),
                        false => Err(format!("END_ASYNC_FOR names {target:?}, not END_SEND")),
                    }
                }
                Opcode::COPY_FREE_VARS | Opcode::RETURN_GENERATOR if at > start => {
                    let message = format!("{:?} behind the start RESUME", instr.op.opcode);
                    return Err(fault(instr.start, Rule::Prologue, message));
                }
                _ => Ok(()),
            };
            found.map_err(|message| fault(instr.start, Rule::Adjacency, message))?;
        }
        match sending {
            Some(unit) => {
                let message = "SEND without its YIELD_VALUE".to_owned();
                Err(fault(unit, Rule::Adjacency, message))
            }
            None => Ok(()),
        }
    }
}

/// What stands before the start `RESUME`; where that is.
fn check_prologue(subject: &Subject<'_>, row: &Row<'_>) -> Result<usize, Fault> {
    let list = &row.all.list;
    let bad = |at: usize, message: String| {
        let unit = list.get(at).map_or(0, |instr| instr.start);
        Err(fault(unit, Rule::Prologue, message))
    };
    let (mut at, mut copied, mut generator) = (0, 0, false);
    loop {
        let Some(instr) = list.get(at) else {
            return bad(0, "there is no start RESUME".to_owned());
        };
        if instr.label != NONE {
            return bad(at, "something leads into the prologue".to_owned());
        }
        match instr.op.opcode {
            Opcode::COPY_FREE_VARS if copied == 0 && instr.arg > 0 && !generator => {
                copied = instr.arg;
            }
            Opcode::MAKE_CELL if !generator => {}
            Opcode::RESUME if row.reason(instr) == START => break,
            Opcode::RESUME if row.reason(instr) == BEFORE_GENERATOR => {
                let begins = [Opcode::LOAD_FAST, Opcode::LOAD_FAST_BORROW];
                let begins = begins.into_iter().any(|load| {
                    let iterates = [Opcode::GET_ITER, Opcode::GET_AITER];
                    let rest = |get| [load, get, Opcode::RETURN_GENERATOR];
                    iterates
                        .into_iter()
                        .any(|get| row.follow(at + 1, &rest(get)))
                });
                if !begins {
                    return bad(at, format!("RESUME {BEFORE_GENERATOR} begins no generator"));
                }
                at += 2;
            }
            Opcode::RETURN_GENERATOR if !generator => {
                if !row.follow(at + 1, &[Opcode::POP_TOP, Opcode::RESUME]) {
                    let message = "RETURN_GENERATOR without POP_TOP and RESUME".to_owned();
                    return Err(fault(instr.start, Rule::Adjacency, message));
                }
                generator = true;
                at += 1;
            }
            opcode => return bad(at, format!("{opcode:?} before the start RESUME")),
        }
        at += 1;
    }
    if copied != subject.free() {
        let message = format!("{copied} of {} free variables are copied", subject.free());
        return bad(0, message);
    }
    let flagged = flags::GENERATOR | flags::COROUTINE | flags::ASYNC_GENERATOR;
    if (subject.code.flags & flagged != 0) != generator {
        let message = match generator {
            true => "RETURN_GENERATOR in a code object that is flagged as no generator",
            false => "flagged as a generator, but there is no RETURN_GENERATOR",
        };
        return Err(fault(0, Rule::Generator, message.to_owned()));
    }
    Ok(at)
}

fn check_resume(row: &Row<'_>, at: usize, start: usize) -> Result<(), String> {
    let instr = &row.all.list[at];
    let suspended = at > 0 && row.opcode(at - 1) == Some(Opcode::YIELD_VALUE);
    match row.reason(instr) {
        START if at == start => Ok(()),
        START => Err("a second start RESUME".to_owned()),
        BEFORE_GENERATOR if at < start => Ok(()),
        1..BEFORE_GENERATOR if suspended => Ok(()),
        reason => Err(format!("RESUME {reason} without the YIELD_VALUE before it")),
    }
}

fn check_yield(subject: &Subject<'_>, row: &Row<'_>, at: usize, sends: bool) -> Result<(), String> {
    let instr = &row.all.list[at];
    if !row.follow(at + 1, &[Opcode::RESUME]) {
        return Err("YIELD_VALUE without its RESUME".to_owned());
    }
    let resume = &row.all.list[at + 1];
    let flagged = flags::GENERATOR | flags::COROUTINE | flags::ASYNC_GENERATOR;
    if subject.code.flags & flagged == 0 {
        return Err("YIELD_VALUE in what is no generator".to_owned());
    }
    let delegates = AFTER_DELEGATION.contains(&row.reason(resume));
    if delegates != sends {
        let message = match delegates {
            true => "RESUME after a delegation, but nothing is sent",
            false => "SEND, but the RESUME says that nothing is delegated",
        };
        return Err(message.to_owned());
    }
    if delegates && row.isa.throw_reads_send {
        let send = at.checked_sub(1).map(|at| &row.all.list[at]);
        let near = send.filter(|send| {
            send.op.opcode == Opcode::SEND && send.arg <= 0xFF && instr.start - send.start == 1
        });
        if near.is_none() {
            return Err("throw() finds no SEND of one code unit before this yield".to_owned());
        }
    }
    let skippable = match row.isa.yield_arg {
        YieldArg::Delegates if (instr.arg == 1) != delegates => {
            let message = "YIELD_VALUE and RESUME disagree about delegation";
            return Err(message.to_owned());
        }
        YieldArg::HandlerDepth => instr.arg == 1,
        YieldArg::Delegates | YieldArg::None => resume.arg & row.isa.resume.depth1 != 0,
    };
    match skippable && !row.only_wrapped(instr) {
        true => Err("close() would skip the handlers around this yield".to_owned()),
        false => Ok(()),
    }
}

fn check_send(row: &Row<'_>, instr: &Instr) -> Result<(), String> {
    let target = row.opcode(instr.target as usize);
    match row.isa.has(Opcode::END_SEND) && target != Some(Opcode::END_SEND) {
        true => Err("SEND does not lead to an END_SEND".to_owned()),
        false => Ok(()),
    }
}

/// What an exhausted loop skips, and what pops its iterator.
fn check_loop(row: &Row<'_>, instr: &Instr) -> Result<(), String> {
    let target = instr.target as usize;
    let is_end = |at: usize| {
        let end = row.all.list.get(at);
        end.is_some_and(|end| end.op.opcode == Opcode::END_FOR && end.end - end.start == 1)
    };
    let pops = match row.isa.has(Opcode::POP_ITER) {
        true => Opcode::POP_ITER,
        false => Opcode::POP_TOP,
    };
    let fits = match row.isa.loop_exit {
        LoopExit::PopsIterator => true,
        LoopExit::SkipsEndFor => is_end(target),
        LoopExit::KeepsIterator => is_end(target) && row.opcode(target + 1) == Some(pops),
    };
    match fits {
        true => Ok(()),
        false => Err("FOR_ITER does not lead to the end of a loop".to_owned()),
    }
}

/// Keyword names are in a variable of the interpreter until the next call, whichever that is.
fn check_call(subject: &Subject<'_>, row: &Row<'_>, at: usize) -> Result<(), String> {
    let instr = &row.all.list[at];
    let two = row.isa.has(Opcode::PRECALL);
    let first = match two {
        true => Opcode::PRECALL,
        false => Opcode::CALL,
    };
    match instr.op.opcode {
        Opcode::KW_NAMES => {
            if !row.follow(at + 1, &[first]) {
                return Err(format!("KW_NAMES without the {first:?} behind it"));
            }
            let names = subject.objects.items(subject.consts[instr.arg as usize]);
            let arguments = row.all.list[at + 1].arg;
            match names.len() as u64 <= u64::from(arguments) {
                true => Ok(()),
                false => Err(format!("{} names of {arguments} arguments", names.len())),
            }
        }
        Opcode::PRECALL => {
            let same = row.follow(at + 1, &[Opcode::CALL]) && row.all.list[at + 1].arg == instr.arg;
            match same {
                true => Ok(()),
                false => Err("PRECALL without its CALL".to_owned()),
            }
        }
        _ if two && (at == 0 || row.opcode(at - 1) != Some(Opcode::PRECALL)) => {
            Err("CALL without its PRECALL".to_owned())
        }
        _ => Ok(()),
    }
}
