//! Listing the plugins that are found, with what they say of themselves.

use std::collections::BTreeSet;

use equip_core::options::{Declaration, Type, on_error};
use equip_core::plugin::{Library, Loader};
use serde_json::json;

use crate::args::{Arguments, Format};
use crate::output::{note, out};

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let loader = Loader::from_environment();
    let mut seen = BTreeSet::new();
    let (mut found, mut unusable) = (Vec::new(), Vec::new());
    for (name, path) in loader.installed() {
        // The first of a name is the one that `--plugin` takes.
        if seen.contains(&name) {
            continue;
        }
        match loader.load(&path) {
            Ok(library) => {
                seen.insert(name);
                found.push(library);
            }
            Err(error) if error.is_plugin() => unusable.push(error.to_string()),
            // Any other library.
            Err(_) => {}
        }
    }
    match arguments.report {
        Format::Json => {
            let plugins: Vec<_> = found.iter().map(as_json).collect();
            let all =
                json!({"plugins": plugins, "unusable": unusable, "folders": loader.directories});
            out!("{}", serde_json::to_string_pretty(&all)?);
        }
        Format::Text => {
            found.iter().for_each(show);
            for error in &unusable {
                note!("unusable: {error}");
            }
            if found.is_empty() && !arguments.quiet {
                let folders = loader.directories.iter();
                let folders: Vec<_> = folders.map(|folder| folder.display().to_string()).collect();
                note!("no plugins in {}", folders.join(", "));
            }
        }
    }
    Ok(0)
}

fn as_json(library: &Library) -> serde_json::Value {
    let (major, minor) = library.api;
    let options = library.declared.options.as_ref();
    json!({
        "name": library.name,
        "version": library.version,
        "about": library.about,
        "path": library.path,
        "api": format!("{major}.{minor}"),
        "rustc": library.rustc,
        "visitors": library.visitors(),
        "sites": library.declared.sites,
        "options": options.map(|options| options.iter().cloned().chain([on_error()]).collect::<Vec<_>>()),
        "unwinds": library.unwinds,
    })
}

fn show(library: &Library) {
    out!("{} {}  {}", library.name, library.version, library.about);
    let (major, minor) = library.api;
    let path = library.path.display();
    out!("    API {major}.{minor}, {}, {path}", library.rustc);
    let sites = match &library.declared.sites {
        Some(sites) => sites.join(", "),
        None => "not declared".to_owned(),
    };
    out!(
        "    visits {}; sites: {sites}",
        library.visitors().join(", ")
    );
    match &library.declared.options {
        None => out!("    options: not declared"),
        Some(options) if options.is_empty() => out!("    no options"),
        Some(options) => {
            let mut lines = Vec::new();
            for option in options {
                describe(option, &library.name, &mut lines);
            }
            for line in lines {
                out!("{line}");
            }
        }
    }
    out!("");
}

/// `--set NAME.KEY`, type and default, with the help below.
fn describe(option: &Declaration, table: &str, lines: &mut Vec<String>) {
    let key = format!("{table}.{}", option.name);
    if let Type::Table { options } = &option.kind {
        for one in options {
            describe(one, &key, lines);
        }
        return;
    }
    let default = match &option.default {
        serde_json::Value::Null => String::new(),
        value => format!(" [{value}]"),
    };
    lines.push(format!("    --set {key}=  {}{default}", option.kind));
    let help = option.help.lines().filter(|line| !line.is_empty());
    lines.extend(help.map(|line| format!("        {line}")));
    if let Type::Choice { choices } = &option.kind {
        let told = choices.iter().filter(|choice| !choice.help.is_empty());
        lines.extend(told.map(|choice| {
            let help = choice.help.replace('\n', " ");
            format!("        {}: {help}", choice.name)
        }));
    }
}
