//! A pipeline file's text to what it asks for: all that is wrong with it at once, each with its place.

use std::collections::BTreeMap;
use std::ops::Range;

use equip_core::inject::{At, Injection};
use equip_core::select::{Pattern, Selection};
use equip_core::snippet::{Template, nearest};
use equip_core::{Edge, LoopEdge, OnError, Site, When};
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::keys::{self, Holds, Key};

/// Text, and where it stands.
#[derive(Clone, Debug)]
pub struct Placed {
    pub text: String,
    pub at: Range<usize>,
}

/// What a pipeline file asks for.
#[derive(Debug, Default)]
pub struct Pipeline {
    pub targets: Vec<Placed>,
    pub python: Option<Placed>,
    pub output: Option<Placed>,
    pub include: Vec<Placed>,
    pub exclude: Vec<Placed>,
    /// Plugins and groups of injections, in the order in which they stand in the file.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub enum Step {
    Plugin(Box<PluginStep>),
    Inject(InjectStep),
}

/// A plugin as a file names it.
#[derive(Debug)]
pub struct PluginStep {
    pub name: Placed,
    pub select: Option<(Selection, Range<usize>)>,
    pub on_error: Option<OnError>,
    /// Its options, where they are, and where key and value of each of them are, by its path (`a.b[0]`).
    pub options: BTreeMap<String, Json>,
    pub options_at: Range<usize>,
    pub places: BTreeMap<String, (Range<usize>, Range<usize>)>,
}

/// Injections of one name.
#[derive(Debug)]
pub struct InjectStep {
    pub name: String,
    pub injections: Vec<Injection>,
    /// Where what each of them says stands.
    pub places: Vec<InjectPlaces>,
    /// All that decides what they do, as the hash of the pipeline takes it.
    pub options: Vec<Json>,
}

/// Where parts of an injection stand.
#[derive(Debug)]
pub struct InjectPlaces {
    pub selection: Range<usize>,
    pub code: Option<Range<usize>>,
    pub imports: Vec<Range<usize>>,
    pub calls: Option<Range<usize>>,
}

struct Reader<'t> {
    text: &'t str,
    found: Vec<Diagnostic>,
}

/// Reads a pipeline; `section` is where in the file it is (`tool.equip`).
pub fn read(text: &str, section: &[&str]) -> (Pipeline, Vec<Diagnostic>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        found: Vec::new(),
    };
    for error in &errors {
        let at = error.span().unwrap_or(0..0);
        let mut lines = error.message().lines();
        let message = lines.next().unwrap_or_default().to_owned();
        reader.found.push(Diagnostic::error(
            at,
            message,
            lines.collect::<Vec<_>>().join(", "),
        ));
    }
    let mut table = root.get_ref();
    for name in section {
        match table
            .get(*name)
            .and_then(|value| value.get_ref().as_table())
        {
            Some(inner) => table = inner,
            None => return (Pipeline::default(), reader.found),
        }
    }
    let pipeline = reader.pipeline(table);
    reader.found.sort_by_key(|one| one.at.start);
    (pipeline, reader.found)
}

type Table<'t> = DeTable<'t>;
type Value<'t> = Spanned<DeValue<'t>>;

