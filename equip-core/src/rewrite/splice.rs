//! What: a compiled snippet becomes instructions of its host. Names follow the rules of a nested
//! function: assigned ones are private, all others are the host's, global or builtin.

use std::sync::Arc;

use equip_plugin_api::edit::{Site, Value, When};
use rustc_hash::FxHashMap;

use super::private::{Home, MAX_SWAP_DEPTH, Region, UNSETTLED};
use super::splicer::{COLD, Splicer};
use super::state::Kept;
use super::variables::Variable;
use super::{Compile, Host, Place, Probe, Refusal, Shape};
use crate::body::{Arg, Handler, HandlerId, Instr, Label, Location};
use crate::code::kinds;
use crate::fragment::Fragment;
use crate::isa::{Flow, NullSlot, Opcode};
use crate::snippet::{
    self, CALLEE, ERROR_SITE, EXCEPTION, EXCEPTION_CLASS, Meaning, RESERVED, RESULT, RETURN_VALUE,
    YIELD_VALUE,
};

/// A place in the host while code is put there.
pub(super) struct SiteState {
    /// Line of the site, no columns.
    pub location: Location,
    /// The line that the snippet is told of, known even where its instructions have none.
    pub line: i32,
    /// Handler that the probe's exceptions go to.
    pub handler: Option<HandlerId>,
    /// Stack depth.
    pub depth: u32,
    /// Index of the instruction of the host; none in a handler that is around many.
    pub at: Option<usize>,
    /// Whether it is where the body starts.
    pub starts: bool,
    /// What is on the top of the stack there, for the snippet to read.
    pub subject: Option<Subject>,
    /// Before a call, which slot of the stack holds what is called, counted from the bottom.
    pub callee: Option<u32>,
    /// Whether control only ever falls in from an instruction of the same line: nobody is told of a line
    /// there.
    pub quiet: bool,
}

/// What a site is about, which is on the stack there: on its top, but for what is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The value that is returned.
    Return,
    /// The value that is yielded, or was sent in.
    Yield,
    /// The exception.
    Exception,
    /// What is called.
    Callee,
    /// What a call has returned.
    Result,
}

impl Subject {
    const ALL: [Subject; 5] = [
        Subject::Return,
        Subject::Yield,
        Subject::Exception,
        Subject::Callee,
        Subject::Result,
    ];

    /// Its reserved name in compiled snippets.
    fn name(self) -> &'static str {
        match self {
            Subject::Return => RETURN_VALUE,
            Subject::Yield => YIELD_VALUE,
            Subject::Exception => EXCEPTION,
            Subject::Callee => CALLEE,
            Subject::Result => RESULT,
        }
    }

    fn named(name: &str) -> Option<Subject> {
        let mut all = Subject::ALL.into_iter();
        all.find(|subject| subject.name() == name)
    }

    fn is_used(self, template: &snippet::Template) -> bool {
        let used = |meaning: &Meaning| match self {
            Subject::Return => *meaning == Meaning::ReturnValue,
            Subject::Yield => *meaning == Meaning::YieldValue,
            Subject::Exception => *meaning == Meaning::Exception,
            Subject::Callee => *meaning == Meaning::Callee,
            Subject::Result => *meaning == Meaning::Result,
        };
        template.uses(used).is_some()
    }
}

/// The value of one of a probe's constants, at a site of that line.
fn value_of(probe: &Probe<'_>, host: &Host<'_>, name: &str, line: i32) -> Value {
    let mut own = probe.values.iter();
    match own.find(|(own, _)| own == name) {
        Some((_, value)) => value.clone(),
        None if name == ERROR_SITE => Value::Str(error_site(probe, host.constant, line)),
        None => (host.constant)(name, line),
    }
}

/// What a probe is compiled for.
fn shape_of<'s>(
    probe: &'s Probe<'_>,
    host: &Host<'_>,
    value: &'s dyn Fn(&str) -> Value,
) -> Shape<'s> {
    let main_only = matches!(
        probe.place,
        Place::At(Site::ModuleEnter(When::Main) | Site::ModuleExit(When::Main))
    );
    Shape {
        template: probe.template,
        arity: host.parameters.len(),
        captures: &[],
        main_only,
        on_error: probe.on_error,
        value,
    }
}

/// The snippet of a probe, compiled.
pub(super) fn fragment_of(
    probe: &Probe<'_>,
    host: &Host<'_>,
    line: i32,
    compiler: &dyn Compile,
) -> Result<Arc<Fragment>, Refusal> {
    let value = |name: &str| value_of(probe, host, name, line);
    compiler.fragment(&shape_of(probe, host, &value))
}

