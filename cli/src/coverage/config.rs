//! Settings as coverage.py's files have them: `.coveragerc`, `setup.cfg`, `tox.ini`, `pyproject.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::facts::Patterns;

/// What counts as excluded where nothing else is said: coverage.py's defaults.
const EXCLUDE: [&str; 3] = [
    r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(cover|COVER)",
    r"^\s*(((async )?def .*?)?[\])]+(\s*->.*?)?:\s*)?\.\.\.\s*(#|$)",
    r"^\s*if (typing\.)?TYPE_CHECKING:",
];
const PARTIAL: &str = r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(branch|BRANCH)";
const PARTIAL_ALWAYS: [&str; 2] = [r"^\s*while (True|1|False|0):", r"^\s*if (True|1|False|0):"];

/// The sections that coverage.py has.
const SECTIONS: [&str; 7] = ["run", "report", "html", "xml", "json", "lcov", "paths"];

/// Settings; of the file, then of the command line.
#[derive(Debug)]
pub struct Config {
    /// Patterns of lines.
    pub patterns: Patterns,
    /// Only files of these folders or packages; those that never ran too.
    pub source: Vec<String>,
    /// Only these files, of what ran.
    pub run_include: Vec<String>,
    /// Not these files, of what ran.
    pub run_omit: Vec<String>,
    /// Only these files.
    pub include: Vec<String>,
    /// Not these files.
    pub omit: Vec<String>,
    /// Whether folders without `__init__.py` hold modules.
    pub namespace_packages: bool,
    /// The least percentage.
    pub fail_under: f64,
    /// Decimals of percentages.
    pub precision: usize,
    /// Lists of what is missing in the table.
    pub show_missing: bool,
    /// No complete files in the table.
    pub skip_covered: bool,
    /// No files without statements in the table.
    pub skip_empty: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config::of(&BTreeMap::new()).expect("nothing to complain of")
    }
}

/// Why a file of settings is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{path}: {why}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A setting is not what it should be.
    #[error("{path}: {setting}: {why}")]
    Setting {
        /// The file.
        path: PathBuf,
        /// Its section and name.
        setting: String,
        /// Why.
        why: String,
    },
}

/// Settings by `section:name`.
type Settings = BTreeMap<String, Value>;

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    List(Vec<String>),
}

impl Config {
    /// The file named, or the first one in a folder that says something about coverage.
    ///
    /// # Errors
    /// It cannot be read, or says something wrong.
    pub fn find(named: Option<&Path>, folder: &Path) -> Result<Config, Error> {
        let from_environment = std::env::var_os("COVERAGE_RCFILE").filter(|name| !name.is_empty());
        let named = named
            .map(Path::to_owned)
            .or(from_environment.map(PathBuf::from));
        if let Some(path) = named {
            let text = read(&path)?;
            return Config::in_file(&path, &settings(&path, &text, true)?);
        }
        let candidates = [
            (".coveragerc", true),
            (".coveragerc.toml", true),
            ("setup.cfg", false),
            ("tox.ini", false),
            ("pyproject.toml", false),
        ];
        for (name, is_own) in candidates {
            let path = folder.join(name);
            if !path.is_file() {
                continue;
            }
            let found = settings(&path, &read(&path)?, is_own)?;
            if is_own || !found.is_empty() {
                return Config::in_file(&path, &found);
            }
        }
        Ok(Config::default())
    }

    fn in_file(path: &Path, settings: &Settings) -> Result<Config, Error> {
        Config::of(settings).map_err(|(setting, why)| Error::Setting {
            path: path.to_owned(),
            setting,
            why,
        })
    }

    fn of(settings: &Settings) -> Result<Config, (String, String)> {
        let list = |name: &str, split: &[char]| {
            settings.get(name).map(|value| match value {
                Value::List(all) => all.clone(),
                Value::Text(text) => {
                    let parts = text
                        .split(split)
                        .map(str::trim)
                        .filter(|part| !part.is_empty());
                    parts.map(str::to_owned).collect()
                }
            })
        };
        let patterns = |name: &str| list(name, &['\n']);
        let names = |name: &str| list(name, &['\n', ',']).unwrap_or_default();
        let text = |name: &str| match settings.get(name) {
            Some(Value::Text(text)) => Some(text.trim()),
            _ => None,
        };
        let is_set = |name: &str| match text(name) {
            None => Ok(false),
            Some(value) => match &*value.to_ascii_lowercase() {
                "true" | "yes" | "on" | "1" => Ok(true),
                "false" | "no" | "off" | "0" => Ok(false),
                _ => Err((
                    name.to_owned(),
                    format!("{value:?} is neither true nor false"),
                )),
            },
        };
        let number = |name: &str| match text(name) {
            None => Ok(0.0),
            Some(value) => value
                .parse::<f64>()
                .map_err(|error| (name.to_owned(), error.to_string())),
        };
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let mut exclude = patterns("report:exclude_lines").unwrap_or_else(|| owned(&EXCLUDE));
        exclude.extend(patterns("report:exclude_also").unwrap_or_default());
        let mut partial = patterns("report:partial_branches").unwrap_or_else(|| owned(&[PARTIAL]));
        partial.extend(patterns("report:partial_also").unwrap_or_default());
        partial.extend(
            patterns("report:partial_branches_always").unwrap_or_else(|| owned(&PARTIAL_ALWAYS)),
        );
        let mut source = names("run:source");
        source.extend(names("run:source_pkgs"));
        source.extend(names("run:source_dirs"));
        let precision = number("report:precision")?;
        if !(0.0..=12.0).contains(&precision) || precision.fract() != 0.0 {
            return Err((
                "report:precision".to_owned(),
                "a number of decimals from 0 to 12 is wanted".to_owned(),
            ));
        }
        Ok(Config {
            patterns: Patterns { exclude, partial },
            source,
            run_include: names("run:include"),
            run_omit: names("run:omit"),
            include: names("report:include"),
            omit: names("report:omit"),
            namespace_packages: is_set("report:include_namespace_packages")?,
            fail_under: number("report:fail_under")?,
            precision: precision as usize,
            show_missing: is_set("report:show_missing")?,
            skip_covered: is_set("report:skip_covered")?,
            skip_empty: is_set("report:skip_empty")?,
        })
    }
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::Read {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

/// What a file says; `is_own`: it is about nothing but coverage.
fn settings(path: &Path, text: &str, is_own: bool) -> Result<Settings, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let failed = |why: String| Error::Read {
        path: path.to_owned(),
        why,
    };
    if path.extension().is_some_and(|end| end == "toml") {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| failed(error.to_string()))?;
        return Ok(of_toml(&table, is_own));
    }
    let mut found = Settings::new();
    for (section, name, value) in of_ini(text).map_err(failed)? {
        let section = match section.strip_prefix("coverage:") {
            Some(section) => section,
            None if is_own => &section,
            None => continue,
        };
        if SECTIONS.contains(&section) {
            found.insert(
                format!("{section}:{name}"),
                Value::Text(substituted(&value)),
            );
        }
    }
    Ok(found)
}

