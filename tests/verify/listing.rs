//! Code objects from a listing, right or wrong: a small assembler that checks nothing.
//!
//! One instruction or directive per line; `name:` is a label, `@name` its place.
//!
//! ```text
//! .locals a b          .cells c        .free f        .args 1       .flags generator
//! .consts None 1 True ('a','b') code code/1f code/g   .names n      .stack 4
//! .range from to handler depth [lasti]                .kinds 20 20  .chop 1
//! .linetable F* …      .exceptiontable 80 …      (`F*`: F8 and the number of code units less one)
//! OPCODE [operand] [cache=1]                          RAW 255 0
//! %exit  %jump_true @l  %end_for  %callee  %call 1  %generator  %await  %delegate
//! ```
//!
//! Lines with `%` are what every version spells differently.

use std::collections::HashMap;

use equip_core::code::{CodeObject, flags, kinds};
use equip_core::isa::{Isa, LoopExit, NullSlot, Opcode, Operand, YieldArg};
use equip_core::marshal::{ObjectId, Objects};
use equip_core::pyc::{PycFile, Validation};

/// A file whose module is the code object that a listing describes.
pub fn assemble(isa: &'static Isa, listing: &str) -> PycFile<'static> {
    let mut listing = Listing::read(isa, listing);
    let code = listing.bytecode();
    let mut objects = Objects::default();
    let strs = |objects: &mut Objects<'static>, names: &[String]| {
        let ids: Vec<_> = names
            .iter()
            .map(|name| objects.push_str(name, true))
            .collect();
        objects.push_tuple(&ids)
    };
    let name = objects.push_str("f", true);
    let filename = objects.push_str("f.py", true);
    let consts: Vec<_> = listing
        .consts
        .iter()
        .map(|text| constant(&mut objects, text, name, filename))
        .collect();
    let mut code = CodeObject {
        argcount: listing.args,
        posonlyargcount: 0,
        kwonlyargcount: 0,
        stacksize: listing.stack,
        flags: listing.flags,
        code: objects.push_bytes(code),
        consts: objects.push_tuple(&consts),
        names: strs(&mut objects, &listing.names),
        localsplusnames: strs(&mut objects, &listing.slots),
        localspluskinds: objects.push_bytes(listing.kinds.clone()),
        filename,
        name,
        qualname: name,
        firstlineno: 1,
        linetable: objects.push_bytes(listing.linetable()),
        exceptiontable: objects.push_bytes(listing.exceptiontable()),
    };
    if let Some(consts) = listing.no_tuple {
        code.consts = objects.push_int(consts);
    }
    let root = objects.push_code(false, code);
    PycFile {
        isa,
        validation: Validation::Timestamp { mtime: 0, size: 0 },
        objects,
        root,
        trailer: &[],
    }
}

fn constant(
    objects: &mut Objects<'static>,
    text: &str,
    name: ObjectId,
    filename: ObjectId,
) -> ObjectId {
    match text {
        "None" => return objects.push_singleton(b'N'),
        "True" => return objects.push_singleton(b'T'),
        _ => {}
    }
    if let Some(names) = text.strip_prefix('(') {
        let names = names
            .trim_end_matches(')')
            .split(',')
            .filter(|name| !name.is_empty());
        let ids: Vec<_> = names.map(|name| objects.push_str(name, true)).collect();
        return objects.push_tuple(&ids);
    }
    let Some(shape) = text.strip_prefix("code") else {
        return objects.push_int(text.parse().expect("a number"));
    };
    let (free, generator) = (shape.contains('f'), shape.contains('g'));
    let slots: &[ObjectId] = if free { &[name] } else { &[] };
    let kinds = vec![kinds::FREE; slots.len()];
    let code = CodeObject {
        argcount: 0,
        posonlyargcount: 0,
        kwonlyargcount: 0,
        stacksize: 1,
        flags: flags::OPTIMIZED | if generator { flags::GENERATOR } else { 0 },
        code: objects.push_bytes(Vec::new()),
        consts: objects.push_tuple(&[]),
        names: objects.push_tuple(&[]),
        localsplusnames: objects.push_tuple(slots),
        localspluskinds: objects.push_bytes(kinds),
        filename,
        name,
        qualname: name,
        firstlineno: 1,
        linetable: objects.push_bytes(Vec::new()),
        exceptiontable: objects.push_bytes(Vec::new()),
    };
    objects.push_code(false, code)
}

struct Range {
    labels: [String; 3],
    depth: u32,
    lasti: bool,
}

