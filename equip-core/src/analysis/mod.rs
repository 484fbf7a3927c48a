//! Facts about a body: how control flows through it, and data. Nothing here edits.
//!
//! Everything starts from a [`Cfg`]. What is about graphs alone (dominators, frontiers, control
//! dependence, loops, traversals) takes any `petgraph` graph; what is about values takes the body too.
//! Where exceptions are not of interest, the flow graph is made without them. Only imports and calls are
//! about programs.

pub mod cfg;
pub mod traversal;

pub mod control_dependence;
pub mod dominators;
pub mod frontier;
pub mod loops;

pub mod dataflow;
pub mod variables;

pub mod assigned;
pub mod definitions;
pub mod liveness;

pub mod expression;

pub mod evaluate;
pub mod values;

pub mod constants;
pub mod types;

pub mod imports;
mod names;

pub mod call_graph;
pub mod call_sites;

pub use assigned::DefinitelyAssigned;
pub use call_graph::{CallGraph, Callee, Site, call_graph};
pub use call_sites::{CallSite, call_sites};
pub use cfg::{Block, Cfg, Edge, EdgeKind, Exceptions};
pub use constants::{Constant, Constants};
pub use control_dependence::{Dependence, control_dependence};
pub use definitions::{Chains, Definition, ReachingDefinitions};
pub use dominators::{Dominators, dominators, post_dominators};
pub use evaluate::{Beside, Call, Expressions};
pub use expression::Expression;
pub use frontier::{Frontiers, dominance_frontiers, post_dominance_frontiers};
pub use imports::{ImportGraph, Imported, Module, import_graph};
pub use liveness::Liveness;
pub use loops::{Loop, LoopId, Loops, loops};
pub use types::{Type, TypeSet, Types};
pub use values::Values;
pub use variables::{Access, Variable, Variables};
