//! What a selection matches.

use equip_core::declaration::{Declaration, Kind, declarations};
use equip_core::pyc::PycFile;
use equip_core::python::Helpers;
use equip_core::select::{MODULE, Names, Selection, Subject, near_misses};
use equip_core::{code::flags, program};
use serde_json::json;

use super::inspect::{bytes_of, is_asked_for, kind_name};
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
    let mut failed = super::say_unreadable(&program) > 0;
    let (mut all, mut matched, mut names) = (Vec::new(), 0, Names::default());
    for module in program.modules.iter().filter(|module| is_asked_for(module)) {
        let shown = module.source.as_ref().unwrap_or(&module.pyc);
        let result = bytes_of(module, &helpers).and_then(|bytes| {
            let pyc = PycFile::parse(&bytes).map_err(|error| error.to_string())?;
            let found = declarations(&pyc);
            let name = program::module_name(module);
            let subject = Subject::new(&pyc, &found, &name, shown);
            names.add(&subject, &[&selection]);
            for one in found
                .list
                .iter()
                .filter(|one| selection.matches(&subject, one.id))
            {
                // One that goes with its function is no declaration of the source.
                if one.kind == Kind::Comprehension && !selection.takes(&subject, one.id) {
                    continue;
                }
                matched += 1;
                let qualname = if one.kind == Kind::Module {
                    MODULE
                } else {
                    one.qualname.as_ref()
                };
                match arguments.report {
                    Format::Json => all.push(json!({
                        "module": name, "qualname": qualname, "kind": kind_of(one), "file": shown,
                        "first_line": one.first_line, "end_line": one.end_line,
                    })),
                    Format::Text => {
                        out!(
                            "{name}:{qualname}  {}  {}:{}",
                            kind_of(one),
                            shown.display(),
                            one.first_line
                        );
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = result {
            failed = true;
            note!("error: {}: {error}", shown.display());
        }
    }
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