struct Listing {
    isa: &'static Isa,
    slots: Vec<String>,
    kinds: Vec<u8>,
    args: u32,
    flags: u32,
    stack: u32,
    consts: Vec<String>,
    no_tuple: Option<i64>,
    names: Vec<String>,
    ranges: Vec<Range>,
    linetable: Option<Vec<String>>,
    exceptiontable: Option<Vec<u8>>,
    chop: usize,
    lines: Vec<String>,
    labels: HashMap<String, u32>,
    units: u32,
}

impl Listing {
    fn read(isa: &'static Isa, text: &str) -> Self {
        let mut listing = Listing {
            isa,
            slots: Vec::new(),
            kinds: Vec::new(),
            args: 0,
            flags: flags::OPTIMIZED | flags::NEWLOCALS,
            stack: 4,
            consts: vec!["None".to_owned()],
            no_tuple: None,
            names: Vec::new(),
            ranges: Vec::new(),
            linetable: None,
            exceptiontable: None,
            chop: 0,
            lines: Vec::new(),
            labels: HashMap::new(),
            units: 0,
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.strip_prefix('.') {
                Some(directive) => listing.directive(directive),
                None => listing.expand(line),
            }
        }
        listing
    }

    fn directive(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [first, rest @ ..] = &words[..] else {
            panic!("a directive without a name")
        };
        let hex = || {
            rest.iter()
                .map(|word| u8::from_str_radix(word, 16).expect("hex"))
        };
        let owned = || rest.iter().map(|word| word.to_string());
        let mut slots = |kind: u8| {
            self.slots.extend(owned());
            self.kinds.resize(self.slots.len(), kind);
        };
        match *first {
            "locals" => slots(kinds::LOCAL),
            "captured" => slots(kinds::LOCAL | kinds::CELL),
            "cells" => slots(kinds::CELL),
            "free" => slots(kinds::FREE),
            "kinds" => self.kinds = hex().collect(),
            "args" => self.args = rest[0].parse().expect("a number"),
            "stack" => self.stack = rest[0].parse().expect("a number"),
            "chop" => self.chop = rest[0].parse().expect("a number"),
            "names" => self.names = owned().collect(),
            "consts" if rest == ["no-tuple"] => self.no_tuple = Some(0),
            "consts" => self.consts = owned().collect(),
            "linetable" => self.linetable = Some(owned().collect()),
            "exceptiontable" => self.exceptiontable = Some(hex().collect()),
            "flags" => {
                for word in rest {
                    match *word {
                        "generator" => self.flags |= flags::GENERATOR,
                        "coroutine" => self.flags |= flags::COROUTINE,
                        "module" => self.flags = 0,
                        _ => panic!("no flag: {word}"),
                    }
                }
            }
            "range" => self.ranges.push(Range {
                labels: [0, 1, 2].map(|at| rest[at].to_owned()),
                depth: rest[3].parse().expect("a number"),
                lasti: rest.get(4) == Some(&"lasti"),
            }),
            _ => panic!("no directive: {line}"),
        }
    }

    fn expand(&mut self, line: &str) {
        let Some(line) = line.strip_prefix('%') else {
            if line.strip_suffix(':').is_none() {
                self.units += self.length(line);
            } else {
                let label = line.trim_end_matches(':').to_owned();
                self.labels.insert(label, self.units);
            }
            return self.lines.push(line.to_owned());
        };
        let isa = self.isa;
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let lines: Vec<String> = match name {
            "exit" => vec!["LOAD_CONST 0".into(), "RETURN_VALUE".into()],
            "jump_true" if isa.has(Opcode::POP_JUMP_FORWARD_IF_TRUE) => {
                vec![format!("POP_JUMP_FORWARD_IF_TRUE {rest}")]
            }
            "jump_true" if isa.exact_bool_jumps => {
                vec!["TO_BOOL".into(), format!("POP_JUMP_IF_TRUE {rest}")]
            }
            "jump_true" => vec![format!("POP_JUMP_IF_TRUE {rest}")],
            "end_for" => match isa.loop_exit {
                LoopExit::PopsIterator => Vec::new(),
                LoopExit::SkipsEndFor => vec!["END_FOR".into()],
                LoopExit::KeepsIterator if isa.has(Opcode::POP_ITER) => {
                    vec!["END_FOR".into(), "POP_ITER".into()]
                }
                LoopExit::KeepsIterator => vec!["END_FOR".into(), "POP_TOP".into()],
            },
            "callee" => match isa.null_slot {
                NullSlot::BelowCallable => vec!["PUSH_NULL".into(), "LOAD_CONST 0".into()],
                NullSlot::AboveCallable => vec!["LOAD_CONST 0".into(), "PUSH_NULL".into()],
            },
            "call" if isa.has(Opcode::PRECALL) => {
                vec![format!("PRECALL {rest}"), format!("CALL {rest}")]
            }
            "call" => vec![format!("CALL {rest}")],
            "generator" => vec![
                "RETURN_GENERATOR".into(),
                "POP_TOP".into(),
                "RESUME 0".into(),
            ],
            // The state of the iteration, where that has a slot.
            "await" if isa.iterator_slots == 2 => vec!["GET_AWAITABLE".into(), "PUSH_NULL".into()],
            "await" => vec!["GET_AWAITABLE".into()],
            "delegate" => vec![match isa.yield_arg {
                YieldArg::HandlerDepth => "YIELD_VALUE 2".into(),
                _ => "YIELD_VALUE 1".into(),
            }],
            _ => panic!("no macro: {line}"),
        };
        for line in lines {
            self.expand(&line);
        }
    }

