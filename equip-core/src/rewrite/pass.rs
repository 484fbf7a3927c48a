//! The pass itself: the program's instructions one after the other, with what runs before each of them, and then
//! what is around all.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use equip_plugin_api::edit::Site;
use rustc_hash::FxHashMap;

use super::callees::Callees;
use super::placed::{Known, Phase, Placed, Twins, is_before_call, no_start, place, subject};
use super::sites::{self, Point};
use super::splice::{SiteState, Subject};
use super::splicer::{Interner, Splicer};
use super::state::State;
use super::taken::Taken;
use super::{Compile, Host, Place, Probe, Refusal, Refused, Scope, borrowed, callers, enclose};
use crate::analysis::cfg::jumps_if;
use crate::body::{self, Arg, Body, HandlerId, Instr, Label, Location};
use crate::isa::{Flow, Isa, NullSlot, Opcode, Operand};
use crate::marshal::Objects;

/// Splices all probes into a body, with names that live from site to site where `state` says; also
/// which of these were stored too deep.
pub(super) fn splice_all<'a>(
    mut body: Body,
    objects: &mut Objects<'a>,
    interner: &mut Interner,
    host: &Host<'_>,
    probes: &[Probe<'_>],
    compiler: &dyn Compile,
    state: &State,
) -> Result<(Body, BTreeSet<u32>), Refused> {
    let known = Known::default();
    let taken = Taken::of(&body, || body::depths(&body).ok());
    let (placed, twins) = place(&mut body, objects, host, probes, &known, &taken)?;
    let guards = enclose::guards(probes);
    let thrown = probes
        .iter()
        .any(|probe| probe.place == Place::At(Site::OnResume));
    let is_deep = state.depth > 0 || !guards.is_empty() || thrown;
    let needs_depths = is_deep || body.isa.iterator_slots > 1 || !probes.iter().all(starts);
    let depths = match needs_depths {
        true => Some(
            body::depths(&body)
                .map_err(|error| (0, Refusal::Body(error)))?
                .before,
        ),
        false => None,
    };
    if let Some(depths) = &depths
        && body.isa.has(Opcode::LOAD_FAST_BORROW)
    {
        let places = placed.iter().map(|placed| placed.point.at as usize);
        borrowed::own(&mut body, depths, places);
    }
    let start = match is_deep {
        true => body_start(&body, objects, host).map_err(|refusal| (0, refusal))?,
        false => 0,
    };
    let room = Room::of(&body, host, start, state.depth);
    for handler in &mut body.handlers {
        handler.depth += room.kept;
    }
    let depth_at = |at: usize| depths.as_ref().map_or(0, |depths| depths[at]);
    let callees = Callees::of(&mut body, known.calls.get(), &placed, probes, &depth_at);
    let wrapper = enclose::Wrapper::of(&body);
    let isa = body.isa;
    let old = std::mem::take(&mut body.instrs);
    let old_labels = body.labels.clone();
    let mut splicer = Splicer::new(&mut body, objects, interner, host, compiler, (&old, &taken));
    splicer.state = state.clone();
    splicer.out.reserve(old.len() + placed.len() * 12);
    splicer.at_level(enclose::PROLOGUE);
    let mut pass = Pass {
        splicer,
        program: Program {
            probes,
            host,
            isa,
            old: &old,
            labels: &old_labels,
            jumped_to: jumped_to(&old_labels, old.len()),
            sources: OnceCell::new(),
            depths: depths.as_deref(),
            taken: &taken,
            wrapper: wrapper.as_ref(),
            callees: &callees,
            twins: &twins,
            start: is_deep.then_some(start),
            room,
        },
        moved: vec![0; old.len() + 1],
        emitted: vec![0; old.len()],
        passed: Vec::new(),
        stubbed: Vec::new(),
        parted: Vec::new(),
        ends: None,
        ended: Vec::new(),
    };
    let mut rest = &placed[..];
    for at in 0..old.len() {
        let count = rest.partition_point(|placed| placed.point.at as usize == at);
        let (here, next) = rest.split_at(count);
        rest = next;
        pass.instruction(at, here, next)?;
    }
    let (mut splicer, emitted, ended) = pass.settle();
    if is_deep {
        let plan = enclose::Plan {
            probes,
            wrapper,
            line: host_line(isa, &old, start),
            emitted: &emitted,
            ended: &ended,
            depth_at: &depth_at,
        };
        if thrown {
            plan.catch_thrown(&mut splicer)?;
        }
        let guarded = !guards.is_empty();
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

/// Whether a probe stands where a body starts: there the stack is empty, but for generator expressions with
/// two-slot iterators.
fn starts(probe: &Probe<'_>) -> bool {
    matches!(
        probe.place,
        Place::Top | Place::At(Site::Before | Site::ModuleEnter(_))
    )
}

fn jumped_to(labels: &[u32], instrs: usize) -> Vec<bool> {
    let mut found = vec![false; instrs + 1];
    for label in labels {
        found[*label as usize] = true;
    }
    found
}

/// The line of a jump to each instruction that one with a line leads to.
fn sources(old: &[Instr], labels: &[u32]) -> FxHashMap<usize, Location> {
    let mut found = FxHashMap::default();
    for instr in old {
        if let Arg::Jump(Label(label)) = instr.arg
            && instr.location.line > 0
        {
            let target = labels[label as usize] as usize;
            found
                .entry(target)
                .or_insert(instr.location.without_columns());
        }
    }
    found
}

/// Where what is kept from site to site has its places: below all that the program has on the stack.
#[derive(Clone, Copy)]
struct Room {
    /// How many.
    kept: u32,
    /// Before which instruction they are made.
    at: usize,
    location: Location,
}

impl Room {
    fn of(body: &Body, host: &Host<'_>, start: usize, kept: u32) -> Room {
        // Lines of class and module bodies begin before the body does: with what the compiler adds to them.
        let at = match host.scope {
            Scope::Function => start,
            _ => sites::start_resume(body).map_or(start, |resume| resume + 1),
        };
        // Without a line: where the first line begins, the stack must be as it is in all others, or a
        // debugger could not jump. On the line of the `RESUME` that is no matter, and there another line
        // between would be an event.
        let first = location_from(body.isa, &body.instrs, at);
        let location = match at.checked_sub(1).map(|at| body.instrs[at].location) {
            Some(resume) if resume.line == first.line => first,
            _ => Location::NONE,
        };
        Room { kept, at, location }
    }
}

/// What the pass goes over, as it was, and what is known of it.
struct Program<'p> {
    probes: &'p [Probe<'p>],
    host: &'p Host<'p>,
    isa: &'static Isa,
    old: &'p [Instr],
    labels: &'p [u32],
    /// For each instruction whether a label is there.
    jumped_to: Vec<bool>,
    /// From where jumps lead to instructions.
    sources: OnceCell<FxHashMap<usize, Location>>,
    /// How deep the stack is before each, where anybody needs it.
    depths: Option<&'p [i32]>,
    taken: &'p Taken,
    wrapper: Option<&'p enclose::Wrapper>,
    callees: &'p Callees,
    twins: &'p Twins,
    /// Where the body starts, if anything is kept or enclosed.
    start: Option<usize>,
    room: Room,
}

