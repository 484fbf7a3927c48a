//! Reaching definitions, and the chains between definitions and uses.

use fixedbitset::FixedBitSet;
use rustc_hash::FxHashMap;

use super::cfg::Cfg;
use super::dataflow::{Direction, Problem, Solution, solve};
use super::liveness::grow;
use super::variables::{Access, Variable, accesses};
use crate::body::Body;

/// A place where a variable gets a value, or is unbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Definition {
    /// Which.
    pub variable: Variable,
    /// The instruction; none for what it is when the body starts: an argument, a variable of an enclosing
    /// function, what the module had before, or unbound.
    pub at: Option<usize>,
}

/// The problem whose facts are the definitions that may hold, by their index in `definitions`. Only what
/// this body does is seen: cells and names may be assigned by other code as well
/// ([`Variable::is_shared`]).
pub struct ReachingDefinitions<'b> {
    body: &'b Body,
    /// All definitions: those at the entry first.
    pub definitions: Vec<Definition>,
    of_variable: FxHashMap<Variable, Vec<usize>>,
    /// For each instruction the definitions that it makes, one behind the other.
    made_at: Vec<(u32, u32)>,
}

impl<'b> ReachingDefinitions<'b> {
    /// Of a body.
    pub fn of(body: &'b Body) -> Self {
        let mut definitions = Vec::new();
        let mut of_variable: FxHashMap<Variable, Vec<usize>> = FxHashMap::default();
        for instr in &body.instrs {
            for access in accesses(instr) {
                let (Access::Read(variable) | Access::Write(variable) | Access::Delete(variable)) =
                    access;
                let known = of_variable.entry(variable).or_default();
                if known.is_empty() {
                    known.push(definitions.len());
                    definitions.push(Definition { variable, at: None });
                }
            }
        }
        let mut made_at = Vec::with_capacity(body.instrs.len());
        for (at, instr) in body.instrs.iter().enumerate() {
            let first = definitions.len() as u32;
            for access in accesses(instr) {
                if let Access::Write(variable) | Access::Delete(variable) = access {
                    let known = of_variable.entry(variable).or_default();
                    known.push(definitions.len());
                    let at = Some(at);
                    definitions.push(Definition { variable, at });
                }
            }
            made_at.push((first, definitions.len() as u32));
        }
        ReachingDefinitions {
            body,
            definitions,
            of_variable,
            made_at,
        }
    }

    /// Solves it.
    pub fn solve(&self, cfg: &Cfg) -> Solution<FixedBitSet> {
        solve(self.body, cfg, self)
    }

    /// Of the definitions that hold at a point, those of one variable.
    pub fn holding<'s>(
        &'s self,
        fact: &'s FixedBitSet,
        variable: Variable,
    ) -> impl Iterator<Item = usize> + 's {
        let all = self.of_variable.get(&variable).into_iter().flatten();
        all.copied().filter(|definition| fact.contains(*definition))
    }

    fn step(&self, access: Access, made: &mut usize, fact: &mut FixedBitSet) {
        if let Access::Write(variable) | Access::Delete(variable) = access {
            for other in &self.of_variable[&variable] {
                fact.set(*other, false);
            }
            fact.insert(*made);
            *made += 1;
        }
    }

    /// Who uses what: for each use the definitions that it may find, for each definition its uses.
    pub fn chains(&self, cfg: &Cfg) -> Chains {
        let solution = self.solve(cfg);
        let mut uses = Vec::new();
        let mut of_definition = vec![Vec::new(); self.definitions.len()];
        for node in cfg.graph.node_indices() {
            solution.before_each(self, self.body, cfg, node, |at, fact| {
                let mut fact = fact.clone();
                let mut made = self.made_at[at].0 as usize;
                for access in accesses(&self.body.instrs[at]) {
                    if let Access::Read(variable) = access {
                        let found: Vec<_> = self.holding(&fact, variable).collect();
                        for definition in &found {
                            of_definition[*definition].push(uses.len());
                        }
                        uses.push(Use {
                            at,
                            variable,
                            definitions: found,
                        });
                    }
                    self.step(access, &mut made, &mut fact);
                }
            });
        }
        Chains {
            uses,
            of_definition,
        }
    }
}

impl Problem for ReachingDefinitions<'_> {
    type Fact = FixedBitSet;
    const DIRECTION: Direction = Direction::Forward;

    fn start(&self) -> FixedBitSet {
        let mut fact = FixedBitSet::with_capacity(self.definitions.len());
        let entry = self.definitions.iter().take_while(|made| made.at.is_none());
        fact.insert_range(..entry.count());
        fact
    }

    fn join(&self, into: &mut FixedBitSet, from: &FixedBitSet) -> bool {
        grow(into, from)
    }

    fn transfer(&self, at: usize, fact: &mut FixedBitSet) {
        let mut made = self.made_at[at].0 as usize;
        for access in accesses(&self.body.instrs[at]) {
            self.step(access, &mut made, fact);
        }
    }
}

/// A place where a variable is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The instruction.
    pub at: usize,
    /// Which.
    pub variable: Variable,
    /// What it may find: indices of [`ReachingDefinitions::definitions`].
    pub definitions: Vec<usize>,
}

/// Def-use and use-def chains.
#[derive(Clone, Debug)]
pub struct Chains {
    /// All uses that control can reach, by block.
    pub uses: Vec<Use>,
    of_definition: Vec<Vec<usize>>,
}

impl Chains {
    /// Indices of the uses that may find a definition.
    pub fn uses_of(&self, definition: usize) -> &[usize] {
        &self.of_definition[definition]
    }
}
