//! What an instrumented pyc says of itself: a record behind the code object, which CPython never
//! reads. It holds no time, host or path, so that the same pipeline gives the same bytes anywhere.

use serde::{Deserialize, Serialize};

/// Ends every record.
const MAGIC: &[u8; 8] = b"EQUIPPRV";

/// One plugin of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Hash of its options.
    pub options: String,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this record.
    pub format: u32,
    /// Version of equip.
    pub equip: String,
    /// The plugins, in order.
    pub plugins: Vec<PluginRecord>,
    /// Hash of all that decides the result beside the original.
    pub pipeline: String,
    /// Hash of the original's bytes.
    pub original: String,
}

impl Provenance {
    /// The record at the end of a file, if it has one.
    pub fn read(file: &[u8]) -> Option<Provenance> {
        let rest = file.strip_suffix(MAGIC)?;
        let (rest, len) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
        let len = u32::from_le_bytes(len.try_into().ok()?) as usize;
        let record = rest.get(rest.len().checked_sub(len)?..)?;
        serde_json::from_slice(record)
            .ok()
            .filter(|record: &Provenance| record.format == 1)
    }

    /// Appends the record.
    pub fn append(&self, file: &mut Vec<u8>) {
        let record = serde_json::to_vec(self).expect("plain data");
        file.extend_from_slice(&record);
        file.extend_from_slice(&(record.len() as u32).to_le_bytes());
        file.extend_from_slice(MAGIC);
    }
}