/// Where a snippet stands, for who reads of its error.
fn error_site(probe: &Probe<'_>, constant: &dyn Fn(&str, i32) -> Value, line: i32) -> String {
    let text = |name: &str| match constant(name, line) {
        Value::Str(text) => text,
        _ => String::new(),
    };
    let site = match probe.place {
        Place::At(site) => crate::edits::site_name(site),
        Place::Top => "import".to_owned(),
        Place::Escape => "on_raise".to_owned(),
    };
    let (file, function) = (text("file_path"), text("qualname"));
    format!(
        "plugin {}: {site} of {function} ({file}:{line})",
        probe.plugin
    )
}

/// One probe while it is spliced.
pub(super) struct Splice<'p> {
    pub(super) probe: &'p Probe<'p>,
    pub(super) fragment: &'p Fragment,
    pub(super) value: &'p dyn Fn(&str) -> Value,
    /// Slots that take the place of parameters that may be unbound.
    shown: FxHashMap<u32, u32>,
    /// For each slot of the fragment, the private name.
    slots: Vec<Option<u32>>,
    /// Private names that get a value before the snippet starts.
    captured: Vec<u32>,
}

impl<'s, 'a, 'h> Splicer<'s, 'a, 'h> {
    /// Splices one probe.
    pub(super) fn probe(&mut self, probe: &Probe<'_>, site: &SiteState) -> Result<(), Refusal> {
        let host = self.host;
        let value = |name: &str| value_of(probe, host, name, site.line);
        let mut shape = shape_of(probe, host, &value);
        let mut fragment = self.compiler.fragment(&shape)?;
        let captures: Vec<String> = fragment
            .nested_reads
            .iter()
            .filter(|name| !fragment.globals.contains(*name) && self.is_captured(name, probe, site))
            .cloned()
            .collect();
        if !captures.is_empty() {
            shape.captures = &captures;
            fragment = self.compiler.fragment(&shape)?;
        }
        if self.room == Some(self.out.len()) && self.begins_as_made(&fragment, probe) {
            return Ok(());
        }
        let mut splice = Splice {
            probe,
            fragment: &fragment,
            value: &value,
            shown: FxHashMap::default(),
            slots: vec![None; fragment.locals.len()],
            captured: Vec::new(),
        };
        let subject = site
            .subject
            .filter(|subject| subject.is_used(probe.template) || probe.place == Place::Escape);
        self.privates.clear();
        self.handling.clear();
        // Where it is rebound too deep in the stack, it is in a slot meanwhile. What nested scopes capture is a copy.
        let captured = |name: &str| captures.iter().any(|capture| capture == name);
        let rebinds =
            |name: &str| fragment.locals.iter().any(|local| local == name) && !captured(name);
        let is_deep = site.depth + fragment.stack + 2 > MAX_SWAP_DEPTH as u32;
        let aside = subject.filter(|subject| is_deep && rebinds(subject.name()));
        // Then the stack is one less deep, which its handler may not be for.
        let depth = site.depth - u32::from(aside.is_some());
        let site = &SiteState {
            handler: self.reachable(site.handler, depth),
            ..*site
        };
        let aside = aside.map(|subject| {
            self.private(probe.plugin, subject.name(), kinds::LOCAL, Some(Kept::Slot));
            let slot = self.slot_of(0);
            self.push(Opcode::STORE_FAST, Arg::Local(slot), site);
            slot
        });
        let region = Region {
            base: self.out.len(),
            labels: self.body.labels.len(),
            handlers: self.body.handlers.len(),
            subject: subject.is_some() && aside.is_none(),
        };
        self.base = region.base;
        if let (Some(subject), true) = (subject, region.subject) {
            self.private_slot(probe.plugin, subject.name());
        }
        // The snippet's own part of the stack begins above its private names.
        let depth = site.depth - u32::from(region.subject || aside.is_some());
        let inner = SiteState { depth, ..*site };
        self.prelude(&mut splice, &captures, &inner)?;
        self.fragment(&mut splice, &inner)?;
        let (homes, on_stack) = self.settle(&region, &inner);
        self.set_aside(&region);
        for _ in u32::from(region.subject)..on_stack {
            self.push(Opcode::POP_TOP, Arg::None, site);
        }
        self.postlude(&splice, &homes, site);
        if let Some(slot) = aside {
            self.push(Opcode::LOAD_FAST, Arg::Local(slot), site);
            self.push(Opcode::DELETE_FAST, Arg::Local(slot), site);
        }
        let stack = depth + on_stack + fragment.stack + 3;
        self.body.stacksize = self.body.stacksize.max(stack);
        Ok(())
    }

