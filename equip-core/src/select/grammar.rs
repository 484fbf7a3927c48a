//! Text to tree. The grammar:
//!
//! ```text
//! selection = term { "or" term }
//! term      = factor { "and" factor }
//! factor    = "not" factor | "(" selection ")" | test
//! test      = kind [ "in" pattern ] | "in" pattern | pattern
//!           | text ( "=" | "!=" ) pattern
//!           | number ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) integer
//!           | "line" "=" integer [ ".." integer ]
//! ```

use std::ops::Range;

use super::glob::Pattern;
use crate::snippet::nearest;

/// What a declaration can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindTest {
    /// `def` or `async def`.
    Functions,
    /// One right in a class.
    Methods,
    /// `lambda`
    Lambdas,
    /// One with `yield`, that is not async.
    Generators,
    /// `async def` without `yield`.
    Coroutines,
    /// `async def` with `yield`.
    AsyncGenerators,
    /// A method under `property`, `cached_property`, or a setter or deleter of one.
    Properties,
    /// A method under `staticmethod`.
    StaticMethods,
    /// A method under `classmethod`.
    ClassMethods,
    /// A function in a function.
    Nested,
    /// A class body.
    Classes,
    /// A module's own body.
    Modules,
    /// A comprehension or generator expression that has a code object of its own.
    Comprehensions,
}

/// Kinds by name: one, several, and what it means.
pub const KINDS: [(KindTest, &str, &str, &str); 13] = [
    (
        KindTest::Functions,
        "function",
        "functions",
        "`def` and `async def`, methods too",
    ),
    (
        KindTest::Methods,
        "method",
        "methods",
        "functions right in a class",
    ),
    (KindTest::Lambdas, "lambda", "lambdas", "`lambda`"),
    (
        KindTest::Generators,
        "generator",
        "generators",
        "functions with `yield`, not async",
    ),
    (
        KindTest::Coroutines,
        "coroutine",
        "coroutines",
        "`async def` without `yield`",
    ),
    (
        KindTest::AsyncGenerators,
        "async_generator",
        "async_generators",
        "`async def` with `yield`",
    ),
    (
        KindTest::Properties,
        "property",
        "properties",
        "methods under `property` or `cached_property`, their setters and deleters",
    ),
    (
        KindTest::StaticMethods,
        "staticmethod",
        "staticmethods",
        "methods under `staticmethod`",
    ),
    (
        KindTest::ClassMethods,
        "classmethod",
        "classmethods",
        "methods under `classmethod`",
    ),
    (
        KindTest::Nested,
        "nested",
        "nested",
        "functions and lambdas in a function",
    ),
    (KindTest::Classes, "class", "classes", "bodies of classes"),
    (KindTest::Modules, "module", "modules", "bodies of modules"),
    (
        KindTest::Comprehensions,
        "comprehension",
        "comprehensions",
        "comprehensions and generator expressions with code of their own",
    ),
];

/// A property that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Any decorator, as written.
    Decorated,
    /// Any base class, as written.
    Bases,
    /// Anything that it calls, as written.
    Calls,
    /// Its own name.
    Name,
    /// Any parameter.
    Parameter,
    /// The source file.
    File,
}

/// Text properties by name.
pub const TEXTS: [(Text, &str, &str); 6] = [
    (
        Text::Decorated,
        "decorated",
        "one of its decorators, as written",
    ),
    (
        Text::Bases,
        "bases",
        "one of the bases of the class, or of the class that the function is right in, as written",
    ),
    (Text::Calls, "calls", "something that it calls, as written"),
    (Text::Name, "name", "its own name"),
    (Text::Parameter, "parameter", "one of its parameters"),
    (
        Text::File,
        "file",
        "the end of the source file's path (a `/` between folders)",
    ),
];

/// A property that is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Instructions.
    Size,
    /// Lines from the first to the last.
    Lines,
    /// Loops around its innermost instruction.
    LoopDepth,
    /// Parameters.
    Parameters,
}

/// Numbers by name.
pub const NUMBERS: [(Number, &str, &str); 4] = [
    (Number::Size, "size", "instructions of its own code"),
    (Number::Lines, "lines", "lines from its first to its last"),
    (
        Number::LoopDepth,
        "loop_depth",
        "loops around what is deepest in them; 0 without loops",
    ),
    (
        Number::Parameters,
        "parameters",
        "parameters, `self` included",
    ),
];

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// A parsed selection.
#[derive(Clone, Debug)]
pub enum Node {
    /// One of them.
    Or(Vec<Node>),
    /// All of them.
    And(Vec<Node>),
    /// It is not.
    Not(Box<Node>),
    /// Of that kind.
    Kind(KindTest),
    /// Its module and, where the pattern has a `:`, its qualname.
    Is(Pattern),
    /// The same of something around it.
    In(Pattern),
    /// Some text.
    Text(Text, Pattern),
    /// Some number.
    Number(Number, Comparison, u32),
    /// It has code of one of these lines.
    Line(u32, u32),
}

