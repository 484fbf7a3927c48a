//! What a pass puts out: instructions, labels, handlers, constants and names, and which level they belong to.

use equip_plugin_api::edit::Value;
use rustc_hash::FxHashMap;

use super::private::Private;
use super::splice::SiteState;
use super::state::State;
use super::taken::Taken;
use super::{Compile, Host, Scope};
use crate::body::{Arg, Body, Handler, HandlerId, Instr, Label, Location};
use crate::isa::{Docstring, Flow, Opcode};
use crate::marshal::{ObjectId, Objects};

/// Objects that edits add to a file, each once.
#[derive(Default)]
pub struct Interner {
    pub(super) names: FxHashMap<String, ObjectId>,
    pub(super) strings: FxHashMap<String, ObjectId>,
}

/// Added to the place of a label that is in the cold code.
pub(super) const COLD: u32 = 1 << 31;

pub(super) struct Splicer<'s, 'a, 'h> {
    pub(super) body: &'s mut Body,
    pub(super) out: Vec<Instr>,
    pub(super) objects: &'s mut Objects<'a>,
    pub(super) interner: &'s mut Interner,
    pub(super) host: &'s Host<'h>,
    pub(super) compiler: &'s dyn Compile,
    pub(super) old: &'s [Instr],
    pub(super) decoded: usize,
    pub(super) slots: FxHashMap<String, u32>,
    pub(super) names: FxHashMap<ObjectId, u32>,
    /// Private names of the probe that is being spliced.
    pub(super) privates: Vec<Private>,
    /// What runs only after an exception; it goes behind the program's own code.
    pub(super) cold: Vec<Instr>,
    /// Where such code begins and ends in the probe that is being spliced.
    pub(super) handling: Vec<(Label, Label)>,
    /// Where the probe that is being spliced begins.
    pub(super) base: usize,
    /// Private names that live from site to site.
    pub(super) state: State,
    /// Where their places on the stack have been made.
    pub(super) room: Option<usize>,
    /// Those of them that are on the stack and were stored too deep.
    pub(super) deep: std::collections::BTreeSet<u32>,
    /// From which instruction on the output belongs to which level; see [`super::enclose`].
    pub(super) levels: Vec<(u32, u32)>,
    /// What comprehensions do with slots.
    pub(super) taken: &'s Taken,
    /// The same for the cold code.
    pub(super) cold_levels: Vec<(u32, u32)>,
    /// The level of what is spliced now, if it is marked.
    pub(super) level: Option<u32>,
}

impl<'s, 'a, 'h> Splicer<'s, 'a, 'h> {
    pub(super) fn new(
        body: &'s mut Body,
        objects: &'s mut Objects<'a>,
        interner: &'s mut Interner,
        host: &'s Host<'h>,
        compiler: &'s dyn Compile,
        (old, taken): (&'s [Instr], &'s Taken),
    ) -> Self {
        let decoded = body.locals.len();
        let (out, slots, names) = (Vec::new(), FxHashMap::default(), FxHashMap::default());
        Splicer {
            body,
            out,
            objects,
            interner,
            host,
            compiler,
            old,
            decoded,
            slots,
            names,
            privates: Vec::new(),
            cold: Vec::new(),
            handling: Vec::new(),
            base: 0,
            state: State::default(),
            room: None,
            deep: Default::default(),
            levels: Vec::new(),
            taken,
            cold_levels: Vec::new(),
            level: None,
        }
    }

    /// The program's own instructions, as they were.
    pub(super) fn old(&self) -> &[Instr] {
        self.old
    }

    /// One of them.
    pub(super) fn original(&self, at: usize) -> Instr {
        self.old[at]
    }

    /// What is put out from here on has no level yet.
    pub(super) fn at_no_level(&mut self) {
        self.level = None;
    }

    /// What is put out from here on is of that level.
    pub(super) fn at_level(&mut self, level: u32) {
        if self.level != Some(level) {
            self.level = Some(level);
            self.levels.push((self.out.len() as u32, level));
        }
    }

    pub(super) fn push(&mut self, opcode: Opcode, arg: Arg, site: &SiteState) {
        self.out.push(Instr {
            opcode,
            arg,
            location: site.location,
            handler: site.handler,
        });
    }

    /// The jumps from some instruction on to where the output ends.
    pub(super) fn jumps_to_end(&self, from: usize) -> Vec<usize> {
        let end = self.out.len() as u32;
        let leads = |place: &usize| match self.out[*place].arg {
            Arg::Jump(label) => self.body.labels[label.0 as usize] == end,
            _ => false,
        };
        (from..self.out.len()).filter(leads).collect()
    }

