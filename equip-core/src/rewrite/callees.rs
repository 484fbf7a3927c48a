//! What `{callee}` reads: where on the stack what is called waits, and how a method gets there.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::Probe;
use super::placed::{Placed, is_before_call};
use crate::analysis::{Beside, CallSite};
use crate::body::{Arg, Body};
use crate::isa::{NullSlot, Opcode};
use crate::snippet::Meaning;

/// The calls whose callees probes read.
pub(super) struct Callees {
    /// By the first instruction of a call, which slot of the stack holds what is called.
    pub places: FxHashMap<usize, u32>,
    /// Instructions that load a method.
    bound: BTreeSet<usize>,
}

impl Callees {
    /// A method that a probe reads is loaded as its attribute's value is, bound to its object: as a function, with the object
    /// beside it, CPython keeps it only where it can, which up to 3.12 nothing but a NULL tells.
    pub fn of(
        body: &mut Body,
        calls: Option<&Vec<CallSite>>,
        placed: &[Placed],
        probes: &[Probe<'_>],
        depth_at: &dyn Fn(usize) -> i32,
    ) -> Self {
        let mut callees = Callees {
            places: FxHashMap::default(),
            bound: BTreeSet::new(),
        };
        let reads = |placed: &&Placed| {
            let probe = &probes[placed.probe];
            is_before_call(probe.place) && probe.template.uses(|m| *m == Meaning::Callee).is_some()
        };
        let calls = calls.map_or(&[][..], Vec::as_slice);
        for placed in placed.iter().filter(reads) {
            let first = placed.point.at as usize;
            let Ok(index) = calls.binary_search_by_key(&first, |call| call.first) else {
                continue;
            };
            let call = &calls[index];
            if depth_at(call.at) < 0 {
                continue;
            }
            // Of the two slots for what is called and what stands beside it, the lower one has the result afterwards.
            let instr = &body.instrs[call.at];
            let effect = body.isa.info(instr.opcode).effect.of(instr.effect_arg());
            let lower = i64::from(depth_at(call.at)) + effect - 1;
            let above =
                body.isa.null_slot == NullSlot::BelowCallable && call.beside != Beside::Argument;
            callees
                .places
                .insert(first, lower as u32 + u32::from(above));
            let Beside::Object(load) = call.beside else {
                continue;
            };
            if callees.bound.insert(load) {
                let instr = &mut body.instrs[load];
                if instr.opcode == Opcode::LOAD_METHOD {
                    instr.opcode = Opcode::LOAD_ATTR;
                } else if let Arg::Name(_, flags) = &mut instr.arg {
                    *flags &= !1;
                }
            }
        }
        callees
    }

    /// Whether that instruction leaves a bound method now, without what stands beside it.
    pub fn is_bound(&self, at: usize) -> bool {
        self.bound.contains(&at)
    }
}