    /// Whether all that a snippet does is to let names be None that are kept on the stack: so they begin.
    fn begins_as_made(&self, fragment: &Fragment, probe: &Probe<'_>) -> bool {
        let is_none = |instr: &Instr| match (instr.opcode, instr.arg) {
            (Opcode::LOAD_CONST | Opcode::RETURN_CONST, Arg::Const(index)) => fragment
                .objects
                .is_none(fragment.body.consts[index as usize]),
            _ => false,
        };
        let is_kept = |slot: u32| {
            let name = &fragment.locals[slot as usize];
            matches!(self.state.kept(probe.layer, name), Some(Kept::Stack(_)))
        };
        fragment.body.instrs.iter().all(|instr| match instr.opcode {
            Opcode::RESUME | Opcode::RETURN_VALUE => true,
            Opcode::STORE_FAST => matches!(instr.arg, Arg::Local(slot) if is_kept(slot)),
            _ => is_none(instr),
        })
    }

    /// Whether a nested scope's name is a variable of the host's frame.
    fn is_captured(&self, name: &str, probe: &Probe<'_>, site: &SiteState) -> bool {
        if Subject::named(name).is_some()
            || snippet::arg_of(name).is_some()
            || self.state.kept(probe.layer, name).is_some()
        {
            return true;
        }
        !name.starts_with(RESERVED)
            && !probe.hidden.contains_key(name)
            && !matches!(self.variable(name, site), Variable::Global | Variable::Name)
    }

    /// Puts aside what the snippet reads from private slots: captured variables, parameters that may
    /// be unbound.
    fn prelude(
        &mut self,
        splice: &mut Splice<'_>,
        captures: &[String],
        site: &SiteState,
    ) -> Result<(), Refusal> {
        let fragment = splice.fragment;
        let assigned = |name: &str| fragment.locals.iter().any(|local| local == name);
        for n in 0..self.host.parameters.len() as u32 {
            let uses = |meaning: &Meaning| match meaning {
                Meaning::Arg(used) => *used == n,
                Meaning::Arguments => true,
                _ => false,
            };
            let name = format!("{RESERVED}arg_{n}__");
            let captured = captures.contains(&name);
            if splice.probe.template.uses(uses).is_none() || assigned(&name) && !captured {
                continue;
            }
            let variable = self.variable(&name, site);
            if self.may_be_unbound(variable, site) {
                let slot = self.show(splice.probe.plugin, &name, variable, site);
                splice.shown.insert(n, slot);
            }
        }
        if assigned(YIELD_VALUE) && site.subject != Some(Subject::Yield) {
            let (none, slot) = (
                self.none(),
                self.private_slot(splice.probe.plugin, YIELD_VALUE),
            );
            self.push(Opcode::LOAD_CONST, Arg::Const(none), site);
            self.push(Opcode::STORE_FAST, Arg::Local(slot), site);
        }
        for name in captures {
            let index = fragment
                .locals
                .iter()
                .position(|local| local == name)
                .expect("a parameter");
            let is_cell = fragment.body.locals[index].kind & kinds::CELL != 0;
            match snippet::arg_of(name).and_then(|n| splice.shown.get(&n)) {
                Some(slot) => self.push(Opcode::LOAD_FAST, Arg::Local(*slot), site),
                None => match Subject::named(name) {
                    Some(subject) => self.read_subject(splice, subject, site),
                    None => {
                        let kept = self.state.kept(splice.probe.layer, name);
                        let variable = self.variable(name, site);
                        let raises = match kept {
                            Some(kept) => kept == Kept::Slot,
                            None => self.could_raise(variable, site),
                        };
                        let read = |splicer: &mut Self, site: &SiteState| match kept {
                            Some(_) => splicer.read_kept(splice, name, site),
                            None => splicer.read(variable, name, site),
                        };
                        if raises {
                            let slot = self.capture(splice.probe.plugin, name, is_cell, site, read);
                            splice.slots[index] = Some(slot);
                            splice.captured.push(slot);
                            continue;
                        }
                        read(self, site);
                    }
                },
            }
            let slot = self.captured_slot(splice.probe.plugin, name, is_cell);
            self.push(Opcode::STORE_FAST, Arg::Local(slot), site);
            splice.slots[index] = Some(slot);
            splice.captured.push(slot);
        }
        Ok(())
    }