    /// Index of a name.
    pub(super) fn name(&mut self, name: &str) -> u32 {
        let id = match self.interner.names.get(name) {
            Some(id) => *id,
            None => {
                let id = self.objects.push_str(name, true);
                self.interner.names.insert(name.to_owned(), id);
                id
            }
        };
        if let Some(index) = self.names.get(&id) {
            return *index;
        }
        let bytes = Some(name.as_bytes());
        let known = self
            .body
            .names
            .iter()
            .position(|known| self.objects.str_bytes(*known) == bytes);
        let index = known.unwrap_or_else(|| {
            self.body.names.push(id);
            self.body.names.len() - 1
        }) as u32;
        self.names.insert(id, index);
        index
    }

    /// Index of a constant that is an object of the host's file.
    pub(super) fn constant_index(&mut self, id: ObjectId) -> u32 {
        if let Some(known) = self.body.consts.iter().position(|known| *known == id) {
            return known as u32;
        }
        let takes_first = self.body.isa.docstring == Docstring::FirstConstant;
        if takes_first && self.body.consts.is_empty() && self.host.scope == Scope::Function {
            let none = self.objects.push_singleton(b'N');
            self.body.consts.push(none);
        }
        self.body.consts.push(id);
        self.body.consts.len() as u32 - 1
    }

    pub(super) fn none(&mut self) -> u32 {
        match self
            .body
            .consts
            .iter()
            .position(|id| self.objects.is_none(*id))
        {
            Some(index) => index as u32,
            None => {
                let id = self.objects.push_singleton(b'N');
                self.constant_index(id)
            }
        }
    }

    pub(super) fn object(&mut self, value: &Value) -> ObjectId {
        match value {
            Value::None => self.objects.push_singleton(b'N'),
            Value::Bool(true) => self.objects.push_singleton(b'T'),
            Value::Bool(false) => self.objects.push_singleton(b'F'),
            Value::Int(value) => self.objects.push_int(*value),
            Value::Float(value) => self.objects.push_float(*value),
            Value::Bytes(bytes) => self.objects.push_bytes(bytes.clone()),
            Value::Str(text) => match self.interner.strings.get(text) {
                Some(id) => *id,
                None => {
                    let id = self.objects.push_str(text, false);
                    self.interner.strings.insert(text.clone(), id);
                    id
                }
            },
            Value::Tuple(items) => {
                let items: Vec<_> = items.iter().map(|item| self.object(item)).collect();
                self.objects.push_tuple(&items)
            }
        }
    }

    pub(super) fn load_constant(&mut self, value: &Value, site: &SiteState) {
        if let Value::Int(small @ 0..=255) = value
            && self.body.isa.has(Opcode::LOAD_SMALL_INT)
        {
            return self.push(Opcode::LOAD_SMALL_INT, Arg::Int(*small as u32), site);
        }
        let index = match value {
            Value::None => self.none(),
            value => {
                let id = self.object(value);
                self.constant_index(id)
            }
        };
        self.push(Opcode::LOAD_CONST, Arg::Const(index), site);
    }

    pub(super) fn new_handler(&mut self, handler: Handler) -> HandlerId {
        self.body.handlers.push(handler);
        HandlerId(self.body.handlers.len() as u32 - 1)
    }

    /// A handler, if it can be reached from that depth. Where the program's own code cannot raise any
    /// more, the compiler lets ranges cover instructions that are not as deep.
    pub(super) fn reachable(&self, handler: Option<HandlerId>, depth: u32) -> Option<HandlerId> {
        handler.filter(|id| self.body.handlers[id.0 as usize].depth <= depth)
    }

    /// Whether what is put out next goes on where the last instruction's line does.
    pub(super) fn goes_on(&self, location: Location) -> bool {
        let falls = |last: &Instr| {
            let flow = self.body.isa.info(last.opcode).flow;
            !matches!(flow, Flow::Exit | Flow::Jump)
        };
        let last = self.out.last();
        last.is_some_and(|last| {
            last.location.line == location.line && location.line > 0 && falls(last)
        })
    }

    pub(super) fn new_label(&mut self) -> Label {
        self.body.labels.push(0);
        Label(self.body.labels.len() as u32 - 1)
    }

    /// Puts the cold code behind all that there is. Labels from `first` on may lead into it.
    pub(super) fn flush(&mut self, first: usize) {
        let end = self.out.len() as u32;
        for label in &mut self.body.labels[first..] {
            if *label & COLD != 0 {
                *label = end + (*label & !COLD);
            }
        }
        self.out.append(&mut self.cold);
        let levels = self.cold_levels.drain(..);
        self.levels
            .extend(levels.map(|(at, level)| (end + at, level)));
        self.at_no_level();
    }
}