fn of_toml(table: &toml::Table, is_own: bool) -> Settings {
    let tool = table
        .get("tool")
        .and_then(|tool| tool.get("coverage"))
        .and_then(|own| own.as_table());
    let mut found = Settings::new();
    let tables = [is_own.then_some(table), tool];
    for (section, content) in tables.into_iter().flatten().flatten() {
        let content = content
            .as_table()
            .filter(|_| SECTIONS.contains(&&**section));
        for (name, value) in content.into_iter().flatten() {
            let value = match value {
                toml::Value::Array(all) => Value::List(all.iter().map(as_text).collect()),
                other => Value::Text(as_text(other)),
            };
            found.insert(format!("{section}:{name}"), value);
        }
    }
    found
}

fn as_text(value: &toml::Value) -> String {
    substituted(
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
            .trim(),
    )
}

/// Section, name and value, as Python's configparser reads them. (Crates take a continuation line
/// that starts with `[`, as a regular expression may, for a section.)
fn of_ini(text: &str) -> Result<Vec<(String, String, String)>, String> {
    let mut found: Vec<(String, String, String)> = Vec::new();
    let (mut section, mut indent, mut is_open) = (None, 0, false);
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim();
        if content.starts_with(['#', ';']) {
            continue;
        }
        let depth = line.len() - line.trim_start().len();
        if content.is_empty() || (is_open && depth > indent) {
            if let Some((.., value)) = found.last_mut().filter(|_| is_open) {
                value.push('\n');
                value.push_str(content);
            }
            continue;
        }
        if let Some((name, _)) = content
            .strip_prefix('[')
            .and_then(|rest| rest.rsplit_once(']'))
        {
            (section, is_open) = (Some(name.to_owned()), false);
            continue;
        }
        let (Some(section), Some((name, value))) = (&section, content.split_once(['=', ':']))
        else {
            return Err(format!(
                "line {number}: neither a section nor a setting: {content}"
            ));
        };
        found.push((
            section.clone(),
            name.trim().to_ascii_lowercase(),
            value.trim().to_owned(),
        ));
        (indent, is_open) = (depth, true);
    }
    Ok(found)
}

/// `$NAME`, `${NAME}` and `${NAME-otherwise}` are variables of the environment, `$$` a dollar.
fn substituted(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let value = |name: &str| std::env::var(name).ok();
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let word = &after[..after.find(|c| !is_word(c)).unwrap_or(after.len())];
        rest = after;
        if let Some(behind) = after.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if !word.is_empty() {
            out.push_str(&value(word).unwrap_or_default());
            rest = &after[word.len()..];
        } else if let Some((inside, behind)) = after
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'))
        {
            let end = inside.find(|c| !is_word(c)).unwrap_or(inside.len());
            let (name, otherwise) = inside.split_at(end);
            match (name.is_empty(), otherwise.strip_prefix('-'), otherwise) {
                (false, Some(otherwise), _) => {
                    out.push_str(&value(name).unwrap_or_else(|| otherwise.to_owned()))
                }
                (false, None, "" | "?") => out.push_str(&value(name).unwrap_or_default()),
                _ => {
                    out.push('$');
                    continue;
                }
            }
            rest = behind;
        } else {
            out.push('$');
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ini_as_configparser_reads_it() {
        let text = "
[coverage:report]
# a comment
exclude_lines =
    pragma: no cover
    # another
    [^a]b: c
  # at any depth

    if x = 1:
Omit: a, b
[other]
x = 1
";
        let found = settings(Path::new("setup.cfg"), text, false).unwrap();
        let config = Config::of(&found).unwrap();
        assert_eq!(
            config.patterns.exclude,
            ["pragma: no cover", "[^a]b: c", "if x = 1:"]
        );
        assert_eq!(config.omit, ["a", "b"]);
        assert_eq!(found.len(), 2);
        assert!(settings(Path::new("setup.cfg"), "x\n", false).is_err());
        assert_eq!(
            settings(Path::new(".coveragerc"), text, true)
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn variables() {
        assert_eq!(substituted("a$ $$x ${no_such-b}c^$"), "a$ $x bc^$");
        assert_eq!(substituted("$no_such_variable.${no_such?}."), "..");
        assert_eq!(substituted("$(x) ${ ${a b}"), "$(x) ${ ${a b}");
    }
}
