//! The main job.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use equip_core::compile::Snippets;
use equip_core::plugin::{Library, Loader, NotSetUp, Plugin};
use equip_core::python::Helpers;
use equip_core::run::{self, Options, Report, Status};
use equip_core::snippet::nearest;

use crate::args::{Arguments, Format};
use crate::output::{note, out};
use crate::progress;

/// Exit status of a plugin or option error.
const EDIT: u8 = 3;

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if arguments.plugin.is_empty() {
        bail!(
            "nothing to do: name a plugin with --plugin (equip plugins lists those that are found)"
        );
    }
    let plugins = load(arguments)?;
    let program = super::find(&arguments.targets, arguments)?;
    let helpers = Arc::new(Helpers::new(super::search(arguments)));
    let options = Options {
        force_rebuild: arguments.force_rebuild,
        dry_run: arguments.dry_run,
        jobs: arguments.jobs,
        cache: Snippets::default_cache(),
        output: Options::default_output(),
    };
    let bar = progress::bar(program.modules.len(), arguments.quiet);
    let report = run::run(&program, &plugins, helpers, &options, &|done, _| {
        bar.set_position(done as u64)
    });
    bar.finish_and_clear();
    match arguments.report {
        Format::Json => out!("{}", serde_json::to_string_pretty(&report)?),
        Format::Text => show(&report, arguments),
    }
    Ok(report.exit_status())
}

/// Loads and configures the plugins, in order.
fn load(arguments: &Arguments) -> anyhow::Result<Vec<Plugin>> {
    let loader = Loader::from_environment();
    let folder = std::env::current_dir().context("the current folder is gone")?;
    let failed = |message: String| anyhow::Error::from(crate::Status(EDIT, message));
    let mut libraries = Vec::new();
    for name in &arguments.plugin {
        let path = loader
            .find(name, &folder)
            .map_err(|error| failed(error.to_string()))?;
        let library = loader.load(&path).map_err(|error| {
            if let Some(detail) = error.detail() {
                tracing::debug!("{detail}");
            }
            failed(error.to_string())
        })?;
        if !library.unwinds {
            tracing::warn!(
                "plugin {} was built with panic = \"abort\": a panic in it ends equip",
                library.name
            );
        }
        tracing::info!(
            "plugin {} {} from {}",
            library.name,
            library.version,
            path.display()
        );
        libraries.push(library);
    }
    let names: Vec<&str> = libraries
        .iter()
        .map(|library| library.name.as_str())
        .collect();
    let mut options = settings(&arguments.set, &names)?;
    let mut plugins = Vec::new();
    for library in &libraries {
        let table = options.remove(library.name.as_str()).unwrap_or_default();
        let plugin = set_up(library, table);
        plugins.push(plugin.map_err(|messages| failed(messages.join("\n")))?);
    }
    Ok(plugins)
}

/// The plugin, with the options that `--set` gave it.
fn set_up(library: &Library, table: toml::Table) -> Result<Plugin, Vec<String>> {
    let name = &library.name;
    let mut json = serde_json::Map::new();
    for (key, value) in table {
        let value = as_json(value).map_err(|why| vec![format!("--set {name}.{key}: {why}")])?;
        json.insert(key, value);
    }
    library.set_up(json).map_err(|why| match why {
        NotSetUp::Plugin(error) => vec![error.to_string()],
        NotSetUp::Options(errors) => {
            let errors = errors.iter();
            errors
                .map(|error| format!("--set {name}.{error}"))
                .collect()
        }
    })
}

/// TOML as plugins are given it: dates are text, and every number has a value.
fn as_json(value: toml::Value) -> Result<serde_json::Value, String> {
    use serde_json::Value;
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => match serde_json::Number::from_f64(number) {
            Some(number) => Value::Number(number),
            None => return Err(format!("{number} is no number")),
        },
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => {
            let items = items.into_iter().map(as_json);
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let items = table
                .into_iter()
                .map(|(key, value)| Ok((key, as_json(value)?)));
            Value::Object(items.collect::<Result<_, String>>()?)
        }
    })
}

/// `plugin.key=value` for each plugin.
fn settings(set: &[String], names: &[&str]) -> anyhow::Result<BTreeMap<String, toml::Table>> {
    let mut options: BTreeMap<String, toml::Table> = BTreeMap::new();
    for one in set {
        let failed = |message: String| {
            anyhow::Error::from(crate::Status(EDIT, format!("--set {one}: {message}")))
        };
        let Some(((plugin, key), value)) = one
            .split_once('=')
            .and_then(|(name, value)| Some((name.split_once('.')?, value)))
        else {
            return Err(failed("it has the form plugin.key=value".to_owned()));
        };
        if !names.contains(&plugin) {
            let near = nearest(plugin, names)
                .map(|name| format!("; did you mean {name}?"))
                .unwrap_or_default();
            return Err(failed(format!("no plugin {plugin} in this run{near}")));
        }
        let text = format!("value = {value}");
        let parsed = text
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut table| table.remove("value"));
        let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
        options
            .entry(plugin.to_owned())
            .or_default()
            .insert(key.to_owned(), value);
    }
    Ok(options)
}

fn show(report: &Report, arguments: &Arguments) {
    for problem in &report.problems {
        note!("error: {problem}");
    }
    if arguments.quiet {
        return;
    }
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
