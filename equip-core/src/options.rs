//! Options of plugins as their authors declare them: listed and checked without running the plugin.

use std::fmt;

use equip_plugin_api::edit::OnError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::snippet::nearest;

/// The option that the host gives every plugin: what becomes of errors of its snippets.
pub const ON_ERROR: &str = "on_error";

/// What a plugin says of itself, beside its name; what it leaves open is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// Its options.
    pub options: Option<Vec<Declaration>>,
    /// Names of the sites that it may ask for.
    pub sites: Option<Vec<String>>,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// What it does; lines.
    pub help: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: Type,
    /// What holds where the user says nothing; null where that is nothing.
    pub default: Value,
}

/// What values an option takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Type {
    /// Text.
    Text,
    /// True or false.
    Boolean,
    /// An integer.
    Integer {
        /// The least.
        least: i64,
        /// The most.
        most: u64,
    },
    /// A number.
    Number,
    /// One of some names.
    Choice {
        /// The names.
        choices: Vec<Choice>,
    },
    /// A list.
    List {
        /// Of what.
        of: Box<Type>,
    },
    /// A table with keys of the user's.
    Map {
        /// Of what.
        of: Box<Type>,
    },
    /// A table with keys of the plugin's.
    Table {
        /// The keys.
        options: Vec<Declaration>,
    },
    /// Whatever the plugin takes; also a kind that this host does not know.
    #[serde(other)]
    Any,
}

/// A name that may be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The name.
    pub name: String,
    /// What it means.
    pub help: String,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Text => f.write_str("text"),
            Type::Boolean => f.write_str("true or false"),
            Type::Integer { least, most } => match (*least, *most) {
                (0, most) if most >= i64::MAX as u64 => f.write_str("integer from 0"),
                (least, most) if least == i64::MIN && most >= i64::MAX as u64 => {
                    f.write_str("integer")
                }
                (least, most) => write!(f, "integer from {least} to {most}"),
            },
            Type::Number => f.write_str("number"),
            Type::Choice { choices } => {
                let names: Vec<&str> = choices.iter().map(|choice| choice.name.as_str()).collect();
                match names.split_last() {
                    Some((last, rest)) if !rest.is_empty() => {
                        write!(f, "{} or {last}", rest.join(", "))
                    }
                    _ => f.write_str(&names.concat()),
                }
            }
            Type::List { of } => write!(f, "list of {of}"),
            Type::Map { of } => write!(f, "table of {of}"),
            Type::Table { .. } => f.write_str("table"),
            Type::Any => f.write_str("any value"),
        }
    }
}

/// A step on the way to a value in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A key.
    Key(String),
    /// An item of a list.
    Index(usize),
}

/// What is wrong with a table of options, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError {
    /// The way to the value, from the plugin's table on.
    pub path: Vec<Step>,
    /// Whether it is the key that is wrong, not the value.
    pub key: bool,
    /// What is wrong, and what would be right; without the path.
    pub message: String,
}

impl OptionError {
    /// The path as users write it: `limits.names[2]`.
    pub fn path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => text.extend([".", key]),
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path(), self.message)
    }
}

/// The option that every plugin has.
pub fn on_error() -> Declaration {
    let help = |rule| match rule {
        OnError::Raise => "They go into the program.",
        OnError::Ignore => "The snippet ends, the program goes on.",
        OnError::Log => "The same; the first error of each site is told on stderr.",
    };
    let choices = OnError::ALL.map(|rule| Choice {
        name: rule.name().to_owned(),
        help: help(rule).to_owned(),
    });
    Declaration {
        name: ON_ERROR.to_owned(),
        help: "What becomes of errors of the plugin's snippets.".to_owned(),
        kind: Type::Choice {
            choices: choices.into(),
        },
        default: Value::Null,
    }
}

impl Declared {
    /// Everything that is wrong with a table of options, [`ON_ERROR`] included, in the table's order.
    /// What the plugin does not declare is for the plugin to judge.
    pub fn check(&self, table: &Map<String, Value>) -> Vec<OptionError> {
        let mut errors = Vec::new();
        let path = &mut Vec::new();
        match &self.options {
            Some(options) => {
                let all: Vec<Declaration> = options.iter().cloned().chain([on_error()]).collect();
                in_table(&all, table, path, &mut errors);
            }
            None => {
                if let Some(value) = table.get(ON_ERROR) {
                    path.push(Step::Key(ON_ERROR.to_owned()));
                    in_value(&on_error().kind, value, path, &mut errors);
                }
            }
        }
        errors
    }
}

