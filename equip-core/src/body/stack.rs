//! Stack depth at each instruction, by data flow over the instructions and their handlers.

use super::{Arg, Body, Error, Label};
use crate::isa::Flow;

/// Stack depths of a body.
#[derive(Clone, Debug)]
pub struct Depths {
    /// Depth before each instruction; -1 where control never comes.
    pub before: Vec<i32>,
    /// The largest depth anywhere.
    pub max: u32,
}

/// Computes the depths.
///
/// # Errors
/// Underflow, two depths for one instruction, or control running off the end: such a body must
/// not be written.
pub fn depths(body: &Body) -> Result<Depths, Error> {
    let mut before = vec![-1i32; body.instrs.len()];
    let mut handled = vec![false; body.handlers.len()];
    let mut todo: Vec<u32> = Vec::with_capacity(16);
    let mut max = 0;
    let mut arrive = |at: usize, depth: i32, todo: &mut Vec<u32>, before: &mut [i32]| {
        max = max.max(depth);
        let Some(known) = before.get_mut(at) else {
            return Err(Error::FallsOff);
        };
        if *known < 0 {
            *known = depth;
            todo.push(at as u32);
        } else if *known != depth {
            let opcode = body.instrs[at].opcode;
            return Err(Error::Depth {
                index: at,
                opcode,
                one: *known,
                other: depth,
            });
        }
        Ok(())
    };
    arrive(0, 0, &mut todo, &mut before)?;
    while let Some(start) = todo.pop() {
        let mut at = start as usize;
        let mut depth = before[at];
        loop {
            let instr = &body.instrs[at];
            if let Some(id) = instr.handler
                && !std::mem::replace(&mut handled[id.0 as usize], true)
            {
                let handler = &body.handlers[id.0 as usize];
                let depth = handler.depth as i32 + i32::from(handler.lasti) + 1;
                arrive(body.at(handler.target), depth, &mut todo, &mut before)?;
            }
            let op = body.isa.info(instr.opcode);
            let arg = instr.effect_arg();
            if op.flow != Flow::Next
                && let Arg::Jump(Label(label)) = instr.arg
            {
                let after = depth + op.jump.of(arg) as i32;
                if after < 0 {
                    return Err(Error::Underflow {
                        index: at,
                        opcode: instr.opcode,
                    });
                }
                arrive(
                    body.labels[label as usize] as usize,
                    after,
                    &mut todo,
                    &mut before,
                )?;
            }
            if matches!(op.flow, Flow::Exit | Flow::Jump) {
                break;
            }
            depth += op.effect.of(arg) as i32;
            if depth < 0 {
                return Err(Error::Underflow {
                    index: at,
                    opcode: instr.opcode,
                });
            }
            at += 1;
            let known = before.get(at).copied();
            arrive(at, depth, &mut todo, &mut before)?;
            if known != Some(-1) {
                break;
            }
            todo.pop(); // it goes on here
        }
    }
    Ok(Depths {
        before,
        max: max as u32,
    })
}
