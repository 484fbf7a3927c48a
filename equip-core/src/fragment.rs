//! A compiled snippet, ready to be spliced: its body, its objects, and what its names are.

use rustc_hash::FxHashSet;

use crate::body::{self, Arg, Body};
use crate::code::{CodeObject, kinds};
use crate::isa::{Flow, Isa, Opcode};
use crate::marshal::{self, ObjectId, Objects};
use crate::snippet::RESERVED;

/// One compiled snippet.
#[derive(Debug)]
pub struct Fragment {
    /// Its objects.
    pub objects: Objects<'static>,
    /// Its body: that of a function whose text the snippet is.
    pub body: Body,
    /// Names by index.
    pub names: Vec<String>,
    /// Slot names by index.
    pub locals: Vec<String>,
    /// Names that it declares `global`.
    pub globals: FxHashSet<String>,
    /// Names that nested scopes of it read as globals.
    pub nested_reads: Vec<String>,
    /// Whether it holds nested code objects.
    pub is_nested: bool,
    /// Whether a jump or handler leads to the instruction of that index.
    pub is_target: Vec<bool>,
    /// Slots that are certainly bound at its end, wherever it ends.
    pub bound_at_end: Vec<bool>,
    /// Names that it assigns in its own scope.
    pub assigned: Vec<String>,
    /// Names that it, or a scope within it, reads before it certainly has assigned them.
    pub wanted: Vec<String>,
    /// Names that it deletes.
    pub deleted: Vec<String>,
    /// Stack slots that it needs.
    pub stack: u32,
}

/// Why compiled bytes are no fragment: the helper or the cache gave something broken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a marshalled code object.
    #[error("compiled snippet: {0}")]
    Marshal(#[from] marshal::Error),
    /// Not a decodable body.
    #[error("compiled snippet: {0}")]
    Body(#[from] body::Error),
    /// Something else.
    #[error("compiled snippet: it is no code object")]
    NoCode,
}

impl Fragment {
    /// Whether all that happens from an instruction on is that a constant is returned.
    pub fn returns_at(&self, at: usize) -> bool {
        let mut rest = self.body.instrs[at..].iter();
        let mut next = || rest.find(|instr| instr.opcode != Opcode::NOP);
        match next().map(|instr| instr.opcode) {
            Some(Opcode::RETURN_CONST) => true,
            Some(Opcode::LOAD_CONST) => {
                next().is_some_and(|instr| instr.opcode == Opcode::RETURN_VALUE)
            }
            _ => false,
        }
    }

    /// Reads a marshalled code object.
    ///
    /// # Errors
    /// It is none, or cannot be decoded.
    pub fn read(isa: &'static Isa, bytes: &[u8], globals: Vec<String>) -> Result<Fragment, Error> {
        let (objects, root, _) = marshal::read(bytes, 0, isa.layout)?;
        let objects = objects.into_owned();
        let code: &CodeObject = objects.code(root).ok_or(Error::NoCode)?;
        let body = body::decode(isa, &objects, code)?;
        let stack = body::depths(&body)?.max;
        let text = |id: ObjectId| {
            objects
                .str(id)
                .map(|text| text.into_owned())
                .unwrap_or_default()
        };
        let names: Vec<_> = body.names.iter().map(|id| text(*id)).collect();
        let locals: Vec<_> = body.locals.iter().map(|slot| text(slot.name)).collect();
        let mut nested_reads = Vec::new();
        let mut is_nested = false;
        for id in &body.consts {
            is_nested |= objects.code(*id).is_some();
            collect_reads(isa, &objects, *id, &mut nested_reads)?;
        }
        nested_reads.sort();
        nested_reads.dedup();
        let mut is_target = vec![false; body.instrs.len() + 1];
        for label in &body.labels {
            is_target[*label as usize] = true;
        }
        let globals: FxHashSet<String> = globals.into_iter().collect();
        let known = bindings(&body, code.argcount);
        let own = |bits: u64| -> Vec<String> {
            let slots = body.locals.iter().zip(&locals).enumerate();
            let mine = slots.filter(|(index, (slot, name))| {
                bits.checked_shr(*index as u32).unwrap_or(0) & 1 == 1
                    && slot.kind & kinds::FREE == 0
                    && !name.starts_with(RESERVED)
            });
            mine.map(|(_, (_, name))| name.clone()).collect()
        };
        let assigned = own(known.stored & !known.inlined);
        let deleted = own(known.deleted & !known.inlined);
        let mut wanted = own(known.read_unbound & !known.inlined);
        let loads = body
            .instrs
            .iter()
            .filter(|instr| reads_global(instr.opcode));
        let read = loads.filter_map(|instr| match instr.arg {
            Arg::Name(name, _) => Some(&names[name as usize]),
            _ => None,
        });
        let read = read.chain(&nested_reads);
        let read = read.filter(|name| !globals.contains(*name) && !name.starts_with(RESERVED));
        wanted.extend(read.cloned());
        wanted.sort();
        wanted.dedup();
        let bits = 0..body.locals.len();
        let bound_at_end = bits
            .map(|slot| slot < MAX_TRACKED && known.at_end >> slot & 1 == 1)
            .collect();
        Ok(Fragment {
            assigned,
            wanted,
            deleted,
            names,
            locals,
            globals,
            nested_reads,
            is_nested,
            is_target,
            bound_at_end,
            stack,
            objects,
            body,
        })
    }
}

impl Fragment {
    /// Whether a name of its own scope is certainly bound at its end.
    pub fn binds(&self, name: &str) -> bool {
        let slot = self.locals.iter().position(|local| local == name);
        slot.is_some_and(|slot| self.bound_at_end[slot])
    }
}

/// Names that the code objects below a constant read as globals.
fn collect_reads(
    isa: &'static Isa,
    objects: &Objects<'_>,
    id: ObjectId,
    found: &mut Vec<String>,
) -> Result<(), Error> {
    if let Some(code) = objects.code(id) {
        let body = body::decode(isa, objects, code)?;
        // A class that assigns a name has it in its namespace, or else it is a global.
        let assigns = |name: u32| {
            let mut instrs = body.instrs.iter();
            instrs.any(|instr| match (instr.opcode, instr.arg) {
                (Opcode::STORE_NAME | Opcode::DELETE_NAME, Arg::Name(stored, _)) => stored == name,
                _ => false,
            })
        };
        for instr in &body.instrs {
            let Arg::Name(name, _) = instr.arg else {
                continue;
            };
            let is_own = instr.opcode == Opcode::LOAD_NAME && assigns(name);
            if reads_global(instr.opcode) && !is_own {
                found.extend(
                    objects
                        .str(body.names[name as usize])
                        .map(|name| name.into_owned()),
                );
            }
        }
        for id in &body.consts {
            collect_reads(isa, objects, *id, found)?;
        }
    }
    Ok(())
}

/// Whether an instruction reads a name that may be a global.
pub fn reads_global(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::LOAD_GLOBAL | Opcode::LOAD_NAME | Opcode::LOAD_FROM_DICT_OR_GLOBALS
    )
}

