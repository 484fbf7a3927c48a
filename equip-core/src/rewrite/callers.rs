//! Which handler gets what a callee raises.
//!
//! From 3.13 on, where CPython runs a Python function, generator or property in a frame of its own right from
//! an instruction of the caller, and that ends by an exception, it looks for the caller's handler one
//! code unit *before* that instruction (`resume_with_error` in `Python/bytecodes.c` takes the instruction
//! for the one behind it). The compiler never lets that make a difference. Between a probe and what
//! follows it, it does: the probe's handler would get the program's exception.

use crate::body::{Arg, Body, Instr};
use crate::isa::{Opcode, runs_frame};

/// Puts a NOP with the same handler in front of each instruction that can run a frame of its own, where
/// what stands before it has another. Who jumps to the instruction still does.
pub(super) fn shield(body: &mut Body) {
    if !body.isa.callers_handler_before || body.handlers.is_empty() {
        return;
    }
    let shields = |at: usize| {
        at > 0
            && runs_frame(body.instrs[at].opcode)
            && body.instrs[at - 1].handler != body.instrs[at].handler
    };
    let places: Vec<u32> = (0..body.instrs.len())
        .filter(|at| shields(*at))
        .map(|at| at as u32)
        .collect();
    if places.is_empty() {
        return;
    }
    let old = std::mem::take(&mut body.instrs);
    body.instrs.reserve(old.len() + places.len());
    let mut next = places.iter().peekable();
    for (at, instr) in old.into_iter().enumerate() {
        if next.next_if(|place| **place as usize == at).is_some() {
            let (opcode, arg) = (Opcode::NOP, Arg::None);
            body.instrs.push(Instr {
                opcode,
                arg,
                ..instr
            });
        }
        body.instrs.push(instr);
    }
    for label in &mut body.labels {
        let before = places.partition_point(|place| *place <= *label);
        *label += before as u32;
    }
}
