//! A snippet template becomes Python source that is compiled once for all sites.
//!
//! Placeholders follow `str.format`. What they stand for is not known to the compiler: it sees
//! reserved names, which the splicer replaces. A plain string literal that holds a placeholder is
//! compiled as one such name as well, since the compiler would fold over its text otherwise.

mod lexer;

use std::collections::BTreeSet;

use lexer::Lexer;

pub use equip_plugin_api::edit::Value;

/// Starts every name that equip puts into a program, which no source can write.
pub const HIDDEN: &str = "__equip.";
/// Starts every name that a template may not use.
pub const RESERVED: &str = "__equip_";
/// Reserved name of `{return_value}`.
pub const RETURN_VALUE: &str = "__equip_return_value__";
/// Reserved name of `{exception}`.
pub const EXCEPTION: &str = "__equip_exception__";
/// Reserved name of `{yield_value}`.
pub const YIELD_VALUE: &str = "__equip_yield_value__";
/// Reserved name of `{callee}`.
pub const CALLEE: &str = "__equip_callee__";
/// Reserved name of `{result}`.
pub const RESULT: &str = "__equip_result__";
/// Reserved name of the class `Exception`, whatever the program calls by that name.
pub const EXCEPTION_CLASS: &str = "__equip_Exception__";
/// The constant that says where a snippet stands, for the log of its errors.
pub const ERROR_SITE: &str = "error_site";

/// Placeholders with a constant value that the host knows at every site.
pub const CONSTANTS: [&str; 9] = [
    "method_name",
    "qualname",
    "class_name",
    "module_name",
    "file_name",
    "file_path",
    "lineno",
    "end_lineno",
    "site_lineno",
];
/// Largest n of `{argN}`.
pub const MAX_ARG: u32 = 14;

/// What is wrong with a template, and where in it (bytes).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Offset in the template.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A constant, by name.
    Constant(String),
    /// The n-th parameter, live.
    Arg(u32),
    /// All parameters, live.
    Arguments,
    /// The value about to be returned, live.
    ReturnValue,
    /// The exception that leaves the function, that was thrown in, or that is handled.
    Exception,
    /// The value that is yielded or was sent in, live.
    YieldValue,
    /// What is called.
    Callee,
    /// What a call has returned, live.
    Result,
}

/// One placeholder.
#[derive(Clone, Debug)]
struct Field {
    offset: usize,
    meaning: Meaning,
    /// Stands inside an identifier or number: only its text will do.
    glued: bool,
}

/// A part of a string literal that holds placeholders.
#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Field(usize),
}

#[derive(Clone, Debug)]
struct Literal {
    bytes: bool,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Piece {
    /// Source text that starts at that offset of the template.
    Text(usize, String),
    /// A placeholder in code.
    Code(usize),
    /// A placeholder in the literal part of an f-string.
    Formatted(usize),
    /// A string literal with placeholders; whether an f-string stands beside it.
    Literal(usize, bool),
}

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    id: u64,
    text: String,
    fields: Vec<Field>,
    literals: Vec<Literal>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, PartialEq)]
enum Ch {
    Char(char),
    Field(usize),
}

impl Ch {
    fn is(self, c: char) -> bool {
        self == Ch::Char(c)
    }

    fn is_ident(self) -> bool {
        matches!(self, Ch::Char(c) if c.is_alphanumeric() || c == '_')
    }
}

/// The compiler's view of one template: its source, and how positions map back.
#[derive(Clone, Debug)]
pub struct Source {
    /// Python source.
    pub text: String,
    /// (offset in `text`, offset in the template), ascending.
    map: Vec<(usize, usize)>,
}

impl Source {
    /// The offset in the template of a line (from 1) and column (UTF-8 bytes, from 0) of the source.
    pub fn origin(&self, line: usize, column: usize) -> usize {
        let start: usize = self
            .text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let offset = (start + column).min(self.text.len());
        let at = self
            .map
            .partition_point(|(out, _)| *out <= offset)
            .saturating_sub(1);
        let Some((out, origin)) = self.map.get(at) else {
            return 0;
        };
        let next = self
            .map
            .get(at + 1)
            .map_or(usize::MAX, |(_, origin)| *origin);
        (origin + (offset - out)).min(next.saturating_sub(1).max(*origin))
    }
}

impl Template {
    /// Parses a template. `own` are the placeholders that the plugin gives values for.
    ///
    /// # Errors
    /// The first problem: a stray brace, an unknown placeholder, one in a place where it cannot be.
    pub fn parse(text: &str, own: &[&str]) -> Result<Template, Problem> {
        if let Some(offset) = text.find(RESERVED) {
            return Err(Problem {
                offset,
                message: format!("names that start with {RESERVED} are reserved"),
            });
        }
        let mut template = Template {
            pieces: Vec::new(),
            ..Template::verbatim(text)
        };
        let chars = template.unformat(own)?;
        Lexer {
            template: &mut template,
            chars: &chars,
            at: 0,
            depth: 0,
        }
        .run()?;
        Ok(template)
    }

