//! A cursor over a file's bytes that lends slices and knows its offset; varints of the two tables.

/// The input ended, or announced more than it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("truncated: {wanted} bytes wanted at offset {offset}, {left} left")]
pub struct Truncated {
    /// Where the bytes were wanted, from the start of the input.
    pub offset: usize,
    /// How many were wanted.
    pub wanted: usize,
    /// How many there are.
    pub left: usize,
}

/// Reads little-endian numbers and slices; offsets are absolute.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the given offset of `data`.
    pub fn new(data: &'a [u8], at: usize) -> Self {
        Reader {
            data,
            at: at.min(data.len()),
        }
    }

    /// The offset of the next byte.
    #[inline]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.data.len() - self.at
    }

    /// The next `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Truncated> {
        let left = self.left();
        if n > left {
            return Err(Truncated {
                offset: self.at,
                wanted: n,
                left,
            });
        }
        let slice = &self.data[self.at..self.at + n];
        self.at += n;
        Ok(slice)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        match self.data.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => Err(Truncated {
                offset: self.at,
                wanted: 1,
                left: 0,
            }),
        }
    }

    /// A little-endian number of 32 bits.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// A varint of the location table: 6-bit chunks, least significant first.
    pub fn varint(&mut self) -> Result<u32, Truncated> {
        let (mut value, mut shift) = (0u32, 0);
        loop {
            let byte = self.u8()?;
            value |= u32::from(byte & 63).checked_shl(shift).unwrap_or(0);
            shift += 6;
            if byte & 64 == 0 {
                return Ok(value);
            }
        }
    }

    /// A signed varint of the location table: the sign is in bit 0.
    pub fn svarint(&mut self) -> Result<i32, Truncated> {
        let value = self.varint()?;
        let magnitude = (value >> 1) as i32;
        Ok(if value & 1 == 1 {
            -magnitude
        } else {
            magnitude
        })
    }

    /// A varint of the exception table: 6-bit chunks, most significant first.
    pub fn big_varint(&mut self) -> Result<u32, Truncated> {
        let mut value = 0u32;
        loop {
            let byte = self.u8()?;
            value = value << 6 | u32::from(byte & 63);
            if byte & 64 == 0 {
                return Ok(value);
            }
        }
    }
}

/// Appends a varint of the location table.
pub fn push_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 64 {
        out.push(value as u8 & 63 | 64);
        value >>= 6;
    }
    out.push(value as u8);
}

/// Appends a signed varint of the location table.
pub fn push_svarint(out: &mut Vec<u8>, value: i32) {
    let magnitude = value.unsigned_abs() << 1;
    push_varint(out, magnitude | u32::from(value < 0));
}

/// Appends a varint of the exception table; `first` marks the start of an entry.
pub fn push_big_varint(out: &mut Vec<u8>, value: u32, first: bool) {
    let chunks = (1..6).rev().find(|n| value >> (6 * n) != 0).unwrap_or(0);
    for n in (0..=chunks).rev() {
        let more = if n > 0 { 64 } else { 0 };
        let start = if first && n == chunks { 128 } else { 0 };
        out.push((value >> (6 * n)) as u8 & 63 | more | start);
    }
}