    /// What the site is about; None for what it is not about.
    fn read_subject(&mut self, splice: &Splice<'_>, subject: Subject, site: &SiteState) {
        if let (Subject::Callee, Some(place)) = (subject, site.callee) {
            // It is where the call wants it.
            let (plugin, place) = (splice.probe.plugin, Some(Kept::Stack(place)));
            let slot = self.private(plugin, subject.name(), kinds::LOCAL, place);
            self.push(Opcode::LOAD_FAST, Arg::Local(slot), site);
        } else if site.subject == Some(subject) {
            let slot = self.private_slot(splice.probe.plugin, subject.name());
            if subject != Subject::Exception {
                return self.push(Opcode::LOAD_FAST, Arg::Local(slot), site);
            }
            // What `PUSH_EXC_INFO` has put on the stack is no object for CPython's `f_lineno` setter: a copy would be none
            // either, whose attributes it does not expect to be read. What comes out of a tuple is one.
            let none = self.none();
            self.push(Opcode::LOAD_CONST, Arg::Const(none), site);
            self.push(Opcode::LOAD_FAST, Arg::Local(slot), site);
            self.push(Opcode::BUILD_TUPLE, Arg::Int(2), site);
            self.push(Opcode::UNPACK_SEQUENCE, Arg::Int(2), site);
            self.push(Opcode::POP_TOP, Arg::None, site);
        } else {
            let none = self.none();
            self.push(Opcode::LOAD_CONST, Arg::Const(none), site);
        }
    }

    /// A private name that another site may have assigned.
    fn read_kept(&mut self, splice: &Splice<'_>, name: &str, site: &SiteState) {
        let slot = self.private_name(splice.probe, name);
        let opcode = match self.body.isa.load_fast_checks {
            true => Opcode::LOAD_FAST,
            false => Opcode::LOAD_FAST_CHECK,
        };
        self.push(opcode, Arg::Local(slot), site);
    }

    /// The class `Exception`, by no name that a program could give another meaning.
    fn read_exception_class(&mut self, site: &SiteState) {
        match self.body.isa.has(Opcode::LOAD_COMMON_CONSTANT) {
            true => {
                let mut names = self.body.isa.common_constants.iter();
                let index = names.position(|name| *name == "AssertionError");
                let index = index.expect("the compiler uses it for `assert`") as u32;
                self.push(Opcode::LOAD_COMMON_CONSTANT, Arg::Int(index), site);
            }
            false => self.push(Opcode::LOAD_ASSERTION_ERROR, Arg::None, site),
        }
        let base = self.name("__base__");
        self.push(Opcode::LOAD_ATTR, Arg::Name(base, 0), site);
    }

    /// `try: slot = variable`, `except: slot = ...`.
    fn show(&mut self, plugin: &str, name: &str, variable: Variable, site: &SiteState) -> u32 {
        let slot = self.private_slot(plugin, &format!("shown {name}"));
        let read = |splicer: &mut Self, site: &SiteState| splicer.read(variable, name, site);
        self.try_read(slot, site, read, |splicer| {
            let ellipsis = splicer.objects.push_singleton(b'.');
            let ellipsis = splicer.constant_index(ellipsis);
            splicer.push(Opcode::LOAD_CONST, Arg::Const(ellipsis), site);
            splicer.push(Opcode::STORE_FAST, Arg::Local(slot), site);
        });
        slot
    }

    /// `try: slot = variable`, `except: del slot`: what nested scopes capture may be unbound until they read it. What
    /// the compiler keeps in no cell is bound to it.
    fn capture(
        &mut self,
        plugin: &str,
        name: &str,
        is_cell: bool,
        site: &SiteState,
        read: impl FnOnce(&mut Self, &SiteState),
    ) -> u32 {
        let slot = self.captured_slot(plugin, name, is_cell);
        self.try_read(slot, site, read, |splicer| match is_cell {
            true => splicer.clear(slot, false, site),
            false => {
                let none = splicer.none();
                splicer.push(Opcode::LOAD_CONST, Arg::Const(none), site);
                splicer.push(Opcode::STORE_FAST, Arg::Local(slot), site);
            }
        });
        slot
    }

    fn captured_slot(&mut self, plugin: &str, name: &str, is_cell: bool) -> u32 {
        let name = format!("captured {name}");
        match is_cell {
            false => self.private_slot(plugin, &name),
            true => self.private_cell(plugin, &name),
        }
    }

