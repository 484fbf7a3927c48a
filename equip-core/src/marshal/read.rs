//! Marshal bytes to objects.

use std::borrow::Cow;

use super::{FLAG_REF, Object, ObjectId, Objects};
use crate::bytes::{Reader, Truncated};
use crate::code::CodeObject;
use crate::isa::CodeLayout;

/// Nesting that CPython itself accepts (`MAX_MARSHAL_STACK_DEPTH` on Windows, the smaller one).
pub const MAX_DEPTH: usize = 1000;

/// Why bytes are no marshalled object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// No such type code.
    #[error("unknown type code {code:#04x} at offset {offset}")]
    TypeCode {
        /// The byte.
        code: u8,
        /// Where it is.
        offset: usize,
    },
    /// A reference to nothing, or to an object that is not complete yet.
    #[error("invalid reference {index} at offset {offset}")]
    Reference {
        /// The number.
        index: u32,
        /// Where it is.
        offset: usize,
    },
    /// A negative length.
    #[error("negative length at offset {offset}")]
    Length {
        /// Where it is.
        offset: usize,
    },
    /// Deeper than any Python accepts.
    #[error("nested more than {MAX_DEPTH} deep at offset {offset}")]
    Depth {
        /// Where it went too deep.
        offset: usize,
    },
    /// A field of a code object has the wrong type.
    #[error("code object at offset {offset}: {field} is no {wanted}")]
    Field {
        /// Where the code object starts.
        offset: usize,
        /// The field.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A NULL where an object must be.
    #[error("NULL object at offset {offset}")]
    Null {
        /// Where it is.
        offset: usize,
    },
}

struct In<'a> {
    bytes: Reader<'a>,
    objects: Objects<'a>,
    refs: Vec<Option<ObjectId>>,
    scratch: Vec<ObjectId>,
    layout: CodeLayout,
}

/// Reads one object that starts at `offset`; gives it, the arena, and the offset behind it.
///
/// # Errors
/// [`Error`] with the absolute offset. No input panics or allocates more than its own size asks.
pub fn read(
    data: &[u8],
    offset: usize,
    layout: CodeLayout,
) -> Result<(Objects<'_>, ObjectId, usize), Error> {
    // Real files hold an object in every seven bytes or so.
    let guess = data.len() / 8;
    let objects = Objects {
        nodes: Vec::with_capacity(guess),
        children: Vec::with_capacity(guess),
        codes: Vec::new(),
    };
    let bytes = Reader::new(data, offset);
    let mut input = In {
        bytes,
        objects,
        refs: Vec::new(),
        scratch: Vec::new(),
        layout,
    };
    let root = input.object(0)?;
    Ok((input.objects, root, input.bytes.offset()))
}

impl<'a> In<'a> {
    fn object(&mut self, depth: usize) -> Result<ObjectId, Error> {
        let offset = self.bytes.offset();
        match self.object_or_null(depth)? {
            Some(id) => Ok(id),
            None => Err(Error::Null { offset }),
        }
    }

    fn object_or_null(&mut self, depth: usize) -> Result<Option<ObjectId>, Error> {
        let offset = self.bytes.offset();
        if depth > MAX_DEPTH {
            return Err(Error::Depth { offset });
        }
        let byte = self.bytes.u8()?;
        let (code, flagged) = (byte & !FLAG_REF, byte & FLAG_REF != 0);
        let object = match code {
            b'N' | b'T' | b'F' | b'.' | b'S' => {
                // CPython's reader takes no reference number for these, flagged or not.
                return Ok(Some(self.objects.push(code, flagged, Object::Singleton)));
            }
            b'0' => return Ok(None),
            b'r' => {
                let index = self.bytes.u32()?;
                return match self.refs.get(index as usize) {
                    Some(Some(id)) => Ok(Some(*id)),
                    _ => Err(Error::Reference { index, offset }),
                };
            }
            b'i' => Object::Int(self.bytes.u32()? as i32),
            b'z' | b'Z' => {
                let len = self.bytes.u8()?;
                Object::Str(Cow::Borrowed(self.bytes.take(len.into())?))
            }
            b'a' | b'A' | b'u' | b't' => {
                let len = self.length()?;
                Object::Str(Cow::Borrowed(self.bytes.take(len)?))
            }
            b's' => {
                let len = self.length()?;
                Object::Bytes(Cow::Borrowed(self.bytes.take(len)?))
            }
            b'l' => {
                let mut ahead = self.bytes.clone();
                let digits = (ahead.u32()? as i32).unsigned_abs() as usize;
                Object::Number(Cow::Borrowed(self.bytes.take(4 + 2 * digits)?))
            }
            b'I' | b'g' => Object::Number(Cow::Borrowed(self.bytes.take(8)?)),
            b'y' => Object::Number(Cow::Borrowed(self.bytes.take(16)?)),
            b'f' => {
                let mut ahead = self.bytes.clone();
                let len = usize::from(ahead.u8()?);
                Object::Number(Cow::Borrowed(self.bytes.take(1 + len)?))
            }
            b'x' => {
                let mut ahead = self.bytes.clone();
                let real = usize::from(ahead.u8()?);
                ahead.take(real)?;
                let imaginary = usize::from(ahead.u8()?);
                Object::Number(Cow::Borrowed(self.bytes.take(2 + real + imaginary)?))
            }
            b')' | b'(' | b'[' | b'<' | b'>' | b':' => {
                let count = match code {
                    b')' => self.bytes.u8()?.into(),
                    b':' => 3,
                    _ => self.length()?,
                };
                return self.items(code, flagged, depth, Some(count)).map(Some);
            }
            b'{' | b'}' => return self.items(code, flagged, depth, None).map(Some),
            b'c' => return self.code(flagged, depth, offset).map(Some),
            _ => return Err(Error::TypeCode { code: byte, offset }),
        };
        let id = self.objects.push(code, flagged, object);
        if flagged {
            self.refs.push(Some(id));
        }
        Ok(Some(id))
    }

