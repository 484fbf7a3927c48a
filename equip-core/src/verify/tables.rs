//! The location table and the exception table, read for judgement: what other code accepts
//! leniently is a complaint here.

use super::{Fault, Rule, fault};
use crate::bytes::{Reader, Truncated};

/// First byte of an entry, in both tables.
const START: u8 = 0x80;
const LONG: u8 = 14;
const NO_COLUMNS: u8 = 13;
const NO_LOCATION: u8 = 15;

/// A range of instructions with its handler; code units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub start: u32,
    pub end: u32,
    pub target: u32,
    pub depth: u32,
    pub lasti: bool,
}

/// One entry of the location table, its first byte already checked.
fn location(reader: &mut Reader<'_>, first: u8, line: &mut i64) -> Result<i64, Truncated> {
    match first >> 3 & 15 {
        NO_LOCATION => return Ok(-1),
        LONG => {
            *line += i64::from(reader.svarint()?);
            reader.varint()?;
            reader.varint()?;
            reader.varint()?;
        }
        NO_COLUMNS => *line += i64::from(reader.svarint()?),
        code @ 10..=12 => {
            *line += i64::from(code) - 10;
            reader.take(2)?;
        }
        _ => {
            reader.u8()?;
        }
    }
    Ok(*line)
}

/// The line of a code unit, as far as the table can be read.
pub(super) fn line_at(table: &[u8], first_line: i32, unit: u32) -> Option<u32> {
    let mut reader = Reader::new(table, 0);
    let (mut line, mut covered) = (i64::from(first_line), 0);
    while let Ok(first) = reader.u8() {
        let found = location(&mut reader, first, &mut line).ok()?;
        covered += u32::from(first & 7) + 1;
        if covered > unit {
            return u32::try_from(found).ok();
        }
    }
    None
}

/// Whether the location table covers the code exactly, with entries that begin where readers that
/// skip over them (by the high bit) expect it.
pub(super) fn check_locations(table: &[u8], first_line: i32, units: u32) -> Result<(), Fault> {
    let complain = |unit: u32, message: String| fault(unit, Rule::Locations, message);
    let mut reader = Reader::new(table, 0);
    let (mut line, mut covered) = (i64::from(first_line), 0u32);
    while reader.left() > 0 {
        let at = reader.offset();
        let first = reader.u8().expect("one is left");
        if first & START == 0 {
            let message = format!("byte {at} of the table begins no entry");
            return Err(complain(covered, message));
        }
        let found = location(&mut reader, first, &mut line)
            .map_err(|error| complain(covered, error.to_string()))?;
        let payload = &table[at + 1..reader.offset()];
        // Columns of one-line entries are plain bytes below 128; varints use six bits.
        if payload.iter().any(|byte| byte & START != 0) {
            let message = format!("the entry at byte {at} holds the start of another");
            return Err(complain(covered, message));
        }
        if payload.len() > 24 {
            let message = format!("the entry at byte {at} has an endless number");
            return Err(complain(covered, message));
        }
        let fits = found == -1 && first >> 3 & 15 == NO_LOCATION
            || (0..=i64::from(i32::MAX)).contains(&found);
        if !fits {
            let message = format!("line {found} at byte {at} of the table");
            return Err(complain(covered, message));
        }
        covered = covered.saturating_add(u32::from(first & 7) + 1);
    }
    match covered == units {
        true => Ok(()),
        false => {
            let message = format!("the table covers {covered} code units of {units}");
            Err(complain(0, message))
        }
    }
}

/// Reads the exception table: entries in order, disjoint, inside the code.
pub(super) fn read_ranges(table: &[u8], units: u32, out: &mut Vec<Range>) -> Result<(), Fault> {
    out.clear();
    let complain = |unit: u32, message: String| fault(unit, Rule::Handlers, message);
    let mut reader = Reader::new(table, 0);
    let mut last = 0;
    while reader.left() > 0 {
        let at = reader.offset();
        if table[at] & START == 0 {
            let message = format!("byte {at} of the exception table begins no entry");
            return Err(complain(last, message));
        }
        let mut number = || reader.big_varint();
        let numbers = (|| Ok([number()?, number()?, number()?, number()?]))();
        let [start, length, target, depth] =
            numbers.map_err(|error: Truncated| complain(last, error.to_string()))?;
        let payload = &table[at + 1..reader.offset()];
        if payload.iter().any(|byte| byte & START != 0) {
            let message =
                format!("the exception table's entry at byte {at} holds the start of another");
            return Err(complain(last, message));
        }
        let end = start.saturating_add(length);
        if length == 0 || end > units || payload.len() > 23 {
            let message = format!("the exception table covers units {start} to {end} of {units}");
            return Err(complain(last, message));
        }
        if start < last {
            let message =
                format!("exception table entries overlap or are unsorted at unit {start}");
            return Err(complain(start, message));
        }
        last = end;
        out.push(Range {
            start,
            end,
            target,
            depth: depth >> 1,
            lasti: depth & 1 == 1,
        });
    }
    Ok(())
}
