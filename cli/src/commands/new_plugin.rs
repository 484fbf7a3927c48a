//! A crate for a new plugin.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::args::{Arguments, NewPlugin, PluginKind};
use crate::output::{note, out};

/// Where this equip was built, and so where the crates may be that a plugin depends on.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What templates are called, in the spellings that names have.
const TEMPLATE: [&str; 3] = ["template-name", "template_name", "TemplateName"];

/// The parts of a template that differ between kinds.
struct Template {
    about: &'static str,
    plugin: &'static str,
    tests: &'static str,
    edits: &'static str,
    runtime: Option<&'static str>,
}

macro_rules! template {
    ($folder:literal, $about:literal, $runtime:expr) => {
        Template {
            about: $about,
            plugin: include_str!(concat!("../../templates/", $folder, "/plugin.rs")),
            tests: include_str!(concat!("../../templates/", $folder, "/tests.rs")),
            edits: include_str!(concat!("../../templates/", $folder, "/edits.txt")),
            runtime: $runtime,
        }
    };
}

fn template(kind: PluginKind) -> Template {
    match kind {
        PluginKind::Method => template!(
            "method",
            "tells of each call with its arguments and what becomes of it",
            Some(include_str!("../../templates/method/runtime.py"))
        ),
        PluginKind::Module => template!(
            "module",
            "shows which module runs when, and for how long",
            Some(include_str!("../../templates/module/runtime.py"))
        ),
        PluginKind::Class => template!(
            "class",
            "finds lists, dicts and sets that all instances of a class share",
            Some(include_str!("../../templates/class/runtime.py"))
        ),
        PluginKind::Bytecode => template!("bytecode", "tells who writes global variables", None),
    }
}

pub fn run(options: &NewPlugin, arguments: &Arguments) -> anyhow::Result<u8> {
    let name = options.name.as_str();
    check(name)?;
    let folder = Path::new(name);
    if folder.symlink_metadata().is_ok() {
        return Err(wrong(format!(
            "{name} is there already: take another name, or remove it"
        )));
    }
    let source = match &options.api_git {
        Some(url) => repository(url, options.api_rev.as_deref())?,
        None => Source::Folder(source(options.api_path.as_deref())?),
    };
    let failed = |error: std::io::Error| {
        anyhow::Error::from(crate::Status(1, format!("new-plugin: {name}: {error}")))
    };
    // In place whole, or not at all.
    let staged = tempfile::Builder::new()
        .prefix(".equip-new-plugin-")
        .tempdir_in(".")
        .map_err(failed)?;
    write(staged.path(), name, &template(options.kind), &source).map_err(failed)?;
    let staged = staged.keep();
    if let Err(error) = std::fs::rename(&staged, folder) {
        let _ = std::fs::remove_dir_all(&staged);
        return Err(failed(error));
    }
    out!("{name}/: a plugin that {}", template(options.kind).about);
    if !arguments.quiet {
        let library = equip_core::plugin::file_name(name);
        note!(
            "  cd {name}\n  cargo test                  # with each CPython that is found\n  \
             cargo build --release\n  equip --plugin target/release/{library} TARGET"
        );
    }
    Ok(0)
}

fn wrong(message: String) -> anyhow::Error {
    crate::Status(crate::USAGE, format!("new-plugin: {message}")).into()
}

/// The names that a crate cannot have: cargo refuses them, or they would name something else in it.
const TAKEN: [&str; 16] = [
    "alloc",
    "build",
    "core",
    "deps",
    "equip",
    "equip-core",
    "equip-plugin-api",
    "equip-testing",
    "examples",
    "incremental",
    "plugin",
    "proc-macro",
    "run",
    "serde",
    "std",
    "test",
];

/// Rust's keywords, which no crate is called.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "union",
];

/// The most bytes that a plugin's name has in what a host reads of it first.
const LONGEST: usize = 63;

fn check(name: &str) -> anyhow::Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let like = |other: &&str| other.replace('-', "_") == name.replace('-', "_");
    let why = if name.is_empty() || !starts || !name.chars().all(fits) {
        "a crate's name has letters, digits, - and _, a letter first"
    } else if name.len() > LONGEST {
        "a plugin's name has at most 63 letters"
    } else if KEYWORDS.iter().any(like) {
        "it is a word of Rust's own"
    } else if TAKEN.iter().any(like) {
        "a crate of that name would be taken for another"
    } else {
        return Ok(());
    };
    let mut near: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphabetic())
        .take(LONGEST)
        .collect();
    if near == name {
        near = format!("my-{name}");
    }
    let near = near.trim_matches(['-', '_']);
    let hint = match near {
        "" => String::new(),
        near => format!(" (perhaps {near})"),
    };
    Err(wrong(format!("{name:?}: {why}{hint}")))
}

