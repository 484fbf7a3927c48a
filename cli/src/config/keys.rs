//! The keys of a pipeline file, said once: what is read, checked, completed by editors (the JSON Schema) and
//! documented comes from here.

use equip_core::OnError;

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// Text.
    Text,
    /// One of these.
    Choice(&'static [&'static str]),
    /// `true` or `false`
    Bool,
    /// A number from 1.
    Number,
    /// A list of texts.
    Texts,
    /// `[[key]]`: tables of these keys.
    Tables(&'static [Key]),
    /// A table that someone else knows.
    Open,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// What it is for.
    pub help: &'static str,
}

const fn key(name: &'static str, holds: Holds, help: &'static str) -> Key {
    Key { name, holds, help }
}

/// Rules for errors of snippets.
pub const ON_ERROR: &[&str] = &[
    OnError::Raise.name(),
    OnError::Ignore.name(),
    OnError::Log.name(),
];
/// Sites.
pub const SITES: &[&str] = &[
    "before",
    "after",
    "on_raise",
    "on_exit",
    "on_yield",
    "on_resume",
    "line",
    "each_line",
    "branch",
    "loop",
    "before_call",
    "after_call",
    "handler",
    "module_enter",
    "module_exit",
    "import",
];
/// Edges of conditionals and loops.
pub const EDGES: &[&str] = &["true", "false", "head", "back", "exit"];

/// Keys of the file.
pub const PIPELINE: &[Key] = &[
    key(
        "targets",
        Holds::Texts,
        "Folders, .py and .pyc files to instrument where the command line names none; relative to this file.",
    ),
    key(
        "python",
        Holds::Text,
        "The Python that the program runs with: a path, or a name on PATH. Needs --config or --trust-config.",
    ),
    key(
        "output",
        Holds::Text,
        "The targets stay as they are; a copy of them in this folder, relative to this file, is instrumented.",
    ),
    key(
        "include",
        Holds::Texts,
        "Only these files: paths relative to this file; ** is any number of folders. A folder means all in it.",
    ),
    key("exclude", Holds::Texts, "None of these files."),
    key(
        "plugin",
        Holds::Tables(PLUGIN),
        "A plugin; plugins and injections run in the order in which they stand in the file.",
    ),
    key(
        "inject",
        Holds::Tables(INJECT),
        "Code to put at a site of what a selection matches.",
    ),
];

/// Keys of `[[plugin]]`.
pub const PLUGIN: &[Key] = &[
    key(
        "name",
        Holds::Text,
        "A name as `equip plugins` lists it, or the path of a library, relative to this file (that needs --config or --trust-config).",
    ),
    key(
        "select",
        Holds::Text,
        "What of the program it is shown: a selection.",
    ),
    key(
        "on_error",
        Holds::Choice(ON_ERROR),
        "What becomes of errors that its code raises in the program.",
    ),
    key(
        "options",
        Holds::Open,
        "Its own options: see `equip plugins`.",
    ),
];

/// Keys of `[[inject]]`.
pub const INJECT: &[Key] = &[
    key("at", Holds::Choice(SITES), "Where in what is selected."),
    key(
        "match",
        Holds::Text,
        "Which functions: a selection, as shop.orders:Cart.checkout.",
    ),
    key(
        "code",
        Holds::Text,
        "Python source; {qualname}, {return_value} and the like stand for what the site knows.",
    ),
    key(
        "imports",
        Holds::Texts,
        "Import statements for the top of the module, seen by this code alone.",
    ),
    key(
        "public",
        Holds::Bool,
        "The imports bind plain names, which the program sees.",
    ),
    key(
        "on_error",
        Holds::Choice(ON_ERROR),
        "What becomes of errors that the code raises; raise where nothing is said.",
    ),
    key(
        "line",
        Holds::Number,
        "Of line: which. Of branch and loop: only those on that line.",
    ),
    key(
        "edge",
        Holds::Choice(EDGES),
        "Of branch: true or false, both where nothing is said. Of loop: head, back or exit.",
    ),
    key(
        "calls",
        Holds::Text,
        "Of before_call and after_call: only calls of what is called so, as written: *.execute. All where nothing is said.",
    ),
    key(
        "when",
        Holds::Choice(&["main", "import"]),
        "Of module_enter and module_exit: only when run as __main__ (main), or on import too.",
    ),
    key(
        "nth",
        Holds::Number,
        "Of several declarations of one qualname only the n-th, in code order.",
    ),
    key(
        "plugin",
        Holds::Text,
        "Injections of one name share their private names; without it each is alone.",
    ),
];

/// JSON Schema of a pipeline file.
pub fn schema() -> serde_json::Value {
    let mut schema = object(PIPELINE);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "equip pipeline".into();
    schema["description"] = "equip.toml, or [tool.equip] in pyproject.toml".into();
    schema
}

fn object(keys: &[Key]) -> serde_json::Value {
    let properties: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| {
            let mut holds = match key.holds {
                Holds::Text => serde_json::json!({"type": "string"}),
                Holds::Choice(choices) => serde_json::json!({"type": "string", "enum": choices}),
                Holds::Bool => serde_json::json!({"type": "boolean"}),
                Holds::Number => serde_json::json!({"type": "integer", "minimum": 1}),
                Holds::Texts => serde_json::json!({"type": "array", "items": {"type": "string"}}),
                Holds::Tables(keys) => serde_json::json!({"type": "array", "items": object(keys)}),
                Holds::Open => serde_json::json!({"type": "object"}),
            };
            holds["description"] = key.help.into();
            (key.name.to_owned(), holds)
        })
        .collect();
    let required: Vec<_> = keys
        .iter()
        .map(|key| key.name)
        .filter(|name| is_required(keys, name))
        .collect();
    let mut object = serde_json::json!({
        "type": "object", "properties": properties, "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object
}

/// Whether a table is nothing without that key.
pub fn is_required(keys: &[Key], name: &str) -> bool {
    match keys.first().map(|first| first.name) {
        Some("name") => name == "name",
        Some("at") => matches!(name, "at" | "match"),
        _ => false,
    }
}
