//! Undoing, and telling what is what.

use equip_core::program;
use equip_core::provenance::Provenance;
use equip_core::pyc::PycFile;
use equip_core::store::{self, Restored};

use crate::args::{Arguments, Targets};
use crate::output::{note, out};

pub fn run(options: &Targets, arguments: &Arguments) -> anyhow::Result<u8> {
    let found = program::touched(&options.targets);
    let (files, unreadable) = found.map_err(|error| crate::Status(1, error.to_string()))?;
    for (path, why) in &unreadable {
        note!("error: {}: {why}", path.display());
    }
    let (mut restored, mut failed) = (0, unreadable.len());
    for pyc in files {
        match store::restore(&pyc) {
            Ok(what) => {
                restored += usize::from(what != Restored::Plain);
                if arguments.verbose > 0 {
                    let text = match what {
                        Restored::Original => "the original is back",
                        Restored::Removed => "removed; Python will compile it",
                        Restored::Plain => "was plain",
                        Restored::Newer => "Python has written a newer file, which stays",
                    };
                    note!("{}: {text}", pyc.display());
                }
            }
            Err(error) => {
                failed += 1;
                note!("error: {error}");
            }
        }
    }
    if !arguments.quiet {
        note!("{restored} files restored, {failed} failed");
    }
    Ok(u8::from(failed > 0))
}

pub fn status(options: &Targets, arguments: &Arguments) -> anyhow::Result<u8> {
    let program = super::find(&options.targets, arguments)?;
    let failed = super::say_unreadable(&program) > 0;
    for module in &program.modules {
        let bytes = std::fs::read(&module.pyc);
        let text = match &bytes {
            Err(_) => "not compiled".to_owned(),
            Ok(bytes) => {
                let fresh = module
                    .source
                    .as_deref()
                    .is_none_or(|source| program::is_fresh(bytes, source));
                match (Provenance::read(bytes), fresh) {
                    (Some(record), fresh) => {
                        let plugins: Vec<_> = record
                            .plugins
                            .iter()
                            .map(|p| format!("{} {}", p.name, p.version))
                            .collect();
                        let stale = if fresh { "" } else { ", out of date" };
                        format!("instrumented by {}{stale}", plugins.join(", "))
                    }
                    _ if store::original_of_damaged(&module.pyc, bytes).is_some() => {
                        "instrumented and damaged: `equip restore` puts the original back"
                            .to_owned()
                    }
                    (None, true) => match PycFile::parse(bytes) {
                        Ok(_) => "plain".to_owned(),
                        Err(error) => format!("unreadable: {error}"),
                    },
                    (None, false) => "out of date".to_owned(),
                }
            }
        };
        out!("{}: {text}", module.pyc.display());
    }
    Ok(u8::from(failed))
}
