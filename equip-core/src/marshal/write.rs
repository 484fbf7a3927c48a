//! Objects to marshal bytes: references are numbered anew in writing order, which for an
//! unchanged file gives the numbers that it had.

use super::{FLAG_REF, Object, ObjectId, Objects};
use crate::isa::CodeLayout;

const UNSEEN: u32 = u32::MAX;

struct Out<'o, 'a> {
    objects: &'o Objects<'a>,
    numbers: Vec<u32>,
    next: u32,
    layout: CodeLayout,
}

/// Appends the marshalled form of an object.
pub fn write(objects: &Objects<'_>, root: ObjectId, layout: CodeLayout, out: &mut Vec<u8>) {
    let numbers = vec![UNSEEN; objects.len()];
    Out {
        objects,
        numbers,
        next: 0,
        layout,
    }
    .object(root, out);
}

impl Out<'_, '_> {
    // Depth is bounded by the reader's limit, plus a few levels for what edits add.
    fn object(&mut self, id: ObjectId, out: &mut Vec<u8>) {
        let node = self.objects.node(id);
        let number = &mut self.numbers[id.0 as usize];
        if *number != UNSEEN {
            out.push(b'r');
            out.extend_from_slice(&number.to_le_bytes());
            return;
        }
        let mut code = node.code;
        if node.flagged {
            code |= FLAG_REF;
            if !matches!(node.object, Object::Singleton) {
                *number = self.next;
                self.next += 1;
            }
        }
        out.push(code);
        match &node.object {
            Object::Null | Object::Singleton => {}
            Object::Int(value) => out.extend_from_slice(&value.to_le_bytes()),
            Object::Number(bytes) => out.extend_from_slice(bytes),
            Object::Bytes(bytes) => {
                out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Object::Str(bytes) => {
                if matches!(node.code, b'z' | b'Z') {
                    out.push(bytes.len() as u8);
                } else {
                    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                }
                out.extend_from_slice(bytes);
            }
            Object::Items(items) => {
                match node.code {
                    b')' => out.push(items.len as u8),
                    b'{' | b'}' | b':' => {}
                    _ => out.extend_from_slice(&items.len.to_le_bytes()),
                }
                for item in self.objects.items(id) {
                    self.object(*item, out);
                }
                if matches!(node.code, b'{' | b'}') {
                    out.push(b'0');
                }
            }
            Object::Code(_) => self.code(id, out),
        }
    }

    fn code(&mut self, id: ObjectId, out: &mut Vec<u8>) {
        let CodeLayout::LocalsPlus = self.layout;
        let code = self.objects.code(id).expect("the node is a code object");
        let ints = [
            code.argcount,
            code.posonlyargcount,
            code.kwonlyargcount,
            code.stacksize,
            code.flags,
        ];
        for int in ints {
            out.extend_from_slice(&int.to_le_bytes());
        }
        let before_line = [
            code.code,
            code.consts,
            code.names,
            code.localsplusnames,
            code.localspluskinds,
            code.filename,
            code.name,
            code.qualname,
        ];
        for field in before_line {
            self.object(field, out);
        }
        out.extend_from_slice(&code.firstlineno.to_le_bytes());
        self.object(code.linetable, out);
        self.object(code.exceptiontable, out);
    }
}
