//! Leaving by an exception: every instruction from which an exception would leave the function gets
//! a handler that runs the probes and raises it again, the same object from the same place.
//!
//! Plugins enclose each other like decorators. What is put out has a *level*: the number of guards
//! around it. Layer n has two, of levels 2n and 2n + 1: the outer one runs its `on_exit`, the inner
//! one its `on_raise`. So `before` (level 2n) is in neither, `after` (level 2n + 1) in the outer one.
//!
//! A handler has a copy for each line that raises. A single one would need a line of its own, and
//! whoever traces lines would see a jump to it; or none, and then `f_lineno` is None in the probe
//! and in a traceback of its error. CPython tells no line event where a handler begins on the line
//! that raised (measured on 3.11 and from 3.13 on; 3.12 does, so there no handler has a line).
//! Exceptions that code of the program raises again (`finally`, `with`) come from a line that
//! nobody can know here: their copy has none.

use equip_plugin_api::edit::Site;
use rustc_hash::{FxHashMap, FxHashSet};

use super::splice::{SiteState, Subject};
use super::splicer::Splicer;
use super::{Place, Probe, Refusal, sites, state};
use crate::analysis::cfg;
use crate::body::{Arg, Body, Handler, HandlerId, Instr, Location};
use crate::isa::{Opcode, YieldArg};

/// Level of what no guard is around: prologue, and what follows the last probe at a return.
pub(super) const PROLOGUE: u32 = 0;
/// Level of the program's own code.
const BODY: u32 = u32::MAX - 1;
/// Level of an instruction of the program that raises again what another line raised.
const RESTORING: u32 = u32::MAX;

/// The level of a probe.
pub(super) fn level(probe: &Probe<'_>) -> u32 {
    match probe.place {
        Place::Top | Place::Escape => PROLOGUE,
        Place::At(Site::Before | Site::ModuleEnter(_) | Site::OnExit) => 2 * probe.layer,
        Place::At(Site::After | Site::ModuleExit(_) | Site::OnRaise) => 2 * probe.layer + 1,
        Place::At(_) => BODY,
    }
}

/// The level of an instruction of the program whose body starts at `start`.
pub(super) fn level_of_program(instr: &Instr, at: usize, start: usize) -> u32 {
    match (at < start, instr.opcode, instr.arg) {
        (true, ..) => PROLOGUE,
        (_, Opcode::RERAISE, Arg::Int(1..)) => RESTORING,
        _ => BODY,
    }
}

/// What one layer runs when an exception leaves the function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    layer: u32,
    site: Site,
    level: u32,
}

/// The guards of a function, innermost first.
pub(super) fn guards(probes: &[Probe<'_>]) -> Vec<Guard> {
    let of = |site, inner| {
        let layers = state::layers(probes, site).into_iter();
        layers.map(move |layer| Guard {
            layer,
            site,
            level: 2 * layer + inner,
        })
    };
    let mut guards: Vec<_> = of(Site::OnRaise, 1).chain(of(Site::OnExit, 0)).collect();
    guards.sort_by_key(|guard| std::cmp::Reverse(guard.level));
    guards
}

/// The handler around a whole generator that turns an escaping `StopIteration` into a `RuntimeError`
/// (CPython 3.12 and later). Guards are around it, so that they see what the caller will see.
pub(super) struct Wrapper {
    /// The index of its first instruction.
    at: usize,
    /// The operand of its `CALL_INTRINSIC_1`.
    intrinsic: u32,
    /// Whether a handler of the program is it.
    is: Vec<bool>,
}

impl Wrapper {
    pub fn of(body: &Body) -> Option<Wrapper> {
        let mut names = body.isa.intrinsics_1.iter();
        let wanted = names.position(|name| *name == "INTRINSIC_STOPITERATION_ERROR")? as u32;
        let wraps = |at: usize| {
            let row = body.instrs.get(at..at + 2)?;
            let converts = row[0].opcode == Opcode::CALL_INTRINSIC_1
                && row[0].arg == Arg::Int(wanted)
                && row[1].opcode == Opcode::RERAISE;
            converts.then_some(at)
        };
        let targets = body.handlers.iter().map(|handler| body.at(handler.target));
        let at = targets.clone().find_map(wraps)?;
        Some(Wrapper {
            at,
            intrinsic: wanted,
            is: targets.map(|target| target == at).collect(),
        })
    }

    /// Whether a handler of the program is it.
    pub fn is(&self, id: HandlerId) -> bool {
        self.is.get(id.0 as usize).is_some_and(|is| *is)
    }
}

/// What all guards of a function share.
pub(super) struct Plan<'p> {
    pub probes: &'p [Probe<'p>],
    pub wrapper: Option<Wrapper>,
    /// The line that snippets are told of where the real one is not known.
    pub line: i32,
    /// Where each instruction of the program is now.
    pub emitted: &'p [u32],
    /// Of delegations that `throw` ends by itself: where the suspension was, and which instruction is
    /// taken for the one that raises what the delegate has raised.
    pub ended: &'p [(usize, usize)],
    /// How deep the program's own stack is before each of its instructions.
    pub depth_at: &'p dyn Fn(usize) -> i32,
}

