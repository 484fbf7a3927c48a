//! A `.pyc` file: header (PEP 552), one marshalled code object, and whatever follows it.

use std::hash::Hasher;

use crate::bytes::{Reader, Truncated};
use crate::code::CodeObject;
use crate::isa::Isa;
use crate::marshal::{self, ObjectId, Objects};

/// Length of the header.
pub const HEADER_LEN: usize = 16;

/// How Python decides whether the file still fits its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Modification time (seconds, modulo 2³²) and size (bytes, modulo 2³²) of the source.
    Timestamp {
        /// Modification time.
        mtime: u32,
        /// Size.
        size: u32,
    },
    /// SipHash of the source, compared at each import.
    CheckedHash([u8; 8]),
    /// SipHash of the source, never compared.
    UncheckedHash([u8; 8]),
}

/// Why bytes are no pyc that equip can work on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file ends inside its header.
    #[error("not a pyc: {0}")]
    Header(#[from] Truncated),
    /// A magic number that is none, or of a version that is not supported.
    #[error("{}", unknown_magic(*.0))]
    Magic(u32),
    /// Flags that CPython rejects too.
    #[error("invalid flags {0:#x} in the pyc header")]
    Flags(u32),
    /// The object behind the header.
    #[error(transparent)]
    Marshal(#[from] marshal::Error),
    /// It is an object, but no code.
    #[error("the pyc holds no code object")]
    NoCode,
}

fn unknown_magic(magic: u32) -> String {
    let number = magic & 0xFFFF;
    if magic >> 16 != 0x0A0D {
        return format!("not a pyc: it starts with {magic:#010x}");
    }
    let known: Vec<_> = crate::isa::ALL
        .iter()
        .map(|isa| format!("{} ({})", isa.version, isa.magic))
        .collect();
    let guess = match number {
        3390..=3399 => " (CPython 3.7)".to_owned(),
        3400..=3419 => " (CPython 3.8)".to_owned(),
        3420..=3429 => " (CPython 3.9)".to_owned(),
        3430..=3449 => " (CPython 3.10)".to_owned(),
        3450..=3999 => format!(" (a CPython 3.{} of another stage)", (number - 2900) / 50),
        _ => String::new(),
    };
    format!(
        "unsupported magic number {number}{guess}; supported: {}",
        known.join(", ")
    )
}

/// One parsed file. Everything is borrowed from its bytes until it is replaced.
#[derive(Clone, Debug)]
pub struct PycFile<'a> {
    /// The instruction set that its magic number names.
    pub isa: &'static Isa,
    /// The header's other fields.
    pub validation: Validation,
    /// All objects.
    pub objects: Objects<'a>,
    /// The module's code object.
    pub root: ObjectId,
    /// Bytes behind the code object: CPython never reads them; equip keeps its provenance there.
    pub trailer: &'a [u8],
}

/// Reads a header alone.
///
/// # Errors
/// Too short, unknown magic number, invalid flags.
pub fn parse_header(data: &[u8]) -> Result<(&'static Isa, Validation), Error> {
    let mut reader = Reader::new(data, 0);
    let magic = reader.u32()?;
    let isa = match magic >> 16 {
        0x0A0D => Isa::by_magic(magic as u16).ok_or(Error::Magic(magic))?,
        _ => return Err(Error::Magic(magic)),
    };
    let flags = reader.u32()?;
    let rest = reader.take(8)?;
    let hash: [u8; 8] = rest.try_into().expect("eight bytes were taken");
    let validation = match flags {
        0 => Validation::Timestamp {
            mtime: u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]),
            size: u32::from_le_bytes([hash[4], hash[5], hash[6], hash[7]]),
        },
        1 => Validation::UncheckedHash(hash),
        3 => Validation::CheckedHash(hash),
        _ => return Err(Error::Flags(flags)),
    };
    Ok((isa, validation))
}

impl<'a> PycFile<'a> {
    /// Parses a whole file.
    ///
    /// # Errors
    /// [`Error`]; offsets count from the start of the file.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let (isa, validation) = parse_header(data)?;
        let (objects, root, end) = marshal::read(data, HEADER_LEN, isa.layout)?;
        if objects.code(root).is_none() {
            return Err(Error::NoCode);
        }
        Ok(PycFile {
            isa,
            validation,
            objects,
            root,
            trailer: &data[end..],
        })
    }

    /// The file's bytes without its trailer; for an unchanged file, what was parsed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(&(u32::from(self.isa.magic) | 0x0A0D_0000).to_le_bytes());
        let (flags, rest): (u32, [u8; 8]) = match self.validation {
            Validation::Timestamp { mtime, size } => {
                (0, (u64::from(size) << 32 | u64::from(mtime)).to_le_bytes())
            }
            Validation::UncheckedHash(hash) => (1, hash),
            Validation::CheckedHash(hash) => (3, hash),
        };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&rest);
        marshal::write(&self.objects, self.root, self.isa.layout, &mut out);
        out
    }

    /// The module's code object.
    pub fn module(&self) -> &CodeObject {
        self.objects
            .code(self.root)
            .expect("parse checked the type")
    }

    /// Every code object of the file, each once, a parent before its children.
    pub fn code_objects(&self) -> Vec<ObjectId> {
        let mut seen = vec![false; self.objects.len()];
        let (mut found, mut todo) = (Vec::new(), vec![self.root]);
        while let Some(id) = todo.pop() {
            if std::mem::replace(&mut seen[id.0 as usize], true) {
                continue;
            }
            match self.objects.code(id) {
                Some(code) => {
                    found.push(id);
                    todo.extend(code.consts(&self.objects).iter().rev());
                }
                None => todo.extend(self.objects.items(id).iter().rev()),
            }
        }
        found
    }
}

/// PEP 552's hash of a source, as CPython ≥ 3.11 computes it: SipHash-1-3 keyed with the magic.
pub fn source_hash(isa: &Isa, source: &[u8]) -> [u8; 8] {
    let key = u64::from(u32::from(isa.magic) | 0x0A0D_0000);
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(key, 0);
    hasher.write(source);
    hasher.finish().to_le_bytes()
}
