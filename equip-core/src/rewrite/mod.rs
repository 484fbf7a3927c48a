//! Body and edits to body, in one pass.
//!
//! Edits name original instructions, so they cannot invalidate each other; where several stand at
//! one place, they nest as decorators do: pipeline order going in, reverse order coming out.

mod borrowed;
mod private;
mod sites;
mod splice;

use std::sync::Arc;

use equip_plugin_api::edit::{Position, Site, Value};
use rustc_hash::FxHashMap;

use crate::body::{self, Arg, Body, HandlerId, Instr, Label, Location};
use crate::declaration::Parameter;
use crate::fragment::Fragment;
use crate::isa::{Flow, Opcode};
use crate::marshal::Objects;
use crate::snippet::{Meaning, Template};
use sites::Point;
pub use splice::Interner;
use splice::Splicer;

/// Where code goes: a site of a plugin, or the top of a module, where imports go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind docstring and `__future__` imports.
    Top,
    /// A site.
    At(Site),
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

impl Refusal {
    fn at(offset: usize, message: impl Into<String>) -> Self {
        Refusal::Snippet {
            offset,
            len: 1,
            message: message.into(),
        }
    }
}

/// One probe at one point.
struct Placed {
    point: Point,
    /// 0: only by falling in; 1: arrivals at a line; 2: always.
    phase: u8,
    order: i32,
    probe: usize,
}