fn in_table(
    options: &[Declaration],
    table: &Map<String, Value>,
    path: &mut Vec<Step>,
    errors: &mut Vec<OptionError>,
) {
    for (key, value) in table {
        path.push(Step::Key(key.clone()));
        match options.iter().find(|option| option.name == *key) {
            Some(option) => in_value(&option.kind, value, path, errors),
            None => {
                let names: Vec<&str> = options.iter().map(|option| option.name.as_str()).collect();
                let near = nearest(key, &names)
                    .map(|name| format!("; did you mean {name}?"))
                    .unwrap_or_default();
                errors.push(OptionError {
                    path: path.clone(),
                    key: true,
                    message: format!("no such option{near} (known: {})", names.join(", ")),
                });
            }
        }
        path.pop();
    }
}

fn in_value(kind: &Type, value: &Value, path: &mut Vec<Step>, errors: &mut Vec<OptionError>) {
    let fits = match (kind, value) {
        (Type::Any, _) | (Type::Text, Value::String(_)) | (Type::Boolean, Value::Bool(_)) => true,
        (Type::Number, Value::Number(_)) => true,
        (Type::Integer { least, most }, Value::Number(number)) => {
            match (number.as_i64(), number.as_u64()) {
                (_, Some(value)) => value <= *most && i128::from(value) >= i128::from(*least),
                (Some(value), None) => value >= *least,
                (None, None) => false,
            }
        }
        (Type::Choice { choices }, Value::String(name)) => {
            choices.iter().any(|choice| choice.name == *name)
        }
        (Type::List { of }, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                in_value(of, item, path, errors);
                path.pop();
            }
            true
        }
        (Type::Map { of }, Value::Object(table)) => {
            for (key, value) in table {
                path.push(Step::Key(key.clone()));
                in_value(of, value, path, errors);
                path.pop();
            }
            true
        }
        (Type::Table { options }, Value::Object(table)) => {
            in_table(options, table, path, errors);
            true
        }
        _ => false,
    };
    if fits {
        return;
    }
    let near = match (kind, value) {
        (Type::Choice { choices }, Value::String(name)) => {
            let names: Vec<&str> = choices.iter().map(|choice| choice.name.as_str()).collect();
            nearest(name, &names).map(|name| format!("; did you mean {name}?"))
        }
        _ => None,
    };
    errors.push(OptionError {
        path: path.clone(),
        key: false,
        message: format!("{value} is not {kind}{}", near.unwrap_or_default()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared() -> Declared {
        let options = json!([
            {"name": "output", "help": "", "default": null, "type": {"kind": "text"}},
            {"name": "most", "help": "", "default": 7, "type": {"kind": "integer", "least": 0, "most": 255}},
            {"name": "format", "help": "", "default": "text", "type": {"kind": "choice", "choices": [
                {"name": "text", "help": ""}, {"name": "chrome", "help": ""}]}},
            {"name": "names", "help": "", "default": [], "type": {"kind": "list", "of": {"kind": "text"}}},
            {"name": "limits", "help": "", "default": {}, "type": {"kind": "table", "options": [
                {"name": "time", "help": "", "default": 0.5, "type": {"kind": "number"}}]}},
            {"name": "colour", "help": "", "default": null, "type": {"kind": "colour", "depth": 3}},
        ]);
        let declared = json!({"options": options, "sites": null, "since": "1.9"});
        serde_json::from_value(declared).unwrap()
    }

    fn errors(declared: &Declared, table: Value) -> Vec<String> {
        let Value::Object(table) = table else {
            panic!("no table")
        };
        let errors = declared.check(&table);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tables_that_fit_are_taken() {
        let table = json!({"output": "x", "most": 255, "format": "chrome", "names": ["a"],
            "limits": {"time": 2}, "colour": {"newer": "than this host"}, "on_error": "log"});
        assert_eq!(errors(&declared(), table), Vec::<String>::new());
    }

    #[test]
    fn errors_say_where_what_and_what_instead() {
        let table = json!({"fromat": "text", "format": "chrom", "limits": {"tame": 1}, "most": 256,
            "names": ["a", 5], "on_error": "never", "output": true});
        let mut said = errors(&declared(), table);
        said.sort();
        assert_eq!(
            said,
            [
                "format: \"chrom\" is not text or chrome; did you mean chrome?",
                "fromat: no such option; did you mean format? (known: output, most, format, names, limits, colour, on_error)",
                "limits.tame: no such option; did you mean time? (known: time)",
                "most: 256 is not integer from 0 to 255",
                "names[1]: 5 is not text",
                "on_error: \"never\" is not raise, ignore or log",
                "output: true is not text",
            ]
        );
        let negative = errors(&declared(), json!({"most": -1}));
        assert_eq!(negative, ["most: -1 is not integer from 0 to 255"]);
    }

    #[test]
    fn what_is_not_declared_is_not_judged() {
        let open = Declared::default();
        assert!(errors(&open, json!({"any": 1})).is_empty());
        assert_eq!(errors(&open, json!({"on_error": 1})).len(), 1);
    }
}
