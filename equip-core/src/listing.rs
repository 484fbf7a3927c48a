//! Bytecode for people: instructions with what their operands mean, handlers, constants.

use std::fmt::Write;

use crate::body::{self, Arg, Body, Error};
use crate::isa::{NullSlot, Opcode};
use crate::marshal::{Object, ObjectId, Objects};
use crate::pyc::PycFile;

/// Appends a listing of one code object.
///
/// # Errors
/// It cannot be decoded.
pub fn disassemble(pyc: &PycFile<'_>, id: ObjectId, out: &mut String) -> Result<(), Error> {
    let Some(code) = pyc.objects.code(id) else {
        return Ok(());
    };
    let body = body::decode(pyc.isa, &pyc.objects, code)?;
    let mut labels: Vec<u32> = body.labels.clone();
    labels.sort_unstable();
    labels.dedup();
    let label = |at: u32| {
        labels
            .binary_search(&at)
            .map_or(String::new(), |n| format!("L{}", n + 1))
    };
    let mut last_line = i32::MIN;
    for (at, instr) in body.instrs.iter().enumerate() {
        let line = match instr.location.line {
            line if line == last_line => String::new(),
            line if line < 0 => "--".to_owned(),
            line => line.to_string(),
        };
        last_line = instr.location.line;
        let mark = label(at as u32);
        let mark = if mark.is_empty() { mark } else { mark + ":" };
        let operand = operand(&body, &pyc.objects, instr, &label);
        let text = format!(
            "{line:>6} {mark:>6} {at:>5} {:<26} {operand}",
            instr.opcode.name()
        );
        let _ = writeln!(out, "{}", text.trim_end());
    }
    let mut from = 0;
    for at in 1..=body.instrs.len() {
        let here = body.instrs.get(at).and_then(|instr| instr.handler);
        let before = body.instrs[at - 1].handler;
        if at < body.instrs.len() && here == before {
            continue;
        }
        if let Some(handler) = before.map(|id| &body.handlers[id.0 as usize]) {
            let lasti = if handler.lasti { " lasti" } else { "" };
            let target = label(body.at(handler.target) as u32);
            let _ = writeln!(
                out,
                "  exceptions in {from}..{at} go to {target}, depth {}{lasti}",
                handler.depth
            );
        }
        from = at;
    }
    Ok(())
}

/// What an instruction's operand means; `label` names the instruction that a jump leads to.
pub fn operand(
    body: &Body,
    objects: &Objects<'_>,
    instr: &body::Instr,
    label: &dyn Fn(u32) -> String,
) -> String {
    let isa = body.isa;
    let named = |list: &[&str], index: u32| {
        list.get(index as usize)
            .map_or(index.to_string(), |name| (*name).to_owned())
    };
    let slot = |slot: u32| {
        objects
            .str(body.locals[slot as usize].name)
            .unwrap_or_default()
            .into_owned()
    };
    match instr.arg {
        Arg::None => String::new(),
        Arg::Const(index) => repr(objects, body.consts[index as usize]),
        Arg::Local(index) => slot(index),
        Arg::Locals(one, other) => format!("{}, {}", slot(one), slot(other)),
        Arg::Jump(target) => format!("to {}", label(body.at(target) as u32)),
        Arg::Name(index, flags) => {
            let name = objects
                .str(body.names[index as usize])
                .unwrap_or_default()
                .into_owned();
            match (instr.opcode, flags & 1 != 0) {
                (Opcode::LOAD_GLOBAL, true) => match isa.null_slot {
                    NullSlot::BelowCallable => format!("NULL + {name}"),
                    NullSlot::AboveCallable => format!("{name} + NULL"),
                },
                (Opcode::LOAD_ATTR | Opcode::LOAD_SUPER_ATTR, true) => {
                    format!("{name} + NULL|self")
                }
                (Opcode::IMPORT_NAME, _) if flags != 0 => format!("{name} + {flags}"),
                _ => name,
            }
        }
        Arg::Int(value) => match instr.opcode {
            Opcode::BINARY_OP => named(isa.binary_operators, value),
            Opcode::COMPARE_OP => {
                let shift = isa.compare_shift;
                let text = named(isa.compare, value >> shift);
                match isa.exact_bool_jumps && value & 16 != 0 {
                    true => format!("bool({text})"),
                    false => text,
                }
            }
            Opcode::CALL_INTRINSIC_1 => named(isa.intrinsics_1, value),
            Opcode::CALL_INTRINSIC_2 => named(isa.intrinsics_2, value),
            Opcode::LOAD_SPECIAL => named(isa.special_methods, value),
            Opcode::LOAD_COMMON_CONSTANT => named(isa.common_constants, value),
            Opcode::IS_OP => if value == 0 { "is" } else { "is not" }.to_owned(),
            Opcode::CONTAINS_OP => if value == 0 { "in" } else { "not in" }.to_owned(),
            _ => value.to_string(),
        },
    }
}