impl Program<'_> {
    /// The handler of a probe at an instruction. What CPython's compiler made of a conditional jump backward (from 3.13 on:
    /// its inverse, and a jump behind it) has none, whatever `try` or inlined comprehension it is in: there that of
    /// the condition. The jump itself may leave a `try`, but no comprehension.
    fn handler(&self, at: usize) -> Option<HandlerId> {
        let mut here = at;
        loop {
            let instr = &self.old[here];
            let above = here.checked_sub(1).map(|above| self.old[above].opcode);
            let is_made = jumps_if(instr.opcode).is_some()
                || instr.opcode == Opcode::NOT_TAKEN
                || instr.opcode == Opcode::JUMP_BACKWARD
                    && self.taken.any(here)
                    && above.is_some_and(|above| {
                        above == Opcode::NOT_TAKEN || jumps_if(above).is_some()
                    });
            match instr.handler {
                None if is_made && here > 0 => here -= 1,
                handler => return handler,
            }
        }
    }

    fn depth_at(&self, at: usize) -> i32 {
        self.depths.map_or(0, |depths| depths[at])
    }

    /// Whether control comes to an instruction from the one above.
    fn falls_in(&self, at: usize, body: &Body) -> bool {
        at > 0 && {
            let flow = body.isa.info(self.old[at - 1].opcode).flow;
            !matches!(flow, Flow::Exit | Flow::Jump)
        }
    }

    /// The line of what runs before an instruction. One without a line, as those have that give back an exception's name, goes on
    /// where control comes from: the line that follows would be a line event there, and another one where it begins.
    fn line_before(&self, at: usize, falls_only: bool) -> Location {
        let mut here = at;
        let mut by_jump = !falls_only;
        while self.old[here].location.line <= 0 {
            if by_jump && self.jumped_to[here] {
                let sources = self.sources.get_or_init(|| sources(self.old, self.labels));
                if let Some(from) = sources.get(&here) {
                    return *from;
                }
            }
            let falls = here.checked_sub(1).filter(|above| {
                let flow = self.isa.info(self.old[*above].opcode).flow;
                !matches!(flow, Flow::Exit | Flow::Jump)
            });
            let Some(above) = falls else {
                return location_from(self.isa, self.old, at);
            };
            (here, by_jump) = (above, true);
        }
        self.old[here].location.without_columns()
    }

    /// The line that a snippet is told of at a point.
    fn told(&self, point: &Point, at: usize) -> i32 {
        let line_of = point.line_of.map_or(at, |line_of| line_of as usize);
        location_from(self.isa, self.old, line_of).line
    }
}