    /// A template of equip's own: plain source, which may use reserved names.
    pub(crate) fn verbatim(text: &str) -> Template {
        let pieces = vec![Piece::Text(0, text.to_owned())];
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Template {
            id,
            text: text.to_owned(),
            fields: Vec::new(),
            literals: Vec::new(),
            pieces,
        }
    }

    /// A number that no other template of this process has; clones share it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The template as the plugin wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether any placeholder has that meaning, and where.
    pub fn uses(&self, wanted: impl Fn(&Meaning) -> bool) -> Option<usize> {
        self.fields
            .iter()
            .find(|field| wanted(&field.meaning))
            .map(|field| field.offset)
    }

    /// Undoes `str.format`: doubled braces become one, placeholders become [`Ch::Field`].
    fn unformat(&mut self, own: &[&str]) -> Result<Vec<(Ch, usize)>, Problem> {
        let mut out = Vec::with_capacity(self.text.len());
        let text = self.text.clone();
        let mut chars = text.char_indices().peekable();
        while let Some((offset, c)) = chars.next() {
            let doubled = chars.peek().is_some_and(|(_, next)| *next == c);
            match c {
                '{' | '}' if doubled => {
                    chars.next();
                    out.push((Ch::Char(c), offset));
                }
                '}' => {
                    let message =
                        "single '}': a literal brace is doubled, as in str.format".to_owned();
                    return Err(Problem { offset, message });
                }
                '{' => {
                    let rest = &text[offset + 1..];
                    let Some(end) = rest.find('}') else {
                        let message =
                            "'{' without '}': a literal brace is doubled, as in str.format"
                                .to_owned();
                        return Err(Problem { offset, message });
                    };
                    let meaning = meaning(&rest[..end], own)
                        .map_err(|message| Problem { offset, message })?;
                    self.fields.push(Field {
                        offset,
                        meaning,
                        glued: false,
                    });
                    out.push((Ch::Field(self.fields.len() - 1), offset));
                    while chars.next_if(|(at, _)| *at <= offset + 1 + end).is_some() {}
                }
                c => out.push((Ch::Char(c), offset)),
            }
        }
        for at in 0..out.len() {
            if let Ch::Field(field) = out[at].0 {
                let before = at.checked_sub(1).map(|at| out[at].0);
                let after = out.get(at + 1).map(|(ch, _)| *ch);
                let glues = |ch: Option<Ch>| {
                    ch.is_some_and(|ch| ch.is_ident() || matches!(ch, Ch::Field(_)))
                };
                self.fields[field].glued = glues(before) || glues(after);
            }
        }
        Ok(out)
    }

    /// The source for a function with `arity` parameters. Placeholders in `textual`, and those
    /// glued to an identifier, are given by their text.
    ///
    /// # Errors
    /// A live placeholder where only text can be.
    pub fn source(
        &self,
        arity: usize,
        textual: &BTreeSet<String>,
        value: &dyn Fn(&str) -> Value,
    ) -> Result<Source, Problem> {
        let mut out = Source {
            text: String::new(),
            map: Vec::new(),
        };
        for piece in &self.pieces {
            match piece {
                Piece::Text(offset, text) => {
                    out.map.push((out.text.len(), *offset));
                    out.text.push_str(text);
                }
                Piece::Code(field) | Piece::Formatted(field) => {
                    let field = &self.fields[*field];
                    out.map.push((out.text.len(), field.offset));
                    let name = match &field.meaning {
                        Meaning::Constant(name) => {
                            let reserved = constant_name(name);
                            let in_code = matches!(piece, Piece::Code(_));
                            match in_code && (field.glued || textual.contains(&reserved)) {
                                true => display(&value(name)),
                                false => reserved,
                            }
                        }
                        _ if field.glued && matches!(piece, Piece::Code(_)) => {
                            let message = "a live placeholder cannot be part of a name".to_owned();
                            return Err(Problem {
                                offset: field.offset,
                                message,
                            });
                        }
                        Meaning::Arg(n) if (*n as usize) < arity => arg_name(*n),
                        Meaning::Arg(_) => "None".to_owned(),
                        Meaning::Arguments if arity == 0 => "None".to_owned(),
                        Meaning::Arguments => (0..arity as u32)
                            .map(arg_name)
                            .collect::<Vec<_>>()
                            .join(", "),
                        Meaning::ReturnValue => RETURN_VALUE.to_owned(),
                        Meaning::Exception => EXCEPTION.to_owned(),
                        Meaning::YieldValue => YIELD_VALUE.to_owned(),
                        Meaning::Callee => CALLEE.to_owned(),
                        Meaning::Result => RESULT.to_owned(),
                    };
                    match piece {
                        Piece::Formatted(_) => out.text.push_str(&format!("{{{name}}}")),
                        _ => out.text.push_str(&name),
                    }
                }
                Piece::Literal(index, beside_f) => {
                    let name = literal_name(*index);
                    let name = match textual.contains(&name) {
                        true => repr(&self.literal(*index, value)),
                        false => name,
                    };
                    match beside_f {
                        true => out.text.push_str(&format!("f\"{{{name}}}\"")),
                        false => out.text.push_str(&name),
                    }
                }
            }
        }
        Ok(out)
    }

