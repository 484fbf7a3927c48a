//! Where a snippet keeps its private names: on the stack, below what it computes, so that the
//! frame has nothing more than before. Neither `locals()` nor `co_varnames` shows such a name, an
//! exception drops it with the rest of the stack, and a debugger that jumps to another line finds
//! no slot unbound. Names that live in cells, or that may be unbound where they are read, need a
//! slot all the same.

use super::splice::SiteState;
use super::splicer::Splicer;
use super::state::Kept;
use crate::body::{Arg, HandlerId, Instr, Label};
use crate::code::kinds;
use crate::isa::{Flow, Opcode};

/// Slots from here on are names of the probe that is being spliced; they have no place yet.
pub(super) const UNSETTLED: u32 = 1 << 24;
/// The deepest stack that a name is stored at, since that is a `SWAP`. CPython's `frame.f_lineno` setter,
/// with which debuggers jump, follows the stack over the bytecode, three bits for each slot, and its
/// `stack_swap` (`Objects/frameobject.c`, 3.12 and later) returns an int of 32 bits: of a deeper stack it
/// forgets the bottom, and then jumps with a wrong one.
pub(super) const MAX_SWAP_DEPTH: i32 = 10;
/// How many names of one probe are looked at.
const MAX_TRACKED: usize = 64;

/// A private name of the probe that is being spliced.
pub(super) struct Private {
    /// As it would be called in the frame.
    pub name: String,
    /// Of the slot, should it need one.
    pub kind: u8,
    /// Where it is kept from site to site, if it is.
    pub kept: Option<Kept>,
}

/// Where a private name was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// On the stack, for as long as the snippet runs.
    Stack,
    /// In a slot of the frame.
    Slot(u32),
    /// Where it was before the snippet, and is after it.
    Kept,
}

/// What of the splicer's output one probe has made so far.
pub(super) struct Region {
    /// The first instruction.
    pub base: usize,
    /// The first label.
    pub labels: usize,
    /// The first handler.
    pub handlers: usize,
    /// Whether the first name is the subject of the site (what is returned, raised or yielded), which
    /// is on the stack already.
    pub subject: bool,
}

/// Before an instruction: how deep the stack is, and which names are certainly bound, as bits.
type State = (i32, u64);

