//! Body and edits to body, in one pass.
//!
//! Edits name original instructions, so they cannot invalidate each other; where several stand at
//! one place, they nest as decorators do: pipeline order going in, reverse order coming out.

mod borrowed;
mod callees;
mod callers;
mod enclose;
mod loops;
mod nested;
mod pass;
mod placed;
mod private;
mod sites;
mod splice;
mod splicer;
mod state;
mod taken;
mod variables;

use std::sync::Arc;

use equip_plugin_api::edit::{Edge, LoopEdge, OnError, Site, Value};
use equip_plugin_api::view::Arrives;
use rustc_hash::FxHashMap;

use crate::body::{self, Body};
use crate::declaration::Parameter;
use crate::fragment::Fragment;
use crate::marshal::Objects;
use crate::snippet::Template;
use pass::splice_all;
use placed::line_of;
pub use splicer::Interner;
use state::State;

/// Where code goes: a site of a plugin, or the top of a module, where imports go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind docstring and `__future__` imports.
    Top,
    /// A site.
    At(Site),
    /// The start of each handler that `on_raise` makes in a generator: equip's own code, which turns the
    /// exception into what the caller sees, where CPython's compiler leaves that to the caller.
    Escape,
}

/// What kind of code object is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Locals are slots.
    Function,
    /// Class body.
    Class,
    /// Module body.
    Module,
}

/// The code object that is edited.
pub struct Host<'h> {
    /// Its kind.
    pub scope: Scope,
    /// Its parameters, in signature order.
    pub parameters: &'h [Parameter<'h>],
    /// Whether a nested scope of it deletes variables of enclosing ones.
    pub nested_deletes: bool,
    /// Values of placeholders that the host knows, at a site of that line.
    pub constant: &'h dyn Fn(&str, i32) -> Value,
}

/// One piece of code for one place.
pub struct Probe<'p> {
    /// Starts the private names of its plugin.
    pub plugin: &'p str,
    /// Which plugin, in pipeline order: the first is the outermost.
    pub layer: u32,
    /// Where it goes.
    pub place: Place,
    /// The snippet.
    pub template: &'p Template,
    /// Values that the plugin gives.
    pub values: &'p [(String, Value)],
    /// Names that its plugin's imports bind, and the globals that hold them.
    pub hidden: &'p FxHashMap<String, String>,
    /// Whether names that it assigns become such globals, instead of private ones.
    pub binds: bool,
    /// What becomes of its errors.
    pub on_error: OnError,
}

/// What a snippet is compiled for.
pub struct Shape<'s> {
    /// The snippet.
    pub template: &'s Template,
    /// Parameters of the function.
    pub arity: usize,
    /// Names that nested scopes of the snippet take by value.
    pub captures: &'s [String],
    /// Whether it runs only in `__main__`.
    pub main_only: bool,
    /// What becomes of its errors.
    pub on_error: OnError,
    /// Values of its constants, for those that must be text.
    pub value: &'s dyn Fn(&str) -> Value,
}