    fn try_read(
        &mut self,
        slot: u32,
        site: &SiteState,
        read: impl FnOnce(&mut Self, &SiteState),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let target = self.new_label();
        let end = self.new_label();
        let handler = self.new_handler(Handler {
            target,
            depth: site.depth,
            lasti: false,
        });
        let guarded = SiteState {
            handler: Some(handler),
            ..*site
        };
        self.arrive(site);
        read(self, &guarded);
        self.push(Opcode::STORE_FAST, Arg::Local(slot), site);
        self.push(Opcode::JUMP_FORWARD, Arg::Jump(end), site);
        self.body.labels[target.0 as usize] = self.out.len() as u32;
        self.push(Opcode::PUSH_EXC_INFO, Arg::None, site);
        self.push(Opcode::POP_TOP, Arg::None, site);
        self.push(Opcode::POP_EXCEPT, Arg::None, site);
        otherwise(self);
        self.body.labels[end.0 as usize] = self.out.len() as u32;
        self.handling.push((target, end));
    }

    /// Stands before a probe that begins inside a `try`: what a trace function raises when the line is
    /// reached is not for the probe to catch.
    fn arrive(&mut self, site: &SiteState) {
        if self.out.len() == self.base && !site.quiet {
            self.push(Opcode::NOP, Arg::None, site);
        }
    }

    /// The first instruction of a snippet, if it cannot raise: where it stands in front, it need not be in a `try`
    /// that the snippet begins with, and is where the line is reached.
    fn lead(&self, fragment: &Fragment) -> Option<usize> {
        let skipped = [Opcode::RESUME, Opcode::COPY_FREE_VARS, Opcode::NOP];
        let mut instrs = fragment.body.instrs.iter();
        let first = instrs.position(|instr| !skipped.contains(&instr.opcode))?;
        let instr = &fragment.body.instrs[first];
        let is_constant = matches!(instr.opcode, Opcode::LOAD_CONST | Opcode::LOAD_SMALL_INT);
        let targets = &fragment.is_target[..=first];
        (is_constant && !targets.contains(&true)).then_some(first)
    }

    /// Clears all private slots.
    fn postlude(&mut self, splice: &Splice<'_>, homes: &[Home], site: &SiteState) {
        let fragment = splice.fragment;
        let mut slots: Vec<_> = splice.shown.values().map(|slot| (*slot, true)).collect();
        slots.sort_unstable();
        for (index, slot) in splice.slots.iter().enumerate() {
            slots.extend(slot.map(|slot| (slot, fragment.bound_at_end[index])));
        }
        for (private, bound) in slots {
            let index = (private - UNSETTLED) as usize;
            if let (Home::Slot(slot), None) = (homes[index], self.privates[index].kept) {
                self.clear(slot, bound, site);
            }
        }
    }

    fn fragment(&mut self, splice: &mut Splice<'_>, site: &SiteState) -> Result<(), Refusal> {
        let fragment = splice.fragment;
        let body = &fragment.body;
        let labels = self.body.labels.len() as u32;
        self.body
            .labels
            .resize(labels as usize + body.labels.len(), 0);
        let end = self.new_label();
        let handlers: Vec<_> = body
            .handlers
            .iter()
            .map(|handler| {
                let target = Label(labels + handler.target.0);
                self.new_handler(Handler {
                    target,
                    depth: handler.depth + site.depth,
                    lasti: handler.lasti,
                })
            })
            .collect();
        let mut starts = vec![0u32; body.instrs.len() + 1];
        let mut constants: Vec<Option<u32>> = vec![None; body.consts.len()];
        let base = self.out.len();
        let mut handling = None;
        let lead = self.lead(fragment);
        for (at, instr) in body.instrs.iter().enumerate() {
            starts[at] = self.out.len() as u32;
            let leads = lead == Some(at) && self.out.len() == self.base;
            let own = instr.handler.filter(|_| !leads);
            let here = SiteState {
                handler: own.map(|id| handlers[id.0 as usize]).or(site.handler),
                ..*site
            };
            if own.is_some() {
                self.arrive(site);
            }
            match instr.opcode {
                Opcode::RESUME | Opcode::COPY_FREE_VARS => {}
                // What the compiler makes of `try:`, for its line.
                Opcode::NOP
                    if !fragment.is_target[at]
                        && self.out.len() == self.base
                        && (site.quiet || lead.is_some()) => {}
                Opcode::RETURN_VALUE | Opcode::RETURN_CONST => {
                    self.leave(instr, fragment.is_target[at], base, &here);
                    let Some(next) = body.instrs.get(at + 1) else {
                        continue;
                    };
                    self.push(Opcode::JUMP_FORWARD, Arg::Jump(end), &here);
                    // The compiler puts all handlers behind the rest.
                    if next.opcode == Opcode::PUSH_EXC_INFO && handling.is_none() {
                        let begin = self.new_label();
                        self.body.labels[begin.0 as usize] = self.out.len() as u32;
                        handling = Some(begin);
                    }
                }
                _ => self.instr(splice, instr, &mut constants, labels, &here)?,
            }
        }
        // A return at the end comes to the end without a jump.
        if self.out.len() > base
            && self
                .out
                .last()
                .is_some_and(|last| last.arg == Arg::Jump(end))
        {
            self.out.pop();
        }
        starts[body.instrs.len()] = self.out.len() as u32;
        for start in &mut starts {
            *start = (*start).min(self.out.len() as u32);
        }
        for (label, at) in body.labels.iter().enumerate() {
            self.body.labels[labels as usize + label] = starts[*at as usize];
        }
        self.body.labels[end.0 as usize] = self.out.len() as u32;
        // A jump to a bare return, which may stand behind all handlers, is one to the end.
        let handled = handling.map(|begin: Label| self.body.labels[begin.0 as usize] as usize);
        for place in base..handled.unwrap_or(self.out.len()) {
            if let Arg::Jump(Label(label)) = self.out[place].arg
                && let Some(at) = body.labels.get(label.wrapping_sub(labels) as usize)
                && !matches!(self.out[place].opcode, Opcode::FOR_ITER | Opcode::SEND)
                && fragment.returns_at(*at as usize)
            {
                self.out[place].arg = Arg::Jump(end);
                // The return may have stood in front, the end does not.
                if let Opcode::JUMP_BACKWARD | Opcode::JUMP_BACKWARD_NO_INTERRUPT =
                    self.out[place].opcode
                {
                    self.out[place].opcode = Opcode::JUMP_FORWARD;
                }
            }
        }
        self.handling.extend(handling.map(|begin| (begin, end)));
        Ok(())
    }