impl Reader<'_> {
    fn error(&mut self, at: Range<usize>, message: impl Into<String>, label: impl Into<String>) {
        self.found.push(Diagnostic::error(at, message, label));
    }

    /// Says which keys are unknown, and which values are of another type.
    fn check(&mut self, table: &Table<'_>, keys: &[Key], whose: &str) {
        let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        for (name, value) in table {
            match keys.iter().find(|key| key.name == name.get_ref().as_ref()) {
                Some(key) => self.check_value(key, value, whose),
                None => {
                    let near = nearest(name.get_ref(), &names);
                    let mut said = Diagnostic::error(
                        name.span(),
                        format!("unknown key `{}`{whose}", name.get_ref()),
                        format!("expected {}", names.join(", ")),
                    );
                    if let Some(near) = near {
                        said = said.help(format!("did you mean `{near}`?"));
                    }
                    self.found.push(said);
                }
            }
        }
    }

    fn check_value(&mut self, key: &Key, value: &Value<'_>, whose: &str) {
        let (at, value) = (value.span(), value.get_ref());
        let wrong = |reader: &mut Self, expected: String| {
            let message = format!("`{}`{whose} is {}", key.name, article(value.type_str()));
            reader.error(at.clone(), message, format!("expected {expected}"));
        };
        match key.holds {
            Holds::Text if !value.is_str() => wrong(self, "text in quotes".to_owned()),
            Holds::Bool if !value.is_bool() => wrong(self, "true or false".to_owned()),
            Holds::Number if number(value).is_none() => wrong(self, "a number from 1".to_owned()),
            Holds::Open if !value.is_table() => wrong(self, "a table".to_owned()),
            Holds::Choice(choices) => match value.as_str() {
                None => wrong(self, format!("one of {}", choices.join(", "))),
                Some(text) if choices.contains(&text) => {}
                Some(text) => {
                    let mut said = Diagnostic::error(
                        at,
                        format!("`{}`{whose} cannot be `{text}`", key.name),
                        format!("expected one of {}", choices.join(", ")),
                    );
                    if let Some(near) = nearest(text, choices) {
                        said = said.help(format!("did you mean `{near}`?"));
                    }
                    self.found.push(said);
                }
            },
            Holds::Texts => match value.as_array() {
                None => wrong(self, "a list of texts".to_owned()),
                Some(items) => {
                    for item in items.iter().filter(|item| !item.get_ref().is_str()) {
                        let message = format!(
                            "an item of `{}` is {}",
                            key.name,
                            article(item.get_ref().type_str())
                        );
                        self.error(item.span(), message, "expected text in quotes");
                    }
                }
            },
            Holds::Tables(inner) => match value.as_array() {
                None => wrong(self, format!("tables, each under [[{}]]", key.name)),
                Some(items) => {
                    for item in items.iter() {
                        match item.get_ref().as_table() {
                            Some(table) => {
                                self.check(table, inner, &format!(" of [[{}]]", key.name))
                            }
                            None => {
                                let message = format!(
                                    "an item of `{}` is {}",
                                    key.name,
                                    article(item.get_ref().type_str())
                                );
                                self.error(
                                    item.span(),
                                    message,
                                    format!("expected a table, under [[{}]]", key.name),
                                );
                            }
                        }
                    }
                }
            },
            _ => {}
        }
    }

    fn pipeline(&mut self, table: &Table<'_>) -> Pipeline {
        self.check(table, keys::PIPELINE, "");
        let mut steps: Vec<(usize, Step)> = Vec::new();
        for item in tables(table, "plugin") {
            let (at, table) = item;
            if let Some(step) = self.plugin(table, at.clone()) {
                steps.push((first(table, &at), Step::Plugin(Box::new(step))));
            }
        }
        let mut groups: BTreeMap<String, (usize, InjectStep)> = BTreeMap::new();
        for (number, (at, table)) in tables(table, "inject").into_iter().enumerate() {
            let place = first(table, &at);
            let name = self
                .name_of(table)
                .unwrap_or_else(|| format!("inject{}", number + 1));
            if let Some((injection, places, options)) = self.injection(table, at) {
                let group = groups.entry(name.clone()).or_insert_with(|| {
                    let step = InjectStep {
                        name,
                        injections: Vec::new(),
                        places: Vec::new(),
                        options: Vec::new(),
                    };
                    (place, step)
                });
                group.1.injections.push(injection);
                group.1.places.push(places);
                group.1.options.push(options);
            }
        }
        steps.extend(
            groups
                .into_values()
                .map(|(at, step)| (at, Step::Inject(step))),
        );
        steps.sort_by_key(|(at, _)| *at);
        Pipeline {
            targets: texts(table, "targets"),
            python: text(table, "python"),
            output: text(table, "output"),
            include: texts(table, "include"),
            exclude: texts(table, "exclude"),
            steps: steps.into_iter().map(|(_, step)| step).collect(),
        }
    }

    /// The name of an injection's group.
    fn name_of(&mut self, table: &Table<'_>) -> Option<String> {
        let name = text(table, "plugin")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.text.is_empty() || !name.text.chars().all(fits) {
            self.error(
                name.at,
                format!("`{}` is no name for a plugin", name.text),
                "expected letters, digits, _ and -",
            );
            return None;
        }
        Some(name.text)
    }

    fn selection(&mut self, text: &Placed) -> Option<Selection> {
        match Selection::parse(&text.text) {
            Ok(selection) => Some(selection),
            Err(error) => {
                let at = inside(self.text, &text.at, &text.text, error.at);
                self.error(at, error.message, "in this selection");
                None
            }
        }
    }

    fn missing(&mut self, at: Range<usize>, table: &str, key: &str) {
        self.error(
            at,
            format!("[[{table}]] has no `{key}`"),
            format!("expected `{key} = …` below"),
        );
    }

    fn plugin(&mut self, table: &Table<'_>, at: Range<usize>) -> Option<PluginStep> {
        let name = text(table, "name");
        if table.get("name").is_none() {
            self.missing(at.clone(), "plugin", "name");
        }
        let select = text(table, "select").and_then(|text| Some((self.selection(&text)?, text.at)));
        let mut step = PluginStep {
            name: name?,
            select,
            on_error: text(table, "on_error").and_then(|text| OnError::named(&text.text)),
            options: BTreeMap::new(),
            options_at: at,
            places: BTreeMap::new(),
        };
        if let Some(options) = table.get("options") {
            step.options_at = options.span();
            for (name, value) in options.get_ref().as_table().into_iter().flatten() {
                place(name.get_ref(), name.span(), value, &mut step.places);
                match json(value) {
                    Ok(value) => {
                        step.options
                            .insert(name.get_ref().clone().into_owned(), value);
                    }
                    Err((at, message)) => self.error(at, message, "expected what JSON can hold"),
                }
            }
        }
        Some(step)
    }

    fn injection(
        &mut self,
        table: &Table<'_>,
        at: Range<usize>,
    ) -> Option<(Injection, InjectPlaces, Json)> {
        for key in ["at", "match"] {
            if table.get(key).is_none() {
                self.missing(at.clone(), "inject", key);
            }
        }
        let selected = text(table, "match");
        let selection = selected.as_ref().and_then(|text| self.selection(text));
        let site = text(table, "at").filter(|site| keys::SITES.contains(&site.text.as_str()));
        let code = text(table, "code");
        let placed = texts(table, "imports");
        let import_places = placed.iter().map(|one| one.at.clone()).collect();
        let imports: Vec<String> = placed.into_iter().map(|one| one.text).collect();
        let edge = text(table, "edge");
        let line = table.get("line").and_then(|value| number(value.get_ref()));
        let site = site?;
        let whole = match site.text.as_str() {
            "line" if table.get("line").is_none() => {
                self.error(
                    site.at.clone(),
                    "at = \"line\" needs a line",
                    "expected `line = …` beside it",
                );
                None
            }
            "line" => line.map(At::Line),
            "branch" => match edge.as_ref().map(|edge| edge.text.as_str()) {
                None => Some(At::Branch(None, line)),
                Some("true") => Some(At::Branch(Some(Edge::True), line)),
                Some("false") => Some(At::Branch(Some(Edge::False), line)),
                Some(_) => None,
            },
            "loop" => match edge.as_ref().map(|edge| edge.text.as_str()) {
                Some("head") => Some(At::Loop(LoopEdge::Head, line)),
                Some("back") => Some(At::Loop(LoopEdge::Back, line)),
                Some("exit") => Some(At::Loop(LoopEdge::Exit, line)),
                _ => None,
            },
            name => Some(plain_site(
                name,
                text(table, "when").map(|when| when.text).as_deref(),
            )),
        };
        let edges = match site.text.as_str() {
            "branch" => "true or false",
            "loop" => "head, back or exit",
            _ => "",
        };
        match &edge {
            Some(edge) if edges.is_empty() => {
                self.error(
                    edge.at.clone(),
                    format!("at = \"{}\" has no edges", site.text),
                    "only branch and loop have",
                );
            }
            Some(edge) if whole.is_none() && keys::EDGES.contains(&edge.text.as_str()) => {
                let message = format!("at = \"{}\" has no edge `{}`", site.text, edge.text);
                self.error(edge.at.clone(), message, format!("expected {edges}"));
            }
            None if site.text == "loop" => {
                self.error(
                    site.at.clone(),
                    "at = \"loop\" needs an edge",
                    "expected `edge = \"head\"`, \"back\" or \"exit\" beside it",
                );
            }
            _ => {}
        }
        for (key, sites) in [
            ("line", &["line", "branch", "loop"][..]),
            ("when", &["module_enter", "module_exit"]),
            ("calls", &["before_call", "after_call"]),
        ] {
            if let Some((name, _)) = table.get_key_value(key)
                && !sites.contains(&site.text.as_str())
            {
                self.error(
                    name.span(),
                    format!("`{key}` means nothing at {}", site.text),
                    format!("only at {}", sites.join(", ")),
                );
            }
        }
        match &code {
            None if site.text != "import" && table.get("code").is_none() => {
                self.missing(at, "inject", "code")
            }
            Some(code) if site.text == "import" => {
                self.error(
                    code.at.clone(),
                    "at = \"import\" takes no code",
                    "its `imports` are put at the top of the module",
                );
            }
            None if site.text == "import" && imports.is_empty() => {
                self.missing(at, "inject", "imports");
            }
            _ => {}
        }
        if let Some(code) = &code
            && let Err(problem) = Template::parse(&code.text, &[])
        {
            let at = inside(
                self.text,
                &code.at,
                &code.text,
                problem.offset..problem.offset + 1,
            );
            self.error(at, problem.message, "in this code");
        }
        let called = text(table, "calls");
        let calls = called
            .as_ref()
            .map(|text| (Pattern::called(&text.text), text));
        let calls = match calls {
            None => None,
            Some((Ok(pattern), _)) => Some(pattern),
            Some((Err(error), text)) => {
                self.error(text.at.clone(), error.message, "in this pattern");
                return None;
            }
        };
        let rule = text(table, "on_error").map(|text| text.text);
        let nth = table.get("nth").and_then(|value| number(value.get_ref()));
        let public = table
            .get("public")
            .and_then(|value| value.get_ref().as_bool());
        let (selection, whole) = (selection?, whole?);
        let options = serde_json::json!({
            "at": site.text, "match": selection.text, "code": code.as_ref().map(|code| &code.text), "imports": imports,
            "public": public, "on_error": rule, "line": line, "edge": edge.map(|edge| edge.text), "nth": nth,
            "when": text(table, "when").map(|when| when.text), "calls": called.as_ref().map(|calls| &calls.text),
        });
        let injection = Injection {
            at: whole,
            selection,
            nth,
            calls,
            code: code
                .as_ref()
                .map(|code| code.text.clone())
                .unwrap_or_default(),
            imports,
            public: public.unwrap_or(false),
            on_error: rule
                .and_then(|rule| OnError::named(&rule))
                .unwrap_or_default(),
        };
        let places = InjectPlaces {
            selection: selected?.at,
            code: code.map(|code| code.at),
            imports: import_places,
            calls: called.map(|calls| calls.at),
        };
        Some((injection, places, options))
    }
}

