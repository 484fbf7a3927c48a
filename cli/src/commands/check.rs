//! Whether a pipeline is sound, without writing anything; what pipeline files look like.

use std::path::Path;

use equip_core::run::Status;

use super::instrument::{dry_run, execute, show};
use crate::args::{Arguments, Format, Pipeline};
use crate::config::{self, keys};
use crate::output::{note, out};

pub fn run(options: &Pipeline, arguments: &Arguments) -> anyhow::Result<u8> {
    let prepared = config::prepare(&options.plugins, &options.targets, arguments)?;
    let report = execute(
        &prepared,
        &dry_run(arguments),
        &Path::to_path_buf,
        &|_, _, _| {},
        arguments,
    )?;
    let status = report.exit_status();
    if arguments.report == Format::Json {
        out!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(status);
    }
    show(&prepared, &report, arguments);
    if arguments.quiet {
        return Ok(status);
    }
    let touched = report
        .files
        .iter()
        .filter(|file| !matches!(file.status, Status::NoEdits));
    let functions: usize = report
        .files
        .iter()
        .map(|file| {
            let mut names: Vec<_> = file.plan.iter().map(|one| &one.function).collect();
            names.dedup();
            names.len()
        })
        .sum();
    let verdict = if status == 0 {
        "the pipeline is sound"
    } else {
        "the pipeline is not sound"
    };
    note!(
        "{verdict}: it touches {functions} scopes in {} of {} files",
        touched.count(),
        report.files.len()
    );
    Ok(status)
}

pub fn schema() -> anyhow::Result<u8> {
    out!("{}", serde_json::to_string_pretty(&keys::schema())?);
    Ok(0)
}