/// An instruction of the program, and the probes that run before it, by phase.
struct Here<'p> {
    at: usize,
    instr: Instr,
    /// The level of what is the program's own, and whether probes have the same.
    level: u32,
    is_unclear: bool,
    /// Those at the top of a module, which come before what is kept has its places.
    tops: &'p [Placed],
    falling: &'p [Placed],
    jumping: &'p [Placed],
    arriving: &'p [Placed],
    always: &'p [Placed],
    /// Stack depth, with what is kept.
    depth: u32,
}

impl Here<'_> {
    fn level_of(&self, probe: &Probe<'_>) -> u32 {
        match self.is_unclear {
            true => enclose::PROLOGUE,
            false => enclose::level(probe),
        }
    }
}

struct Pass<'p, 's, 'a, 'h> {
    splicer: Splicer<'s, 'a, 'h>,
    program: Program<'p>,
    /// Where jumps to each instruction lead now.
    moved: Vec<u32>,
    /// Where each instruction is now.
    emitted: Vec<u32>,
    /// Instructions whose jump goes behind what runs on arrivals.
    passed: Vec<(usize, Label)>,
    /// Instructions whose jump goes to code of its own.
    stubbed: Vec<(usize, Label)>,
    /// Labels of handlers that lead behind a point, and where that is.
    parted: Vec<(Label, u32)>,
    /// Where `throw` ends a delegation, for the code there that is still to be put out.
    ends: Option<(Label, Label)>,
    /// See [`enclose::Plan`].
    ended: Vec<(usize, usize)>,
}