fn plain_site(name: &str, when: Option<&str>) -> At {
    let when = match when {
        Some("import") => When::Always,
        _ => When::Main,
    };
    match name {
        "before" => At::Site(Site::Before),
        "after" => At::Site(Site::After),
        "on_raise" => At::Site(Site::OnRaise),
        "on_exit" => At::Site(Site::OnExit),
        "on_yield" => At::Site(Site::OnYield),
        "on_resume" => At::Site(Site::OnResume),
        "each_line" => At::Site(Site::EachLine),
        "before_call" => At::BeforeCall,
        "after_call" => At::AfterCall,
        "handler" => At::Site(Site::Handler),
        "module_enter" => At::ModuleEnter(when),
        "module_exit" => At::ModuleExit(when),
        _ => At::Import,
    }
}

/// The value of an option on the command line: TOML, or a bare word.
///
/// # Errors
/// JSON cannot hold it.
pub fn bare(text: &str) -> Result<Json, String> {
    let line = format!("value = {text}");
    let parsed = DeTable::parse(&line).ok();
    match parsed
        .as_ref()
        .and_then(|table| table.get_ref().get("value"))
    {
        Some(value) => json(value).map_err(|(_, message)| message),
        None => Ok(Json::from(text)),
    }
}

/// Where a table begins: at its header, or its first key.
fn first(table: &Table<'_>, at: &Range<usize>) -> usize {
    let keys = table.keys().map(|key| key.span().start);
    keys.chain([at.start]).min().unwrap_or(at.start)
}

