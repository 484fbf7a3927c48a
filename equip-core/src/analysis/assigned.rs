//! Which variables certainly have a value. The verifier has its own answer, about slots, over bytes;
//! a test compares the two.

use fixedbitset::FixedBitSet;

use super::cfg::Cfg;
use super::dataflow::{Direction, Problem, Solution, solve};
use super::liveness::grow;
use super::variables::{Access, Variable, Variables, accesses};
use crate::body::{self, Arg, Body, Depths};
use crate::code::{CodeObject, kinds};
use crate::isa::Opcode;

/// The problem whose facts are the variables that have a value on every way. Where a local was read, and
/// nothing raised, it had one. What other code deletes is not seen: cells and names count as assigned from
/// their assignment on.
pub struct DefinitelyAssigned<'b> {
    body: &'b Body,
    variables: Variables,
    parameters: u32,
    depths: Depths,
}

/// What is known at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Numbers of [`Variables`].
    pub variables: FixedBitSet,
    /// Stack slots that may be what an inlined comprehension (PEP 709) puts by and gives back of a variable
    /// that has no value.
    nothing: FixedBitSet,
}

impl<'b> DefinitelyAssigned<'b> {
    /// Of a body and the code object that it was decoded from.
    ///
    /// # Errors
    /// Its stack depths are not those of sound code.
    pub fn of(body: &'b Body, code: &CodeObject) -> Result<Self, body::Error> {
        Ok(DefinitelyAssigned {
            body,
            variables: Variables::of(body),
            parameters: code.parameters(),
            depths: body::depths(body)?,
        })
    }

    /// The numbers of the facts.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Solves it.
    pub fn solve(&self, cfg: &Cfg) -> Solution<Assigned> {
        solve(self.body, cfg, self)
    }
}

impl Problem for DefinitelyAssigned<'_> {
    type Fact = Assigned;
    const DIRECTION: Direction = Direction::Forward;

    fn start(&self) -> Assigned {
        let mut assigned = self.variables.empty_set();
        for (number, variable) in self.variables.all().iter().enumerate() {
            let Variable::Slot(slot) = *variable else {
                continue;
            };
            let free = self.body.locals[slot as usize].kind & kinds::FREE != 0;
            assigned.set(number, slot < self.parameters || free);
        }
        Assigned {
            variables: assigned,
            nothing: FixedBitSet::with_capacity(self.depths.max as usize + 1),
        }
    }

    fn join(&self, into: &mut Assigned, from: &Assigned) -> bool {
        let before = into.variables.count_ones(..);
        into.variables.intersect_with(&from.variables);
        grow(&mut into.nothing, &from.nothing) || into.variables.count_ones(..) != before
    }

    fn transfer(&self, at: usize, assigned: &mut Assigned) {
        let instr = &self.body.instrs[at];
        let depth = self.depths.before[at].max(0) as usize;
        let Assigned { variables, nothing } = assigned;
        nothing.remove_range(depth..);
        match (instr.opcode, instr.arg) {
            (Opcode::LOAD_FAST_AND_CLEAR, Arg::Local(slot)) => {
                let number = self.variables.number(Variable::Slot(slot));
                nothing.set(depth, !variables.contains(number));
                variables.set(number, false);
            }
            (Opcode::STORE_FAST, Arg::Local(slot)) => {
                let number = self.variables.number(Variable::Slot(slot));
                variables.set(number, !nothing.contains(depth - 1));
            }
            (Opcode::SWAP, Arg::Int(below)) => {
                let (top, other) = (depth - 1, depth - below as usize);
                let (one, two) = (nothing.contains(top), nothing.contains(other));
                nothing.set(top, two);
                nothing.set(other, one);
            }
            _ => {
                for access in accesses(instr) {
                    match access {
                        Access::Write(variable) => {
                            variables.insert(self.variables.number(variable));
                        }
                        Access::Delete(variable) => {
                            variables.set(self.variables.number(variable), false);
                        }
                        // It did not raise.
                        Access::Read(variable) if !variable.is_shared(self.body) => {
                            variables.insert(self.variables.number(variable));
                        }
                        Access::Read(_) => {}
                    }
                }
            }
        }
    }
}
