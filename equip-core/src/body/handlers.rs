//! The exception table, both directions (InternalDocs/exception_handling.md).

use super::decode::Targets;
use super::{Body, Error, Handler, HandlerId};
use crate::bytes::{Reader, push_big_varint};

/// One entry; code units.
pub(super) struct Entry {
    pub start: u32,
    pub end: u32,
    target: u32,
    depth: u32,
    lasti: bool,
}

/// The entries of a table.
pub(super) fn entries(table: &[u8]) -> impl Iterator<Item = Result<Entry, Error>> + '_ {
    let mut reader = Reader::new(table, 0);
    std::iter::from_fn(move || {
        (reader.left() > 0).then(|| {
            entry(&mut reader).map_err(|source| Error::Table {
                table: "exception table",
                source,
            })
        })
    })
}

fn entry(reader: &mut Reader<'_>) -> Result<Entry, crate::bytes::Truncated> {
    let start = reader.big_varint()?;
    let len = reader.big_varint()?;
    let target = reader.big_varint()?;
    let depth = reader.big_varint()?;
    Ok(Entry {
        start,
        end: start.saturating_add(len),
        target,
        depth: depth >> 1,
        lasti: depth & 1 == 1,
    })
}

/// What an entry says, with its target as a label.
pub(super) fn handler(
    entry: &Entry,
    units: usize,
    targets: &mut Targets,
    labels: &mut Vec<u32>,
) -> Result<Handler, Error> {
    if entry.end as usize > units || entry.start >= entry.end {
        return Err(Error::Range {
            start: entry.start,
            end: entry.end,
        });
    }
    let target = targets.label(entry.start as usize, entry.target.into(), labels)?;
    Ok(Handler {
        target,
        depth: entry.depth,
        lasti: entry.lasti,
    })
}

/// The table of a body whose instruction `i` starts at unit `starts[i]`; the last of `starts` is
/// the end of the code.
pub(super) fn encode(body: &Body, starts: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut open: Option<(HandlerId, u32)> = None;
    let ends = body
        .instrs
        .iter()
        .map(|instr| instr.handler)
        .chain(std::iter::once(None));
    for (handler, start) in ends.zip(starts) {
        if handler == open.map(|(id, _)| id) {
            continue;
        }
        if let Some((id, from)) = open {
            let Handler {
                target,
                depth,
                lasti,
            } = body.handlers[id.0 as usize];
            push_big_varint(&mut out, from, true);
            push_big_varint(&mut out, start - from, false);
            push_big_varint(&mut out, starts[body.at(target)], false);
            push_big_varint(&mut out, depth << 1 | u32::from(lasti), false);
        }
        open = handler.map(|id| (id, *start));
    }
    out
}