    /// Whether the text of a constant is part of the source however it is compiled.
    pub fn is_glued(&self) -> bool {
        self.fields
            .iter()
            .any(|field| field.glued && matches!(field.meaning, Meaning::Constant(_)))
    }

    /// The value of a reserved name that stands for a constant, if it is one.
    pub fn constant(&self, reserved: &str, value: &dyn Fn(&str) -> Value) -> Option<Value> {
        let inner = reserved.strip_prefix(RESERVED)?.strip_suffix("__")?;
        if let Some(name) = inner.strip_prefix("const_") {
            return Some(value(name));
        }
        let index: usize = inner.strip_prefix("text_")?.parse().ok()?;
        (index < self.literals.len()).then(|| self.literal(index, value))
    }

    fn literal(&self, index: usize, value: &dyn Fn(&str) -> Value) -> Value {
        let literal = &self.literals[index];
        let mut text = String::new();
        let mut bytes = Vec::new();
        for part in &literal.parts {
            let shown = match part {
                Part::Text(part) => part.clone(),
                Part::Field(field) => match &self.fields[*field].meaning {
                    Meaning::Constant(name) => display(&value(name)),
                    _ => String::new(),
                },
            };
            match part {
                // A character of a bytes literal is one byte; a value is encoded.
                Part::Text(_) if literal.bytes => {
                    bytes.extend(shown.chars().map(|c| c as u32 as u8))
                }
                _ if literal.bytes => bytes.extend(shown.bytes()),
                _ => text.push_str(&shown),
            }
        }
        if literal.bytes {
            Value::Bytes(bytes)
        } else {
            Value::Str(text)
        }
    }
}

/// The parameter that a reserved name stands for.
pub fn arg_of(reserved: &str) -> Option<u32> {
    reserved
        .strip_prefix("__equip_arg_")?
        .strip_suffix("__")?
        .parse()
        .ok()
}

fn arg_name(n: u32) -> String {
    format!("{RESERVED}arg_{n}__")
}

fn constant_name(name: &str) -> String {
    format!("{RESERVED}const_{name}__")
}

fn literal_name(index: usize) -> String {
    format!("{RESERVED}text_{index}__")
}

fn meaning(field: &str, own: &[&str]) -> Result<Meaning, String> {
    if own.contains(&field) || CONSTANTS.contains(&field) {
        return Ok(Meaning::Constant(field.to_owned()));
    }
    match field {
        "arguments" => return Ok(Meaning::Arguments),
        "return_value" => return Ok(Meaning::ReturnValue),
        "exception" => return Ok(Meaning::Exception),
        "yield_value" => return Ok(Meaning::YieldValue),
        "callee" => return Ok(Meaning::Callee),
        "result" => return Ok(Meaning::Result),
        _ => {}
    }
    if let Some(n) = field
        .strip_prefix("arg")
        .and_then(|n| n.parse::<u32>().ok())
    {
        return match n <= MAX_ARG {
            true => Ok(Meaning::Arg(n)),
            false => Err(format!("{{arg{n}}}: the last one is {{arg{MAX_ARG}}}")),
        };
    }
    if field.contains(['!', ':']) {
        return Err(format!(
            "{{{field}}}: conversions and format specifications are not supported"
        ));
    }
    let mut known: Vec<&str> = own.to_vec();
    known.extend(CONSTANTS);
    known.extend([
        "arg0",
        "arguments",
        "return_value",
        "exception",
        "yield_value",
        "callee",
        "result",
    ]);
    let near = nearest(field, &known)
        .map(|name| format!("; did you mean {{{name}}}?"))
        .unwrap_or_default();
    let known = known
        .iter()
        .map(|name| format!("{{{name}}}"))
        .collect::<Vec<_>>()
        .join(" ");
    Err(format!(
        "unknown placeholder {{{field}}}{near} (known: {known}; a literal brace is doubled)"
    ))
}

/// The known name that is closest to a misspelt one, if any is close.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let limit = 1 + name.len() / 4;
    let steps = known
        .iter()
        .filter_map(|known| Some((steps(name, known, limit)?, *known)));
    Some(steps.min()?.1)
}