    /// How many code units a line takes.
    fn length(&self, line: &str) -> u32 {
        match self.opcode(line) {
            Some((_, caches, _)) => 1 + u32::from(caches),
            None => 1,
        }
    }

    /// Number, caches and sort of operand; none for `RAW`.
    fn opcode(&self, line: &str) -> Option<(u8, u8, Operand)> {
        let name = line.split_whitespace().next()?;
        if name == "RAW" {
            return None;
        }
        let found = (0..=255).find_map(|number| {
            let op = self.isa.op(number)?;
            (format!("{:?}", op.opcode) == name).then_some((number, op.caches, op.operand))
        });
        Some(found.unwrap_or_else(|| panic!("{} has no {name}", self.isa.version)))
    }

    fn place(&self, label: &str) -> u32 {
        let (label, more) = label.split_once('+').unwrap_or((label, "0"));
        let place = self
            .labels
            .get(label)
            .unwrap_or_else(|| panic!("no label {label}"));
        place + more.parse::<u32>().expect("a number")
    }

    fn bytecode(&mut self) -> Vec<u8> {
        let mut code = Vec::new();
        for line in self.lines.iter().filter(|line| !line.ends_with(':')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some((number, caches, operand)) = self.opcode(line) else {
                code.extend(
                    words[1..]
                        .iter()
                        .map(|word| word.parse::<u8>().expect("a byte")),
                );
                continue;
            };
            let end = (code.len() / 2) as u32 + 1 + u32::from(caches);
            let arg = match words.get(1) {
                Some(word) if word.starts_with('@') => {
                    let place = self.place(&word[1..]);
                    match operand {
                        Operand::JumpForward => place - end,
                        _ => end - place,
                    }
                }
                Some(word) if !word.starts_with("cache") => word.parse().expect("a number"),
                _ => 0,
            };
            code.extend([number, u8::try_from(arg).expect("a byte")]);
            let cache = u8::from(words.last() == Some(&"cache=1"));
            code.extend(std::iter::repeat_n(cache, 2 * usize::from(caches)));
        }
        code.truncate(code.len() - self.chop);
        code
    }

    /// No positions, unless the listing has a table.
    fn linetable(&self) -> Vec<u8> {
        let units = u8::try_from(self.units).expect("a short listing");
        let Some(words) = &self.linetable else {
            let mut table = vec![0xFF; usize::from(units / 8)];
            table.extend((!units.is_multiple_of(8)).then(|| 0xF8 | (units % 8 - 1)));
            return table;
        };
        let byte = |word: &String| match word.strip_suffix('*') {
            Some(first) => u8::from_str_radix(first, 16).expect("hex") << 4 | 8 | (units - 1),
            None => u8::from_str_radix(word, 16).expect("hex"),
        };
        words.iter().map(byte).collect()
    }

    fn exceptiontable(&self) -> Vec<u8> {
        self.exceptiontable.clone().unwrap_or_else(|| {
            let entry = |range: &Range| {
                let [from, to, handler] = range.labels.each_ref().map(|label| self.place(label));
                let depth = range.depth << 1 | u32::from(range.lasti);
                let numbers = [from, to - from, handler, depth];
                let byte = |number: u32| u8::try_from(number).ok().filter(|byte| *byte < 0x40);
                let mut bytes = numbers.map(|number| byte(number).expect("one byte"));
                bytes[0] |= 0x80;
                bytes
            };
            self.ranges.iter().flat_map(entry).collect()
        })
    }
}
