//! Looking into programs: declarations and bytecode.

use std::path::{Path, PathBuf};

use equip_core::declaration::{
    Declaration, Declarations, Import, Kind, ParameterKind, declarations,
};
use equip_core::listing;
use equip_core::program::{Module, Program};
use equip_core::pyc::PycFile;
use equip_core::python::Helpers;
use serde_json::{Value, json};

use crate::args::{Arguments, Dis, Format, Targets};
use crate::output::{note, out};

/// The bytes of a module, compiled in memory where there is no fresh bytecode.
pub(super) fn bytes_of(module: &Module, helpers: &Helpers) -> Result<Vec<u8>, String> {
    let current = std::fs::read(&module.pyc);
    match (&module.source, module.isa) {
        (Some(source), Some(isa)) => {
            if let Ok(bytes) = current
                && equip_core::program::is_fresh(&bytes, source)
            {
                return Ok(bytes);
            }
            let helper = helpers.get(isa).map_err(|error| error.to_string())?;
            let compiled = helper
                .source(source, module.optimize)
                .map_err(|error| error.to_string())?;
            compiled.map_err(|error| format!("line {}: {}", error.line, error.message))
        }
        _ => current.map_err(|error| error.to_string()),
    }
}

/// Optimised bytecode says the same again, unless it was named.
pub(super) fn is_asked_for(module: &Module) -> bool {
    module.optimize == 0 || module.isa.is_none()
}

/// Does something with each module that is asked for; says what fails, and whether anything did.
pub(super) fn each_file(
    program: &Program,
    helpers: &Helpers,
    mut work: impl FnMut(&Module, &Path, &PycFile<'_>) -> Result<(), String>,
) -> bool {
    let mut failed = super::say_unreadable(program) > 0;
    for module in program.modules.iter().filter(|module| is_asked_for(module)) {
        let shown = module.source.as_ref().unwrap_or(&module.pyc);
        let result = bytes_of(module, helpers).and_then(|bytes| {
            let pyc = PycFile::parse(&bytes).map_err(|error| error.to_string())?;
            work(module, shown, &pyc)
        });
        if let Err(error) = result {
            failed = true;
            note!("error: {}: {error}", shown.display());
        }
    }
    failed
}

pub fn decls(options: &Targets, arguments: &Arguments) -> anyhow::Result<u8> {
    let program = super::find(&options.targets, arguments)?;
    let helpers = Helpers::new(super::search(arguments));
    let mut all = Vec::new();
    let failed = each_file(&program, &helpers, |_, shown, pyc| {
        let found = declarations(pyc);
        match arguments.report {
            Format::Json => all.push(json!({
                "file": shown, "python": pyc.isa.version.to_string(),
                "imports": found.imports.iter().map(|i| import_json(i, &found)).collect::<Vec<_>>(),
                "module": tree_json(&found, &found.list[0]),
            })),
            Format::Text => {
                out!("{} (CPython {})", shown.display(), pyc.isa.version);
                print_scope(&found, &found.list[0], 1);
            }
        }
        Ok(())
    });
    if arguments.report == Format::Json {
        out!("{}", serde_json::to_string_pretty(&all)?);
    }
    Ok(u8::from(failed))
}

pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Module => "module",
        Kind::Class => "class",
        Kind::Function => "function",
        Kind::Lambda => "lambda",
        Kind::Comprehension => "comprehension",
        Kind::Annotation => "annotation",
    }
}

/// The signature, as far as code tells it.
fn signature(declaration: &Declaration<'_>) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut last = None;
    for parameter in &declaration.parameters {
        if last == Some(ParameterKind::PositionalOnly)
            && parameter.kind != ParameterKind::PositionalOnly
        {
            out.push("/".to_owned());
        }
        let after_star = matches!(
            last,
            Some(ParameterKind::VarPositional | ParameterKind::KeywordOnly)
        );
        if parameter.kind == ParameterKind::KeywordOnly && !after_star {
            out.push("*".to_owned());
        }
        let stars = match parameter.kind {
            ParameterKind::VarPositional => "*",
            ParameterKind::VarKeyword => "**",
            _ => "",
        };
        out.push(format!("{stars}{}", parameter.name));
        last = Some(parameter.kind);
    }
    if last == Some(ParameterKind::PositionalOnly) {
        out.push("/".to_owned());
    }
    format!("({})", out.join(", "))
}

