//! One function before and after.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use equip_core::declaration::declarations;
use equip_core::listing;
use equip_core::provenance::Provenance;
use equip_core::pyc::PycFile;
use equip_core::store;
use similar::{ChangeTag, TextDiff};

use super::inspect::{is_asked_for, named};
use super::instrument::{dry_run, execute};
use crate::args::{Arguments, Diff};
use crate::config;
use crate::output::{note, out};

/// A file before and after.
struct Pair {
    file: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
}

pub fn run(options: &Diff, arguments: &Arguments) -> anyhow::Result<u8> {
    let (path, qualname) = named(&options.target);
    let Some(qualname) = qualname else {
        anyhow::bail!("name a function: {path}:QUALNAME (equip decls {path} lists them)");
    };
    let targets = [PathBuf::from(path)];
    let pairs = match options.plugins.plugin.is_empty() && arguments.config.is_none() {
        true => instrumented(&targets, arguments)?,
        false => Vec::new(),
    };
    let pairs = match pairs.is_empty() {
        true => match instrument(options, &targets, arguments)? {
            Ok(pairs) => pairs,
            Err(status) => return Ok(status),
        },
        false => pairs,
    };
    let (mut shown, mut known) = (0, false);
    for Pair {
        file,
        before,
        after,
    } in &pairs
    {
        let (before, after) = (PycFile::parse(before)?, PycFile::parse(after)?);
        let (old, new) = (declarations(&before), declarations(&after));
        let new_keys = new.keys();
        for (one, key) in old.list.iter().zip(old.keys()) {
            if one.qualname != qualname && key != qualname {
                continue;
            }
            known = true;
            let other = new.list.iter().zip(&new_keys).find(|(_, new)| **new == key);
            let mut texts = (String::new(), String::new());
            listing::disassemble(&before, one.code, &mut texts.0)?;
            if let Some((other, _)) = other {
                listing::disassemble(&after, other.code, &mut texts.1)?;
            }
            let lines = compare(&texts.0, &texts.1);
            if lines.iter().all(|line| line.starts_with(' ')) {
                continue;
            }
            shown += 1;
            out!("{}: {key} line {}", file.display(), one.first_line);
            for line in lines {
                out!("{line}");
            }
        }
    }
    if shown == 0 {
        match known || pairs.is_empty() {
            true => note!("{path}: nothing is put into {qualname}"),
            false => {
                note!("error: {path}: no declaration {qualname} (equip decls {path} lists them)");
                return Ok(1);
            }
        }
    }
    Ok(0)
}

/// Files that are instrumented, beside their originals.
fn instrumented(targets: &[PathBuf], arguments: &Arguments) -> anyhow::Result<Vec<Pair>> {
    let program = super::find(targets, arguments)?;
    let mut pairs = Vec::new();
    for module in program.modules.into_iter().filter(is_asked_for) {
        let Ok(after) = std::fs::read(&module.pyc) else {
            continue;
        };
        let Some(record) = Provenance::read(&after) else {
            continue;
        };
        let (before, _) = store::original_of(&module.pyc, &record).map_err(|error| error.source)?;
        pairs.push(Pair {
            file: module.source.unwrap_or(module.pyc),
            before,
            after,
        });
    }
    Ok(pairs)
}

/// What the pipeline would make of them; a status where it cannot.
fn instrument(
    options: &Diff,
    targets: &[PathBuf],
    arguments: &Arguments,
) -> anyhow::Result<Result<Vec<Pair>, u8>> {
    let prepared = config::prepare(&options.plugins, targets, arguments)?;
    let pairs = Mutex::new(Vec::new());
    let keep = |module: &equip_core::program::Module, before: &[u8], after: &[u8]| {
        if is_asked_for(module) {
            let file = module.source.clone().unwrap_or_else(|| module.pyc.clone());
            let pair = Pair {
                file,
                before: before.to_owned(),
                after: after.to_owned(),
            };
            pairs
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .push(pair);
        }
    };
    let report = execute(
        &prepared,
        &dry_run(arguments),
        &Path::to_path_buf,
        &keep,
        arguments,
    )?;
    prepared.say_problems(&report);
    let mut pairs = pairs
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    pairs.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(match report.exit_status() {
        0 => Ok(pairs),
        status => Err(status),
    })
}

/// Lines of both listings. Indices and labels count as equal: they shift with all that is put in before them.
fn compare(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let keys = |lines: &[&str]| lines.iter().map(|line| key(line)).collect::<Vec<_>>();
    let (old_keys, new_keys) = (keys(&old), keys(&new));
    let old_keys: Vec<&str> = old_keys.iter().map(String::as_str).collect();
    let new_keys: Vec<&str> = new_keys.iter().map(String::as_str).collect();
    let diff = TextDiff::from_slices(&old_keys, &new_keys);
    let mut lines = Vec::new();
    for change in diff.iter_all_changes() {
        let text = match change.tag() {
            ChangeTag::Delete => change.old_index().map(|at| format!("-{}", old[at])),
            ChangeTag::Insert => change.new_index().map(|at| format!("+{}", new[at])),
            ChangeTag::Equal => change.new_index().map(|at| format!(" {}", new[at])),
        };
        lines.extend(text);
    }
    lines
}

/// A line without line number, label and index, and with all labels alike. The columns are those of the listing.
fn key(line: &str) -> String {
    let rest = line.get(21..).filter(|_| {
        line.get(..6)
            .is_some_and(|start| !start.starts_with("  exc"))
    });
    let text = rest.unwrap_or(line);
    let is_label = |word: &str| {
        word.strip_prefix('L')
            .is_some_and(|rest| rest.parse::<u32>().is_ok())
    };
    let words = text
        .split_whitespace()
        .map(|word| match word.trim_end_matches(',') {
            label if is_label(label) => "L",
            _ => word,
        });
    words.collect::<Vec<_>>().join(" ")
}