impl<'p, 's, 'a, 'h> Pass<'p, 's, 'a, 'h> {
    /// Puts out an instruction of the program, with the probes that stand before it; `next` are those behind.
    fn instruction(
        &mut self,
        at: usize,
        placed: &[Placed],
        next: &[Placed],
    ) -> Result<(), Refused> {
        let program = &self.program;
        let instr = program.old[at];
        let kept = program.room.kept;
        // Where an inlined comprehension has taken variables over, and has no handler (yet, or any more) that
        // gives them back, guards could not read them. Only lack of memory raises there.
        let wraps = |id| program.wrapper.is_some_and(|wrapper| wrapper.is(id));
        let is_unclear = program.taken.any(at) && instr.handler.is_none_or(wraps);
        let level = match program.start {
            Some(start) if !is_unclear => enclose::level_of_program(&instr, at, start),
            _ => enclose::PROLOGUE,
        };
        let delegates = self.splicer.body.isa.throw_reads_send
            && program.depths.is_some()
            && sites::suspended(program.old, at) < at;
        let is_room = at == program.room.at || returns(&instr);
        let plain = placed.is_empty() && !delegates && (kept == 0 || !is_room);
        if plain || program.depth_at(at) < 0 {
            self.moved[at] = self.splicer.out.len() as u32;
            self.splicer.at_level(level);
            let handler = instr
                .handler
                .filter(|_| kept == 0 || at >= self.program.room.at);
            self.emit(at, Instr { handler, ..instr });
            return Ok(());
        }
        // The end of a delegation of 3.11, where probes stand in it.
        let resumes = delegates && {
            let mut near = next.iter().map(|placed| placed.point.at as usize);
            near.find(|near| *near >= at + 2) == Some(at + 2)
        };
        let ending = match delegates && (resumes || !placed.is_empty()) {
            true => self.splicer.end_nearby(self.emitted[at - 1] as usize),
            false => None,
        };
        let up_to = |phase| placed.partition_point(|placed| placed.phase <= phase);
        let (tops, falling) = (up_to(Phase::Top), up_to(Phase::Falling));
        let (jumping, arriving) = (up_to(Phase::Jumping), up_to(Phase::Arriving));
        let here = Here {
            at,
            instr,
            level,
            is_unclear,
            tops: &placed[..tops],
            falling: &placed[tops..falling],
            jumping: &placed[falling..jumping],
            arriving: &placed[jumping..arriving],
            always: &placed[arriving..],
            depth: self.program.depth_at(at) as u32 + kept,
        };
        self.end_delegation(&here)?;
        self.fall(&here)?;
        let site = self.site(&here);
        let leaving = self.jump(&here, &site)?;
        self.arrive(&here, &site, &leaving)?;
        self.run(&here, &site, ending.map(|long| (long, resumes)))
    }

    fn probe(&mut self, level: u32, placed: &Placed, site: &SiteState) -> Result<(), Refused> {
        self.splicer.at_level(level);
        let probe = &self.program.probes[placed.probe];
        let done = self.splicer.probe(probe, site);
        done.map_err(|refusal| (placed.probe, refusal))
    }

    fn probe_of(&self, placed: &Placed) -> &'p Probe<'p> {
        &self.program.probes[placed.probe]
    }

    /// The program's own instruction.
    fn emit(&mut self, at: usize, instr: Instr) {
        self.emitted[at] = self.splicer.out.len() as u32;
        self.splicer.out.push(instr);
        if self.program.callees.is_bound(at) {
            self.splicer.push_null_beside(&self.program.old[at]);
        }
    }

    fn label_here(&mut self, label: Label) {
        self.splicer.body.labels[label.0 as usize] = self.splicer.out.len() as u32;
    }

    /// Behind the suspension of a delegation that `throw` ends by itself: the code where it does.
    fn end_delegation(&mut self, here: &Here<'_>) -> Result<(), Refused> {
        let (at, old) = (here.at, self.program.old);
        let behind = at > 1 && old[at - 1].opcode == Opcode::RESUME;
        let Some((short, long)) = self.ends.take_if(|_| behind) else {
            return Ok(());
        };
        let over = self.splicer.new_label();
        let suspension = &old[at - 2];
        let around = SiteState {
            location: suspension.location.without_columns(),
            line: suspension.location.line,
            handler: old[sites::suspended(old, at - 2)].handler,
            depth: (self.program.depth_at(at - 2) - 1) as u32 + self.program.room.kept,
            at: Some(at),
            starts: false,
            subject: Some(Subject::Yield),
            callee: None,
            quiet: false,
        };
        self.splicer.at_level(here.level);
        // What the delegate raises is raised here: tracebacks show the whole suspension.
        self.ended.push((at - 2, self.splicer.out.len()));
        self.splicer.out.push(Instr {
            opcode: Opcode::JUMP_FORWARD,
            arg: Arg::Jump(over),
            location: suspension.location,
            handler: around.handler,
        });
        self.label_here(short);
        for placed in here.tops.iter().chain(here.falling) {
            if self.probe_of(placed).place == Place::At(Site::OnResume) {
                self.probe(here.level, placed, &around)?;
            }
        }
        self.splicer
            .push(Opcode::JUMP_FORWARD, Arg::Jump(long), &around);
        self.label_here(over);
        Ok(())
    }