/// Gives compiled snippets.
pub trait Compile {
    /// The snippet, compiled for that shape.
    ///
    /// # Errors
    /// It does not compile.
    fn fragment(&self, shape: &Shape<'_>) -> Result<Arc<Fragment>, Refusal>;
}

/// Why an edit cannot be made. Offsets are bytes of the snippet's template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The snippet cannot stand at this site.
    #[error("{message}")]
    Snippet {
        /// Where in the template.
        offset: usize,
        /// How long the part is.
        len: usize,
        /// Why.
        message: String,
    },
    /// The site is not there.
    #[error("{0}")]
    Site(String),
    /// No interpreter, or another failure that is not the snippet's.
    #[error("{0}")]
    Compiler(String),
    /// The body of the program cannot be understood.
    #[error(transparent)]
    Body(#[from] body::Error),
}

/// A refusal, with the index of its probe.
type Refused = (usize, Refusal);

impl Refusal {
    fn at(offset: usize, message: impl Into<String>) -> Self {
        Refusal::Snippet {
            offset,
            len: 1,
            message: message.into(),
        }
    }
}

/// Splices all probes into a body.
///
/// # Errors
/// [`Refusal`] with the index of the probe; the body is lost then, nothing else has changed.
pub fn rewrite<'a>(
    body: Body,
    objects: &mut Objects<'a>,
    interner: &mut Interner,
    host: &Host<'_>,
    probes: &[Probe<'_>],
    compiler: &dyn Compile,
) -> Result<Body, (usize, Refusal)> {
    let mut state = kept(&body, host, probes, compiler)?;
    // Where a name on the stack would be stored too deep, it is in a slot, and all is done again.
    while state.depth > 0 && host.scope == Scope::Function {
        let copy = body.clone();
        let (done, deep) = splice_all(copy, objects, interner, host, probes, compiler, &state)?;
        if deep.is_empty() {
            return Ok(done);
        }
        state = state.without(&deep);
    }
    let done = splice_all(body, objects, interner, host, probes, compiler, &state)?;
    Ok(done.0)
}

/// Which private names are kept from site to site.
fn kept(
    body: &Body,
    host: &Host<'_>,
    probes: &[Probe<'_>],
    compiler: &dyn Compile,
) -> Result<State, Refused> {
    let line = body.first_line;
    let mut fragments = Vec::with_capacity(probes.len());
    for (index, probe) in probes.iter().enumerate() {
        let fragment = splice::fragment_of(probe, host, line, compiler);
        fragments.push(fragment.map_err(|refusal| (index, refusal))?);
    }
    Ok(State::of(probes, &fragments, host.scope))
}

/// Whether code may stand before an instruction.
pub(crate) fn takes_code(body: &Body, at: usize) -> bool {
    sites::beside(body, at, false).is_some()
}

/// For each instruction, whether running it is an arrival at its line.
pub(crate) fn arrivals(body: &Body) -> Vec<Arrives> {
    sites::arrivals(body)
}

/// Whether an instruction is a conditional of the program's.
pub(crate) fn is_conditional(body: &Body, at: usize) -> bool {
    sites::branch(body, at, Edge::True).is_some()
}

/// The lines that control can arrive at, ascending: not that of a `def`, where nothing of the body is.
pub fn lines(body: &Body) -> Vec<u32> {
    let points = sites::lines(body);
    let mut lines: Vec<u32> = points.iter().map(|point| line_of(body, point)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// For each loop of the source the instructions that are its heads, with its line.
pub fn loop_heads(body: &Body) -> Vec<(u32, u32)> {
    let points = sites::loops(body, None, LoopEdge::Head);
    let heads = points.iter().map(|point| (point.at, line_of(body, point)));
    heads.collect()
}

/// How many loops of the source are around what is deepest in them.
pub fn loop_depth(body: &Body) -> u32 {
    loops::depth(body)
}

/// The conditionals of the program, with their lines.
pub fn conditionals(body: &Body) -> Vec<(u32, u32)> {
    let all = 0..body.instrs.len();
    let found = all.filter(|at| is_conditional(body, *at));
    found
        .map(|at| (at as u32, body.instrs[at].location.line.max(0) as u32))
        .collect()
}

/// Where `except` clauses begin, with their lines.
pub fn handlers(body: &Body) -> Vec<(u32, u32)> {
    let points = sites::handlers(body).into_iter();
    let lines = points.map(|point| {
        let of = point.from.unwrap_or(point.at);
        (
            point.at,
            body.instrs[of as usize].location.line.max(0) as u32,
        )
    });
    lines.collect()
}

/// The lines that are closest to one, as text.
pub(crate) fn nearest_lines(mut lines: Vec<u32>, wanted: u32) -> String {
    lines.sort_by_key(|line| line.abs_diff(wanted));
    lines.truncate(3);
    let near: Vec<_> = lines.iter().map(u32::to_string).collect();
    near.join(", ")
}