    /// Moves what handles exceptions out of the way: the probe then runs through without a jump, as
    /// CPython's own compiler has it, and as whoever watches jumps (PEP 669) expects. It has no line: a
    /// debugger that jumps to that line from an `except` clause would take it for the place.
    fn set_aside(&mut self, region: &Region) {
        while let Some((begin, end)) = self.handling.pop() {
            let place = |splicer: &Self, label: Label| splicer.body.labels[label.0 as usize];
            let (from, to) = (place(self, begin), place(self, end));
            // The jump over it goes too.
            let hot = from - 1;
            let level = self.level.unwrap_or_default();
            if self
                .cold_levels
                .last()
                .is_none_or(|(_, last)| *last != level)
            {
                self.cold_levels.push((self.cold.len() as u32, level));
            }
            debug_assert_eq!(self.out[hot as usize].arg, Arg::Jump(end));
            let cold = COLD | self.cold.len() as u32;
            for label in &mut self.body.labels[region.labels..] {
                match *label {
                    at if at & COLD != 0 || at < from => {}
                    at if at < to => *label = cold + (at - from),
                    at => *label = at - (to - hot),
                }
            }
            let last = Instr {
                location: Location::NONE,
                ..self.out[to as usize - 1]
            };
            let back = |instr: Instr| Instr {
                opcode: Opcode::JUMP_BACKWARD_NO_INTERRUPT,
                arg: Arg::Jump(end),
                ..instr
            };
            let moved = self.out.drain(hot as usize..to as usize).skip(1);
            let moved = moved.map(|instr| Instr {
                location: Location::NONE,
                ..instr
            });
            self.cold
                .extend(moved.map(|instr| match instr.arg == Arg::Jump(end) {
                    true => back(instr),
                    false => instr,
                }));
            let flow = self.body.isa.info(last.opcode).flow;
            if !matches!(flow, Flow::Exit | Flow::Jump) {
                self.cold.push(back(last));
            }
        }
    }

    /// The end of the snippet: the value that it would return is dropped, or never made.
    fn leave(&mut self, instr: &Instr, is_target: bool, base: usize, site: &SiteState) {
        if instr.opcode == Opcode::RETURN_CONST {
            return;
        }
        let constant = |opcode| {
            matches!(
                opcode,
                Opcode::LOAD_CONST | Opcode::LOAD_SMALL_INT | Opcode::LOAD_COMMON_CONSTANT
            )
        };
        match self.out.last() {
            Some(last) if self.out.len() > base && !is_target && constant(last.opcode) => {
                self.out.pop();
            }
            _ => self.push(Opcode::POP_TOP, Arg::None, site),
        }
    }