    /// What runs where control falls in.
    fn fall(&mut self, here: &Here<'_>) -> Result<(), Refused> {
        let Room { kept, at, location } = self.program.room;
        let is_room = here.at == at;
        let below = here.depth - kept;
        for placed in here.tops {
            let depth = if is_room { below } else { here.depth };
            self.falling(here, placed, depth)?;
        }
        if is_room {
            self.splicer.make_room(kept, below, location);
        }
        for placed in here.falling {
            self.falling(here, placed, here.depth)?;
        }
        Ok(())
    }

    fn falling(&mut self, here: &Here<'_>, placed: &Placed, depth: u32) -> Result<(), Refused> {
        let (at, old, probe) = (here.at, self.program.old, self.probe_of(placed));
        // A line begins inside the `try` that it is in; what stands behind an instruction is where
        // that is. An edge belongs to its conditional.
        let of = placed.point.from.map_or(at, |from| from as usize);
        let place = match probe.place {
            _ if placed.point.from.is_some() => Some(of),
            Place::At(Site::EachLine | Site::Line(_)) => Some(at),
            Place::At(Site::OnResume) => Some(sites::resumed(old, at)),
            _ => at.checked_sub(1),
        };
        // What ends a loop has no line: there that of what follows, or it would be an event.
        let adjacent = (of + 1..at).all(|between| old[between].opcode == Opcode::NOT_TAKEN);
        let location = match adjacent {
            true if of == at => self.program.line_before(at, true),
            true => location_from(self.program.isa, old, of),
            false => location_from(self.program.isa, old, at),
        };
        let site = SiteState {
            quiet: self.splicer.goes_on(location),
            location,
            line: self.program.told(&placed.point, of),
            handler: place.and_then(|at| self.splicer.reachable(self.program.handler(at), depth)),
            depth,
            at: Some(at),
            starts: starts(probe),
            subject: subject(probe.place, self.program.host),
            callee: None,
        };
        self.probe(here.level_of(probe), placed, &site)
    }

    /// A site right before the instruction, where nothing more is known of it.
    fn site(&self, here: &Here<'_>) -> SiteState {
        let Program { old, labels, .. } = self.program;
        // The handler of a handler's first instruction is for when that has run.
        let around = match (here.instr.opcode, here.instr.handler) {
            (Opcode::PUSH_EXC_INFO, Some(id)) => {
                let Label(target) = self.splicer.body.handlers[id.0 as usize].target;
                old[labels[target as usize] as usize].handler
            }
            _ => self.program.handler(here.at),
        };
        let location = self.program.line_before(here.at, false);
        SiteState {
            location,
            line: location.line,
            handler: self.splicer.reachable(around, here.depth),
            depth: here.depth,
            at: Some(here.at),
            starts: false,
            subject: None,
            callee: None,
            quiet: false,
        }
    }

