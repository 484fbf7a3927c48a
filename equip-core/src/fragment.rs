//! A compiled snippet, ready to be spliced: its body, its objects, and what its names are.

use rustc_hash::FxHashSet;

use crate::body::{self, Arg, Body};
use crate::code::{CodeObject, kinds};
use crate::isa::{Isa, Opcode};
use crate::marshal::{self, ObjectId, Objects};

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
        let bound_at_end = bound_at_end(&body);
        let globals = globals.into_iter().collect();
        Ok(Fragment {
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

/// Names that the code objects below a constant read as globals.
fn collect_reads(
    isa: &'static Isa,
    objects: &Objects<'_>,
    id: ObjectId,
    found: &mut Vec<String>,
) -> Result<(), Error> {
    if let Some(code) = objects.code(id) {
        let body = body::decode(isa, objects, code)?;
        for instr in &body.instrs {
            if let (true, Arg::Name(name, _)) = (reads_global(instr.opcode), instr.arg) {
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

/// For straight code: which slots were stored last, not deleted. Code with jumps or handlers gets
/// no promise.
fn bound_at_end(body: &Body) -> Vec<bool> {
    let mut bound: Vec<_> = body
        .locals
        .iter()
        .map(|slot| slot.kind & kinds::CELL != 0)
        .collect();
    if !body.labels.is_empty() || !body.handlers.is_empty() {
        bound.fill(false);
        return bound;
    }
    for instr in &body.instrs {
        match (instr.opcode, instr.arg) {
            (Opcode::STORE_FAST, Arg::Local(slot)) => bound[slot as usize] = true,
            (Opcode::DELETE_FAST | Opcode::LOAD_FAST_AND_CLEAR, Arg::Local(slot)) => {
                bound[slot as usize] = false;
            }
            (Opcode::STORE_FAST_LOAD_FAST, Arg::Locals(one, _)) => bound[one as usize] = true,
            (Opcode::STORE_FAST_STORE_FAST, Arg::Locals(one, other)) => {
                bound[one as usize] = true;
                bound[other as usize] = true;
            }
            _ => {}
        }
    }
    bound
}