fn tables<'t, 'i>(table: &'t Table<'i>, key: &str) -> Vec<(Range<usize>, &'t Table<'i>)> {
    let items = table.get(key).and_then(|value| value.get_ref().as_array());
    let items = items.into_iter().flat_map(|items| items.iter());
    items
        .filter_map(|item| Some((item.span(), item.get_ref().as_table()?)))
        .collect()
}

fn text(table: &Table<'_>, key: &str) -> Option<Placed> {
    placed(table.get(key)?)
}

fn placed(value: &Value<'_>) -> Option<Placed> {
    let text = value.get_ref().as_str()?.to_owned();
    Some(Placed {
        text,
        at: value.span(),
    })
}

fn texts(table: &Table<'_>, key: &str) -> Vec<Placed> {
    let items = table.get(key).and_then(|value| value.get_ref().as_array());
    items
        .into_iter()
        .flat_map(|items| items.iter())
        .filter_map(placed)
        .collect()
}

fn number(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix())
        .ok()
        .filter(|number| *number > 0)
}

fn article(kind: &str) -> String {
    match kind.starts_with(['a', 'i']) {
        true => format!("an {kind}"),
        false => format!("a {kind}"),
    }
}

/// The place of a part of a text that is a value of the file: exact where nothing in it is escaped.
pub fn inside(file: &str, value: &Range<usize>, text: &str, part: Range<usize>) -> Range<usize> {
    let raw = file.get(value.clone()).unwrap_or_default();
    match raw.find(text) {
        Some(start) if !text.is_empty() => {
            let start = value.start + start;
            start + part.start..start + part.end.min(text.len())
        }
        _ => value.clone(),
    }
}