/// Splices all probes into a body.
///
/// # Errors
/// [`Refusal`] with the index of the probe; the body is lost then, nothing else has changed.
pub fn rewrite<'a>(
    mut body: Body,
    objects: &mut Objects<'a>,
    interner: &mut Interner,
    host: &Host<'_>,
    probes: &[Probe<'_>],
    compiler: &dyn Compile,
) -> Result<Body, (usize, Refusal)> {
    let mut placed = Vec::with_capacity(probes.len());
    for (index, probe) in probes.iter().enumerate() {
        check_meanings(probe, host).map_err(|refusal| (index, refusal))?;
        let (points, phase, order) = points(&body, objects, host, probe, index as i32)
            .map_err(|refusal| (index, refusal))?;
        placed.extend(points.into_iter().map(|point| {
            let phase = if phase == 1 && !point.by_jump {
                0
            } else {
                phase
            };
            Placed {
                point,
                phase,
                order,
                probe: index,
            }
        }));
    }
    placed.sort_by_key(|placed| (placed.point.at, placed.phase, placed.order));
    // Where a body starts the stack is empty, but for generator expressions with two-slot iterators.
    let at_start = |probe: &Probe<'_>| {
        matches!(
            probe.place,
            Place::Top | Place::At(Site::Before | Site::ModuleEnter(_))
        )
    };
    let needs_depths = body.isa.iterator_slots > 1 || !probes.iter().all(at_start);
    let depths = match needs_depths {
        true => Some(
            body::depths(&body)
                .map_err(|error| (0, Refusal::Body(error)))?
                .before,
        ),
        false => None,
    };
    let depth_at = |at: usize| depths.as_ref().map_or(0, |depths| depths[at]);
    if let Some(depths) = &depths
        && body.isa.has(Opcode::LOAD_FAST_BORROW)
    {
        let places = placed.iter().map(|placed| placed.point.at as usize);
        borrowed::own(&mut body, depths, places);
    }

    let old = std::mem::take(&mut body.instrs);
    let old_labels = body.labels.clone();
    let mut moved = vec![0u32; old.len() + 1];
    let mut emitted: Vec<u32> = vec![0; old.len()];
    let mut splicer = Splicer::new(&mut body, objects, interner, host, compiler, &old);
    splicer.out.reserve(old.len() + placed.len() * 12);
    let mut next = 0;
    for (at, instr) in old.iter().enumerate() {
        let first = next;
        while placed
            .get(next)
            .is_some_and(|placed| placed.point.at as usize == at)
        {
            next += 1;
        }
        let here = &placed[first..next];
        if here.is_empty() || depth_at(at) < 0 {
            moved[at] = splicer.out.len() as u32;
            emitted[at] = moved[at];
            splicer.out.push(*instr);
            continue;
        }
        let depth = depth_at(at) as u32;
        let falling = here.partition_point(|placed| placed.phase == 0);
        for placed in &here[..falling] {
            // A line begins inside the `try` that it is in; what stands behind an instruction is where
            // that is.
            let place = match probes[placed.probe].place {
                Place::At(Site::EachLine | Site::Line(_)) => Some(at),
                _ => at.checked_sub(1),
            };
            let site = splice::SiteState {
                location: location_from(&old, at),
                handler: place.and_then(|at| splicer.reachable(old[at].handler, depth)),
                depth,
                at,
                starts: true,
            };
            splicer
                .probe(&probes[placed.probe], &site)
                .map_err(|refusal| (placed.probe, refusal))?;
        }
        let site = splice::SiteState {
            location: location_from(&old, at),
            handler: splicer.reachable(instr.handler, depth),
            depth,
            at,
            starts: false,
        };
        let arrivals = here[falling..].partition_point(|placed| placed.phase == 1) + falling;
        let mut behind = None;
        if let Some(line) = here[falling..arrivals].first() {
            let falls_in = at > 0 && {
                let flow = splicer.body.isa.info(old[at - 1].opcode).flow;
                !matches!(flow, Flow::Exit | Flow::Jump)
            };
            if falls_in && !line.point.by_fall || !line.point.passing.is_empty() {
                behind = Some(splicer.new_label());
            }
            if let (true, Some(label)) = (falls_in && !line.point.by_fall, behind) {
                splicer.push(Opcode::JUMP_FORWARD, Arg::Jump(label), &site);
            }
        }
        moved[at] = splicer.out.len() as u32;
        for placed in &here[falling..arrivals] {
            splicer
                .probe(&probes[placed.probe], &site)
                .map_err(|refusal| (placed.probe, refusal))?;
        }
        if let Some(label) = behind {
            splicer.body.labels[label.0 as usize] = splicer.out.len() as u32;
            for from in &here[falling].point.passing {
                splicer.out[emitted[*from as usize] as usize].arg = Arg::Jump(label);
            }
        }
        let mut last = *instr;
        if arrivals < here.len() && instr.opcode == Opcode::RETURN_CONST {
            splicer.out.push(Instr {
                opcode: Opcode::LOAD_CONST,
                ..*instr
            });
            last = Instr {
                opcode: Opcode::RETURN_VALUE,
                arg: Arg::None,
                ..*instr
            };
        }
        let site = splice::SiteState {
            depth: depth.max(u32::from(last.arg != instr.arg)),
            ..site
        };
        for placed in &here[arrivals..] {
            splicer
                .probe(&probes[placed.probe], &site)
                .map_err(|refusal| (placed.probe, refusal))?;
        }
        emitted[at] = splicer.out.len() as u32;
        splicer.out.push(last);
    }
    moved[old.len()] = splicer.out.len() as u32;
    let (mut out, cold) = (
        std::mem::take(&mut splicer.out),
        std::mem::take(&mut splicer.cold),
    );
    for label in &mut body.labels[old_labels.len()..] {
        if *label & splice::COLD != 0 {
            *label = out.len() as u32 + (*label & !splice::COLD);
        }
    }
    out.extend(cold);
    for (label, at) in old_labels.iter().enumerate() {
        body.labels[label] = moved[*at as usize];
    }
    body.instrs = out;
    Ok(body)
}