    /// What runs where only one jump comes by; what falls in goes over it. Given back are the jumps that leave it, and for which
    /// instruction each is.
    fn jump(&mut self, here: &Here<'_>, site: &SiteState) -> Result<Vec<(usize, u32)>, Refused> {
        let old = self.program.old;
        self.splicer.at_level(here.level);
        let falls_in = self.program.falls_in(here.at, self.splicer.body);
        let over = (falls_in && !here.jumping.is_empty()).then(|| self.splicer.new_label());
        if let Some(over) = over {
            self.splicer
                .push(Opcode::JUMP_FORWARD, Arg::Jump(over), site);
        }
        let mut leaving: Vec<(usize, u32)> = Vec::new();
        for group in (here.jumping).chunk_by(|one, other| one.point.from == other.point.from) {
            let from = group[0].point.from.unwrap_or_default();
            let (label, out) = (self.splicer.new_label(), self.splicer.new_label());
            let begin = self.splicer.out.len();
            self.label_here(label);
            self.stubbed.push((from as usize, label));
            // A jump backward is a line event wherever it leads: of the line that it led to, then.
            let location = match from as usize >= here.at {
                true => site.location,
                false => location_from(self.program.isa, old, from as usize),
            };
            let handler = self.program.handler(from as usize);
            let stub = SiteState {
                location,
                handler: self.splicer.reachable(handler, here.depth),
                ..*site
            };
            for placed in group {
                let probe = self.probe_of(placed);
                let stub = SiteState {
                    line: self.program.told(&placed.point, from as usize),
                    subject: subject(probe.place, self.program.host),
                    ..stub
                };
                self.probe(here.level_of(probe), placed, &stub)?;
            }
            self.splicer.at_level(here.level);
            let end = self.splicer.out.len();
            for place in self.splicer.jumps_to_end(begin) {
                self.splicer.out[place].arg = Arg::Jump(out);
                leaving.push((place, from));
            }
            leaving.push((end, from));
            self.splicer
                .push(Opcode::JUMP_FORWARD, Arg::Jump(out), &stub);
        }
        let is_last = |(place, _): &(usize, u32)| place + 1 == self.splicer.out.len();
        if here.arriving.is_empty() && leaving.last().is_some_and(is_last) {
            // The last of them comes to what is next without a jump.
            self.splicer.out.pop();
            leaving.pop();
        }
        if let Some(over) = over {
            self.label_here(over);
        }
        Ok(leaving)
    }

    /// What runs on arrivals at a line; who comes without arriving goes behind it.
    fn arrive(
        &mut self,
        here: &Here<'_>,
        site: &SiteState,
        leaving: &[(usize, u32)],
    ) -> Result<(), Refused> {
        let at = here.at;
        let line = here.arriving.first().map(|line| &line.point);
        let passing = line.map_or(&[][..], |line| &line.passing);
        let mut behind = None;
        if let Some(line) = line {
            let falls_by = self.program.falls_in(at, self.splicer.body) && !line.by_fall;
            if falls_by || !passing.is_empty() || !line.raising.is_empty() {
                let label = self.splicer.new_label();
                behind = Some(label);
                if falls_by {
                    self.splicer
                        .push(Opcode::JUMP_FORWARD, Arg::Jump(label), site);
                }
            }
        }
        self.moved[at] = self.splicer.out.len() as u32;
        for (place, from) in leaving {
            if let (Arg::Jump(out), false) = (self.splicer.out[*place].arg, passing.contains(from))
            {
                self.label_here(out);
            }
        }
        for placed in here.arriving {
            let line_of = placed.point.line_of.map_or(at, |at| at as usize);
            let location = location_from(self.program.isa, self.program.old, line_of);
            let site = SiteState {
                location,
                line: location.line,
                ..*site
            };
            self.probe(here.level_of(self.probe_of(placed)), placed, &site)?;
        }
        let Some(label) = behind else { return Ok(()) };
        self.label_here(label);
        let now = self.splicer.out.len() as u32;
        let twins = self.program.twins.iter().filter(|(_, to)| *to == at);
        self.parted.extend(twins.map(|(twin, _)| (*twin, now)));
        (self.passed).extend(passing.iter().map(|from| (*from as usize, label)));
        for (place, _) in leaving.iter().filter(|(_, from)| passing.contains(from)) {
            self.splicer.out[*place].arg = Arg::Jump(label);
        }
        Ok(())
    }