/// How many slots of a snippet are followed; of more nothing is promised.
const MAX_TRACKED: usize = 64;

/// What is known of a snippet's slots, one bit for each.
#[derive(Default)]
struct Bindings {
    /// Certainly bound at its end, wherever it ends.
    at_end: u64,
    /// Maybe read while unbound.
    read_unbound: u64,
    /// Stored.
    stored: u64,
    /// Deleted.
    deleted: u64,
    /// Variables of comprehensions, which are scopes of their own.
    inlined: u64,
}

/// Follows every path through a snippet whose first slots are parameters.
fn bindings(body: &Body, parameters: u32) -> Bindings {
    let mut found = Bindings::default();
    if body.locals.len() > MAX_TRACKED {
        found.read_unbound = u64::MAX;
        return found;
    }
    let bit = |slot: u32| 1u64 << slot;
    let mut states: Vec<Option<u64>> = vec![None; body.instrs.len() + 1];
    let cells = body.locals.iter().enumerate();
    let cells = cells.filter(|(_, slot)| slot.kind & kinds::CELL != 0);
    let cells = cells.fold(0, |all, (slot, _)| all | bit(slot as u32));
    let mut todo = vec![(0usize, (bit(parameters.min(63)) - 1) | cells)];
    let mut ends = u64::MAX;
    while let Some((at, bound)) = todo.pop() {
        let bound = match states[at] {
            Some(known) if known & bound == known => continue,
            Some(known) => known & bound,
            None => bound,
        };
        states[at] = Some(bound);
        let Some(instr) = body.instrs.get(at) else {
            continue;
        };
        let (mut after, mut read) = (bound, 0);
        match (instr.opcode, instr.arg) {
            (Opcode::STORE_FAST, Arg::Local(slot)) => {
                after |= bit(slot);
                found.stored |= bit(slot);
            }
            (Opcode::DELETE_FAST, Arg::Local(slot)) => {
                read = bit(slot);
                after &= !bit(slot);
                found.deleted |= bit(slot);
            }
            (Opcode::LOAD_FAST_AND_CLEAR, Arg::Local(slot)) => {
                after &= !bit(slot);
                found.inlined |= bit(slot);
            }
            (Opcode::STORE_FAST_LOAD_FAST, Arg::Locals(one, other)) => {
                after |= bit(one);
                found.stored |= bit(one);
                read = bit(other);
            }
            (Opcode::STORE_FAST_STORE_FAST, Arg::Locals(one, other)) => {
                after |= bit(one) | bit(other);
                found.stored |= bit(one) | bit(other);
            }
            (Opcode::STORE_DEREF, Arg::Local(slot)) => found.stored |= bit(slot),
            (Opcode::DELETE_DEREF, Arg::Local(slot)) => found.deleted |= bit(slot),
            (Opcode::MAKE_CELL | Opcode::LOAD_CLOSURE | Opcode::LOAD_DEREF, _) => {}
            (_, Arg::Local(slot)) => read = bit(slot),
            (_, Arg::Locals(one, other)) => read = bit(one) | bit(other),
            _ => {}
        }
        found.read_unbound |= read & !(bound | after);
        if let Some(handler) = body.handler(instr) {
            todo.push((body.at(handler.target), bound & after));
        }
        let flow = body.isa.info(instr.opcode).flow;
        if let (true, Arg::Jump(label)) = (flow != Flow::Next, instr.arg) {
            todo.push((body.at(label), after));
        }
        match flow {
            Flow::Exit if matches!(instr.opcode, Opcode::RETURN_VALUE | Opcode::RETURN_CONST) => {
                ends &= after;
            }
            Flow::Exit | Flow::Jump => {}
            _ => todo.push((at + 1, after)),
        }
    }
    // A comprehension gives back what was there before it, which may be nothing.
    found.at_end = ends & !found.inlined;
    found
}
