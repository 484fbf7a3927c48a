//! Body and edits to body, in one pass.
//!
//! Edits name original instructions, so they cannot invalidate each other; where several stand at
//! one place, they nest as decorators do: pipeline order going in, reverse order coming out.

mod borrowed;
mod callers;
mod enclose;
mod loops;
mod private;
mod sites;
mod splice;
mod state;
mod taken;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use equip_plugin_api::edit::{Edge, LoopEdge, OnError, Position, Site, SiteKind, Value};
use equip_plugin_api::view::Arrives;
use rustc_hash::FxHashMap;

use crate::analysis::{Beside, CallSite, call_sites};
use crate::body::{self, Arg, Body, Handler, HandlerId, Instr, Label, Location};
use crate::declaration::Parameter;
use crate::fragment::Fragment;
use crate::isa::{Flow, NullSlot, Opcode, Operand};
use crate::marshal::Objects;
use crate::snippet::{Meaning, Template};
use sites::Point;
pub use splice::Interner;
use splice::{SiteState, Splicer, Subject};
use state::State;
use taken::Taken;

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

impl Refusal {
    fn at(offset: usize, message: impl Into<String>) -> Self {
        Refusal::Snippet {
            offset,
            len: 1,
            message: message.into(),
        }
    }
}

/// When a probe runs, of those that stand before one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// By falling in only, and before what is kept from site to site has its place.
    Top,
    /// By falling in only.
    Falling,
    /// By one jump only.
    Jumping,
    /// On arrivals at a line.
    Arriving,
    /// Always.
    Always,
}

/// One probe at one point.
struct Placed {
    point: Point,
    phase: Phase,
    order: i64,
    probe: usize,
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

/// What is worked out about a body when the first site asks for it.
#[derive(Default)]
struct Known {
    arrivals: OnceCell<Vec<Point>>,
    calls: OnceCell<Vec<CallSite>>,
}

impl Known {
    fn calls(&self, body: &Body, objects: &Objects<'_>) -> &[CallSite] {
        self.calls.get_or_init(|| call_sites(body, objects))
    }
}

/// Splices all probes into a body, with names that live from site to site where `state` says; also
/// which of these were stored too deep.
fn splice_all<'a>(
    mut body: Body,
    objects: &mut Objects<'a>,
    interner: &mut Interner,
    host: &Host<'_>,
    probes: &[Probe<'_>],
    compiler: &dyn Compile,
    state: &State,
) -> Result<(Body, BTreeSet<u32>), (usize, Refusal)> {
    let mut placed = Vec::with_capacity(probes.len());
    let known = Known::default();
    for (index, probe) in probes.iter().enumerate() {
        check_meanings(probe, host).map_err(|refusal| (index, refusal))?;
        let (points, phase, order) = points(&body, objects, host, probe, index as i64, &known)
            .map_err(|refusal| (index, refusal))?;
        placed.extend(points.into_iter().map(|point| {
            let phase = match phase {
                Phase::Arriving | Phase::Jumping if !point.by_jump => Phase::Falling,
                Phase::Jumping if point.from.is_none() => Phase::Always,
                phase => phase,
            };
            Placed {
                point,
                phase,
                order,
                probe: index,
            }
        }));
    }
    let taken = Taken::of(&body, || body::depths(&body).ok());
    for placed in &mut placed {
        let is_line = matches!(
            probes[placed.probe].place,
            Place::At(Site::EachLine | Site::Line(_))
        );
        if is_line && taken.any(placed.point.at as usize) {
            let point = placed.point.clone();
            placed.point = sites::given_back(&body, point, |at| taken.any(at));
            if !placed.point.by_jump {
                placed.phase = Phase::Falling;
            }
        }
    }
    let twins = part_handlers(&mut body, &placed);
    placed.sort_by_key(|placed| {
        // Of the jumps that lead to one place each has its probes together.
        let from = placed.point.from.filter(|_| placed.phase == Phase::Jumping);
        (placed.point.at, placed.phase, from, placed.order)
    });
    let guards = enclose::guards(probes);
    let guarded = !guards.is_empty();
    let thrown = probes
        .iter()
        .any(|probe| probe.place == Place::At(Site::OnResume));
    // Where a body starts the stack is empty, but for generator expressions with two-slot iterators.
    let at_start = |probe: &Probe<'_>| {
        matches!(
            probe.place,
            Place::Top | Place::At(Site::Before | Site::ModuleEnter(_))
        )
    };
    let is_deep = state.depth > 0 || guarded || thrown;
    let needs_depths = is_deep || body.isa.iterator_slots > 1 || !probes.iter().all(at_start);
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