/// How many letters to put in, take out or change to make one word of another (Levenshtein), if no more than `limit`.
pub(crate) fn steps(from: &str, to: &str, limit: usize) -> Option<usize> {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, c) in from.chars().enumerate() {
        let mut last = std::mem::replace(&mut row[0], i + 1);
        for (j, d) in to.iter().enumerate() {
            let change = last + usize::from(c != *d);
            last = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(last + 1);
        }
    }
    Some(row[to.len()]).filter(|steps| *steps <= limit)
}

/// A value as `str()` shows it.
pub fn display(value: &Value) -> String {
    match value {
        Value::Str(text) => text.clone(),
        other => repr(other),
    }
}

/// A value as Python source.
pub fn repr(value: &Value) -> String {
    let quoted = |text: &mut dyn Iterator<Item = char>, prefix: &str, wide: bool| {
        let mut out = format!("{prefix}'");
        for c in text {
            match c {
                '\\' => out.push_str("\\\\"),
                '\'' => out.push_str("\\'"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                ' '..='~' => out.push(c),
                c if (c as u32) < 256 => out.push_str(&format!("\\x{:02x}", c as u32)),
                c if wide => out.push_str(&format!("\\U{:08x}", c as u32)),
                _ => {}
            }
        }
        out + "'"
    };
    match value {
        Value::None => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) if value.is_nan() => "float('nan')".to_owned(),
        Value::Float(value) if value.is_infinite() => {
            format!("{}1e999", if *value < 0.0 { "-" } else { "" })
        }
        Value::Float(value) => match format!("{value:?}") {
            text if text.contains("e-") => text,
            text => text.replace('e', "e+"),
        },
        Value::Str(text) => quoted(&mut text.chars(), "", true),
        Value::Bytes(bytes) => quoted(&mut bytes.iter().map(|b| *b as char), "b", false),
        Value::Tuple(items) if items.len() == 1 => format!("({},)", repr(&items[0])),
        Value::Tuple(items) => format!(
            "({})",
            items.iter().map(repr).collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str, arity: usize) -> Result<String, Problem> {
        let template = Template::parse(text, &["id"])?;
        Ok(template
            .source(arity, &BTreeSet::new(), &|_| Value::Int(7))?
            .text)
    }

    #[test]
    fn placeholders_become_reserved_names() {
        assert_eq!(
            source("hit({id}, {arg1})", 2).unwrap(),
            "hit(__equip_const_id__, __equip_arg_1__)"
        );
        assert_eq!(
            source("f({arguments})", 2).unwrap(),
            "f(__equip_arg_0__, __equip_arg_1__)"
        );
        assert_eq!(
            source("f({arguments}, {arg3})", 0).unwrap(),
            "f(None, None)"
        );
        assert_eq!(source("x{id} = {{1: 2}}", 0).unwrap(), "x7 = {1: 2}");
    }

    #[test]
    fn literals_with_placeholders_become_names() {
        assert_eq!(
            source("print('a {qualname}' \"b\")", 0).unwrap(),
            "print(__equip_text_0__)"
        );
        assert_eq!(source("print('a {{x}}')", 0).unwrap(), "print('a {x}')");
        let template = Template::parse("'a\\n{id}' r'\\n'", &["id"]).unwrap();
        let value = template
            .constant("__equip_text_0__", &|_| Value::Int(7))
            .unwrap();
        assert_eq!(value, Value::Str("a\n7\\n".to_owned()));
    }

    #[test]
    fn f_strings_keep_their_fields() {
        assert_eq!(
            source("f'{{x!r}} {qualname} {{ {arg0} :>{{w}}}}' '{id}'", 1).unwrap(),
            "f'{x!r} {__equip_const_qualname__} { __equip_arg_0__ :>{w}}' f\"{__equip_text_0__}\""
        );
        assert!(source("f'{arg0}'", 1).is_err());
        assert!(
            source("'{arg0}'", 1)
                .unwrap_err()
                .message
                .contains("f-string")
        );
    }

    #[test]
    fn f_strings_nest_as_deep_as_in_python() {
        let nested = |depth| format!("{}1{}", "f'{{ ".repeat(depth), "}}'".repeat(depth));
        assert!(source(&nested(100), 0).is_ok());
        let problem = source(&nested(100_000), 0).unwrap_err();
        assert!(
            problem.message.contains("too many nested"),
            "{}",
            problem.message
        );
    }

    #[test]
    fn unknown_placeholders_suggest() {
        let problem = source("print({qualnme})", 0).unwrap_err();
        assert_eq!(problem.offset, 6);
        assert!(
            problem.message.contains("did you mean {qualname}?"),
            "{}",
            problem.message
        );
    }
}
