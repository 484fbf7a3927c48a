//! Body to code object.

use super::{Arg, Body, Error, Instr, handlers, lines};
use crate::code::{CodeObject, kinds};
use crate::isa::{JumpSearch, Jumps, LineTable, Opcode, Operand};
use crate::marshal::{ObjectId, Objects};

/// Assembles a body into a code object that otherwise equals `original`. Parts that come out as
/// they were stay the same objects.
///
/// # Errors
/// [`Error::Direction`]: no instruction for a jump. The stack size is taken from the body.
pub fn assemble(
    mut body: Body,
    original: &CodeObject,
    objects: &mut Objects<'_>,
) -> Result<CodeObject, Error> {
    let slots = place_slots(&mut body, objects.items(original.localsplusnames).len());
    let layout = layout(&mut body)?;
    let linetable = line_table(&body, &layout);
    let code = encode(&body, &layout);
    let exceptiontable = handlers::encode(&body, &layout.starts);
    let mut new = original.clone();
    let tuple = |objects: &mut Objects<'_>, old: ObjectId, items: &[ObjectId]| match objects
        .items(old)
        == items
    {
        true => old,
        false => objects.push_tuple(items),
    };
    let bytes = |objects: &mut Objects<'_>, old: ObjectId, bytes: Vec<u8>| match objects.bytes(old)
        == Some(&bytes)
    {
        true => old,
        false => objects.push_bytes(bytes),
    };
    new.stacksize = body.stacksize.max(original.stacksize);
    new.code = bytes(objects, original.code, code);
    new.consts = tuple(objects, original.consts, &body.consts);
    new.names = tuple(objects, original.names, &body.names);
    if let Some(slots) = slots {
        let names: Vec<_> = slots
            .iter()
            .map(|slot| body.locals[*slot as usize].name)
            .collect();
        let kinds = slots
            .iter()
            .map(|slot| body.locals[*slot as usize].kind)
            .collect();
        new.localsplusnames = objects.push_tuple(&names);
        new.localspluskinds = objects.push_bytes(kinds);
    }
    new.linetable = bytes(objects, original.linetable, linetable);
    new.exceptiontable = bytes(objects, original.exceptiontable, exceptiontable);
    Ok(new)
}

/// Puts appended slots behind the last local and renumbers operands; gives the new order, or
/// nothing where no slot was appended.
fn place_slots(body: &mut Body, decoded: usize) -> Option<Vec<u32>> {
    if body.locals.len() == decoded {
        return None;
    }
    let locals = body.locals[..decoded]
        .iter()
        .filter(|slot| slot.kind & kinds::LOCAL != 0)
        .count();
    let order: Vec<u32> = (0..locals)
        .chain(decoded..body.locals.len())
        .chain(locals..decoded)
        .map(|n| n as u32)
        .collect();
    let mut place = vec![0u32; order.len()];
    for (new, old) in order.iter().enumerate() {
        place[*old as usize] = new as u32;
    }
    let mut too_far = false;
    for instr in &mut body.instrs {
        match &mut instr.arg {
            Arg::Local(slot) => *slot = place[*slot as usize],
            Arg::Locals(one, other) => {
                *one = place[*one as usize];
                *other = place[*other as usize];
                too_far |= *one > 15 || *other > 15;
            }
            _ => {}
        }
    }
    if too_far {
        split_pairs(body);
    }
    Some(order)
}

/// A pair packs its slots in four bits each; where one has moved beyond, two instructions do.
fn split_pairs(body: &mut Body) {
    let halves = |opcode| match opcode {
        Opcode::STORE_FAST_LOAD_FAST => (Opcode::STORE_FAST, Opcode::LOAD_FAST),
        Opcode::STORE_FAST_STORE_FAST => (Opcode::STORE_FAST, Opcode::STORE_FAST),
        Opcode::LOAD_FAST_BORROW_LOAD_FAST_BORROW => {
            (Opcode::LOAD_FAST_BORROW, Opcode::LOAD_FAST_BORROW)
        }
        _ => (Opcode::LOAD_FAST, Opcode::LOAD_FAST),
    };
    let old = std::mem::take(&mut body.instrs);
    let mut moved = Vec::with_capacity(old.len() + 1);
    for instr in old {
        moved.push(body.instrs.len() as u32);
        match instr.arg {
            Arg::Locals(one, other) if one > 15 || other > 15 => {
                let (first, second) = halves(instr.opcode);
                body.instrs.push(Instr {
                    opcode: first,
                    arg: Arg::Local(one),
                    ..instr
                });
                body.instrs.push(Instr {
                    opcode: second,
                    arg: Arg::Local(other),
                    ..instr
                });
            }
            _ => body.instrs.push(instr),
        }
    }
    moved.push(body.instrs.len() as u32);
    for label in &mut body.labels {
        *label = moved[*label as usize];
    }
}

struct Layout {
    /// First unit of each instruction, and the end.
    starts: Vec<u32>,
    /// Operand of each instruction.
    args: Vec<u32>,
}