impl Splicer<'_, '_, '_> {
    /// Gives each private name of a probe its place; where, and how many are on the stack.
    pub(super) fn settle(&mut self, region: &Region, site: &SiteState) -> (Vec<Home>, u32) {
        if self.privates.is_empty() {
            return (Vec::new(), 0);
        }
        let states = self.states(region, site);
        let mut fit = self.fit(region, &states);
        let (mut places, mut early) = self.places(region, &states, fit);
        loop {
            let total = places.iter().flatten().count() as u32;
            let deep = self.too_deep(region, site, &states, &places, total);
            if deep == 0 {
                break;
            }
            fit &= !deep;
            (places, early) = self.places(region, &states, fit);
        }
        let total = places.iter().flatten().count() as u32;
        self.note_deep_state(region, site, &states, total);
        let homes: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(index, place)| match (place, self.privates[index].kept) {
                (Some(_), _) => Home::Stack,
                (None, Some(Kept::Stack(_))) => Home::Kept,
                (None, _) => Home::Slot(self.slot_of(index)),
            })
            .collect();
        let old = self.out.split_off(region.base);
        let mut moved = Vec::with_capacity(old.len() + 1);
        let mut on_stack = early;
        if early > u32::from(region.subject) {
            let none = self.none();
            for _ in u32::from(region.subject)..early {
                self.push(Opcode::LOAD_CONST, Arg::Const(none), site);
            }
        }
        for (instr, state) in old.iter().zip(&states) {
            moved.push(self.out.len() as u32);
            let Some(index) = private(instr) else {
                self.out.push(*instr);
                continue;
            };
            let kept = match self.privates[index].kept {
                Some(Kept::Stack(above)) => Some(above),
                _ => None,
            };
            let (place, depth) = match (places[index].or(kept), homes[index], state) {
                (Some(place), _, Some((depth, _))) => (place, *depth as u32),
                (None, Home::Slot(slot), _) => {
                    let arg = Arg::Local(slot);
                    self.out.push(Instr { arg, ..*instr });
                    continue;
                }
                // Control never comes here.
                _ => {
                    let (opcode, arg) = (Opcode::NOP, Arg::None);
                    self.out.push(Instr {
                        opcode,
                        arg,
                        ..*instr
                    });
                    continue;
                }
            };
            if kept.is_none() && place == on_stack {
                // The value is where it stays.
                on_stack += 1;
                continue;
            }
            let from = if kept.is_some() { site.depth } else { 0 };
            let below = from + depth + on_stack - place;
            let mut push = |opcode, arg| {
                self.out.push(Instr {
                    opcode,
                    arg,
                    ..*instr
                })
            };
            match instr.opcode {
                Opcode::STORE_FAST => {
                    push(Opcode::SWAP, Arg::Int(below));
                    push(Opcode::POP_TOP, Arg::None);
                }
                Opcode::DELETE_FAST => {
                    let none = self.none();
                    let mut push = |opcode, arg| {
                        self.out.push(Instr {
                            opcode,
                            arg,
                            ..*instr
                        })
                    };
                    push(Opcode::LOAD_CONST, Arg::Const(none));
                    push(Opcode::SWAP, Arg::Int(below + 1));
                    push(Opcode::POP_TOP, Arg::None);
                }
                _ => push(Opcode::COPY, Arg::Int(below)),
            }
        }
        moved.push(self.out.len() as u32);
        for label in &mut self.body.labels[region.labels..] {
            *label = moved[*label as usize - region.base];
        }
        for handler in &mut self.body.handlers[region.handlers..] {
            handler.depth += total;
        }
        (homes, total)
    }

    /// The state before each instruction of a region and at its end; none where control never comes.
    fn states(&self, region: &Region, site: &SiteState) -> Vec<Option<State>> {
        let instrs = &self.out[region.base..];
        let mut states: Vec<Option<State>> = vec![None; instrs.len() + 1];
        let mut todo = vec![(0, (0, u64::from(region.subject)))];
        let place = |label: Label| self.body.labels[label.0 as usize] as usize - region.base;
        while let Some((at, (depth, bound))) = todo.pop() {
            let bound = match states[at] {
                Some((_, known)) if known & bound == known => continue,
                Some((_, known)) => known & bound,
                None => bound,
            };
            states[at] = Some((depth, bound));
            let Some(instr) = instrs.get(at) else {
                continue;
            };
            let bit = private(instr).map_or(0, |index| 1u64.checked_shl(index as u32).unwrap_or(0));
            let after = match instr.opcode {
                Opcode::STORE_FAST => bound | bit,
                Opcode::LOAD_FAST | Opcode::LOAD_FAST_CHECK => bound,
                _ => bound & !bit,
            };
            if let Some(HandlerId(id)) = instr.handler
                && id as usize >= region.handlers
            {
                let handler = &self.body.handlers[id as usize];
                let depth = handler.depth as i32 - site.depth as i32 + i32::from(handler.lasti) + 1;
                todo.push((place(handler.target), (depth, bound & after)));
            }
            let op = self.body.isa.info(instr.opcode);
            let arg = instr.effect_arg();
            if let (true, Arg::Jump(label)) = (op.flow != Flow::Next, instr.arg) {
                todo.push((place(label), (depth + op.jump.of(arg) as i32, after)));
            }
            if !matches!(op.flow, Flow::Exit | Flow::Jump) {
                todo.push((at + 1, (depth + op.effect.of(arg) as i32, after)));
            }
        }
        states
    }

    /// Which names can be on the stack, as bits.
    fn fit(&self, region: &Region, states: &[Option<State>]) -> u64 {
        let mut fit = 0u64;
        for (index, private) in self.privates.iter().enumerate().take(MAX_TRACKED) {
            let fits = private.kind & kinds::CELL == 0 && private.kept.is_none();
            fit |= u64::from(fits) << index;
        }
        for (instr, state) in self.out[region.base..].iter().zip(states) {
            if let (Some(index @ 0..MAX_TRACKED), Some((_, bound))) = (private(instr), state) {
                let fits = match instr.opcode {
                    Opcode::STORE_FAST => true,
                    Opcode::LOAD_FAST | Opcode::LOAD_FAST_CHECK | Opcode::DELETE_FAST => {
                        bound >> index & 1 == 1
                    }
                    _ => false,
                };
                fit &= !(u64::from(!fits) << index);
            }
        }
        fit
    }

    /// Names that would be stored too deep, as bits; never the subject, which is on the stack anyway.
    fn too_deep(
        &self,
        region: &Region,
        site: &SiteState,
        states: &[Option<State>],
        places: &[Option<u32>],
        total: u32,
    ) -> u64 {
        let mut deep = 0;
        for (instr, state) in self.out[region.base..].iter().zip(states) {
            let (Some(index), Some((depth, _))) = (private(instr), state) else {
                continue;
            };
            let is_subject = region.subject && index == 0;
            if places[index].is_some()
                && stores(instr)
                && !is_subject
                && (site.depth + total) as i32 + depth + deletes(instr) > MAX_SWAP_DEPTH
            {
                deep |= 1 << index;
            }
        }
        deep
    }

    /// Remembers the names that are kept from site to site and would be stored too deep here.
    fn note_deep_state(
        &mut self,
        region: &Region,
        site: &SiteState,
        states: &[Option<State>],
        total: u32,
    ) {
        for (instr, state) in self.out[region.base..].iter().zip(states) {
            if let (Some(index), Some((depth, _)), true) = (private(instr), state, stores(instr))
                && let Some(Kept::Stack(above)) = self.privates[index].kept
                && (site.depth + total) as i32 + depth + deletes(instr) > MAX_SWAP_DEPTH
            {
                self.deep.insert(above);
            }
        }
    }

    /// The place of each name on the stack, counted from below, and how many must be there before
    /// the snippet starts. The others come to be where a statement leaves its value.
    fn places(
        &self,
        region: &Region,
        states: &[Option<State>],
        fit: u64,
    ) -> (Vec<Option<u32>>, u32) {
        let instrs = &self.out[region.base..];
        let mut is_target = vec![false; instrs.len() + 1];
        for label in &self.body.labels[region.labels..] {
            is_target[*label as usize - region.base] = true;
        }
        let mut seen = u64::from(region.subject);
        let mut late = Vec::new();
        for (at, (instr, state)) in instrs.iter().zip(states).enumerate() {
            let guarded = instr
                .handler
                .is_some_and(|id| id.0 as usize >= region.handlers);
            let goes_on = self.body.isa.info(instr.opcode).flow == Flow::Next;
            if guarded || !goes_on || is_target[at] {
                break;
            }
            if let Some(index @ 0..MAX_TRACKED) = private(instr) {
                let is_first = seen >> index & 1 == 0 && fit >> index & 1 == 1;
                seen |= 1 << index;
                let is_bare = state.is_some_and(|(depth, _)| depth == 1);
                if is_first && is_bare && instr.opcode == Opcode::STORE_FAST {
                    late.push(index);
                }
            }
        }
        let mut places = vec![None; self.privates.len()];
        let mut next = 0;
        let early = (0..self.privates.len()).filter(|index| !late.contains(index));
        for index in early.chain(late.iter().copied()) {
            if index < MAX_TRACKED && fit >> index & 1 == 1 {
                places[index] = Some(next);
                next += 1;
            }
        }
        (places, next - late.len() as u32)
    }
}

fn stores(instr: &Instr) -> bool {
    matches!(instr.opcode, Opcode::STORE_FAST | Opcode::DELETE_FAST)
}

/// Deleting puts one more on the stack.
fn deletes(instr: &Instr) -> i32 {
    i32::from(instr.opcode == Opcode::DELETE_FAST)
}

/// Which private name an instruction is about.
fn private(instr: &Instr) -> Option<usize> {
    match instr.arg {
        Arg::Local(slot) => slot.checked_sub(UNSETTLED).map(|index| index as usize),
        _ => None,
    }
}