/// A handler that runs probes and raises again.
struct Catch {
    /// Its entry in the table.
    id: HandlerId,
    location: Location,
    /// The line that snippets are told of where that has none.
    line: i32,
    /// The one instruction that it is for, if there is only one.
    at: Option<usize>,
    /// Which probes, in order.
    probes: Vec<usize>,
    /// Where what it raises again goes.
    then: Option<HandlerId>,
    /// Where what its probes raise goes.
    failed: Option<HandlerId>,
    /// The operand of the instruction that turns an escaping `StopIteration` into what the caller sees.
    converts: Option<u32>,
    /// The code that does so where there is no such instruction.
    escape: Option<usize>,
}

impl Plan<'_> {
    /// Puts one guard around all that is of a higher level.
    pub fn enclose(
        &self,
        splicer: &mut Splicer<'_, '_, '_>,
        guard: Guard,
    ) -> Result<(), (usize, Refusal)> {
        let mut guarded = Vec::new();
        let mut marks = splicer.levels.clone().into_iter().peekable();
        let mut level = PROLOGUE;
        for at in 0..splicer.out.len() {
            while let Some((_, next)) = marks.next_if(|(from, _)| *from as usize <= at) {
                level = next;
            }
            let instr = &splicer.out[at];
            if level > guard.level && self.leaves(at, instr) {
                let (isa, opcode) = (splicer.body.isa, instr.opcode);
                // What is thrown in comes from a `RESUME`, see `catch_thrown`.
                let knows = isa.handler_lines && level != RESTORING;
                let line = match knows && opcode != Opcode::YIELD_VALUE {
                    true => instr.location.line.max(0),
                    false => 0,
                };
                let raises = cfg::raises(opcode) || cfg::can_raise(isa, opcode);
                guarded.push((at, line, raises));
            }
        }
        let raising = guarded.iter().filter(|(.., raises)| *raises);
        let lines: FxHashSet<i32> = raising.map(|(_, line, _)| *line).collect();
        let mut copies: FxHashMap<i32, HandlerId> = FxHashMap::default();
        let mut order = Vec::new();
        for (at, line, _) in guarded {
            // What cannot raise needs no copy of its own, but what it stands before may want its (`callers`).
            let line = if lines.contains(&line) { line } else { 0 };
            let id = *copies.entry(line).or_insert_with(|| {
                let id = splicer.catching(splicer.state.depth);
                order.push((line, id));
                id
            });
            splicer.out[at].handler = Some(id);
        }
        let mine = self.probes.iter().enumerate().rev();
        let mine = mine.filter(|(_, probe)| {
            probe.layer == guard.layer && probe.place == Place::At(guard.site)
        });
        let probes: Vec<usize> = mine.map(|(index, _)| index).collect();
        let mut all = self.probes.iter();
        let escape = all.position(|probe| probe.place == Place::Escape);
        splicer.at_level(guard.level);
        for (line, id) in order {
            let location = match line {
                0 => Location::NONE,
                line => Location::line(line),
            };
            let catch = Catch {
                id,
                location,
                line: self.line,
                at: None,
                probes: probes.clone(),
                then: None,
                failed: None,
                converts: self.wrapper.as_ref().map(|wrapper| wrapper.intrinsic),
                escape: escape.filter(|_| guard.site == Site::OnRaise),
            };
            self.emit(splicer, &catch)?;
        }
        splicer.flush(0);
        Ok(())
    }

    /// Whether an exception of an instruction leaves the function.
    fn leaves(&self, at: usize, instr: &Instr) -> bool {
        let wraps = self.wrapper.as_ref();
        let free = match instr.handler {
            None => true,
            Some(id) => wraps.is_some_and(|wrapper| wrapper.is(id)),
        };
        let is_wrapper = wraps.is_some_and(|wrapper| {
            let first = self.emitted[wrapper.at] as usize;
            at == first || at == first + 1
        });
        // A function that has returned cannot raise; only a trace function can at this place.
        let returns = instr.opcode == Opcode::RETURN_VALUE || instr.opcode == Opcode::RETURN_CONST;
        free && !is_wrapper && !returns
    }

    /// Lets `on_resume` see what is thrown in: it is raised at the suspension, and goes on from there.
    /// Of a delegation that is when the delegate has been thrown it, and has raised in its turn; where
    /// the delegate has returned, the value is what the delegation gives.
    pub fn catch_thrown(&self, splicer: &mut Splicer<'_, '_, '_>) -> Result<(), (usize, Refusal)> {
        let resumes = |probe: &Probe<'_>| probe.place == Place::At(Site::OnResume);
        let all = self.probes.iter().enumerate();
        let probes: Vec<usize> = all
            .filter(|(_, probe)| resumes(probe))
            .map(|(index, _)| index)
            .collect();
        splicer.at_level(RESTORING);
        let kept = splicer.state.depth;
        let receiver = u32::from(splicer.body.isa.iterator_slots);
        // Which instruction raises, where it was, and how deep the stack is then.
        let mut raising = Vec::new();
        for (from, instr) in splicer.old().iter().enumerate() {
            let depth = (self.depth_at)(from);
            if depth <= 0 {
                continue;
            }
            let (depth, at) = (depth as u32 + kept, self.emitted[from] as usize);
            let delegates = sites::suspended(splicer.old(), from) < from;
            match instr.opcode {
                // What `throw` has not ended by itself comes by the `CLEANUP_THROW`.
                Opcode::YIELD_VALUE
                    if !delegates || !splicer.body.isa.has(Opcode::CLEANUP_THROW) =>
                {
                    raising.push((from, at, depth - 1));
                }
                Opcode::CLEANUP_THROW => raising.push((from, at, depth - 2 - receiver)),
                _ => {}
            }
        }
        for (from, at) in self.ended {
            let depth = (self.depth_at)(*from) as u32 + kept;
            raising.push((*from, *at, depth - 1 - receiver));
        }
        for (from, at, depth) in raising {
            let instr = splicer.out[at];
            let id = splicer.catching(depth);
            splicer.out[at].handler = Some(id);
            let around = splicer.original(sites::suspended(splicer.old(), from));
            let catch = Catch {
                id,
                // CPython would tell a line event: what was suspended last is a `RESUME`, which hides none.
                location: Location::NONE,
                line: instr.location.line.max(self.line),
                at: Some(from),
                probes: probes.clone(),
                then: instr.handler,
                failed: around.handler,
                converts: None,
                escape: None,
            };
            self.emit(splicer, &catch)?;
        }
        splicer.flush(0);
        Ok(())
    }

    /// Puts one handler out. On its stack: what it keeps, the place of the raise, and the exception.
    fn emit(
        &self,
        splicer: &mut Splicer<'_, '_, '_>,
        catch: &Catch,
    ) -> Result<(), (usize, Refusal)> {
        let Handler { target, depth, .. } = splicer.body.handlers[catch.id.0 as usize];
        splicer.body.labels[target.0 as usize] = splicer.out.len() as u32;
        let failed = splicer.catching(depth + 2);
        let line = match catch.location.line {
            line @ 1.. => line,
            _ => catch.line,
        };
        let outside = SiteState {
            location: catch.location,
            line,
            handler: catch.then,
            depth: depth + 3,
            at: catch.at,
            starts: false,
            subject: Some(Subject::Exception),
            callee: None,
            quiet: false,
        };
        if let Some(intrinsic) = catch.converts {
            splicer.push(Opcode::CALL_INTRINSIC_1, Arg::Int(intrinsic), &outside);
        }
        splicer.push(Opcode::PUSH_EXC_INFO, Arg::None, &outside);
        let site = SiteState {
            handler: Some(failed),
            ..outside
        };
        if let Some(index) = catch.escape {
            self.escape(splicer, index, depth, &outside)?;
        }
        for index in &catch.probes {
            splicer
                .probe(&self.probes[*index], &site)
                .map_err(|refusal| (*index, refusal))?;
        }
        splicer.push(Opcode::COPY, Arg::Int(2), &outside);
        splicer.push(Opcode::POP_EXCEPT, Arg::None, &outside);
        splicer.push(Opcode::RERAISE, Arg::Int(2), &outside);
        // A probe has failed: its exception goes on, but this one is not being handled any more.
        let Handler { target, .. } = splicer.body.handlers[failed.0 as usize];
        splicer.body.labels[target.0 as usize] = splicer.out.len() as u32;
        let outside = SiteState {
            handler: catch.failed,
            ..outside
        };
        splicer.push(Opcode::COPY, Arg::Int(3), &outside);
        splicer.push(Opcode::POP_EXCEPT, Arg::None, &outside);
        splicer.push(Opcode::RERAISE, Arg::Int(1), &outside);
        Ok(())
    }
}

