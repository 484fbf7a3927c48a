//! The location table, both directions (PEP 657, InternalDocs/code_objects.md).

use super::{Error, Instr, Location};
use crate::bytes::{Reader, Truncated, push_svarint, push_varint};
use crate::isa::Entry;

const SHORT_LAST: u8 = 9;
const ONE_LINE: u8 = 10;
const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;
const NO_LOCATION: u8 = 15;
/// Code units that one entry can cover.
const MAX_UNITS: u32 = 8;

/// Reads one entry: how many code units, and where they come from.
fn entry(reader: &mut Reader<'_>, line: &mut i32) -> Result<(u32, Location), Truncated> {
    let first = reader.u8()?;
    let units = u32::from(first & 7) + 1;
    let code = first >> 3 & 15;
    let location = match code {
        NO_LOCATION => Location::NONE,
        LONG => {
            *line = line.wrapping_add(reader.svarint()?);
            let end_line = line.wrapping_add(reader.varint()? as i32);
            let column = reader.varint()? as i32 - 1;
            let end_column = reader.varint()? as i32 - 1;
            Location {
                line: *line,
                end_line,
                column,
                end_column,
            }
        }
        NO_COLUMNS => {
            *line = line.wrapping_add(reader.svarint()?);
            Location::line(*line)
        }
        ONE_LINE..NO_COLUMNS => {
            *line = line.wrapping_add(i32::from(code - ONE_LINE));
            let column = reader.u8()?.into();
            Location {
                line: *line,
                end_line: *line,
                column,
                end_column: reader.u8()?.into(),
            }
        }
        _ => {
            let byte = reader.u8()?;
            let column = i32::from(code) << 3 | i32::from(byte >> 4);
            let end_column = column + i32::from(byte & 15);
            Location {
                line: *line,
                end_line: *line,
                column,
                end_column,
            }
        }
    };
    Ok((units, location))
}

/// Gives each instruction its location; `ends[i]` is the unit behind instruction `i`.
pub(super) fn decode(
    table: &[u8],
    first_line: i32,
    ends: &[u32],
    units: usize,
    instrs: &mut [Instr],
) -> Result<(), Error> {
    let mut reader = Reader::new(table, 0);
    let (mut line, mut covered, mut at) = (first_line, 0u32, 0);
    while reader.left() > 0 {
        let (len, location) = entry(&mut reader, &mut line).map_err(|source| Error::Table {
            table: "location table",
            source,
        })?;
        covered = covered.saturating_add(len);
        // An instruction longer than an entry is covered by several equal ones.
        while at < ends.len() && ends[at] <= covered {
            instrs[at].location = location;
            at += 1;
        }
    }
    if covered as usize != units {
        return Err(Error::Lines {
            covered: covered as usize,
            units,
        });
    }
    Ok(())
}

/// The lines that a table names, in table order, repetitions of one line in a row left out.
pub fn lines_of(table: &[u8], first_line: i32) -> impl Iterator<Item = i32> + '_ {
    let mut reader = Reader::new(table, 0);
    let (mut line, mut last) = (first_line, -1);
    std::iter::from_fn(move || {
        loop {
            let (_, location) =
                (reader.left() > 0).then(|| entry(&mut reader, &mut line).ok())??;
            if location.line >= 0 && location.line != last {
                last = location.line;
                return Some(last);
            }
        }
    })
}

/// The line of each code unit, -1 for none.
pub fn lines_by_unit(table: &[u8], first_line: i32) -> impl Iterator<Item = i32> + '_ {
    let mut reader = Reader::new(table, 0);
    let mut line = first_line;
    let entries = std::iter::from_fn(move || {
        (reader.left() > 0)
            .then(|| entry(&mut reader, &mut line).ok())
            .flatten()
    });
    entries.flat_map(|(units, location)| std::iter::repeat_n(location.line, units as usize))
}

/// Writes a table, choosing forms as CPython's compiler does (`Python/assemble.c`).
pub(super) struct Writer {
    out: Vec<u8>,
    line: i32,
    form: Entry,
    pending: Option<(Location, u32)>,
}

impl Writer {
    pub(super) fn new(form: Entry, first_line: i32, capacity: usize) -> Self {
        Writer {
            out: Vec::with_capacity(capacity),
            line: first_line,
            form,
            pending: None,
        }
    }

    /// The next instruction, of that many units.
    pub(super) fn push(&mut self, location: Location, units: u32) {
        match (&mut self.pending, self.form) {
            (Some((last, len)), Entry::PerRun) if *last == location => *len += units,
            _ => {
                self.flush();
                self.pending = Some((location, units));
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.out
    }

    fn flush(&mut self) {
        let Some((location, mut units)) = self.pending.take() else {
            return;
        };
        while units > MAX_UNITS {
            self.entry(location, MAX_UNITS);
            units -= MAX_UNITS;
        }
        self.entry(location, units);
    }

    fn entry(&mut self, at: Location, units: u32) {
        let out = &mut self.out;
        let mut head = |code: u8| out.push(0x80 | code << 3 | (units as u8 - 1));
        if at.line < 0 {
            head(NO_LOCATION);
            return;
        }
        let delta = at.line.wrapping_sub(self.line);
        self.line = at.line;
        let (column, end_column) = (at.column, at.end_column);
        let one_line = at.end_line == at.line;
        if column < 0 || end_column < 0 {
            if one_line || at.end_line < 0 {
                head(NO_COLUMNS);
                push_svarint(out, delta);
                return;
            }
        } else if one_line {
            let width = end_column - column;
            if delta == 0 && column < i32::from(SHORT_LAST + 1) << 3 && (0..16).contains(&width) {
                head((column >> 3) as u8);
                out.push((column as u8 & 7) << 4 | width as u8);
                return;
            }
            if (0..3).contains(&delta) && column < 128 && end_column < 128 {
                head(ONE_LINE + delta as u8);
                out.extend([column as u8, end_column as u8]);
                return;
            }
        }
        head(LONG);
        push_svarint(out, delta);
        push_varint(out, at.end_line.wrapping_sub(at.line) as u32);
        push_varint(out, (column + 1) as u32);
        push_varint(out, (end_column + 1) as u32);
    }
}