    // What is kept from site to site is below all that the program has on the stack.
    let start = match is_deep {
        true => body_start(&body, objects, host).map_err(|refusal| (0, refusal))?,
        false => 0,
    };
    // Lines of class and module bodies begin before the body does: with what the compiler adds to them.
    let room_at = match host.scope {
        Scope::Function => start,
        _ => sites::start_resume(&body).map_or(start, |resume| resume + 1),
    };
    // Without a line: where the first line begins, the stack must be as it is in all others, or a
    // debugger could not jump. On the line of the `RESUME` that is no matter, and there another line
    // between would be an event.
    let first = location_from(&body.instrs, room_at);
    let room = match room_at.checked_sub(1).map(|at| body.instrs[at].location) {
        Some(resume) if resume.line == first.line => first,
        _ => Location::NONE,
    };
    let kept = state.depth;
    for handler in &mut body.handlers {
        handler.depth += kept;
    }
    let body_isa = body.isa;
    let callees = Callees::of(&mut body, known.calls.get(), &placed, probes, &depth_at);
    let wrapper = enclose::Wrapper::of(&body);
    let old = std::mem::take(&mut body.instrs);
    let old_labels = body.labels.clone();
    let mut jumped_to = vec![false; old.len() + 1];
    for label in &old_labels {
        jumped_to[*label as usize] = true;
    }
    let mut moved = vec![0u32; old.len() + 1];
    let mut emitted: Vec<u32> = vec![0; old.len()];
    let mut splicer = Splicer::new(&mut body, objects, interner, host, compiler, (&old, &taken));
    splicer.state = state.clone();
    splicer.out.reserve(old.len() + placed.len() * 12);
    splicer.at_level(enclose::PROLOGUE);
    let told = |point: &Point, at: usize| {
        let line_of = point.line_of.map_or(at, |line_of| line_of as usize);
        location_from(&old, line_of).line
    };
    let mut next = 0;
    let mut stubbed: Vec<(usize, Label)> = Vec::new();
    let mut parted: Vec<(Label, u32)> = Vec::new();
    // Where `throw` ends a delegation, for the code there that is still to be put out.
    let mut ends: Option<(Label, Label)> = None;
    let mut ended: Vec<(usize, usize)> = Vec::new();
    for (at, instr) in old.iter().enumerate() {
        let first = next;
        while placed
            .get(next)
            .is_some_and(|placed| placed.point.at as usize == at)
        {
            next += 1;
        }
        let here = &placed[first..next];
        let returns = matches!(instr.opcode, Opcode::RETURN_VALUE | Opcode::RETURN_CONST);
        // Where an inlined comprehension has taken variables over, and has no handler (yet, or any more) that
        // gives them back, guards could not read them. Only lack of memory raises there.
        let wraps = |id| wrapper.as_ref().is_some_and(|wrapper| wrapper.is(id));
        let is_unclear = taken.any(at) && instr.handler.is_none_or(wraps);
        let level = match is_deep && !is_unclear {
            true => enclose::level_of_program(instr, at, start),
            false => enclose::PROLOGUE,
        };
        let level_of = |probe: &Probe<'_>| match is_unclear {
            true => enclose::PROLOGUE,
            false => enclose::level(probe),
        };
        let delegates =
            body_isa.throw_reads_send && needs_depths && sites::suspended(&old, at) < at;
        let plain = here.is_empty() && !delegates && (kept == 0 || at != room_at && !returns);
        if plain || depth_at(at) < 0 {
            moved[at] = splicer.out.len() as u32;
            emitted[at] = moved[at];
            splicer.at_level(level);
            let handler = instr.handler.filter(|_| kept == 0 || at >= room_at);
            splicer.out.push(Instr { handler, ..*instr });
            if callees.is_bound(at) {
                splicer.push_null_beside(instr);
            }
            continue;
        }
        // The end of a delegation of 3.11, where probes stand in it.
        let resumes = delegates && {
            let near = placed[next..]
                .iter()
                .take_while(|placed| placed.point.at as usize <= at + 2);
            let mut near = near.map(|placed| placed.point.at as usize);
            near.any(|near| near == at + 2)
        };
        let ending = match delegates && (resumes || !here.is_empty()) {
            true => splicer.end_nearby(emitted[at - 1] as usize),
            false => None,
        };
        let tops = here.partition_point(|placed| placed.phase == Phase::Top);
        let falling = here.partition_point(|placed| placed.phase <= Phase::Falling);
        let jumping = here.partition_point(|placed| placed.phase <= Phase::Jumping);
        let arrivals = here.partition_point(|placed| placed.phase <= Phase::Arriving);
        if let Some((short, long)) =
            ends.take_if(|_| at > 1 && old[at - 1].opcode == Opcode::RESUME)
        {
            let over = splicer.new_label();
            let around = SiteState {
                location: old[at - 2].location.without_columns(),
                line: old[at - 2].location.line,
                handler: old[sites::suspended(&old, at - 2)].handler,
                depth: (depth_at(at - 2) - 1) as u32 + kept,
                at: Some(at),
                starts: false,
                subject: Some(Subject::Yield),
                callee: None,
                quiet: false,
            };
            splicer.at_level(level);
            // What the delegate raises is raised here: tracebacks show the whole suspension.
            ended.push((at - 2, splicer.out.len()));
            splicer.out.push(Instr {
                opcode: Opcode::JUMP_FORWARD,
                arg: Arg::Jump(over),
                location: old[at - 2].location,
                handler: around.handler,
            });
            splicer.body.labels[short.0 as usize] = splicer.out.len() as u32;
            for placed in &here[..falling] {
                let probe = &probes[placed.probe];
                if probe.place == Place::At(Site::OnResume) {
                    splicer
                        .probe(probe, &around)
                        .map_err(|refusal| (placed.probe, refusal))?;
                }
            }
            splicer.push(Opcode::JUMP_FORWARD, Arg::Jump(long), &around);
            splicer.body.labels[over.0 as usize] = splicer.out.len() as u32;
        }
        for (index, placed) in here[..falling].iter().enumerate() {
            if index == tops && at == room_at {
                splicer.make_room(kept, depth_at(at) as u32, room);
            }
            let probe = &probes[placed.probe];
            let depth = match probe.place {
                Place::Top if at == room_at => depth_at(at) as u32,
                _ => depth_at(at) as u32 + kept,
            };
            // A line begins inside the `try` that it is in; what stands behind an instruction is where
            // that is. An edge belongs to its conditional.
            let of = placed.point.from.map_or(at, |from| from as usize);
            let place = match probe.place {
                _ if placed.point.from.is_some() => Some(of),
                Place::At(Site::EachLine | Site::Line(_)) => Some(at),
                Place::At(Site::OnResume) => Some(sites::resumed(&old, at)),
                _ => at.checked_sub(1),
            };
            // What ends a loop has no line: there that of what follows, or it would be an event.
            let adjacent = (of + 1..at).all(|between| old[between].opcode == Opcode::NOT_TAKEN);
            let location = location_from(&old, if adjacent { of } else { at });
            let site = SiteState {
                quiet: splicer.goes_on(location),
                location,
                line: told(&placed.point, of),
                handler: place.and_then(|at| splicer.reachable(old[at].handler, depth)),
                depth,
                at: Some(at),
                starts: at_start(probe),
                subject: subject(probe.place, host),
                callee: None,
            };
            splicer.at_level(level_of(probe));
            splicer
                .probe(probe, &site)
                .map_err(|refusal| (placed.probe, refusal))?;
        }
        if tops == falling && at == room_at {
            splicer.make_room(kept, depth_at(at) as u32, room);
        }
        let depth = depth_at(at) as u32 + kept;
        // The handler of a handler's first instruction is for when that has run.
        let around = match (instr.opcode, instr.handler) {
            (Opcode::PUSH_EXC_INFO, Some(id)) => {
                let Label(target) = splicer.body.handlers[id.0 as usize].target;
                old[old_labels[target as usize] as usize].handler
            }
            _ => instr.handler,
        };
        let site = SiteState {
            location: location_from(&old, at),
            line: location_from(&old, at).line,
            handler: splicer.reachable(around, depth),
            depth,
            at: Some(at),
            starts: false,
            subject: None,
            callee: None,
            quiet: false,
        };
        splicer.at_level(level);
        let falls_in = at > 0 && {
            let flow = splicer.body.isa.info(old[at - 1].opcode).flow;
            !matches!(flow, Flow::Exit | Flow::Jump)
        };
        // Where only one jump comes by: what falls in goes over it.
        let stubs = &here[falling..jumping];
        let over = (falls_in && !stubs.is_empty()).then(|| splicer.new_label());
        if let Some(over) = over {
            splicer.push(Opcode::JUMP_FORWARD, Arg::Jump(over), &site);
        }
        let mut leaving: Vec<(usize, u32)> = Vec::new();
        for group in stubs.chunk_by(|one, other| one.point.from == other.point.from) {
            let from = group[0].point.from.unwrap_or_default();
            let (label, out) = (splicer.new_label(), splicer.new_label());
            let begin = splicer.out.len();
            splicer.body.labels[label.0 as usize] = begin as u32;
            stubbed.push((from as usize, label));
            let of = &old[from as usize];
            // A jump backward is a line event wherever it leads: of the line that it led to, then.
            let location = match from as usize >= at {
                true => site.location,
                false => location_from(&old, from as usize),
            };
            let stub = SiteState {
                location,
                handler: splicer.reachable(of.handler, depth),
                ..site
            };
            for placed in group {
                let stub = SiteState {
                    line: told(&placed.point, from as usize),
                    subject: subject(probes[placed.probe].place, host),
                    ..stub
                };
                splicer.at_level(level_of(&probes[placed.probe]));
                splicer
                    .probe(&probes[placed.probe], &stub)
                    .map_err(|refusal| (placed.probe, refusal))?;
            }
            splicer.at_level(level);
            let end = splicer.out.len();
            for place in splicer.jumps_to_end(begin) {
                splicer.out[place].arg = Arg::Jump(out);
                leaving.push((place, from));
            }
            leaving.push((end, from));
            splicer.push(Opcode::JUMP_FORWARD, Arg::Jump(out), &stub);
        }
        if jumping == arrivals
            && leaving
                .last()
                .is_some_and(|last| last.0 + 1 == splicer.out.len())
        {
            // The last of them comes to what is next without a jump.
            splicer.out.pop();
            leaving.pop();
        }
        if let Some(over) = over {
            splicer.body.labels[over.0 as usize] = splicer.out.len() as u32;
        }
        let mut behind = None;
        if let Some(line) = here[jumping..arrivals].first() {
            let passes = !line.point.passing.is_empty() || !line.point.raising.is_empty();
            if falls_in && !line.point.by_fall || passes {
                behind = Some(splicer.new_label());
            }
            if let (true, Some(label)) = (falls_in && !line.point.by_fall, behind) {
                splicer.push(Opcode::JUMP_FORWARD, Arg::Jump(label), &site);
            }
        }
        moved[at] = splicer.out.len() as u32;
        for (place, from) in &leaving {
            let passes = here[jumping..arrivals]
                .first()
                .filter(|line| line.point.passing.contains(from));
            if let (Arg::Jump(out), None) = (splicer.out[*place].arg, passes) {
                splicer.body.labels[out.0 as usize] = moved[at];
            }
        }
        for placed in &here[jumping..arrivals] {
            let probe = &probes[placed.probe];
            let line_of = placed.point.line_of.map_or(at, |at| at as usize);
            let location = location_from(&old, line_of);
            let site = SiteState {
                location,
                line: location.line,
                ..site
            };
            splicer.at_level(level_of(probe));
            splicer
                .probe(probe, &site)
                .map_err(|refusal| (placed.probe, refusal))?;
        }
        if let Some(label) = behind {
            let here_is = splicer.out.len() as u32;
            splicer.body.labels[label.0 as usize] = here_is;
            parted.extend(
                twins
                    .iter()
                    .filter(|(_, to)| *to == at)
                    .map(|(twin, _)| (*twin, here_is)),
            );
            let passing = &here[jumping].point.passing;
            for from in passing {
                splicer.out[emitted[*from as usize] as usize].arg = Arg::Jump(label);
            }
            for (place, _) in leaving.iter().filter(|(_, from)| passing.contains(from)) {
                splicer.out[*place].arg = Arg::Jump(label);
            }
        }
        splicer.at_level(level);
        let mut last = *instr;
        if instr.opcode == Opcode::RETURN_CONST && (arrivals < here.len() || kept > 0) {
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
        let depth = depth + u32::from(last.arg != instr.arg);
        for placed in &here[arrivals..] {
            let probe = &probes[placed.probe];
            let handler = match probe.place {
                Place::At(Site::OnYield) => old[sites::suspended(&old, at)].handler,
                _ => instr.handler,
            };
            let callee = callees.places.get(&at);
            let site = SiteState {
                depth,
                subject: subject(probe.place, host),
                callee: callee
                    .filter(|_| is_before_call(probe.place))
                    .map(|place| place + kept),
                line: told(&placed.point, at),
                handler: splicer.reachable(handler, depth),
                quiet: !jumped_to[at] && splicer.goes_on(site.location),
                ..site
            };
            splicer.at_level(level_of(probe));
            splicer
                .probe(probe, &site)
                .map_err(|refusal| (placed.probe, refusal))?;
        }
        if returns && kept > 0 {
            // No handler: the stack is not as deep as it says any more.
            splicer.at_level(enclose::PROLOGUE);
            splicer.leave_room(kept, site.location);
            last.handler = None;
        }
        splicer.at_level(level);
        if let Some(long) = ending {
            ends = splicer.announce_end(long, resumes, instr);
        }
        emitted[at] = splicer.out.len() as u32;
        splicer.out.push(last);
        if callees.is_bound(at) {
            splicer.push_null_beside(instr);
        }
    }
    moved[old.len()] = splicer.out.len() as u32;
    for (from, label) in stubbed {
        splicer.out[emitted[from] as usize].arg = Arg::Jump(label);
    }
    for (label, at) in old_labels.iter().enumerate() {
        splicer.body.labels[label] = moved[*at as usize];
    }
    // What is only named is the instruction itself, without what now stands before it.
    for (at, instr) in old.iter().enumerate() {
        if let Arg::Jump(Label(label)) = instr.arg
            && body_isa.info(instr.opcode).operand == Operand::LabelBackward
        {
            let named = splicer.new_label();
            let target = old_labels[label as usize] as usize;
            splicer.body.labels[named.0 as usize] = emitted[target];
            splicer.out[emitted[at] as usize].arg = Arg::Jump(named);
        }
    }
    for (label, at) in parted {
        splicer.body.labels[label.0 as usize] = at;
    }
    splicer.flush(old_labels.len());
    if is_deep {
        let plan = enclose::Plan {
            probes,
            wrapper,
            line: host_line(&old, start),
            emitted: &emitted,
            ended: &ended,
            depth_at: &depth_at,
        };
        if thrown {
            plan.catch_thrown(&mut splicer)?;
        }
        for guard in guards {
            plan.enclose(&mut splicer, guard)?;
        }
        if thrown || guarded {
            enclose::mark_suspensions(&mut splicer, &plan);
        }
    }
    let deep = std::mem::take(&mut splicer.deep);
    body.instrs = std::mem::take(&mut splicer.out);
    callers::shield(&mut body);
    if is_deep {
        let depths = body::depths(&body).map_err(|error| (0, Refusal::Body(error)))?;
        body.stacksize = body.stacksize.max(depths.max);
    }
    Ok((body, deep))
}