/// Chooses the size of each instruction: jumps grow until their distances fit.
fn layout(body: &mut Body) -> Result<Layout, Error> {
    let count = body.instrs.len();
    let mut args = vec![0u32; count];
    let mut starts = vec![0u32; count + 1];
    let mut jumps: Vec<u32> = Vec::new();
    for (at, arg) in args.iter_mut().enumerate() {
        let instr = body.instrs[at];
        *arg = match instr.arg {
            Arg::None => 0,
            Arg::Int(value) | Arg::Const(value) | Arg::Local(value) => value,
            Arg::Locals(one, other) => one << 4 | other,
            Arg::Name(name, flags) => match body.isa.info(instr.opcode).operand {
                Operand::NameShift1 => name << 1 | u32::from(flags),
                Operand::NameShift2 => name << 2 | u32::from(flags),
                _ => name,
            },
            Arg::Jump(label) => {
                let opcode = directed(body, instr.opcode, body.at(label) > at)?;
                body.instrs[at].opcode = opcode;
                jumps.push(at as u32);
                0
            }
        };
    }
    let size =
        |arg: u32| 1 + u32::from(arg > 0xFF) + u32::from(arg > 0xFFFF) + u32::from(arg > 0xFF_FFFF);
    let target = |at: u32| match body.instrs[at as usize].arg {
        Arg::Jump(label) => body.at(label),
        _ => 0,
    };
    let mut jump_sizes: Vec<u32> = match body.isa.jump_search {
        JumpSearch::Smallest => vec![1; jumps.len()],
        JumpSearch::TargetIndex => jumps.iter().map(|at| size(target(*at) as u32)).collect(),
    };
    // The compiler's search may shrink a jump again; if that does not settle, sizes only grow,
    // which ends, and a jump that turns out too large is padded.
    for round in 0.. {
        let (mut unit, mut next_jump) = (0, 0);
        for at in 0..count {
            starts[at] = unit;
            let op = body.isa.info(body.instrs[at].opcode);
            let units = match jumps.get(next_jump) {
                Some(jump) if *jump as usize == at => {
                    next_jump += 1;
                    jump_sizes[next_jump - 1]
                }
                _ => size(args[at]),
            };
            unit += units + u32::from(op.caches);
        }
        starts[count] = unit;
        let mut changed = false;
        for (jump, units) in jumps.iter().zip(&mut jump_sizes) {
            let at = *jump as usize;
            args[at] = starts[at + 1].abs_diff(starts[target(*jump)]);
            let fits = size(args[at]);
            if fits > *units || fits < *units && round < SEARCH_ROUNDS {
                *units = fits;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    Ok(Layout { starts, args })
}

/// How often sizes are searched as the compiler does, before they may only grow.
const SEARCH_ROUNDS: u32 = 16;

/// The form of a jump for the direction that it has.
fn directed(body: &Body, opcode: Opcode, forward: bool) -> Result<Opcode, Error> {
    use Opcode as O;
    let pairs = [
        (O::POP_JUMP_FORWARD_IF_FALSE, O::POP_JUMP_BACKWARD_IF_FALSE),
        (O::POP_JUMP_FORWARD_IF_TRUE, O::POP_JUMP_BACKWARD_IF_TRUE),
        (O::POP_JUMP_FORWARD_IF_NONE, O::POP_JUMP_BACKWARD_IF_NONE),
        (
            O::POP_JUMP_FORWARD_IF_NOT_NONE,
            O::POP_JUMP_BACKWARD_IF_NOT_NONE,
        ),
        (O::JUMP_FORWARD, O::JUMP_BACKWARD),
    ];
    let is_forward = body.isa.info(opcode).operand == Operand::JumpForward;
    if is_forward == forward {
        return Ok(opcode);
    }
    let other = pairs.iter().find_map(|(f, b)| match forward {
        true => (*b == opcode).then_some(*f),
        false => (*f == opcode).then_some(*b),
    });
    match other {
        Some(other)
            if body.isa.jumps == Jumps::BothWays
                || opcode == O::JUMP_FORWARD
                || opcode == O::JUMP_BACKWARD =>
        {
            Ok(other)
        }
        _ => Err(Error::Direction {
            opcode,
            version: body.isa.version,
        }),
    }
}

fn encode(body: &Body, layout: &Layout) -> Vec<u8> {
    let units = layout.starts[body.instrs.len()] as usize;
    let mut out = Vec::with_capacity(2 * units);
    let extended = body
        .isa
        .number(Opcode::EXTENDED_ARG)
        .expect("every version has it");
    for (at, instr) in body.instrs.iter().enumerate() {
        let op = body.isa.info(instr.opcode);
        let arg = layout.args[at];
        let prefixes = layout.starts[at + 1] - layout.starts[at] - u32::from(op.caches) - 1;
        for n in (1..=prefixes).rev() {
            out.extend([extended, (arg >> (8 * n)) as u8]);
        }
        out.extend([
            body.isa.number(instr.opcode).expect("decoded or asked for"),
            arg as u8,
        ]);
        out.resize(out.len() + 2 * usize::from(op.caches), 0);
    }
    out
}

fn line_table(body: &Body, layout: &Layout) -> Vec<u8> {
    let LineTable::Pep657(form) = body.isa.lines;
    let mut writer = lines::Writer::new(form, body.first_line, body.instrs.len() * 3);
    for (at, instr) in body.instrs.iter().enumerate() {
        writer.push(instr.location, layout.starts[at + 1] - layout.starts[at]);
    }
    writer.finish()
}
