//! Code object to body.

use super::{Arg, Body, Error, HandlerId, Instr, Label, Location, Slot, handlers, lines};
use crate::code::CodeObject;
use crate::isa::{Isa, Opcode, Operand};
use crate::marshal::Objects;

const NONE: u32 = u32::MAX;

/// Labels while they are found: one per code unit that something leads to.
pub(super) struct Targets {
    /// Index of the instruction that starts at a unit, or `NONE`.
    starts: Vec<u32>,
    /// Label at a unit, or `NONE`.
    labels: Vec<u32>,
}

impl Targets {
    /// The label at code unit `target`.
    pub(super) fn label(
        &mut self,
        from: usize,
        target: i64,
        found: &mut Vec<u32>,
    ) -> Result<Label, Error> {
        let unit = usize::try_from(target)
            .ok()
            .filter(|unit| *unit < self.starts.len());
        let Some(unit) = unit.filter(|unit| self.starts[*unit] != NONE) else {
            return Err(Error::Target {
                offset: 2 * from as u32,
                target: 2 * target,
            });
        };
        let label = &mut self.labels[unit];
        if *label == NONE {
            *label = found.len() as u32;
            found.push(self.starts[unit]);
        }
        Ok(Label(*label))
    }
}

/// Decodes one code object. Positions, handlers and jump targets become part of the instructions.
///
/// # Errors
/// [`Error`] with offsets in bytes of `co_code`.
pub fn decode(isa: &'static Isa, objects: &Objects<'_>, code: &CodeObject) -> Result<Body, Error> {
    let bytes = code.bytecode(objects);
    let units = bytes.len() / 2;
    let kinds = objects
        .bytes(code.localspluskinds)
        .expect("the reader checked the type");
    let slot_names = objects.items(code.localsplusnames);
    if kinds.len() != slot_names.len() {
        return Err(Error::Slots {
            names: slot_names.len(),
            kinds: kinds.len(),
        });
    }
    let locals: Vec<_> = slot_names
        .iter()
        .zip(kinds)
        .map(|(name, kind)| Slot {
            name: *name,
            kind: *kind,
        })
        .collect();
    let mut body = Body {
        isa,
        instrs: Vec::with_capacity(units / 2 + 8),
        labels: Vec::new(),
        handlers: Vec::new(),
        locals,
        names: code.names(objects).to_vec(),
        consts: code.consts(objects).to_vec(),
        stacksize: code.stacksize,
        first_line: code.firstlineno,
        flags: code.flags,
    };
    let mut targets = Targets {
        starts: vec![NONE; units],
        labels: vec![NONE; units],
    };
    let mut jumps: Vec<(u32, u32, i64)> = Vec::new(); // instruction, its unit, target unit
    let mut ends: Vec<u32> = Vec::with_capacity(units / 2 + 8); // unit behind each instruction
    let mut unit = 0;
    while unit < units {
        let start = unit;
        let mut arg = 0u32;
        let mut number = bytes[2 * unit];
        let extended = isa.number(Opcode::EXTENDED_ARG);
        while Some(number) == extended {
            arg = (arg | u32::from(bytes[2 * unit + 1])) << 8;
            unit += 1;
            if unit == units {
                return Err(Error::CutShort {
                    offset: 2 * start as u32,
                });
            }
            number = bytes[2 * unit];
        }
        arg |= u32::from(bytes[2 * unit + 1]);
        let offset = 2 * unit as u32;
        let op = isa.op(number).ok_or(Error::UnknownOpcode {
            opcode: number,
            offset,
        })?;
        unit += 1 + usize::from(op.caches);
        if unit > units {
            return Err(Error::CutShort { offset });
        }
        let index = |what, index: u32, len: usize| match (index as usize) < len {
            true => Ok(index),
            false => Err(Error::Index {
                what,
                index,
                offset,
                len,
            }),
        };
        let arg = match op.operand {
            Operand::None if arg == 0 => Arg::None,
            Operand::None | Operand::Int => Arg::Int(arg),
            Operand::Const => Arg::Const(index("constant", arg, body.consts.len())?),
            Operand::Name => Arg::Name(index("name", arg, body.names.len())?, 0),
            Operand::NameShift1 => {
                Arg::Name(index("name", arg >> 1, body.names.len())?, (arg & 1) as u8)
            }
            Operand::NameShift2 => {
                Arg::Name(index("name", arg >> 2, body.names.len())?, (arg & 3) as u8)
            }
            Operand::Local => Arg::Local(index("slot", arg, body.locals.len())?),
            Operand::LocalPair => {
                let len = body.locals.len();
                Arg::Locals(index("slot", arg >> 4, len)?, index("slot", arg & 15, len)?)
            }
            Operand::JumpForward | Operand::JumpBackward | Operand::LabelBackward => {
                let distance = i64::from(arg);
                let distance = if op.operand == Operand::JumpForward {
                    distance
                } else {
                    -distance
                };
                jumps.push((
                    body.instrs.len() as u32,
                    start as u32,
                    unit as i64 + distance,
                ));
                Arg::None
            }
        };
        targets.starts[start] = body.instrs.len() as u32;
        ends.push(unit as u32);
        body.instrs.push(Instr {
            opcode: op.opcode,
            arg,
            location: Location::NONE,
            handler: None,
        });
    }
    if !bytes.len().is_multiple_of(2) {
        return Err(Error::CutShort {
            offset: bytes.len() as u32 - 1,
        });
    }
    for (instr, from, target) in jumps {
        let label = targets.label(from as usize, target, &mut body.labels)?;
        body.instrs[instr as usize].arg = Arg::Jump(label);
    }
    let table = objects
        .bytes(code.exceptiontable)
        .expect("the reader checked the type");
    let mut at = 0; // entries are in order, and so are instructions
    for entry in handlers::entries(table) {
        let entry = entry?;
        let handler = handlers::handler(&entry, units, &mut targets, &mut body.labels)?;
        let id = HandlerId(body.handlers.len() as u32);
        let id = match body.handlers.iter().position(|known| *known == handler) {
            Some(known) => HandlerId(known as u32),
            None => {
                body.handlers.push(handler);
                id
            }
        };
        while at < ends.len() && ends[at] <= entry.start {
            at += 1;
        }
        let start = if at == 0 { 0 } else { ends[at - 1] };
        if start != entry.start {
            return Err(Error::Range {
                start: entry.start,
                end: entry.end,
            });
        }
        while at < ends.len() && ends[at] <= entry.end {
            body.instrs[at].handler = Some(id);
            at += 1;
        }
    }
    let table = objects
        .bytes(code.linetable)
        .expect("the reader checked the type");
    lines::decode(table, code.firstlineno, &ends, units, &mut body.instrs)?;
    Ok(body)
}