    /// What runs whichever way control comes, and the instruction.
    fn run(
        &mut self,
        here: &Here<'_>,
        site: &SiteState,
        ending: Option<(Label, bool)>,
    ) -> Result<(), Refused> {
        let (at, old, kept) = (here.at, self.program.old, self.program.room.kept);
        let mut last = here.instr;
        let mut depth = here.depth;
        self.splicer.at_level(here.level);
        if last.opcode == Opcode::RETURN_CONST && (!here.always.is_empty() || kept > 0) {
            self.splicer.out.push(Instr {
                opcode: Opcode::LOAD_CONST,
                ..last
            });
            depth += 1;
            last.opcode = Opcode::RETURN_VALUE;
            last.arg = Arg::None;
        }
        for placed in here.always {
            let probe = self.probe_of(placed);
            let handler = match probe.place {
                Place::At(Site::OnYield) => old[sites::suspended(old, at)].handler,
                _ => self.program.handler(at),
            };
            let callee = self.program.callees.places.get(&at);
            let site = SiteState {
                depth,
                subject: subject(probe.place, self.program.host),
                callee: callee
                    .filter(|_| is_before_call(probe.place))
                    .map(|place| place + kept),
                line: self.program.told(&placed.point, at),
                handler: self.splicer.reachable(handler, depth),
                quiet: !self.program.jumped_to[at] && self.splicer.goes_on(site.location),
                ..*site
            };
            self.probe(here.level_of(probe), placed, &site)?;
        }
        if returns(&here.instr) && kept > 0 {
            // No handler: the stack is not as deep as it says any more.
            self.splicer.at_level(enclose::PROLOGUE);
            self.splicer.leave_room(kept, site.location);
            last.handler = None;
        }
        self.splicer.at_level(here.level);
        if let Some((long, resumes)) = ending {
            self.ends = self.splicer.announce_end(long, resumes, &here.instr);
        }
        self.emit(at, last);
        Ok(())
    }

    /// Jumps lead where what they led to is now.
    fn settle(mut self) -> (Splicer<'s, 'a, 'h>, Vec<u32>, Vec<(usize, usize)>) {
        let Program { old, labels, .. } = self.program;
        self.moved[old.len()] = self.splicer.out.len() as u32;
        // Code of its own goes on behind what runs on arrivals by itself.
        for (from, label) in self.passed.into_iter().chain(self.stubbed) {
            self.splicer.out[self.emitted[from] as usize].arg = Arg::Jump(label);
        }
        for (label, at) in labels.iter().enumerate() {
            self.splicer.body.labels[label] = self.moved[*at as usize];
        }
        // What is only named is the instruction itself, without what now stands before it.
        for (at, instr) in old.iter().enumerate() {
            if let Arg::Jump(Label(label)) = instr.arg
                && self.splicer.body.isa.info(instr.opcode).operand == Operand::LabelBackward
            {
                let named = self.splicer.new_label();
                let target = labels[label as usize] as usize;
                self.splicer.body.labels[named.0 as usize] = self.emitted[target];
                self.splicer.out[self.emitted[at] as usize].arg = Arg::Jump(named);
            }
        }
        for (label, at) in self.parted {
            self.splicer.body.labels[label.0 as usize] = at;
        }
        self.splicer.flush(labels.len());
        (self.splicer, self.emitted, self.ended)
    }
}

fn returns(instr: &Instr) -> bool {
    matches!(instr.opcode, Opcode::RETURN_VALUE | Opcode::RETURN_CONST)
}

/// The instruction before which `before` stands.
fn body_start(body: &Body, objects: &Objects<'_>, host: &Host<'_>) -> Result<usize, Refusal> {
    let point = match host.scope {
        Scope::Module => sites::module_top(body, objects),
        _ => sites::start(body, objects),
    };
    point.map(|point| point.at as usize).ok_or_else(no_start)
}

/// The line that a snippet is told of where nobody can know it.
fn host_line(isa: &Isa, instrs: &[Instr], start: usize) -> i32 {
    location_from(isa, instrs, start.min(instrs.len().saturating_sub(1))).line
}

/// The line of an instruction, without columns. One without a line has that of the next to which control goes on, or else of
/// the one from which it comes: never that of what stands behind a jump, which would be a line event of its own.
fn location_from(isa: &Isa, instrs: &[Instr], at: usize) -> Location {
    let has_line = |instr: &&Instr| instr.location.line > 0;
    let goes_on = |instr: &Instr| !matches!(isa.info(instr.opcode).flow, Flow::Exit | Flow::Jump);
    let (before, rest) = instrs.split_at(at);
    let mut found = None;
    for instr in rest {
        found = Some(instr).filter(has_line);
        if found.is_some() || !goes_on(instr) {
            break;
        }
    }
    if found.is_none() {
        let comes = before.iter().rev().take_while(|instr| goes_on(instr));
        let anywhere = rest.iter().chain(before.iter().rev());
        found = comes.chain(anywhere).find(has_line);
    }
    found.map_or(Location::line(1), |instr| instr.location.without_columns())
}

impl Splicer<'_, '_, '_> {
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
