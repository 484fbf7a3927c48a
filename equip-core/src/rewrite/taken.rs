//! Slots that inlined comprehensions take over (PEP 709, CPython 3.12 and later).
//!
//! A comprehension saves what a slot holds on the stack, uses the slot for a variable of its own, as a plain
//! local or as a cell, and puts it back. What a name means at a site, and how it is read, depends on which it is.

use rustc_hash::FxHashMap;

use crate::analysis::Cfg;
use crate::analysis::dataflow::{self, Direction, Problem};
use crate::body::{Arg, Body, Depths};
use crate::isa::Opcode;

/// Whose variable a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// The function's own.
    Own,
    /// A comprehension's.
    Taken,
    /// A comprehension's, in a cell.
    TakenCell,
    /// One or the other, by how control came here.
    Unclear,
}

/// For each slot that some comprehension takes over, what it holds before each instruction.
#[derive(Debug, Default)]
pub(super) struct Taken {
    slots: FxHashMap<u32, Vec<Holds>>,
    /// Slots that are the function's own variables too.
    owned: FxHashMap<u32, bool>,
}

impl Taken {
    /// Of a body; its depths are asked for only where there are such slots.
    pub fn of(body: &Body, depths: impl FnOnce() -> Option<Depths>) -> Taken {
        let takes = |opcode| opcode == Opcode::LOAD_FAST_AND_CLEAR;
        let mut slots: Vec<u32> = body
            .instrs
            .iter()
            .filter(|instr| takes(instr.opcode))
            .filter_map(|instr| match instr.arg {
                Arg::Local(slot) => Some(slot),
                _ => None,
            })
            .collect();
        slots.sort_unstable();
        slots.dedup();
        let Some(depths) = (!slots.is_empty()).then(depths).flatten() else {
            return Taken::default();
        };
        let problem = Taking {
            body,
            slots: &slots,
            depths: &depths,
        };
        let cfg = Cfg::under_probes(body);
        let solution = dataflow::solve(body, &cfg, &problem);
        let mut found = vec![vec![Holds::Own; body.instrs.len()]; slots.len()];
        let mut owned = vec![false; slots.len()];
        for node in cfg.graph.node_indices() {
            solution.before_each(&problem, body, &cfg, node, |at, fact| {
                for (index, slot) in slots.iter().enumerate() {
                    found[index][at] = fact.holds[index];
                    let uses = names(body, at, *slot) && !problem.moves(at, index, fact);
                    owned[index] |= uses && fact.holds[index] == Holds::Own;
                }
            });
        }
        Taken {
            owned: slots.iter().copied().zip(owned).collect(),
            slots: slots.into_iter().zip(found).collect(),
        }
    }

    /// What a slot holds before an instruction.
    pub fn holds(&self, slot: u32, at: usize) -> Holds {
        let known = self.slots.get(&slot).and_then(|known| known.get(at));
        known.copied().unwrap_or(Holds::Own)
    }

    /// Whether a slot is never anything but a comprehension's variable.
    pub fn is_only_taken(&self, slot: u32) -> bool {
        self.owned.get(&slot).is_some_and(|owned| !owned)
    }

    /// Whether some slot does not hold the function's own variable before an instruction.
    pub fn any(&self, at: usize) -> bool {
        let mut all = self.slots.values();
        all.any(|known| known.get(at).is_some_and(|holds| *holds != Holds::Own))
    }
}

/// Whether an instruction names a slot.
fn names(body: &Body, at: usize, slot: u32) -> bool {
    let instr = &body.instrs[at];
    match instr.arg {
        Arg::Local(named) => named == slot && instr.opcode != Opcode::MAKE_CELL,
        Arg::Locals(one, other) => one == slot || other == slot,
        _ => false,
    }
}

struct Taking<'t> {
    body: &'t Body,
    slots: &'t [u32],
    depths: &'t Depths,
}

#[derive(Clone, PartialEq)]
struct Fact {
    /// By index of `slots`.
    holds: Vec<Holds>,
    /// What is saved on the stack: where, of which slot, and what that is.
    saved: Vec<(usize, usize, Holds)>,
}

impl Taking<'_> {
    /// Whether an instruction saves a slot, or puts it back.
    fn moves(&self, at: usize, index: usize, fact: &Fact) -> bool {
        let top = self.depths.before[at].max(1) as usize - 1;
        match self.body.instrs[at].opcode {
            Opcode::LOAD_FAST_AND_CLEAR => true,
            Opcode::STORE_FAST => fact
                .saved
                .iter()
                .any(|(place, of, _)| (*place, *of) == (top, index)),
            _ => false,
        }
    }
}

impl Problem for Taking<'_> {
    type Fact = Fact;
    const DIRECTION: Direction = Direction::Forward;

    fn start(&self) -> Fact {
        Fact {
            holds: vec![Holds::Own; self.slots.len()],
            saved: Vec::new(),
        }
    }

    fn join(&self, into: &mut Fact, from: &Fact) -> bool {
        let before = into.clone();
        for (one, other) in into.holds.iter_mut().zip(&from.holds) {
            if one != other {
                *one = Holds::Unclear;
            }
        }
        into.saved.retain(|saved| from.saved.contains(saved));
        *into != before
    }

    fn transfer(&self, at: usize, fact: &mut Fact) {
        let instr = &self.body.instrs[at];
        let depth = self.depths.before[at].max(0) as usize;
        fact.saved.retain(|(place, ..)| *place < depth);
        let index = match instr.arg {
            Arg::Local(slot) => self.slots.binary_search(&slot).ok(),
            _ => None,
        };
        match (instr.opcode, index, instr.arg) {
            (Opcode::LOAD_FAST_AND_CLEAR, Some(index), _) => {
                fact.saved.push((depth, index, fact.holds[index]));
                fact.holds[index] = Holds::Taken;
            }
            (Opcode::MAKE_CELL, Some(index), _) if fact.holds[index] == Holds::Taken => {
                fact.holds[index] = Holds::TakenCell;
            }
            (Opcode::STORE_FAST, Some(index), _) => {
                let mut saved = fact.saved.iter();
                if let Some((.., was)) =
                    saved.find(|(place, of, _)| (place + 1, *of) == (depth, index))
                {
                    fact.holds[index] = *was;
                }
            }
            (Opcode::SWAP, _, Arg::Int(below)) => {
                let (top, other) = (depth.wrapping_sub(1), depth.wrapping_sub(below as usize));
                for (place, ..) in &mut fact.saved {
                    *place = match *place {
                        place if place == top => other,
                        place if place == other => top,
                        place => place,
                    };
                }
            }
            _ => {}
        }
    }
}
