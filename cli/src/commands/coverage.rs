//! Reports of what the coverage plugin measured.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::Status;
use crate::args::{Arguments, Coverage, CoverageCommand, CoverageReport, Format};
use crate::coverage::config::Config;
use crate::coverage::data::Data;
use crate::coverage::model::shown;
use crate::coverage::{Report, html, json, lcov, report, text, xml};
use crate::output::{note, out};

/// Exit status of a percentage below the one asked for, as coverage.py's.
const BELOW: u8 = 2;

pub fn run(options: &Coverage, arguments: &Arguments) -> anyhow::Result<u8> {
    match &options.command {
        CoverageCommand::Report(table) => {
            let config = config(&table.common)?;
            let report = gather(&table.common, &config, arguments, false)?;
            let which = text::Shown {
                missing: table.show_missing || config.show_missing,
                skip_covered: table.skip_covered || config.skip_covered,
                skip_empty: config.skip_empty,
            };
            let text = match arguments.report {
                Format::Text => text::table(&report, which),
                Format::Json => serde_json::to_string_pretty(&json::value(&report))?,
            };
            write(table.common.output.as_deref(), &text, arguments)?;
            finish(&report, &config)
        }
        CoverageCommand::Html(common) => {
            let config = config(common)?;
            let report = gather(common, &config, arguments, true)?;
            let folder = common.output.clone().unwrap_or_else(|| "htmlcov".into());
            html::write(&report, &folder)
                .map_err(|error| Status(1, format!("{}: {error}", folder.display())))?;
            say_written(&folder.join("index.html"), arguments);
            finish(&report, &config)
        }
        CoverageCommand::Xml(common) => one_file(common, arguments, "coverage.xml", |report| {
            Ok(xml::text(report))
        }),
        CoverageCommand::Lcov(common) => one_file(common, arguments, "coverage.lcov", |report| {
            Ok(lcov::text(report))
        }),
        CoverageCommand::Json(common) => one_file(common, arguments, "coverage.json", |report| {
            Ok(serde_json::to_string_pretty(&json::value(report))?)
        }),
        CoverageCommand::Combine(combine) => {
            let (data, failed) = read(&combine.data)?;
            let pythons = data.pythons();
            let [python] = pythons[..] else {
                let pythons = pythons.join(" and ");
                let what = format!(
                    "data of CPython {pythons}, and a file holds data of one: combine those of each apart"
                );
                return Err(Status(2, what).into());
            };
            let written = std::fs::write(&combine.output, data.to_json(python)?);
            written.map_err(|error| Status(1, format!("{}: {error}", combine.output.display())))?;
            say_written(&combine.output, arguments);
            Ok(u8::from(failed))
        }
    }
}

fn one_file(
    common: &CoverageReport,
    arguments: &Arguments,
    name: &str,
    text: impl Fn(&Report) -> anyhow::Result<String>,
) -> anyhow::Result<u8> {
    let config = config(common)?;
    let report = gather(common, &config, arguments, false)?;
    let output = common.output.as_deref().unwrap_or(Path::new(name));
    let output = Some(output).filter(|path| *path != Path::new("-"));
    write(output, &text(&report)?, arguments)?;
    finish(&report, &config)
}

/// The settings of a file, and over them those of the command line.
fn config(common: &CoverageReport) -> anyhow::Result<Config> {
    let mut config = Config::find(common.rcfile.as_deref(), Path::new(""))?;
    let replace = |setting: &mut Vec<String>, given: &[String]| {
        if !given.is_empty() {
            *setting = given.to_vec();
        }
    };
    replace(&mut config.include, &common.include);
    replace(&mut config.omit, &common.omit);
    replace(&mut config.source, &common.source);
    if let Some(least) = common.fail_under {
        config.fail_under = least;
    }
    if !(0.0..=100.0).contains(&config.fail_under) {
        anyhow::bail!(
            "fail-under is {}: a percentage from 0 to 100 is wanted",
            config.fail_under
        );
    }
    Ok(config)
}

fn gather(
    common: &CoverageReport,
    config: &Config,
    arguments: &Arguments,
    with_text: bool,
) -> anyhow::Result<Report> {
    let (data, failed) = read(&common.data)?;
    let mut report = report(&data, config, &super::search(arguments), with_text)?;
    report.incomplete |= failed;
    Ok(report)
}

/// All data files; whether some had to be left out.
fn read(places: &[PathBuf]) -> anyhow::Result<(Data, bool)> {
    let (mut data, mut failed) = (Data::default(), false);
    for place in places {
        for file in data_files(place)? {
            if let Err(error) = data.read(&file) {
                failed = true;
                note!("error: {}: {error}", file.display());
            }
        }
    }
    if data.is_empty() {
        let places: Vec<_> = places
            .iter()
            .map(|place| place.display().to_string())
            .collect();
        let status = if failed { 1 } else { 2 };
        let what = format!(
            "{}: no coverage data; the coverage plugin writes it when a program that it has instrumented ends",
            places.join(", ")
        );
        return Err(Status(status, what).into());
    }
    Ok((data, failed))
}

/// A file itself; of a folder, all files of data, in order.
fn data_files(place: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !place.is_dir() {
        let is_there = place.try_exists().unwrap_or(false);
        if !is_there {
            anyhow::bail!(
                "{}: no such file or folder; the coverage plugin writes it when a program that it has instrumented ends",
                place.display()
            );
        }
        return Ok(vec![place.to_owned()]);
    }
    let entries = std::fs::read_dir(place).with_context(|| place.display().to_string())?;
    let is_data = |path: &PathBuf| {
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        path.extension().is_some_and(|end| end == "json") && !is_hidden
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_data)
        .collect();
    files.sort();
    Ok(files)
}

fn write(output: Option<&Path>, text: &str, arguments: &Arguments) -> anyhow::Result<()> {
    let text = text.trim_end();
    let Some(file) = output else {
        out!("{text}");
        return Ok(());
    };
    let written = std::fs::write(file, format!("{text}\n"));
    written.map_err(|error| Status(1, format!("{}: {error}", file.display())))?;
    say_written(file, arguments);
    Ok(())
}

fn say_written(file: &Path, arguments: &Arguments) {
    if !arguments.quiet {
        note!("wrote {}", file.display());
    }
}

/// The exit status.
fn finish(report: &Report, config: &Config) -> anyhow::Result<u8> {
    let (total, least) = (report.total.percent(), config.fail_under);
    // As many decimals as the limit has, if it has more.
    let decimals = least
        .to_string()
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let precision = decimals.max(config.precision);
    let rounded: f64 = format!("{total:.precision$}").parse()?;
    if rounded < least || (least >= 100.0 && total < 100.0) {
        let total = shown(total, precision);
        return Err(Status(
            BELOW,
            format!("coverage is {total}%, and {least}% is asked for"),
        )
        .into());
    }
    Ok(u8::from(report.incomplete))
}