/// A constant as Python shows it.
pub fn repr(objects: &Objects<'_>, id: ObjectId) -> String {
    let node = objects.node(id);
    let list = |open: &str, close: &str| {
        let items: Vec<_> = objects
            .items(id)
            .iter()
            .map(|item| repr(objects, *item))
            .collect();
        format!("{open}{}{close}", items.join(", "))
    };
    match (&node.object, node.code) {
        (Object::Null, _) => "<NULL>".to_owned(),
        (Object::Singleton, b'N') => "None".to_owned(),
        (Object::Singleton, b'T') => "True".to_owned(),
        (Object::Singleton, b'F') => "False".to_owned(),
        (Object::Singleton, b'.') => "Ellipsis".to_owned(),
        (Object::Singleton, _) => "StopIteration".to_owned(),
        (Object::Int(value), _) => value.to_string(),
        (Object::Number(bytes), code) => number(bytes, code),
        (Object::Bytes(bytes), _) => format!(
            "b{}",
            quoted(bytes.iter().map(|byte| *byte as char), |c| c.is_ascii())
        ),
        (Object::Str(bytes), _) => {
            quoted(String::from_utf8_lossy(bytes).chars(), |c| !c.is_control())
        }
        (Object::Code(_), _) => {
            let code = objects.code(id).expect("the node is a code object");
            format!(
                "<code {} line {}>",
                code.qualname(objects),
                code.firstlineno
            )
        }
        (Object::Items(_), b'[') => list("[", "]"),
        (Object::Items(_), b'<') => list("{", "}"),
        (Object::Items(_), b'>') => match objects.items(id) {
            [] => "frozenset()".to_owned(),
            _ => list("frozenset({", "})"),
        },
        (Object::Items(_), b':') => list("slice(", ")"),
        (Object::Items(_), b'{' | b'}') => list("{", "}"),
        (Object::Items(_), _) => match objects.items(id) {
            [one] => format!("({},)", repr(objects, *one)),
            _ => list("(", ")"),
        },
    }
}

fn quoted(text: impl Iterator<Item = char> + Clone, printable: impl Fn(char) -> bool) -> String {
    let has = |wanted| text.clone().any(|c| c == wanted);
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if printable(c) && c != '\x7f' && c >= ' ' => out.push(c),
            c if (c as u32) < 256 => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if (c as u32) < 0x10000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push(quote);
    out
}

fn number(bytes: &[u8], code: u8) -> String {
    let float = |bytes: &[u8]| {
        let value = f64::from_bits(u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        crate::snippet::repr(&equip_plugin_api::edit::Value::Float(value))
    };
    match code {
        b'g' => float(bytes),
        b'y' => format!("complex({}, {})", float(&bytes[..8]), float(&bytes[8..])),
        b'I' => i64::from_le_bytes(bytes.try_into().unwrap_or_default()).to_string(),
        b'l' => long(bytes),
        _ => String::from_utf8_lossy(&bytes[1..]).into_owned(),
    }
}

/// Digits of 15 bits each, least significant first, behind a signed count.
fn long(bytes: &[u8]) -> String {
    let (head, rest) = bytes.split_at(4);
    let negative = (head[3] & 0x80) != 0;
    let mut digits: Vec<u32> = rest
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_le_bytes([pair[0], pair[1]])))
        .collect();
    let mut groups = Vec::new();
    while digits.iter().any(|digit| *digit != 0) {
        let mut remainder = 0u64;
        for digit in digits.iter_mut().rev() {
            let value = remainder << 15 | u64::from(*digit);
            *digit = (value / 1_000_000_000) as u32;
            remainder = value % 1_000_000_000;
        }
        groups.push(remainder);
    }
    let mut out = String::from(if negative { "-" } else { "" });
    match groups.split_last() {
        None => out.push('0'),
        Some((first, rest)) => {
            let _ = write!(out, "{first}");
            for group in rest.iter().rev() {
                let _ = write!(out, "{group:09}");
            }
        }
    }
    out
}