    fn instr(
        &mut self,
        splice: &mut Splice<'_>,
        instr: &Instr,
        constants: &mut [Option<u32>],
        labels: u32,
        site: &SiteState,
    ) -> Result<(), Refusal> {
        let fragment = splice.fragment;
        match instr.arg {
            Arg::None | Arg::Int(_) => self.push(instr.opcode, instr.arg, site),
            Arg::Jump(Label(label)) => {
                self.push(instr.opcode, Arg::Jump(Label(labels + label)), site)
            }
            Arg::Const(index) => {
                let index = match constants[index as usize] {
                    Some(known) => known,
                    None => {
                        let id =
                            self.import_constant(splice, fragment.body.consts[index as usize])?;
                        *constants[index as usize].insert(id)
                    }
                };
                self.push(instr.opcode, Arg::Const(index), site);
            }
            Arg::Name(name, flags) => {
                let name = fragment.names[name as usize].as_str();
                if instr.opcode == Opcode::LOAD_GLOBAL && !fragment.globals.contains(name) {
                    return self.read_name(splice, name, flags, site);
                }
                let flags = match instr.opcode {
                    Opcode::IMPORT_NAME => flags | self.body.isa.eager_import as u8,
                    _ => flags,
                };
                let name = self.name(name);
                self.push(instr.opcode, Arg::Name(name, flags), site);
            }
            Arg::Local(slot) => return self.local(splice, instr.opcode, slot, site),
            Arg::Locals(one, other) => {
                let (first, second) = match instr.opcode {
                    Opcode::STORE_FAST_LOAD_FAST => (Opcode::STORE_FAST, Opcode::LOAD_FAST),
                    Opcode::STORE_FAST_STORE_FAST => (Opcode::STORE_FAST, Opcode::STORE_FAST),
                    _ => (Opcode::LOAD_FAST, Opcode::LOAD_FAST),
                };
                self.local(splice, first, one, site)?;
                self.local(splice, second, other, site)?;
            }
        }
        Ok(())
    }

    /// A name that the snippet does not assign.
    fn read_name(
        &mut self,
        splice: &mut Splice<'_>,
        name: &str,
        flags: u8,
        site: &SiteState,
    ) -> Result<(), Refusal> {
        let hidden = splice.probe.hidden.get(name);
        let reserved = name.starts_with(RESERVED);
        let is_kept = self.state.kept(splice.probe.layer, name).is_some();
        if !is_kept && (!reserved || hidden.is_some()) {
            let variable = match hidden {
                Some(_) => Variable::Global,
                None => self.variable(name, site),
            };
            if variable == Variable::Global {
                let name = self.name(hidden.map_or(name, String::as_str));
                self.push(Opcode::LOAD_GLOBAL, Arg::Name(name, flags), site);
                return Ok(());
            }
        }
        let null = flags & 1 != 0;
        if null && self.body.isa.null_slot == NullSlot::BelowCallable {
            self.push(Opcode::PUSH_NULL, Arg::None, site);
        }
        if is_kept {
            self.read_kept(splice, name, site);
        } else if let Some(subject) = Subject::named(name) {
            self.read_subject(splice, subject, site);
        } else if name == EXCEPTION_CLASS {
            self.read_exception_class(site);
        } else if let Some(n) = snippet::arg_of(name) {
            match splice.shown.get(&n) {
                Some(slot) => self.push(Opcode::LOAD_FAST, Arg::Local(*slot), site),
                None => {
                    let variable = self.variable(name, site);
                    self.read(variable, name, site);
                }
            }
        } else if let Some(value) = splice.probe.template.constant(name, splice.value) {
            self.load_constant(&value, site);
        } else {
            let variable = self.variable(name, site);
            self.read(variable, name, site);
        }
        if null && self.body.isa.null_slot == NullSlot::AboveCallable {
            self.push(Opcode::PUSH_NULL, Arg::None, site);
        }
        Ok(())
    }

