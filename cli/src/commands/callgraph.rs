//! Showing who calls whom, and which module imports which.

use equip_core::analysis;
use equip_core::declaration::{Declarations, declarations};
use equip_core::program::module_name;
use equip_core::pyc::PycFile;
use equip_core::python::Helpers;

use super::inspect::{bytes_of, is_asked_for};
use crate::Status;
use crate::args::{Arguments, CallFormat, CallGraph, Format};
use crate::calls::{Calls, dot, text};
use crate::output::{note, out};

pub fn run(options: &CallGraph, arguments: &Arguments) -> anyhow::Result<u8> {
    let helpers = Helpers::new(super::search(arguments));
    let program = super::find(&options.targets, arguments)?;
    let mut failed = super::say_unreadable(&program) > 0;
    let mut read = Vec::new();
    for module in program.modules.iter().filter(|module| is_asked_for(module)) {
        let path = module.source.as_ref().unwrap_or(&module.pyc);
        let is_package = path.file_stem().is_some_and(|stem| stem == "__init__");
        let file = path.display().to_string();
        match bytes_of(module, &helpers) {
            Ok(bytes) => read.push((module_name(module), is_package, file, bytes)),
            Err(error) => {
                failed = true;
                note!("error: {file}: {error}");
            }
        }
    }
    let mut pycs = Vec::new();
    for (name, is_package, file, bytes) in &read {
        match PycFile::parse(bytes) {
            Ok(pyc) => pycs.push((name, *is_package, file.clone(), pyc)),
            Err(error) => {
                failed = true;
                note!("error: {file}: {error}");
            }
        }
    }
    let found: Vec<Declarations<'_>> = pycs.iter().map(|(.., pyc)| declarations(pyc)).collect();
    let modules = pycs
        .iter()
        .zip(&found)
        .map(
            |((name, is_package, _, pyc), declarations)| analysis::Module {
                name,
                is_package: *is_package,
                declarations,
                pyc,
            },
        );
    let modules: Vec<_> = modules.collect();
    let files: Vec<_> = pycs.iter().map(|(_, _, file, _)| file.clone()).collect();
    if modules.is_empty() {
        return Ok(u8::from(failed));
    }
    let text = shown(&Calls::of(&modules, &files), options, arguments)?;
    let text = text.trim_end();
    match &options.output {
        None => out!("{text}"),
        Some(file) => {
            let written = std::fs::write(file, format!("{text}\n"));
            written.map_err(|error| Status(1, format!("{}: {error}", file.display())))?;
        }
    }
    Ok(u8::from(failed))
}

fn shown(calls: &Calls, options: &CallGraph, arguments: &Arguments) -> anyhow::Result<String> {
    let format = options.format.unwrap_or(match arguments.report {
        Format::Text => CallFormat::Text,
        Format::Json => CallFormat::Json,
    });
    let mut out = String::new();
    match (format, options.imports) {
        (CallFormat::Json, _) => return Ok(serde_json::to_string_pretty(calls)?),
        (CallFormat::Text, false) => text::write_calls(calls, &mut out),
        (CallFormat::Text, true) => text::write_imports(calls, &mut out),
        (CallFormat::Dot, false) => dot::write_calls(calls, &mut out),
        (CallFormat::Dot, true) => dot::write_imports(calls, &mut out),
    }
    Ok(out)
}
