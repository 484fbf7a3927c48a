//! The main job.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use equip_core::compile::Snippets;
use equip_core::python::Helpers;
use equip_core::run::{self, Options, Report, ShowResult, Status, Watch};

use crate::args::{Arguments, Format};
use crate::config::{self, Prepared};
use crate::output::{note, out};
use crate::progress;
use crate::tree::Tree;

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut prepared = config::prepare(&arguments.plugins, &arguments.targets, arguments)?;
    let output = arguments.out.clone().or_else(|| prepared.output.clone());
    let tree = match output.filter(|_| !arguments.dry_run) {
        Some(folder) => {
            let (tree, targets) = Tree::copy(&prepared.targets, &folder)?;
            prepared.targets = targets;
            Some(tree)
        }
        None => None,
    };
    let options = Options {
        force_rebuild: arguments.force_rebuild,
        dry_run: arguments.dry_run,
        plan: arguments.dry_run,
        ..dry_run(arguments)
    };
    let original = |file: &Path| match &tree {
        Some(tree) => tree.original(file),
        None => file.to_owned(),
    };
    let report = execute(&prepared, &options, &original, &|_, _, _| {}, arguments);
    if let Some(tree) = tree {
        match &report {
            Ok(report) if report.written => tree.keep(),
            _ => tree.give_up(),
        }
    }
    let report = report?;
    match arguments.report {
        Format::Json => out!("{}", serde_json::to_string_pretty(&report)?),
        Format::Text => show(&prepared, &report, arguments),
    }
    Ok(report.exit_status())
}

/// What a run is asked to do that writes nothing, and shows what it would put where.
pub fn dry_run(arguments: &Arguments) -> Options {
    Options {
        force_rebuild: false,
        dry_run: true,
        jobs: arguments.jobs,
        cache: Snippets::default_cache(),
        plan: true,
        output: Options::default_output(),
    }
}

/// Runs a pipeline, with a bar on a terminal; `original` tells where the file of a copy comes from.
pub fn execute(
    prepared: &Prepared,
    options: &Options,
    original: &(dyn Fn(&Path) -> PathBuf + Sync),
    result: &ShowResult<'_>,
    arguments: &Arguments,
) -> anyhow::Result<Report> {
    let search = prepared.search(arguments);
    let program = super::find_with(&prepared.targets, &search)?;
    let helpers = Arc::new(Helpers::new(search));
    let bar = progress::bar(program.modules.len(), arguments.quiet);
    let watch = Watch {
        progress: &|done, _| bar.set_position(done as u64),
        included: &|module| prepared.includes(module, original),
        result,
    };
    let report = run::run(&program, &prepared.steps(), helpers, options, watch);
    bar.finish_and_clear();
    Ok(report)
}

/// What a run would put where.
fn show_plan(report: &Report) {
    for file in report.files.iter().filter(|file| !file.plan.is_empty()) {
        out!("{}", file.file.display());
        let mut last = None;
        for one in &file.plan {
            if last != Some(&one.function) {
                out!("  {} (line {})", one.function, one.line);
                last = Some(&one.function);
            }
            let times = if one.edits > 1 {
                format!(" ({} edits)", one.edits)
            } else {
                String::new()
            };
            out!("    {}: {}{times}", one.plugin, one.site);
        }
    }
}

pub fn show(prepared: &Prepared, report: &Report, arguments: &Arguments) {
    prepared.say(report, arguments);
    if arguments.quiet {
        return;
    }
    show_plan(report);
    for file in &report.files {
        if arguments.verbose > 0 {
            let what = match &file.status {
                Status::Instrumented { functions, edits } => {
                    format!("{edits} edits in {functions} code objects")
                }
                Status::Unchanged => "already instrumented by this pipeline".to_owned(),
                Status::NoEdits => "nothing asked for".to_owned(),
                Status::Failed => "failed".to_owned(),
            };
            note!(
                "{}: {what}{}",
                file.file.display(),
                if file.compiled { ", compiled" } else { "" }
            );
        }
        for note in &file.notes {
            note!("{}: {note}", file.file.display());
        }
    }
    for note in &report.notes {
        note!("{note}");
    }
    for file in &report.side_files {
        note!("written: {}", file.display());
    }
    let count = |wanted: fn(&Status) -> bool| {
        report
            .files
            .iter()
            .filter(|file| wanted(&file.status))
            .count()
    };
    let unchanged = count(|status| matches!(status, Status::Unchanged));
    let failed = count(|status| matches!(status, Status::Failed));
    let written = if report.written {
        ""
    } else {
        " (nothing written)"
    };
    note!(
        "{} of {} files instrumented{written}, {unchanged} were already, {failed} failed",
        report.instrumented(),
        report.files.len()
    );
    if arguments.verbose > 0 {
        note!(
            "snippets: {} compiled, {} from the cache, {} helper processes",
            report.compiled_snippets,
            report.cached_snippets,
            report.helpers
        );
    }
    let scripts: Vec<_> = report
        .files
        .iter()
        .filter_map(|file| file.entry_script.as_deref())
        .collect();
    if report.written && !scripts.is_empty() {
        say_how_to_start(&scripts);
    }
}

/// `python script.py` compiles the script anew; only what it imports comes from bytecode.
fn say_how_to_start(scripts: &[&Path]) {
    let mut shown: Vec<String> = scripts
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.dedup();
    let more = shown.len().saturating_sub(3);
    shown.truncate(3);
    let list = shown.join(", ");
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    note!(
        "note: `python {0}` never reads that script's own bytecode; to start it instrumented: equip run {0} ARGS\n      \
         (scripts: {list}{more}; modules that they import are instrumented either way)",
        shown[0]
    );
}