    fn length(&mut self) -> Result<usize, Error> {
        let offset = self.bytes.offset();
        usize::try_from(self.bytes.u32()? as i32).map_err(|_| Error::Length { offset })
    }

    /// Takes a reference number before the children are read, as CPython does; it becomes valid
    /// when the object is complete, so that no object can hold itself.
    fn reserve(&mut self, flagged: bool) -> Option<usize> {
        flagged.then(|| {
            self.refs.push(None);
            self.refs.len() - 1
        })
    }

    /// `count` children, or, without one, keys and values up to a NULL.
    fn items(
        &mut self,
        code: u8,
        flagged: bool,
        depth: usize,
        count: Option<usize>,
    ) -> Result<ObjectId, Error> {
        let reserved = self.reserve(flagged);
        let base = self.scratch.len();
        match count {
            Some(count) => {
                for _ in 0..count {
                    let item = self.object(depth + 1)?;
                    self.scratch.push(item);
                }
            }
            None => {
                while let Some(key) = self.object_or_null(depth + 1)? {
                    self.scratch.push(key);
                    let value = self.object(depth + 1)?;
                    self.scratch.push(value);
                }
            }
        }
        let start = self.objects.children.len() as u32;
        let len = (self.scratch.len() - base) as u32;
        self.objects.children.extend(self.scratch.drain(base..));
        let id = self
            .objects
            .push(code, flagged, Object::Items(super::Items { start, len }));
        if let Some(slot) = reserved {
            self.refs[slot] = Some(id);
        }
        Ok(id)
    }

    fn code(&mut self, flagged: bool, depth: usize, offset: usize) -> Result<ObjectId, Error> {
        let reserved = self.reserve(flagged);
        let CodeLayout::LocalsPlus = self.layout;
        let mut ints = [0u32; 5];
        for int in &mut ints {
            *int = self.bytes.u32()?;
        }
        let [argcount, posonlyargcount, kwonlyargcount, stacksize, flags] = ints;
        let wrong = |field, wanted| Error::Field {
            offset,
            field,
            wanted,
        };
        let mut field = |name, kind: Field| -> Result<ObjectId, Error> {
            let id = self.object(depth + 1)?;
            let ok = match kind {
                Field::Bytes => self.objects.bytes(id).is_some(),
                Field::Str => self.objects.str_bytes(id).is_some(),
                Field::Tuple => self.objects.tuple(id).is_some(),
                Field::Names => self.objects.tuple(id).is_some_and(|items| {
                    items
                        .iter()
                        .all(|item| self.objects.str_bytes(*item).is_some())
                }),
            };
            if ok {
                Ok(id)
            } else {
                Err(wrong(name, kind.name()))
            }
        };
        let code = field("co_code", Field::Bytes)?;
        let consts = field("co_consts", Field::Tuple)?;
        let names = field("co_names", Field::Names)?;
        let localsplusnames = field("co_localsplusnames", Field::Names)?;
        let localspluskinds = field("co_localspluskinds", Field::Bytes)?;
        let filename = field("co_filename", Field::Str)?;
        let name = field("co_name", Field::Str)?;
        let qualname = field("co_qualname", Field::Str)?;
        let firstlineno = self.bytes.u32()? as i32;
        let mut field = |name, kind: Field| -> Result<ObjectId, Error> {
            let id = self.object(depth + 1)?;
            match self.objects.bytes(id) {
                Some(_) => Ok(id),
                None => Err(wrong(name, kind.name())),
            }
        };
        let linetable = field("co_linetable", Field::Bytes)?;
        let exceptiontable = field("co_exceptiontable", Field::Bytes)?;
        let code = CodeObject {
            argcount,
            posonlyargcount,
            kwonlyargcount,
            stacksize,
            flags,
            code,
            consts,
            names,
            localsplusnames,
            localspluskinds,
            filename,
            name,
            qualname,
            firstlineno,
            linetable,
            exceptiontable,
        };
        let id = self.objects.push_code(flagged, code);
        if let Some(slot) = reserved {
            self.refs[slot] = Some(id);
        }
        Ok(id)
    }
}

#[derive(Clone, Copy)]
enum Field {
    Bytes,
    Str,
    Tuple,
    Names,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Bytes => "bytes object",
            Field::Str => "string",
            Field::Tuple => "tuple",
            Field::Names => "tuple of strings",
        }
    }
}
