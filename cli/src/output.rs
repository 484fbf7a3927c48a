//! Printing, where the reader may have gone: `equip decls app | head` is no error.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// As `println!`.
macro_rules! out {
    ($($part:tt)*) => { $crate::output::line(format_args!($($part)*)) };
}

/// As `eprintln!`.
macro_rules! note {
    ($($part:tt)*) => { $crate::output::aside(format_args!($($part)*)) };
}

pub(crate) use {note, out};

/// A line for standard output, which is what the command is for: where it cannot be written, the
/// command has failed; where nobody reads it any more, it is done.
pub fn line(text: Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_fmt(text)
        .and_then(|()| stdout.write_all(b"\n"));
    if let Err(error) = written {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        aside(format_args!("equip: standard output: {error}"));
        std::process::exit(1);
    }
}

/// A line for standard error; if it cannot be written, there is nobody to tell.
pub fn aside(text: Arguments<'_>) {
    let mut stderr = io::stderr().lock();
    let _ = stderr
        .write_fmt(text)
        .and_then(|()| stderr.write_all(b"\n"));
}