/// Notes where key and value of each option are.
fn place(
    path: &str,
    key: Range<usize>,
    value: &Value<'_>,
    places: &mut BTreeMap<String, (Range<usize>, Range<usize>)>,
) {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (name, value) in table {
                let path = format!("{path}.{}", name.get_ref());
                place(&path, name.span(), value, places);
            }
        }
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                place(&format!("{path}[{index}]"), item.span(), item, places);
            }
        }
        _ => {}
    }
    // A table under a header of its own has no place but that.
    let at = match value.get_ref().is_table() {
        true => key.clone(),
        false => value.span(),
    };
    places.insert(path.to_owned(), (key, at));
}

/// A value as plugins get it: JSON. Dates become text.
fn json(value: &Value<'_>) -> Result<Json, (Range<usize>, String)> {
    let at = || value.span();
    Ok(match value.get_ref() {
        DeValue::String(text) => Json::from(text.as_ref()),
        DeValue::Boolean(value) => Json::from(*value),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Json::from(parsed.map_err(|_| (at(), "the number is too large".to_owned()))?)
        }
        DeValue::Float(number) => {
            let wrong = |text: String| (at(), format!("{text} is no number"));
            let value: f64 = number
                .as_str()
                .parse()
                .map_err(|_| wrong(number.as_str().to_owned()))?;
            let finite = serde_json::Number::from_f64(value);
            Json::from(finite.ok_or_else(|| wrong(value.to_string()))?)
        }
        DeValue::Datetime(date) => Json::from(date.to_string()),
        DeValue::Array(items) => items
            .iter()
            .map(json)
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        DeValue::Table(table) => {
            let mut object = serde_json::Map::new();
            for (name, value) in table {
                object.insert(name.get_ref().clone().into_owned(), json(value)?);
            }
            object.into()
        }
    })
}