/// Where a crate finds equip's own.
enum Source {
    Folder(PathBuf),
    Repository { url: String, rev: Option<String> },
}

impl Source {
    /// How a manifest says that it depends on one of them.
    fn dependency(&self, krate: &str) -> String {
        let string = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match self {
            Source::Folder(folder) => {
                let path = folder.join(krate);
                format!("{{ path = {} }}", string(&path.to_string_lossy()))
            }
            Source::Repository { url, rev } => {
                let rev = rev.as_deref().map(|rev| format!(", rev = {}", string(rev)));
                format!("{{ git = {}{} }}", string(url), rev.unwrap_or_default())
            }
        }
    }

    /// The versions that equip itself was tested with, so that nothing has to be looked up.
    fn lock(&self) -> PathBuf {
        match self {
            Source::Folder(folder) => folder.join("Cargo.lock"),
            Source::Repository { .. } => Path::new(SOURCE).join("Cargo.lock"),
        }
    }
}

fn repository(url: &str, rev: Option<&str>) -> anyhow::Result<Source> {
    if !url.contains("://") {
        return Err(wrong(format!(
            "{url:?}: no URL that cargo takes, as https://…, ssh://… or file://… (a folder is named with --api-path)"
        )));
    }
    Ok(Source::Repository {
        url: url.to_owned(),
        rev: rev.map(str::to_owned),
    })
}

/// The folder of equip's source.
fn source(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = named.unwrap_or(Path::new(SOURCE));
    let needed = ["equip-plugin-api", "equip-testing"];
    let missing = needed
        .iter()
        .find(|krate| !folder.join(krate).join("Cargo.toml").is_file());
    if let Some(krate) = missing {
        let shown = folder.display();
        return Err(wrong(match named {
            Some(_) => format!("{shown}: not equip's source: it has no crate {krate}"),
            None => format!(
                "the source that this equip was built from, {shown}, is not there: name a copy of equip's \
                 repository with --api-path FOLDER, or its address with --api-git URL"
            ),
        }));
    }
    folder
        .canonicalize()
        .with_context(|| folder.display().to_string())
}

fn write(folder: &Path, name: &str, template: &Template, source: &Source) -> std::io::Result<()> {
    let ident = name.replace('-', "_");
    let words = name.split(['-', '_']).filter(|word| !word.is_empty());
    let camel: String = words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect();
    let named = |text: &str| {
        let names = [name, ident.as_str(), camel.as_str()];
        let pairs = TEMPLATE.iter().zip(names);
        pairs.fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    let put = |path: &str, text: &str| {
        let path = folder.join(path);
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above)?;
        }
        std::fs::write(path, text)
    };
    let manifest = named(include_str!("../../templates/Cargo.toml.in"))
        .replace("@ABOUT@", template.about)
        .replace("@API@", &source.dependency("equip-plugin-api"))
        .replace("@TESTING@", &source.dependency("equip-testing"));
    put("Cargo.toml", &manifest)?;
    put(".gitignore", "/target\n")?;
    let readme = named(include_str!("../../templates/README.md.in"));
    put("README.md", &readme.replace("@ABOUT@", template.about))?;
    put("src/lib.rs", &named(template.plugin))?;
    put(&format!("tests/{ident}.rs"), &named(template.tests))?;
    put("tests/golden/edits.txt", &named(template.edits))?;
    if let Some(text) = template.runtime {
        put(&format!("runtime/{ident}_runtime.py"), &named(text))?;
    }
    match std::fs::copy(source.lock(), folder.join("Cargo.lock")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }?;
    // A temporary folder is its owner's alone.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names_are_those_of_crates() {
        for name in ["calls", "slow-calls", "x1", "my_plugin"] {
            assert!(check(name).is_ok(), "{name}");
        }
        let said = |name| check(name).unwrap_err().to_string();
        for name in [
            "",
            "1st",
            "a b",
            "a/b",
            "../a",
            "é",
            "-a",
            "serde",
            "async",
            "equip_core",
        ] {
            assert!(said(name).starts_with("new-plugin: "), "{name}");
        }
        assert!(
            said("1st call").ends_with("(perhaps st-call)"),
            "{}",
            said("1st call")
        );
        assert!(said("test").ends_with("(perhaps my-test)"));
        assert!(said(&"a".repeat(64)).contains("63"));
    }
}