    /// A slot of the snippet: private, or a variable of the host that it writes.
    fn local(
        &mut self,
        splice: &mut Splice<'_>,
        opcode: Opcode,
        slot: u32,
        site: &SiteState,
    ) -> Result<(), Refusal> {
        let fragment = splice.fragment;
        let name = fragment.locals[slot as usize].as_str();
        let kind = fragment.body.locals[slot as usize].kind;
        let opcode = match opcode {
            Opcode::LOAD_FAST_BORROW => Opcode::LOAD_FAST,
            other => other,
        };
        let refuse = |message: String| {
            // A placeholder is looked for as its author wrote it.
            let shown = match name.strip_prefix(RESERVED) {
                Some(inner) => format!("{{{}}}", inner.trim_end_matches("__")),
                None => name.to_owned(),
            };
            let offset = splice.probe.template.text().find(&shown).unwrap_or(0);
            Err(Refusal::Snippet {
                offset,
                len: shown.len(),
                message,
            })
        };
        if kind & kinds::FREE != 0 {
            let variable = self.variable(name, site);
            if variable == Variable::Global {
                return refuse(format!(
                    "nonlocal {name}: the function has no variable of that name"
                ));
            }
            match opcode {
                Opcode::LOAD_DEREF => self.read(variable, name, site),
                Opcode::STORE_DEREF => self.write(variable, name, site),
                Opcode::DELETE_DEREF => {
                    return refuse(format!(
                        "a snippet cannot delete the program's variable {name}"
                    ));
                }
                _ => match variable {
                    Variable::Deref(slot) => self.push(opcode, Arg::Local(slot), site),
                    _ => {
                        return refuse(format!(
                            "a nested scope cannot assign the program's local {name}"
                        ));
                    }
                },
            }
            return Ok(());
        }
        let hidden = splice.probe.hidden.contains_key(name);
        if splice.probe.binds && (hidden || !name.starts_with(RESERVED)) {
            if kind & kinds::CELL != 0 {
                return refuse(format!("a nested scope cannot capture {name} here"));
            }
            let hidden = splice.probe.hidden.get(name).cloned();
            let global = self.name(hidden.as_deref().unwrap_or(name));
            let opcode = match opcode {
                Opcode::STORE_FAST => Opcode::STORE_GLOBAL,
                Opcode::DELETE_FAST => Opcode::DELETE_GLOBAL,
                _ => Opcode::LOAD_GLOBAL,
            };
            self.push(opcode, Arg::Name(global, 0), site);
            return Ok(());
        }
        if splice.slots[slot as usize].is_none() {
            if snippet::arg_of(name).is_some() {
                let variable = self.variable(name, site);
                match opcode {
                    Opcode::STORE_FAST | Opcode::STORE_DEREF => self.write(variable, name, site),
                    Opcode::LOAD_FAST | Opcode::LOAD_FAST_CHECK => self.read(variable, name, site),
                    Opcode::DELETE_FAST => {
                        return refuse(
                            "a snippet cannot delete the program's parameters".to_owned(),
                        );
                    }
                    _ => {
                        return refuse(
                            "a nested scope cannot assign the program's parameters".to_owned(),
                        );
                    }
                }
                return Ok(());
            }
            if let Some(subject) = Subject::named(name) {
                if subject == Subject::Exception {
                    return refuse("{exception} can only be read: it goes on unchanged".to_owned());
                }
                if subject == Subject::Callee {
                    return refuse("{callee} can only be read: it is what is called".to_owned());
                }
                if kind & kinds::CELL != 0 || opcode == Opcode::DELETE_FAST {
                    let shown = name.trim_start_matches(RESERVED).trim_end_matches("__");
                    return refuse(format!(
                        "{{{shown}}} can be read and assigned, nothing else"
                    ));
                }
                // It is bound from the prelude on, which the compiler could not know.
                let opcode = match opcode {
                    Opcode::LOAD_FAST_CHECK => Opcode::LOAD_FAST,
                    other => other,
                };
                let slot = self.private_slot(splice.probe.plugin, name);
                self.push(opcode, Arg::Local(slot), site);
                return Ok(());
            }
            let private = match kind & kinds::CELL {
                0 => self.private_name(splice.probe, name),
                _ if self.state.kept(splice.probe.layer, name).is_some() => {
                    return refuse(format!(
                        "a nested scope cannot capture {name} in a snippet that assigns it, \
                         since other sites use it too: capture a copy"
                    ));
                }
                _ => self.private_cell(splice.probe.plugin, name),
            };
            splice.slots[slot as usize] = Some(private);
        }
        let private = splice.slots[slot as usize].expect("just made");
        let is_captured = splice.captured.contains(&private);
        // An inlined comprehension has just taken over what was in the slot.
        let is_empty =
            (self.out.last()).is_some_and(|last| last.opcode == Opcode::LOAD_FAST_AND_CLEAR);
        if opcode == Opcode::MAKE_CELL
            && !(is_captured || is_empty || self.body.handlers.is_empty())
        {
            // An exception may have ended the snippet when it ran before.
            self.clear(private, false, site);
        }
        self.push(opcode, Arg::Local(private), site);
        Ok(())
    }
}