/// What is wrong with a selection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectError {
    /// Where: bytes of the text.
    pub at: Range<usize>,
    /// What, and what was expected.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Quoted(&'t str),
    Sign(&'t str),
    End,
}

struct Parser<'t> {
    tokens: Vec<(Token<'t>, Range<usize>)>,
    next: usize,
}

/// Nested parentheses and `not`s that a selection may have.
const DEPTH: usize = 100;

/// Parses a selection.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn parse(text: &str) -> Result<Node, SelectError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
    };
    if parser.peek().0 == Token::End {
        return Err(error(
            0..text.len(),
            "nothing is selected: expected a kind (functions), a pattern (shop.**) or a test (calls = \"*.execute\")",
        ));
    }
    let node = parser.selection(0)?;
    match parser.peek() {
        (Token::End, _) => Ok(node),
        (_, at) => Err(error(at, "expected `and`, `or` or the end")),
    }
}

fn error(at: Range<usize>, message: impl Into<String>) -> SelectError {
    SelectError {
        at,
        message: message.into(),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_.*?<>:{},[]-/".contains(c)
}

fn tokens(text: &str) -> Result<Vec<(Token<'_>, Range<usize>)>, SelectError> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let len = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c == '"' || c == '\'' {
            let Some(end) = rest[1..].find(c) else {
                return Err(error(
                    at..text.len(),
                    format!("the string has no closing {c}"),
                ));
            };
            out.push((Token::Quoted(&rest[1..=end]), at..at + end + 2));
            end + 2
        } else if let Some(sign) = ["<=", ">=", "!=", "==", "(", ")", "=", "<", ">"]
            .into_iter()
            // `<locals>` is part of a name.
            .find(|sign| {
                rest.starts_with(sign)
                    && !(*sign == "<" && rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()))
            })
        {
            out.push((Token::Sign(sign), at..at + sign.len()));
            sign.len()
        } else if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            out.push((Token::Word(&rest[..end]), at..at + end));
            end
        } else {
            return Err(error(
                at..at + c.len_utf8(),
                format!("{c} means nothing here; put names with other characters in quotes"),
            ));
        };
        at += len;
    }
    out.push((Token::End, text.len()..text.len()));
    Ok(out)
}

impl<'t> Parser<'t> {
    fn peek(&self) -> (Token<'t>, Range<usize>) {
        self.tokens[self.next].clone()
    }

