//! Borrowed references (`LOAD_FAST_BORROW`, CPython 3.14 and later) own nothing: the local that they
//! come from keeps the object alive. The compiler proved that for its own code; a probe that runs
//! while such a reference is on the stack breaks the proof. So those loads become owning ones.

use crate::body::{Arg, Body, HandlerId, Label};
use crate::isa::{Flow, Opcode};

/// Makes every reference owned that can be on the stack at one of the instructions, whichever path
/// it came by. `depths` are the stack depths before each instruction, negative where control never
/// comes.
pub fn own(body: &mut Body, depths: &[i32], places: impl Iterator<Item = usize>) {
    let mut todo: Vec<(usize, i32)> = places
        .filter(|at| depths[*at] > 0)
        .map(|at| (at, depths[at]))
        .collect();
    if todo.is_empty() {
        return;
    }
    let sources = Sources::of(body);
    // For each instruction, how many of the slots before it were looked into.
    let mut seen = vec![0; body.instrs.len()];
    while let Some((at, below)) = todo.pop() {
        if below <= seen[at] {
            continue;
        }
        seen[at] = below;
        if let Some(above) = at.checked_sub(1)
            && !matches!(
                body.isa.info(body.instrs[above].opcode).flow,
                Flow::Exit | Flow::Jump
            )
        {
            todo.extend(step_back(body, depths, above, below));
        }
        for from in sources.jumps(at) {
            todo.extend(step_back(body, depths, *from as usize, below));
        }
        for id in sources.handlers(at) {
            let kept = below.min(body.handlers[id.0 as usize].depth as i32);
            if kept > 0 {
                let covered = body.instrs.iter().enumerate();
                let covered = covered.filter(|(_, instr)| instr.handler == Some(*id));
                todo.extend(covered.map(|(at, _)| (at, kept)));
            }
        }
    }
}

/// What to look into before an instruction, to find what is in the lowest slots behind it.
fn step_back(body: &mut Body, depths: &[i32], at: usize, below: i32) -> Option<(usize, i32)> {
    let depth = depths[at];
    if depth < 0 {
        return None;
    }
    let opcode = &mut body.instrs[at].opcode;
    if depth < below {
        *opcode = match *opcode {
            Opcode::LOAD_FAST_BORROW => Opcode::LOAD_FAST,
            Opcode::LOAD_FAST_BORROW_LOAD_FAST_BORROW => Opcode::LOAD_FAST_LOAD_FAST,
            other => other,
        };
    }
    // These put what was higher into lower slots.
    let sinks = matches!(
        *opcode,
        Opcode::SWAP | Opcode::LOAD_SUPER_ATTR | Opcode::END_SEND
    );
    let below = if sinks { depth } else { below.min(depth) };
    (below > 0).then_some((at, below))
}

/// Where control comes from, other than by falling through.
struct Sources {
    jumps: Vec<(u32, u32)>,
    handlers: Vec<(u32, HandlerId)>,
}

impl Sources {
    fn of(body: &Body) -> Self {
        let jumps = body.instrs.iter().enumerate().filter_map(|(at, instr)| {
            let Arg::Jump(Label(label)) = instr.arg else {
                return None;
            };
            let goes = body.isa.info(instr.opcode).flow != Flow::Next;
            goes.then(|| (body.labels[label as usize], at as u32))
        });
        let mut jumps: Vec<_> = jumps.collect();
        jumps.sort_unstable();
        let handlers = body.handlers.iter().enumerate();
        let handlers =
            handlers.map(|(id, handler)| (body.at(handler.target) as u32, HandlerId(id as u32)));
        let mut handlers: Vec<_> = handlers.collect();
        handlers.sort_unstable_by_key(|(at, _)| *at);
        Sources { jumps, handlers }
    }

    fn jumps(&self, at: usize) -> impl Iterator<Item = &u32> {
        let first = self.jumps.partition_point(|(to, _)| (*to as usize) < at);
        let found = self.jumps[first..].iter();
        found
            .take_while(move |(to, _)| *to as usize == at)
            .map(|(_, from)| from)
    }

    fn handlers(&self, at: usize) -> impl Iterator<Item = &HandlerId> {
        let first = self.handlers.partition_point(|(to, _)| (*to as usize) < at);
        let found = self.handlers[first..].iter();
        found
            .take_while(move |(to, _)| *to as usize == at)
            .map(|(_, id)| id)
    }
}
