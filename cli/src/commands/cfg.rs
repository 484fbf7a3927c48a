//! Showing the flow of control.

use std::path::{Path, PathBuf};

use equip_core::analysis::Exceptions;
use equip_core::declaration::declarations;
use equip_core::program::{Module, is_fresh};
use equip_core::pyc::PycFile;
use equip_core::python::Helpers;
use equip_core::snippet::nearest;

use super::inspect::{bytes_of, is_asked_for, kind_name, named};
use crate::Status;
use crate::args::{Arguments, Cfg, Format, GraphFormat};
use crate::flow::{self, Flow, Source, Subject};
use crate::output::{note, out};

pub fn run(options: &Cfg, arguments: &Arguments) -> anyhow::Result<u8> {
    let helpers = Helpers::new(super::search(arguments));
    let format = options.format.unwrap_or(match arguments.report {
        Format::Text => GraphFormat::Text,
        Format::Json => GraphFormat::Json,
    });
    let mut failed = false;
    let mut flows = Vec::new();
    for target in &options.targets {
        let (path, wanted) = named(target);
        let program = super::find(&[PathBuf::from(path)], arguments)?;
        failed |= super::say_unreadable(&program) > 0;
        let (before, mut known, mut broken) = (flows.len(), Vec::new(), false);
        for module in program.modules.iter().filter(|module| is_asked_for(module)) {
            let shown = module.source.as_ref().unwrap_or(&module.pyc);
            let shown = shown.display().to_string();
            let found = bytes_of(module, &helpers).and_then(|bytes| {
                graphs(
                    module, &bytes, &shown, wanted, options, &mut known, &mut flows,
                )
            });
            if let Err(error) = found {
                (failed, broken) = (true, true);
                note!("error: {shown}: {error}");
            }
        }
        if let (Some(wanted), false, true) = (wanted, broken, flows.len() == before) {
            failed = true;
            note!(
                "error: {path}: no declaration {wanted}{}",
                near(path, wanted, &known)
            );
        }
    }
    if flows.is_empty() {
        return Ok(u8::from(failed));
    }
    let text = match format {
        GraphFormat::Text => all(&flows, flow::text::write),
        GraphFormat::Json => serde_json::to_string_pretty(&flows)?,
        GraphFormat::Dot => all(&flows, flow::dot::write),
        GraphFormat::Svg => match &flows[..] {
            [one] => flow::svg::picture(one),
            several => return Err(too_many(several).into()),
        },
    };
    let text = text.trim_end();
    match &options.output {
        None => out!("{text}"),
        Some(file) => {
            let written = std::fs::write(file, format!("{text}\n"));
            let said = |error| Status(1, format!("{}: {error}", file.display()));
            written.map_err(said)?;
        }
    }
    Ok(u8::from(failed))
}

fn all(flows: &[Flow], write: impl Fn(&Flow, &mut String)) -> String {
    let mut out = String::new();
    for (number, flow) in flows.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        write(flow, &mut out);
    }
    out
}

/// Appends the graphs of what is wanted in a module, and all the names that are known there.
fn graphs(
    module: &Module,
    bytes: &[u8],
    shown: &str,
    wanted: Option<&str>,
    options: &Cfg,
    known: &mut Vec<String>,
    flows: &mut Vec<Flow>,
) -> Result<(), String> {
    let pyc = PycFile::parse(bytes).map_err(|error| error.to_string())?;
    let found = declarations(&pyc);
    let exceptions = match options.no_exceptions {
        true => Exceptions::Ignored,
        false => Exceptions::Followed,
    };
    let source = source(module, bytes, &pyc);
    for (declaration, key) in found.list.iter().zip(found.keys()) {
        known.push(declaration.qualname.to_string());
        if wanted.is_some_and(|wanted| declaration.qualname != wanted && key != wanted) {
            continue;
        }
        let subject = Subject {
            file: shown,
            declaration,
            key,
            kind: kind_name(declaration.kind),
            source: source.as_ref(),
        };
        let flow = flow::flow(&pyc, subject, exceptions);
        flows.push(flow.map_err(|error| format!("{}: {error}", declaration.qualname))?);
    }
    Ok(())
}

/// The source, where it is what the bytecode was compiled from: the target's own, or what the
/// module's code names, or what lies where sources of that pyc lie.
fn source(module: &Module, bytes: &[u8], pyc: &PycFile<'_>) -> Option<Source> {
    if let Some(path) = &module.source {
        return Source::read(path);
    }
    let code = pyc.objects.code(pyc.root)?;
    let named = pyc.objects.str(code.filename).unwrap_or_default();
    let folder = module.pyc.parent().unwrap_or(Path::new(""));
    let folder = match folder.file_name().is_some_and(|name| name == "__pycache__") {
        true => folder.parent().unwrap_or(Path::new("")),
        false => folder,
    };
    let stem = module.pyc.file_name()?.to_string_lossy();
    let beside = folder.join(format!("{}.py", stem.split('.').next()?));
    let is_source = |path: &PathBuf| path.extension().is_some_and(|end| end == "py");
    let mut places = [PathBuf::from(&*named), beside]
        .into_iter()
        .filter(is_source);
    let place = places.find(|path| path.is_file() && is_fresh(bytes, path))?;
    Source::read(&place)
}

/// What else might have been meant.
fn near(path: &str, wanted: &str, known: &[String]) -> String {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let mut names: Vec<&str> = Vec::new();
    for name in known.iter().filter(|name| last(name) == last(wanted)) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() {
        let all: Vec<_> = known.iter().map(String::as_str).collect();
        names.extend(nearest(wanted, &all));
    }
    names.truncate(3);
    match names.is_empty() {
        true => format!(" (equip decls {path} lists them)"),
        false => format!("; did you mean {}?", names.join(" or ")),
    }
}

fn too_many(flows: &[Flow]) -> Status {
    const SHOWN: usize = 20;
    let mut keys: Vec<_> = flows.iter().map(|flow| flow.key.as_str()).collect();
    let more = keys.len().saturating_sub(SHOWN);
    keys.truncate(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let keys = keys.join(", ");
    let count = flows.len();
    Status(
        2,
        format!(
            "svg is a picture of one graph, and these are {count}: name one behind the target: {keys}{more}"
        ),
    )
}
