//! One file for each group of commands.

pub mod callgraph;
pub mod cfg;
pub mod check;
pub mod counts;
pub mod coverage;
pub mod diff;
pub mod init;
pub mod inspect;
pub mod instrument;
pub mod new_plugin;
pub mod plugins;
pub mod restore;
pub mod run;
pub mod select;
pub mod verify;

use equip_core::program::{self, Program};
use equip_core::python::Search;

use crate::args::Arguments;
use crate::output::note;

/// Where interpreters are looked for.
pub fn search(arguments: &Arguments) -> Search {
    Search::from_environment(arguments.python.as_deref())
}

/// The modules of the targets that a command was given.
pub fn find(targets: &[std::path::PathBuf], arguments: &Arguments) -> anyhow::Result<Program> {
    find_with(targets, &search(arguments))
}

/// The same, with interpreters that a pipeline chose.
pub fn find_with(targets: &[std::path::PathBuf], search: &Search) -> anyhow::Result<Program> {
    program::find(targets, search).map_err(|error| {
        let status = match error {
            program::Error::NoTarget { .. } | program::Error::Ambiguous { .. } => 2,
            _ => 1,
        };
        crate::Status(status, error.to_string()).into()
    })
}

/// Says which folders could not be read; how many.
pub fn say_unreadable(program: &Program) -> usize {
    for (path, why) in &program.unreadable {
        note!("error: {}: {why}", path.display());
    }
    program.unreadable.len()
}