/// Whether each placeholder means something here.
fn check_meanings(probe: &Probe<'_>, host: &Host<'_>) -> Result<(), Refusal> {
    let template = probe.template;
    if host.scope != Scope::Function
        && let Some(offset) = template.uses(|m| matches!(m, Meaning::Arg(_) | Meaning::Arguments))
    {
        return Err(Refusal::at(offset, "only functions have arguments"));
    }
    if let Some(offset) = template.uses(|m| matches!(m, Meaning::ReturnValue)) {
        if probe.place != Place::At(Site::After) {
            return Err(Refusal::at(
                offset,
                "{return_value} is known at the site `after` only",
            ));
        }
        if host.scope != Scope::Function {
            return Err(Refusal::at(
                offset,
                "class and module bodies have no return value",
            ));
        }
    }
    Ok(())
}

fn points(
    body: &Body,
    objects: &Objects<'_>,
    host: &Host<'_>,
    probe: &Probe<'_>,
    index: i32,
) -> Result<(Vec<Point>, u8, i32), Refusal> {
    let no_start = || Refusal::Site("the code object has no RESUME where a body starts".to_owned());
    let module_only = |points| match host.scope {
        Scope::Module => Ok(points),
        _ => Err(Refusal::Site("this site is a module's".to_owned())),
    };
    Ok(match probe.place {
        Place::Top => (
            module_only(vec![sites::module_top(body, objects).ok_or_else(no_start)?])?,
            0,
            index - (1 << 20),
        ),
        Place::At(Site::ModuleEnter(_)) => (
            module_only(vec![sites::module_top(body, objects).ok_or_else(no_start)?])?,
            0,
            index,
        ),
        Place::At(Site::Before) => {
            let point = match host.scope {
                Scope::Module => sites::module_top(body, objects),
                _ => sites::start(body, objects),
            };
            (vec![point.ok_or_else(no_start)?], 0, index)
        }
        Place::At(Site::ModuleExit(_)) => (module_only(sites::returns(body))?, 2, -index),
        Place::At(Site::After) => (sites::returns(body), 2, -index),
        Place::At(Site::EachLine) => (sites::lines(body, None), 1, index),
        Place::At(Site::Line(line)) => {
            let points = sites::lines(body, Some(line));
            if points.is_empty() {
                return Err(Refusal::Site(no_such_line(body, line)));
            }
            (points, 1, index)
        }
        Place::At(Site::Instruction(at, position)) => {
            let after = position == Position::After;
            let point = sites::beside(body, at as usize, after);
            let point = point.ok_or_else(|| {
                let side = if after { "after" } else { "before" };
                Refusal::Site(format!("no code can stand {side} instruction {at}"))
            })?;
            (vec![point], if after { 0 } else { 2 }, index)
        }
    })
}

fn no_such_line(body: &Body, line: u32) -> String {
    let mut lines: Vec<_> = body
        .instrs
        .iter()
        .map(|instr| instr.location.line)
        .filter(|l| *l > 0)
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines.sort_by_key(|known| known.abs_diff(line as i32));
    lines.truncate(3);
    let near: Vec<_> = lines.iter().map(i32::to_string).collect();
    format!(
        "line {line} has no code here; the nearest that have: {}",
        near.join(", ")
    )
}

/// The line, without columns, of the first instruction from `at` on that has one.
fn location_from(instrs: &[Instr], at: usize) -> Location {
    let lines = |instr: &&Instr| instr.location.line > 0;
    let found = instrs[at..]
        .iter()
        .find(lines)
        .or_else(|| instrs[..at].iter().rev().find(lines));
    found.map_or(Location::line(1), |instr| instr.location.without_columns())
}

impl Splicer<'_, '_, '_> {
    /// A handler, if it can be reached from that depth. Where the program's own code cannot raise any
    /// more, the compiler lets ranges cover instructions that are not as deep.
    fn reachable(&self, handler: Option<HandlerId>, depth: u32) -> Option<HandlerId> {
        handler.filter(|id| self.body.handlers[id.0 as usize].depth <= depth)
    }

    fn new_label(&mut self) -> Label {
        self.body.labels.push(0);
        Label(self.body.labels.len() as u32 - 1)
    }
}