impl Plan<'_> {
    /// Where the frame does not turn an escaping `StopIteration` into what the caller sees, equip's own
    /// code raises that. On the stack before and after: what the handler keeps, the place of the
    /// raise, what was handled before, and the exception.
    fn escape(
        &self,
        splicer: &mut Splicer<'_, '_, '_>,
        index: usize,
        depth: u32,
        site: &SiteState,
    ) -> Result<(), (usize, Refusal)> {
        let raised = splicer.catching(depth + 2);
        let goes_on = splicer.new_label();
        let inside = SiteState {
            handler: Some(raised),
            ..*site
        };
        splicer
            .probe(&self.probes[index], &inside)
            .map_err(|refusal| (index, refusal))?;
        splicer.push(Opcode::JUMP_FORWARD, Arg::Jump(goes_on), site);
        let Handler { target, .. } = splicer.body.handlers[raised.0 as usize];
        splicer.body.labels[target.0 as usize] = splicer.out.len() as u32;
        // The caller would see no traceback that leads in here.
        let (none, traceback) = (splicer.none(), splicer.name("__traceback__"));
        splicer.push(Opcode::LOAD_CONST, Arg::Const(none), site);
        splicer.push(Opcode::COPY, Arg::Int(2), site);
        splicer.push(Opcode::STORE_ATTR, Arg::Name(traceback, 0), site);
        // From here on that one is being handled, raised where the first was.
        splicer.push(Opcode::SWAP, Arg::Int(2), site);
        splicer.push(Opcode::POP_TOP, Arg::None, site);
        splicer.push(Opcode::SWAP, Arg::Int(2), site);
        splicer.push(Opcode::POP_EXCEPT, Arg::None, site);
        splicer.push(Opcode::PUSH_EXC_INFO, Arg::None, site);
        splicer.body.labels[goes_on.0 as usize] = splicer.out.len() as u32;
        Ok(())
    }
}

/// Tells `close` that there are more handlers around suspensions, or it would skip them.
pub(super) fn mark_suspensions(splicer: &mut Splicer<'_, '_, '_>, plan: &Plan<'_>) {
    let isa = splicer.body.isa;
    let yields = splicer.old().iter().enumerate();
    let yields = yields.filter(|(_, instr)| instr.opcode == Opcode::YIELD_VALUE);
    let yields: Vec<usize> = yields
        .map(|(from, _)| plan.emitted[from] as usize)
        .collect();
    for at in yields {
        if let Arg::Int(arg) = &mut splicer.out[at + 1].arg {
            *arg &= !isa.resume.depth1;
        }
        if isa.yield_arg == YieldArg::HandlerDepth
            && let Arg::Int(arg) = &mut splicer.out[at].arg
        {
            // One would mean that there is no handler but the one that every generator has.
            *arg = (*arg).max(1) + 1;
        }
    }
}

impl Splicer<'_, '_, '_> {
    /// A new handler that keeps that many slots and the place of the raise.
    fn catching(&mut self, depth: u32) -> HandlerId {
        let target = self.new_label();
        self.new_handler(Handler {
            target,
            depth,
            lasti: true,
        })
    }
}