/// What is on the top of the stack at a site, for its snippets.
fn subject(place: Place, host: &Host<'_>) -> Option<Subject> {
    let Place::At(site) = place else { return None };
    match site {
        Site::After if host.scope == Scope::Function => Some(Subject::Return),
        Site::OnYield | Site::OnResume => Some(Subject::Yield),
        Site::AfterCall | Site::AfterCallAt(_) => Some(Subject::Result),
        Site::Handler => Some(Subject::Exception),
        _ => None,
    }
}

fn is_before_call(place: Place) -> bool {
    matches!(place, Place::At(Site::BeforeCall | Site::BeforeCallAt(_)))
}

/// The calls whose callees probes read.
struct Callees {
    /// By the first instruction of a call, which slot of the stack holds what is called.
    places: FxHashMap<usize, u32>,
    /// Instructions that load a method.
    bound: BTreeSet<usize>,
}

impl Callees {
    /// A method that a probe reads is loaded as its attribute's value is, bound to its object: as a function, with the object
    /// beside it, CPython keeps it only where it can, which up to 3.12 nothing but a NULL tells.
    fn of(
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
    fn is_bound(&self, at: usize) -> bool {
        self.bound.contains(&at)
    }
}

/// Gives the instructions whose exceptions do not come by a point handlers of their own, which lead behind it: their
/// labels, and the instruction that all of them stand before as yet.
fn part_handlers(body: &mut Body, placed: &[Placed]) -> Vec<(Label, usize)> {
    let mut twins: FxHashMap<HandlerId, HandlerId> = FxHashMap::default();
    let mut labels = Vec::new();
    let points = placed.iter().map(|placed| &placed.point);
    for from in points.flat_map(|point| &point.raising) {
        let Some(id) = body.instrs[*from as usize].handler else {
            continue;
        };
        if twins.values().any(|twin| *twin == id) {
            continue; // by another probe at the same point
        }
        let twin = *twins.entry(id).or_insert_with(|| {
            let handler = body.handlers[id.0 as usize];
            let at = body.at(handler.target);
            let target = Label(body.labels.len() as u32);
            body.labels.push(at as u32);
            labels.push((target, at));
            body.handlers.push(Handler { target, ..handler });
            HandlerId(body.handlers.len() as u32 - 1)
        });
        body.instrs[*from as usize].handler = Some(twin);
    }
    labels
}

/// Which private names are kept from site to site.
fn kept(
    body: &Body,
    host: &Host<'_>,
    probes: &[Probe<'_>],
    compiler: &dyn Compile,
) -> Result<State, (usize, Refusal)> {
    let line = body.first_line;
    let mut fragments = Vec::with_capacity(probes.len());
    for (index, probe) in probes.iter().enumerate() {
        let fragment = splice::fragment_of(probe, host, line, compiler);
        fragments.push(fragment.map_err(|refusal| (index, refusal))?);
    }
    Ok(State::of(probes, &fragments, host.scope))
}

/// The instruction before which `before` stands.
fn body_start(body: &Body, objects: &Objects<'_>, host: &Host<'_>) -> Result<usize, Refusal> {
    let point = match host.scope {
        Scope::Module => sites::module_top(body, objects),
        _ => sites::start(body, objects),
    };
    point.map(|point| point.at as usize).ok_or_else(no_start)
}

fn no_start() -> Refusal {
    Refusal::Site("the code object has no RESUME where a body starts".to_owned())
}

/// The line that a snippet is told of where nobody can know it.
fn host_line(instrs: &[Instr], start: usize) -> i32 {
    location_from(instrs, start.min(instrs.len().saturating_sub(1))).line
}

/// Whether each placeholder means something here.
fn check_meanings(probe: &Probe<'_>, host: &Host<'_>) -> Result<(), Refusal> {
    let template = probe.template;
    if host.scope != Scope::Function
        && let Some(offset) = template.uses(|m| matches!(m, Meaning::Arg(_) | Meaning::Arguments))
    {
        return Err(Refusal::at(offset, "only functions have arguments"));
    }
    let only = |meaning: Meaning, sites: &[Site], message: &str| {
        let known = sites.iter().any(|site| probe.place == Place::At(*site));
        match template.uses(|m| *m == meaning) {
            Some(offset) if !known => Err(Refusal::at(offset, message)),
            _ => Ok(()),
        }
    };
    only(
        Meaning::Exception,
        &[Site::OnRaise, Site::OnResume, Site::Handler],
        "{exception} is known at the sites `on_raise`, `on_resume` and `handler` only",
    )?;
    let kind = match probe.place {
        Place::At(site) => Some(site.kind()),
        _ => None,
    };
    let calls = [
        (Meaning::Callee, SiteKind::BeforeCall, "callee"),
        (Meaning::Result, SiteKind::AfterCall, "result"),
    ];
    for (meaning, site, name) in &calls {
        let used = template.uses(|m| m == meaning);
        if let Some(offset) = used.filter(|_| kind != Some(*site)) {
            let mut message = format!("{{{name}}} is known at the site `{}` only", site.name());
            if let Some((_, here, has)) = calls.iter().find(|(_, here, _)| kind == Some(*here)) {
                message += &format!(": `{}` has {{{has}}}", here.name());
            }
            return Err(Refusal::at(offset, message));
        }
    }
    only(
        Meaning::YieldValue,
        &[Site::OnYield, Site::OnResume],
        "{yield_value} is known at the sites `on_yield` and `on_resume` only",
    )?;
    only(
        Meaning::ReturnValue,
        &[Site::After],
        "{return_value} is known at the site `after` only",
    )?;
    match template.uses(|m| matches!(m, Meaning::ReturnValue)) {
        Some(offset) if host.scope != Scope::Function => Err(Refusal::at(
            offset,
            "class and module bodies have no return value",
        )),
        _ => Ok(()),
    }
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

/// How many edits there are room for in a layer, where the order at a return is computed.
const LAYER: i64 = 1 << 32;
/// Added to the order of an edge, which control takes before it comes anywhere.
const EDGES: i64 = 1 << 40;

/// Added to the order of what stands right before a call, behind all else that stands there, and taken from that of what
/// stands right behind it.
const CALLS: i64 = 1 << 41;

/// Added to the order of what a loop does: control leaves one, or comes back, before it comes to a head.
fn round(what: LoopEdge) -> i64 {
    match what {
        LoopEdge::Head => EDGES,
        LoopEdge::Back | LoopEdge::Exit => -EDGES,
    }
}

fn points(
    body: &Body,
    objects: &Objects<'_>,
    host: &Host<'_>,
    probe: &Probe<'_>,
    index: i64,
    known: &Known,
) -> Result<(Vec<Point>, Phase, i64), Refusal> {
    let lines = || known.arrivals.get_or_init(|| sites::lines(body));
    let calls = || known.calls(body, objects);
    let call = |at: u32| {
        let found = calls().binary_search_by_key(&(at as usize), |call| call.at);
        let found = found.map(|index| &calls()[index]);
        found.map_err(|_| {
            Refusal::Site(format!("instruction {at} is no call that the source makes"))
        })
    };
    let module_only = |points| match host.scope {
        Scope::Module => Ok(points),
        _ => Err(Refusal::Site("this site is a module's".to_owned())),
    };
    // On the way out the last plugin comes first; within one, `after` comes before `on_exit`.
    let leaving = |is_exit: bool| {
        let class = 2 * i64::from(probe.layer) + i64::from(!is_exit);
        -(class * LAYER + index)
    };
    Ok(match probe.place {
        Place::Top => (
            module_only(vec![sites::module_top(body, objects).ok_or_else(no_start)?])?,
            Phase::Top,
            index,
        ),
        Place::At(Site::ModuleEnter(_)) => (
            module_only(vec![sites::module_top(body, objects).ok_or_else(no_start)?])?,
            Phase::Falling,
            index,
        ),
        Place::At(Site::Before) => {
            let point = match host.scope {
                Scope::Module => sites::module_top(body, objects),
                _ => sites::start(body, objects),
            };
            (vec![point.ok_or_else(no_start)?], Phase::Falling, index)
        }
        Place::At(Site::ModuleExit(_)) => (
            module_only(sites::returns(body))?,
            Phase::Always,
            leaving(false),
        ),
        Place::At(Site::After) => (sites::returns(body), Phase::Always, leaving(false)),
        Place::At(Site::OnExit) => (sites::returns(body), Phase::Always, leaving(true)),
        Place::At(Site::OnRaise) | Place::Escape => (Vec::new(), Phase::Always, 0),
        Place::At(Site::OnYield) => (sites::suspensions(body), Phase::Always, -index),
        Place::At(Site::OnResume) => (sites::resumptions(body), Phase::Falling, index),
        Place::At(Site::EachLine) => (lines().clone(), Phase::Arriving, index),
        Place::At(Site::Line(line)) => {
            let of_line = |point: &&Point| line_of(body, point) == line;
            let points: Vec<_> = lines().iter().filter(of_line).cloned().collect();
            if points.is_empty() {
                return Err(Refusal::Site(no_such_line(body, line)));
            }
            (points, Phase::Arriving, index)
        }
        Place::At(Site::Branch(edge)) => {
            (sites::branches(body, edge), Phase::Jumping, index - EDGES)
        }
        Place::At(Site::BranchAt(at, edge)) => {
            let point = sites::branch(body, at as usize, edge);
            let point = point.ok_or_else(|| {
                Refusal::Site(format!("instruction {at} is no conditional of the program"))
            })?;
            (vec![point], Phase::Jumping, index - EDGES)
        }
        Place::At(Site::Loop(what)) => {
            let points = sites::loops(body, None, what);
            (points, Phase::Jumping, index + round(what))
        }
        Place::At(Site::LoopAt(at, what)) => {
            let points = sites::loops(body, Some(at), what);
            if points.is_empty() && sites::loops(body, Some(at), LoopEdge::Head).is_empty() {
                let message = format!("instruction {at} is no head of a loop of the program");
                return Err(Refusal::Site(message));
            }
            (points, Phase::Jumping, index + round(what))
        }
        Place::At(Site::BeforeCall) => {
            let points = calls().iter().map(sites::before_call).collect();
            (points, Phase::Always, index + CALLS)
        }
        Place::At(Site::BeforeCallAt(at)) => (
            vec![sites::before_call(call(at)?)],
            Phase::Always,
            index + CALLS,
        ),
        Place::At(Site::AfterCall) => {
            let points = calls().iter().map(sites::after_call).collect();
            (points, Phase::Falling, -index - CALLS)
        }
        Place::At(Site::AfterCallAt(at)) => (
            vec![sites::after_call(call(at)?)],
            Phase::Falling,
            -index - CALLS,
        ),
        Place::At(Site::Handler) => (sites::handlers(body), Phase::Jumping, index - EDGES),
        Place::At(Site::Instruction(at, position)) => {
            let after = position == Position::After;
            let point = sites::beside(body, at as usize, after);
            let point = point.ok_or_else(|| {
                let side = if after { "after" } else { "before" };
                Refusal::Site(format!("no code can stand {side} instruction {at}"))
            })?;
            let phase = if after { Phase::Falling } else { Phase::Always };
            (vec![point], phase, index)
        }
    })
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

/// The line that an arrival is at.
fn line_of(body: &Body, point: &Point) -> u32 {
    let at = point.line_of.unwrap_or(point.at);
    body.instrs[at as usize].location.line as u32
}

fn no_such_line(body: &Body, line: u32) -> String {
    let near = nearest_lines(lines(body), line);
    format!("line {line} has no code here; the nearest that have: {near}")
}

/// The lines that are closest to one, as text.
pub(crate) fn nearest_lines(mut lines: Vec<u32>, wanted: u32) -> String {
    lines.sort_by_key(|line| line.abs_diff(wanted));
    lines.truncate(3);
    let near: Vec<_> = lines.iter().map(u32::to_string).collect();
    near.join(", ")
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

    /// Whether what is put out next goes on where the last instruction's line does.
    fn goes_on(&self, location: Location) -> bool {
        let falls = |last: &Instr| {
            let flow = self.body.isa.info(last.opcode).flow;
            !matches!(flow, Flow::Exit | Flow::Jump)
        };
        let last = self.out.last();
        last.is_some_and(|last| {
            last.location.line == location.line && location.line > 0 && falls(last)
        })
    }

    fn new_label(&mut self) -> Label {
        self.body.labels.push(0);
        Label(self.body.labels.len() as u32 - 1)
    }

    /// Puts the cold code behind all that there is. Labels from `first` on may lead into it.
    fn flush(&mut self, first: usize) {
        let end = self.out.len() as u32;
        for label in &mut self.body.labels[first..] {
            if *label & splice::COLD != 0 {
                *label = end + (*label & !splice::COLD);
            }
        }
        self.out.append(&mut self.cold);
        let levels = self.cold_levels.drain(..);
        self.levels
            .extend(levels.map(|(at, level)| (end + at, level)));
        self.at_no_level();
    }

    /// Makes room for what is kept from site to site, below the `depth` values that are on the stack.
    fn make_room(&mut self, kept: u32, depth: u32, location: Location) {
        if kept == 0 {
            return;
        }
        self.at_level(enclose::PROLOGUE);
        let none = self.none();
        let mut push = |opcode, arg| {
            self.out.push(Instr {
                opcode,
                arg,
                location,
                handler: None,
            });
        };
        for _ in 0..kept {
            push(Opcode::LOAD_CONST, Arg::Const(none));
            for below in (2..=depth + 1).rev() {
                push(Opcode::SWAP, Arg::Int(below));
            }
        }
        self.room = Some(self.out.len());
    }

    /// Behind the `SEND` of a delegation: where that leads is near, so that it needs no `EXTENDED_ARG`. Round the loop
    /// control jumps to the `SEND`; CPython 3.11 tells of a line there, if it is not a `SEND` by itself.
    /// Where the delegation ends is given back.
    fn end_nearby(&mut self, send: usize) -> Option<Label> {
        let Instr {
            arg,
            location,
            handler,
            ..
        } = self.out[send];
        let Arg::Jump(long) = arg else { return None };
        let (near, over) = (self.new_label(), self.new_label());
        self.out[send].arg = Arg::Jump(near);
        for (label, target) in [(near, over), (over, long)] {
            self.out.push(Instr {
                opcode: Opcode::JUMP_FORWARD,
                arg: Arg::Jump(target),
                location,
                handler,
            });
            self.body.labels[label.0 as usize] = self.out.len() as u32;
        }
        Some(long)
    }

    /// Behind a method that is loaded bound: what its call wants in the place of the object.
    fn push_null_beside(&mut self, load: &Instr) {
        self.out.push(Instr {
            opcode: Opcode::PUSH_NULL,
            arg: Arg::None,
            ..*load
        });
        if self.body.isa.null_slot == NullSlot::BelowCallable {
            self.out.push(Instr {
                opcode: Opcode::SWAP,
                arg: Arg::Int(2),
                ..*load
            });
        }
    }

    /// Before the suspension of a delegation. In CPython 3.11 `throw` itself pops the delegate when that
    /// ends, and finds out where to go on from the operand of the `SEND` right before the
    /// `YIELD_VALUE`, one byte of it. Where a probe stands between, or `on_resume` has to see the end,
    /// a `SEND` that is never run tells it; the place for `on_resume` is given back.
    fn announce_end(
        &mut self,
        long: Label,
        resumes: bool,
        instr: &Instr,
    ) -> Option<(Label, Label)> {
        let short = match resumes {
            true => self.new_label(),
            false => long,
        };
        let (opcode, location) = (Opcode::SEND, instr.location.without_columns());
        let over = self.new_label();
        for (opcode, target) in [(Opcode::JUMP_FORWARD, over), (opcode, short)] {
            self.out.push(Instr {
                opcode,
                arg: Arg::Jump(target),
                location,
                handler: instr.handler,
            });
        }
        self.body.labels[over.0 as usize] = self.out.len() as u32;
        resumes.then_some((short, long))
    }

    /// Drops what is kept, from below the value that is returned.
    fn leave_room(&mut self, kept: u32, location: Location) {
        for _ in 0..kept {
            for (opcode, arg) in [(Opcode::SWAP, Arg::Int(2)), (Opcode::POP_TOP, Arg::None)] {
                self.out.push(Instr {
                    opcode,
                    arg,
                    location,
                    handler: None,
                });
            }
        }
    }
}
