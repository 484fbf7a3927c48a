//! Marshalled objects (CPython `Python/marshal.c`, versions 4 to 6) in one arena per file.
//!
//! Every object keeps its type code and its `FLAG_REF` bit, and an object that the file names by
//! reference is one [`ObjectId`] with several holders: so reading and writing is byte-exact.
//! Bytes are borrowed from the file until something replaces them. The arena never holds a cycle.

mod read;
mod write;

use std::borrow::Cow;

pub use read::{Error, MAX_DEPTH, read};
pub use write::write;

use crate::code::CodeObject;

/// Set in a type code when the object takes a reference number.
pub const FLAG_REF: u8 = 0x80;

/// Names one object of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// A run of children in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Items {
    start: u32,
    len: u32,
}

/// The value of an object.
#[derive(Clone, Debug)]
pub enum Object<'a> {
    /// `0`: ends a dict; nothing else.
    Null,
    /// `None`, `True`, `False`, `...`, `StopIteration`: told apart by their type code.
    Singleton,
    /// `i`
    Int(i32),
    /// `I`, `l`, `f`, `g`, `x`, `y`: the bytes behind the type code, as they are.
    Number(Cow<'a, [u8]>),
    /// `s`
    Bytes(Cow<'a, [u8]>),
    /// `u t a A z Z`: UTF-8 with surrogates passed through.
    Str(Cow<'a, [u8]>),
    /// `( ) [ < > :` and, with keys and values alternating, `{` and `}`.
    Items(Items),
    /// `c`: index into the arena's code objects.
    Code(u32),
}

/// An object with the form in which the file has it.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Type code without `FLAG_REF`.
    pub code: u8,
    /// Whether it takes a reference number.
    pub flagged: bool,
    /// Its value.
    pub object: Object<'a>,
}

/// All objects of one file.
#[derive(Clone, Debug, Default)]
pub struct Objects<'a> {
    nodes: Vec<Node<'a>>,
    children: Vec<ObjectId>,
    codes: Vec<CodeObject>,
}