fn import_text(import: &Import) -> String {
    let dots = ".".repeat(import.level as usize);
    let renamed = |(name, alias): &(String, Option<String>)| match alias {
        Some(alias) => format!("{name} as {alias}"),
        None => name.clone(),
    };
    if import.star {
        return format!("from {dots}{} import *", import.module);
    }
    if import.names.is_empty() {
        let alias = import
            .alias
            .as_ref()
            .map(|alias| format!(" as {alias}"))
            .unwrap_or_default();
        return format!("import {}{alias}", import.module);
    }
    let names: Vec<_> = import.names.iter().map(renamed).collect();
    format!("from {dots}{} import {}", import.module, names.join(", "))
}

fn print_scope(found: &Declarations<'_>, scope: &Declaration<'_>, depth: usize) {
    let pad = "  ".repeat(depth);
    for import in found
        .imports
        .iter()
        .filter(|import| import.scope == scope.id)
    {
        out!("{pad}{}  line {}", import_text(import), import.line);
    }
    for one in found.list.iter().filter(|one| one.parent == Some(scope.id)) {
        for decorator in &one.decorators {
            out!("{pad}@{decorator}");
        }
        let lines = format!("lines {}-{}", one.first_line, one.end_line);
        let is_async = if one.flags & 0x280 != 0 { "async " } else { "" };
        match one.kind {
            Kind::Class if one.bases.is_empty() => out!("{pad}class {}  {lines}", one.name),
            Kind::Class => out!("{pad}class {}({})  {lines}", one.name, one.bases.join(", ")),
            Kind::Function => {
                out!("{pad}{is_async}def {}{}  {lines}", one.name, signature(one))
            }
            Kind::Lambda => out!("{pad}lambda {}  {lines}", signature(one)),
            _ => out!("{pad}{}  {lines}", one.name),
        }
        print_scope(found, one, depth + 1);
    }
}

fn import_json(import: &Import, found: &Declarations<'_>) -> Value {
    json!({
        "line": import.line, "level": import.level, "module": import.module, "star": import.star,
        "alias": import.alias, "scope": found.list[import.scope.0 as usize].qualname,
        "names": import.names.iter().map(|(name, alias)| json!({"name": name, "alias": alias})).collect::<Vec<_>>(),
        "text": import_text(import),
    })
}

fn tree_json(found: &Declarations<'_>, one: &Declaration<'_>) -> Value {
    let children = found
        .list
        .iter()
        .filter(|child| child.parent == Some(one.id));
    json!({
        "kind": kind_name(one.kind), "name": one.name, "qualname": one.qualname,
        "first_line": one.first_line, "end_line": one.end_line, "flags": one.flags,
        "parameters": one.parameters.iter().map(|p| json!({"name": p.name, "kind": format!("{:?}", p.kind)})).collect::<Vec<_>>(),
        "bases": one.bases, "decorators": one.decorators,
        "children": children.map(|child| tree_json(found, child)).collect::<Vec<_>>(),
    })
}

/// A target, and the name of a declaration in it: a qualname, or a key with colons of its own.
pub(super) fn named(target: &str) -> (&str, Option<&str>) {
    if std::path::Path::new(target).exists() {
        return (target, None);
    }
    let mut splits = target.rmatch_indices(':').map(|(at, _)| at);
    let at = splits
        .find(|at| std::path::Path::new(&target[..*at]).exists())
        .or_else(|| target.rfind(':'));
    at.map_or((target, None), |at| {
        (&target[..at], Some(&target[at + 1..]))
    })
}

pub fn dis(options: &Dis, arguments: &Arguments) -> anyhow::Result<u8> {
    let helpers = Helpers::new(super::search(arguments));
    let mut failed = false;
    for target in &options.targets {
        let (path, qualname) = named(target);
        let program = super::find(&[PathBuf::from(path)], arguments)?;
        let mut matches = 0;
        failed |= each_file(&program, &helpers, |_, shown, pyc| {
            let found = declarations(pyc);
            for (one, key) in found.list.iter().zip(found.keys()) {
                if qualname.is_none_or(|wanted| one.qualname == wanted || key == wanted) {
                    matches += 1;
                    let mut text = String::new();
                    listing::disassemble(pyc, one.code, &mut text)
                        .map_err(|error| error.to_string())?;
                    let (name, line) = (&one.qualname, one.first_line);
                    out!("{}: {name} line {line}\n{text}", shown.display());
                }
            }
            Ok(())
        });
        if let (Some(qualname), 0) = (qualname, matches) {
            failed = true;
            note!("error: {path}: no declaration {qualname} (equip decls {path} lists them)");
        }
    }
    Ok(u8::from(failed))
}