    fn take(&mut self) -> (Token<'t>, Range<usize>) {
        let token = self.peek();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn takes(&mut self, wanted: Token<'_>) -> bool {
        let found = self.peek().0 == wanted;
        if found {
            self.take();
        }
        found
    }

    fn selection(&mut self, depth: usize) -> Result<Node, SelectError> {
        let mut terms = vec![self.term(depth)?];
        while self.takes(Token::Word("or")) {
            terms.push(self.term(depth)?);
        }
        Ok(one_or(terms, Node::Or))
    }

    fn term(&mut self, depth: usize) -> Result<Node, SelectError> {
        let mut factors = vec![self.factor(depth)?];
        while self.takes(Token::Word("and")) {
            factors.push(self.factor(depth)?);
        }
        Ok(one_or(factors, Node::And))
    }

    fn factor(&mut self, depth: usize) -> Result<Node, SelectError> {
        let (token, at) = self.take();
        if depth > DEPTH {
            return Err(error(at, format!("nested deeper than {DEPTH}")));
        }
        match token {
            Token::Word("not") => Ok(Node::Not(Box::new(self.factor(depth + 1)?))),
            Token::Sign("(") => {
                let node = self.selection(depth + 1)?;
                match self.take() {
                    (Token::Sign(")"), _) => Ok(node),
                    (_, end) => Err(error(end, "expected `)`")),
                }
            }
            Token::Word("in") => Ok(Node::In(self.pattern()?)),
            Token::Quoted(text) => Ok(Node::Is(Pattern::name(text, at)?)),
            Token::Word(word) => self.test(word, at),
            Token::End => Err(error(
                at,
                "the selection ends here: expected a kind, a pattern or a test",
            )),
            Token::Sign(sign) => Err(error(
                at,
                format!("{sign} means nothing here: expected a kind, a pattern or a test"),
            )),
        }
    }

    fn test(&mut self, word: &'t str, at: Range<usize>) -> Result<Node, SelectError> {
        let compared = matches!(
            self.peek().0,
            Token::Sign("=" | "==" | "!=" | "<" | "<=" | ">" | ">=")
        );
        if let Some((kind, ..)) = KINDS
            .iter()
            .find(|(_, one, many, _)| word == *one || word == *many)
        {
            let node = Node::Kind(*kind);
            return Ok(match self.takes(Token::Word("in")) {
                true => Node::And(vec![node, Node::In(self.pattern()?)]),
                false => node,
            });
        }
        if let Some((text, ..)) = TEXTS.iter().find(|(_, name, _)| word == *name) {
            let negated = match self.take() {
                (Token::Sign("=" | "=="), _) => false,
                (Token::Sign("!="), _) => true,
                (_, at) => return Err(error(at, format!("expected `=` or `!=` after {word}"))),
            };
            let (pattern, at) = self.text()?;
            let pattern = match text {
                Text::Name | Text::Parameter => Pattern::plain(pattern, at)?,
                Text::File => Pattern::file(pattern, at)?,
                Text::Decorated | Text::Bases | Text::Calls => Pattern::dotted(pattern, at)?,
            };
            let node = Node::Text(*text, pattern);
            return Ok(if negated {
                Node::Not(Box::new(node))
            } else {
                node
            });
        }
        if let Some((number, ..)) = NUMBERS.iter().find(|(_, name, _)| word == *name) {
            let comparison = match self.take() {
                (Token::Sign("=" | "=="), _) => Comparison::Equal,
                (Token::Sign("!="), _) => Comparison::Unequal,
                (Token::Sign("<"), _) => Comparison::Less,
                (Token::Sign("<="), _) => Comparison::AtMost,
                (Token::Sign(">"), _) => Comparison::More,
                (Token::Sign(">="), _) => Comparison::AtLeast,
                (_, at) => {
                    return Err(error(
                        at,
                        format!("expected a comparison after {word}, as in {word} > 3"),
                    ));
                }
            };
            let (word, at) = self.word("a number")?;
            return Ok(Node::Number(*number, comparison, integer(word, at)?));
        }
        if word == "line" {
            let (sign, at) = self.take();
            if !matches!(sign, Token::Sign("=" | "==") | Token::Word("in")) {
                return Err(error(at, "expected `=` after line, as in line = 10..20"));
            }
            let (range, at) = self.word("a line, or a range of lines as 10..20")?;
            let (first, last) = range.split_once("..").unwrap_or((range, range));
            let (first, last) = (integer(first, at.clone())?, integer(last, at.clone())?);
            if first > last {
                return Err(error(at, "the range ends before it begins"));
            }
            return Ok(Node::Line(first, last));
        }
        let known = known();
        let near = nearest(word, &known);
        let pattern = word.contains(['.', ':', '*', '?', '[', '{', '<']);
        if compared || self.peek().0 == Token::Word("in") || !pattern && near.is_some() {
            let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            let quoted = if compared {
                ""
            } else {
                " (a module of that name is written in quotes)"
            };
            return Err(error(at, format!("unknown word {word}{near}{quoted}")));
        }
        Ok(Node::Is(Pattern::name(word, at)?))
    }

    fn text(&mut self) -> Result<(&'t str, Range<usize>), SelectError> {
        match self.take() {
            (Token::Quoted(text) | Token::Word(text), at) => Ok((text, at)),
            (_, at) => Err(error(at, "expected a pattern, as \"shop.**\"")),
        }
    }

    fn pattern(&mut self) -> Result<Pattern, SelectError> {
        let (text, at) = self.text()?;
        Pattern::name(text, at)
    }

    fn word(&mut self, what: &str) -> Result<(&'t str, Range<usize>), SelectError> {
        match self.take() {
            (Token::Word(text), at) => Ok((text, at)),
            (_, at) => Err(error(at, format!("expected {what}"))),
        }
    }
}

fn integer(text: &str, at: Range<usize>) -> Result<u32, SelectError> {
    text.parse()
        .map_err(|_| error(at, format!("{text} is no number from 0 to {}", u32::MAX)))
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => many(nodes),
    }
}

/// Every word of the language.
pub fn known() -> Vec<&'static str> {
    let kinds = KINDS.iter().flat_map(|(_, one, many, _)| [*one, *many]);
    let texts = TEXTS.iter().map(|(_, name, _)| *name);
    let numbers = NUMBERS.iter().map(|(_, name, _)| *name);
    kinds
        .chain(texts)
        .chain(numbers)
        .chain(["line", "in", "and", "or", "not"])
        .collect()
}