impl<'a> Objects<'a> {
    /// How many objects there are; each [`ObjectId`] is below.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// One object.
    #[inline]
    pub fn node(&self, id: ObjectId) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }

    /// Adds an object.
    pub fn push(&mut self, code: u8, flagged: bool, object: Object<'a>) -> ObjectId {
        let id = ObjectId(self.nodes.len() as u32);
        self.nodes.push(Node {
            code,
            flagged,
            object,
        });
        id
    }

    /// The children of a container; empty for anything else.
    #[inline]
    pub fn items(&self, id: ObjectId) -> &[ObjectId] {
        match self.node(id).object {
            Object::Items(Items { start, len }) => &self.children[start as usize..][..len as usize],
            _ => &[],
        }
    }

    /// The members of a tuple.
    pub fn tuple(&self, id: ObjectId) -> Option<&[ObjectId]> {
        matches!(self.node(id).code, b'(' | b')').then(|| self.items(id))
    }

    /// The content of a bytes object.
    #[inline]
    pub fn bytes(&self, id: ObjectId) -> Option<&[u8]> {
        match &self.node(id).object {
            Object::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The content of a bytes object that the file itself holds.
    pub fn borrowed_bytes(&self, id: ObjectId) -> Option<&'a [u8]> {
        match &self.node(id).object {
            Object::Bytes(Cow::Borrowed(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The content of a string, as UTF-8 with surrogates passed through.
    #[inline]
    pub fn str_bytes(&self, id: ObjectId) -> Option<&[u8]> {
        match &self.node(id).object {
            Object::Str(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The content of a string; lone surrogates show as U+FFFD.
    pub fn str(&self, id: ObjectId) -> Option<Cow<'_, str>> {
        self.str_bytes(id).map(String::from_utf8_lossy)
    }

    /// Like [`Objects::str`], for as long as the file's bytes live.
    pub fn long_str(&self, id: ObjectId) -> Option<Cow<'a, str>> {
        match &self.node(id).object {
            Object::Str(Cow::Borrowed(bytes)) => Some(String::from_utf8_lossy(bytes)),
            Object::Str(Cow::Owned(bytes)) => {
                Some(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
            }
            _ => None,
        }
    }

    /// A small integer (`i`).
    pub fn int(&self, id: ObjectId) -> Option<i32> {
        match self.node(id).object {
            Object::Int(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is `None`.
    pub fn is_none(&self, id: ObjectId) -> bool {
        self.node(id).code == b'N'
    }

    /// Whether it is `True` or `False`.
    #[inline]
    pub fn is_bool(&self, id: ObjectId) -> bool {
        matches!(self.node(id).code, b'T' | b'F')
    }

    /// A code object.
    #[inline]
    pub fn code(&self, id: ObjectId) -> Option<&CodeObject> {
        match self.node(id).object {
            Object::Code(index) => Some(&self.codes[index as usize]),
            _ => None,
        }
    }

    /// Puts another code object in the place of one; its holders are not touched.
    pub fn replace_code(&mut self, id: ObjectId, code: CodeObject) {
        if let Object::Code(index) = self.node(id).object {
            self.codes[index as usize] = code;
        }
    }

    /// Adds a code object.
    pub fn push_code(&mut self, flagged: bool, code: CodeObject) -> ObjectId {
        self.codes.push(code);
        self.push(b'c', flagged, Object::Code(self.codes.len() as u32 - 1))
    }

    /// Adds a bytes object.
    pub fn push_bytes(&mut self, bytes: Vec<u8>) -> ObjectId {
        self.push(b's', false, Object::Bytes(Cow::Owned(bytes)))
    }

    /// Adds a string; flagged, so that it is written once however many hold it.
    pub fn push_str(&mut self, text: &str, interned: bool) -> ObjectId {
        self.push_str_bytes(text.as_bytes().to_vec(), interned)
    }

    /// Adds a string given as UTF-8 with surrogates passed through.
    pub fn push_str_bytes(&mut self, bytes: Vec<u8>, interned: bool) -> ObjectId {
        let code = match (bytes.is_ascii(), bytes.len() < 256, interned) {
            (true, true, true) => b'Z',
            (true, true, false) => b'z',
            (true, false, true) => b'A',
            (true, false, false) => b'a',
            (false, _, true) => b't',
            (false, _, false) => b'u',
        };
        self.push(code, true, Object::Str(Cow::Owned(bytes)))
    }

    /// Adds a tuple.
    pub fn push_tuple(&mut self, items: &[ObjectId]) -> ObjectId {
        let code = if items.len() < 256 { b')' } else { b'(' };
        self.push_items(code, false, items)
    }

    /// Adds a container.
    pub fn push_items(&mut self, code: u8, flagged: bool, items: &[ObjectId]) -> ObjectId {
        let start = self.children.len() as u32;
        self.children.extend_from_slice(items);
        self.push(
            code,
            flagged,
            Object::Items(Items {
                start,
                len: items.len() as u32,
            }),
        )
    }

    /// Adds one of `None`, `True`, `False`, `...` by its type code.
    pub fn push_singleton(&mut self, code: u8) -> ObjectId {
        self.push(code, false, Object::Singleton)
    }

    /// Adds an integer.
    pub fn push_int(&mut self, value: i64) -> ObjectId {
        if let Ok(small) = i32::try_from(value) {
            return self.push(b'i', false, Object::Int(small));
        }
        let mut digits = Vec::new();
        let mut magnitude = value.unsigned_abs();
        while magnitude > 0 {
            digits.push((magnitude & 0x7FFF) as u16);
            magnitude >>= 15;
        }
        let count = digits.len() as i32 * if value < 0 { -1 } else { 1 };
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend(digits.iter().flat_map(|digit| digit.to_le_bytes()));
        self.push(b'l', false, Object::Number(Cow::Owned(bytes)))
    }

    /// Adds a float.
    pub fn push_float(&mut self, value: f64) -> ObjectId {
        let bytes = value.to_bits().to_le_bytes().to_vec();
        self.push(b'g', false, Object::Number(Cow::Owned(bytes)))
    }

    /// The same objects, independent of the file's bytes.
    pub fn into_owned(self) -> Objects<'static> {
        let own = |bytes: Cow<'_, [u8]>| Cow::Owned(bytes.into_owned());
        let nodes = self.nodes.into_iter().map(|node| Node {
            code: node.code,
            flagged: node.flagged,
            object: match node.object {
                Object::Null => Object::Null,
                Object::Singleton => Object::Singleton,
                Object::Int(value) => Object::Int(value),
                Object::Number(bytes) => Object::Number(own(bytes)),
                Object::Bytes(bytes) => Object::Bytes(own(bytes)),
                Object::Str(bytes) => Object::Str(own(bytes)),
                Object::Items(items) => Object::Items(items),
                Object::Code(index) => Object::Code(index),
            },
        });
        Objects {
            nodes: nodes.collect(),
            children: self.children,
            codes: self.codes,
        }
    }

    /// Copies an object of another arena, children included.
    pub fn import(&mut self, from: &Objects<'_>, id: ObjectId) -> ObjectId {
        let node = from.node(id);
        let object = match &node.object {
            Object::Null => Object::Null,
            Object::Singleton => Object::Singleton,
            Object::Int(value) => Object::Int(*value),
            Object::Number(bytes) => Object::Number(Cow::Owned(bytes.to_vec())),
            Object::Bytes(bytes) => Object::Bytes(Cow::Owned(bytes.to_vec())),
            Object::Str(bytes) => Object::Str(Cow::Owned(bytes.to_vec())),
            Object::Items(_) => {
                let items: Vec<_> = from
                    .items(id)
                    .iter()
                    .map(|item| self.import(from, *item))
                    .collect();
                return self.push_items(node.code, false, &items);
            }
            Object::Code(index) => {
                let mut code = from.codes[*index as usize].clone();
                for field in code.objects_mut() {
                    *field = self.import(from, *field);
                }
                return self.push_code(false, code);
            }
        };
        self.push(node.code, false, object)
    }
}
