//! A code object's fields, by the names that CPython gives them.

use std::borrow::Cow;

use crate::marshal::{ObjectId, Objects};

/// Flag bits of a code object (CPython `Include/cpython/code.h`).
pub mod flags {
    /// Locals are slots.
    pub const OPTIMIZED: u32 = 0x1;
    /// A new namespace per call.
    pub const NEWLOCALS: u32 = 0x2;
    /// `*args`
    pub const VARARGS: u32 = 0x4;
    /// `**kwargs`
    pub const VARKEYWORDS: u32 = 0x8;
    /// Generator.
    pub const GENERATOR: u32 = 0x20;
    /// `async def`
    pub const COROUTINE: u32 = 0x80;
    /// Generator that `types.coroutine` marked.
    pub const ITERABLE_COROUTINE: u32 = 0x100;
    /// `async def` with `yield`.
    pub const ASYNC_GENERATOR: u32 = 0x200;
    /// `from __future__ import …` that change how snippets compile (`PyCF_MASK`).
    pub const FUTURES: u32 = 0x1FE_0000;
    /// The first constant is the docstring (3.14 and later).
    pub const HAS_DOCSTRING: u32 = 0x400_0000;
}

/// Kinds of the slots in a frame (CPython `Include/internal/pycore_code.h`, `CO_FAST_*`).
pub mod kinds {
    /// Only seen inside an inlined comprehension.
    pub const HIDDEN: u8 = 0x10;
    /// A local variable; with `CELL`, one that is captured.
    pub const LOCAL: u8 = 0x20;
    /// A cell.
    pub const CELL: u8 = 0x40;
    /// A free variable.
    pub const FREE: u8 = 0x80;
}

/// One code object; its parts are objects of the same arena.
#[derive(Clone, Debug)]
pub struct CodeObject {
    /// Positional parameters, positional-only included.
    pub argcount: u32,
    /// Positional-only parameters.
    pub posonlyargcount: u32,
    /// Keyword-only parameters.
    pub kwonlyargcount: u32,
    /// Stack slots that CPython allocates.
    pub stacksize: u32,
    /// See [`flags`].
    pub flags: u32,
    /// Instructions, two bytes each.
    pub code: ObjectId,
    /// Constants.
    pub consts: ObjectId,
    /// Names of globals and attributes.
    pub names: ObjectId,
    /// Names of the slots: locals, cells, free variables.
    pub localsplusnames: ObjectId,
    /// One byte each: see [`kinds`].
    pub localspluskinds: ObjectId,
    /// Source file.
    pub filename: ObjectId,
    /// Name.
    pub name: ObjectId,
    /// Dotted name within the module.
    pub qualname: ObjectId,
    /// First line.
    pub firstlineno: i32,
    /// Location table.
    pub linetable: ObjectId,
    /// Exception table.
    pub exceptiontable: ObjectId,
}

impl CodeObject {
    /// How many slots arguments take: the first ones.
    pub fn parameters(&self) -> u32 {
        let starred = [flags::VARARGS, flags::VARKEYWORDS].into_iter();
        let starred = starred.filter(|flag| self.flags & flag != 0).count() as u32;
        self.argcount
            .saturating_add(self.kwonlyargcount)
            .saturating_add(starred)
    }

    /// Its parts, to be exchanged.
    pub fn objects_mut(&mut self) -> [&mut ObjectId; 10] {
        [
            &mut self.code,
            &mut self.consts,
            &mut self.names,
            &mut self.localsplusnames,
            &mut self.localspluskinds,
            &mut self.filename,
            &mut self.name,
            &mut self.qualname,
            &mut self.linetable,
            &mut self.exceptiontable,
        ]
    }

    /// Whether its locals are slots: a function of some sort, no class or module body.
    pub fn is_optimized(&self) -> bool {
        self.flags & flags::OPTIMIZED != 0
    }

    /// Its instructions.
    pub fn bytecode<'o>(&self, objects: &'o Objects<'_>) -> &'o [u8] {
        objects
            .bytes(self.code)
            .expect("the reader checked the type")
    }

    /// Its constants.
    pub fn consts<'o>(&self, objects: &'o Objects<'_>) -> &'o [ObjectId] {
        objects.items(self.consts)
    }

    /// Its names.
    pub fn names<'o>(&self, objects: &'o Objects<'_>) -> &'o [ObjectId] {
        objects.items(self.names)
    }

    /// Its dotted name.
    pub fn qualname<'o>(&self, objects: &'o Objects<'_>) -> Cow<'o, str> {
        objects
            .str(self.qualname)
            .expect("the reader checked the type")
    }
}
