//! What a selection matches.

use equip_core::declaration::{Declaration, Kind, declarations};
use equip_core::python::Helpers;
use equip_core::select::{Names, Selection, Subject, near_misses};
use equip_core::{code::flags, program};
use serde_json::json;

use super::inspect::{each_file, kind_name};
use crate::args::{Arguments, Format, Select};
use crate::output::{note, out};

/// Exit status of a selection that cannot be read.
const USAGE: u8 = 2;

pub fn run(options: &Select, arguments: &Arguments) -> anyhow::Result<u8> {
    let selection = match Selection::parse(&options.selection) {
        Ok(selection) => selection,
        Err(error) => {
            let text = &options.selection;
            let column = text[..error.at.start.min(text.len())].chars().count();
            let width = text
                .get(error.at.clone())
                .map_or(1, |part| part.chars().count())
                .max(1);
            let caret = format!("{}{}", " ".repeat(column), "^".repeat(width));
            return Err(crate::Status(
                USAGE,
                format!("the selection: {error}\n  {text}\n  {caret}"),
            )
            .into());
        }
    };
    let program = super::find(&options.targets, arguments)?;
    let helpers = Helpers::new(super::search(arguments));
    let (mut all, mut matched, mut names) = (Vec::new(), 0, Names::default());
    let failed = each_file(&program, &helpers, |module, shown, pyc| {
        let found = declarations(pyc);
        let name = program::module_name(module);
        let subject = Subject::new(pyc, &found, &name, shown);
        names.add(&subject, &[&selection]);
        for one in &found.list {
            // A comprehension that goes with its function is no declaration of the source.
            let alone = one.kind != Kind::Comprehension || selection.takes(&subject, one.id);
            if !alone || !selection.matches(&subject, one.id) {
                continue;
            }
            matched += 1;
            let (qualname, kind, line) = (subject.qualname(one.id), kind_of(one), one.first_line);
            match arguments.report {
                Format::Json => all.push(json!({
                    "module": name, "qualname": qualname, "kind": kind, "file": shown,
                    "first_line": line, "end_line": one.end_line,
                })),
                Format::Text => out!("{name}:{qualname}  {kind}  {}:{line}", shown.display()),
            }
        }
        Ok(())
    });
    if arguments.report == Format::Json {
        out!("{}", serde_json::to_string_pretty(&all)?);
    }
    if matched == 0 && !arguments.quiet {
        let near = near_misses(&selection, &names);
        let near = match near.is_empty() {
            true => String::new(),
            false => format!("; near misses: {}", near.join(", ")),
        };
        note!("warning: nothing matches{near}");
    }
    Ok(u8::from(failed))
}

/// The kind, as selections say it.
fn kind_of(one: &Declaration<'_>) -> &'static str {
    match one.kind {
        Kind::Function if one.flags & flags::ASYNC_GENERATOR != 0 => "async_generator",
        Kind::Function if one.flags & flags::COROUTINE != 0 => "coroutine",
        Kind::Function if one.flags & flags::GENERATOR != 0 => "generator",
        kind => kind_name(kind),
    }
}
