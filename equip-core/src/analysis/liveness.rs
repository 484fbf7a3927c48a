//! Which variables are read again before they get another value.

use fixedbitset::FixedBitSet;

use super::cfg::Cfg;
use super::dataflow::{Direction, Problem, Solution, solve};
use super::variables::{Access, Variable, Variables, accesses};
use crate::body::Body;

/// The problem whose facts are the live variables, as numbers of [`Variables`].
pub struct Liveness<'b> {
    body: &'b Body,
    variables: Variables,
}

impl<'b> Liveness<'b> {
    /// Of a body. Variables that other code may read are live at its end.
    pub fn of(body: &'b Body) -> Self {
        let variables = Variables::of(body);
        Liveness { body, variables }
    }

    /// The numbers of the facts.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Solves it.
    pub fn solve(&self, cfg: &Cfg) -> Solution<FixedBitSet> {
        solve(self.body, cfg, self)
    }
}

impl Problem for Liveness<'_> {
    type Fact = FixedBitSet;
    const DIRECTION: Direction = Direction::Backward;

    fn start(&self) -> FixedBitSet {
        let mut live = self.variables.empty_set();
        for (number, variable) in self.variables.all().iter().enumerate() {
            live.set(number, variable.is_shared(self.body));
        }
        live
    }

    fn join(&self, into: &mut FixedBitSet, from: &FixedBitSet) -> bool {
        grow(into, from)
    }

    fn transfer(&self, at: usize, live: &mut FixedBitSet) {
        let all: Vec<_> = accesses(&self.body.instrs[at]).collect();
        for access in all.into_iter().rev() {
            match access {
                Access::Read(variable) => live.insert(self.variables.number(variable)),
                Access::Write(variable) | Access::Delete(variable) => {
                    live.set(self.variables.number(variable), false);
                }
            }
        }
    }
}

/// Adds a set to another; says whether that changed it.
pub(super) fn grow(into: &mut FixedBitSet, from: &FixedBitSet) -> bool {
    let is_new = !from.is_subset(into);
    if is_new {
        into.union_with(from);
    }
    is_new
}

/// Whether a variable is live.
pub fn is_live(live: &FixedBitSet, variables: &Variables, variable: Variable) -> bool {
    live.contains(variables.number(variable))
}
