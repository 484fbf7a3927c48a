//! What: the Python of a snippet, as far as it must be understood to find its placeholders: comments, string
//! literals with their prefixes and escapes, fields of f-strings, names.

use super::{Ch, Literal, Meaning, Part, Piece, Problem, Template};

/// How deep CPython's tokenizer lets f-strings nest (`MAXFSTRINGLEVEL`).
const MAX_NESTING: usize = 150;

/// One string literal of the source.
struct Str {
    start: usize,
    prefix: String,
    body: std::ops::Range<usize>,
    end: usize,
    quote: usize,
}

impl Str {
    fn is(&self, kind: char) -> bool {
        self.prefix.contains(kind)
    }
}

/// The replacement fields that are open at a place of an f-string, outer ones first.
#[derive(Default)]
struct Replacements(Vec<Replacement>);

#[derive(Default)]
struct Replacement {
    /// Brackets that are open in its expression.
    brackets: usize,
    /// Whether the place is in its format specification, not in its expression.
    spec: bool,
    /// Whether a placeholder is in its expression.
    holds: bool,
}

impl Replacements {
    /// Whether the place is literal text.
    fn in_text(&self) -> bool {
        self.0.last().is_none_or(|field| field.spec)
    }
}

/// What starts at a place of an f-string.
enum Within {
    /// A literal in an expression.
    Literal(Str),
    /// Something of no further meaning, and where it ends.
    Run(usize),
}

pub(super) struct Lexer<'l> {
    pub(super) template: &'l mut Template,
    pub(super) chars: &'l [(Ch, usize)],
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl Lexer<'_> {
    fn ch(&self, at: usize) -> Option<Ch> {
        self.chars.get(at).map(|(ch, _)| *ch)
    }

    fn is(&self, at: usize, c: char) -> bool {
        self.ch(at).is_some_and(|ch| ch.is(c))
    }

    fn offset(&self, at: usize) -> usize {
        self.chars
            .get(at)
            .map_or(self.template.text.len(), |(_, offset)| *offset)
    }

    fn push(&mut self, at: usize) {
        match self.chars[at] {
            (Ch::Field(field), _) => self.template.pieces.push(Piece::Code(field)),
            (Ch::Char(c), offset) => match self.template.pieces.last_mut() {
                Some(Piece::Text(start, text)) if *start + text.len() == offset => text.push(c),
                _ => self
                    .template
                    .pieces
                    .push(Piece::Text(offset, c.to_string())),
            },
        }
    }

    /// Where the name that starts at a place ends.
    fn name_end(&self, at: usize) -> usize {
        let rest = self.chars[at..].iter();
        at + rest.take_while(|(ch, _)| ch.is_ident()).count()
    }

    fn behind_spaces(&self, mut at: usize) -> usize {
        while self.is(at, ' ') {
            at += 1;
        }
        at
    }

    fn copy(&mut self, range: std::ops::Range<usize>) {
        for at in range {
            self.push(at);
        }
    }

    pub(super) fn run(mut self) -> Result<(), Problem> {
        while self.at < self.chars.len() {
            self.step()?;
        }
        Ok(())
    }

    /// Handles what starts here: a comment, a run of literals, a name, or one character.
    fn step(&mut self) -> Result<(), Problem> {
        let here = self.at;
        let Some(ch) = self.ch(here) else {
            return Ok(());
        };
        if ch.is('#') {
            self.skip_comment();
            return Ok(());
        }
        if let Some(first) = self.string_at(here)? {
            return self.run_of_literals(first);
        }
        if ch.is_ident() {
            self.at = self.name_end(here);
            self.copy(here..self.at);
            return Ok(());
        }
        match ch {
            Ch::Char('(' | '[' | '{') => self.depth += 1,
            Ch::Char(')' | ']' | '}') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if let (Ch::Field(field), true) = (ch, self.depth > 0) {
            let next = self.behind_spaces(here + 1);
            if self.is(next, '=') && !self.is(next + 1, '=') {
                return Err(Problem {
                    offset: self.template.fields[field].offset,
                    message: "a placeholder is no name of an argument".to_owned(),
                });
            }
        }
        self.push(here);
        self.at += 1;
        Ok(())
    }

    /// Comments are left out: a placeholder in one means nothing.
    fn skip_comment(&mut self) {
        while self.ch(self.at).is_some_and(|ch| !ch.is('\n')) {
            self.at += 1;
        }
    }

    /// The string literal that starts at `start`, prefix included.
    fn string_at(&self, start: usize) -> Result<Option<Str>, Problem> {
        self.string_within(start, 0)
    }

    /// The same, within that many f-strings.
    fn string_within(&self, start: usize, level: usize) -> Result<Option<Str>, Problem> {
        let mut at = start;
        let mut prefix = String::new();
        while let Some(Ch::Char(c)) = self.ch(at)
            && c.is_ascii_alphabetic()
            && prefix.len() < 3
        {
            prefix.push(c.to_ascii_lowercase());
            at += 1;
        }
        let known = [
            "", "r", "u", "b", "br", "rb", "f", "fr", "rf", "t", "tr", "rt",
        ];
        let Some(Ch::Char(mark @ ('\'' | '"'))) = self.ch(at) else {
            return Ok(None);
        };
        if !known.contains(&prefix.as_str()) {
            return Ok(None);
        }
        let triple = self.is(at + 1, mark) && self.is(at + 2, mark);
        let quote = if triple { 3 } else { 1 };
        let body = at + quote;
        let mut fields = prefix.contains(['f', 't']).then(Replacements::default);
        let mut at = body;
        loop {
            let in_text = fields.as_ref().is_none_or(Replacements::in_text);
            let problem = |message: &str| {
                Err(Problem {
                    offset: self.offset(start),
                    message: message.to_owned(),
                })
            };
            match (self.ch(at), &mut fields) {
                _ if level > MAX_NESTING => return problem("too many nested f-strings"),
                (None, _) => return problem("string literal without an end"),
                (Some(Ch::Char('\n')), _) if !triple && in_text => {
                    return problem("string literal without an end on its line");
                }
                (Some(Ch::Char('\\')), _) if in_text => at += 2,
                (Some(Ch::Char(c)), _) if c == mark && in_text => {
                    if !triple || self.is(at + 1, mark) && self.is(at + 2, mark) {
                        let end = at + quote;
                        return Ok(Some(Str {
                            start,
                            prefix,
                            body: body..at,
                            end,
                            quote,
                        }));
                    }
                    at += 1;
                }
                (Some(_), Some(fields)) => {
                    at = match self.within(fields, at, level)? {
                        Within::Literal(inner) => inner.end,
                        Within::Run(end) => end,
                    }
                }
                (Some(_), None) => at += 1,
            }
        }
    }

    /// What starts at a place of an f-string, which is not its end.
    fn within(
        &self,
        fields: &mut Replacements,
        at: usize,
        level: usize,
    ) -> Result<Within, Problem> {
        let Some(Ch::Char(c)) = self.ch(at) else {
            if let Some(field) = fields.0.last_mut().filter(|field| !field.spec) {
                field.holds = true;
            }
            return Ok(Within::Run(at + 1));
        };
        let Some(field) = fields.0.last_mut() else {
            let doubled = self.is(at + 1, c);
            match c {
                '{' | '}' if doubled => return Ok(Within::Run(at + 2)),
                '{' => fields.0.push(Replacement::default()),
                _ => {}
            }
            return Ok(Within::Run(at + 1));
        };
        if field.spec {
            match c {
                '{' => fields.0.push(Replacement::default()),
                '}' => drop(fields.0.pop()),
                _ => {}
            }
            return Ok(Within::Run(at + 1));
        }
        match c {
            '(' | '[' | '{' => field.brackets += 1,
            ')' | ']' | '}' if field.brackets > 0 => field.brackets -= 1,
            '}' => drop(fields.0.pop()),
            ':' if field.brackets == 0 => field.spec = true,
            '=' if field.brackets == 0 && field.holds && self.is_shown(at) => {
                return Err(Problem {
                    offset: self.offset(at),
                    message:
                        "a placeholder cannot stand in a replacement field with `=`, which shows \
                              the source: write its name into the text"
                            .to_owned(),
                });
            }
            _ => {}
        }
        let is_name = Ch::Char(c).is_ident();
        if !is_name && !matches!(c, '\'' | '"') {
            return Ok(Within::Run(at + 1));
        }
        // A literal within the expression, which may use the same quotes; or a name.
        if let Some(inner) = self.string_within(at, level + 1)? {
            return Ok(Within::Literal(inner));
        }
        Ok(Within::Run(self.name_end(at)))
    }

    /// Whether a `=` asks for the source of its replacement field.
    fn is_shown(&self, at: usize) -> bool {
        let compares = |at: usize| ['=', '!', '<', '>'].iter().any(|c| self.is(at, *c));
        let next = self.behind_spaces(at + 1);
        !compares(at - 1) && ['}', '!', ':'].iter().any(|c| self.is(next, *c))
    }

    /// Adjacent literals are one expression: if a plain one holds a placeholder, they change together.
    fn run_of_literals(&mut self, first: Str) -> Result<(), Problem> {
        let mut run = vec![first];
        loop {
            let mut at = run.last().expect("never empty").end;
            while let Some(Ch::Char(c)) = self.ch(at) {
                match c {
                    ' ' | '\t' | '\x0c' => at += 1,
                    '\n' if self.depth > 0 => at += 1,
                    '\\' if self.is(at + 1, '\n') => at += 2,
                    '#' if self.depth > 0 => {
                        while self.ch(at).is_some_and(|ch| !ch.is('\n')) {
                            at += 1;
                        }
                    }
                    _ => break,
                }
            }
            match self.string_at(at)? {
                Some(next) => run.push(next),
                None => break,
            }
        }
        let start = run[0].start;
        let end = run.last().expect("never empty").end;
        let holds = |lexer: &Self, str: &Str| {
            lexer.chars[str.body.clone()]
                .iter()
                .any(|(ch, _)| matches!(ch, Ch::Field(_)))
        };
        self.at = end;
        if !run.iter().any(|str| holds(self, str)) {
            self.copy(start..end);
            return Ok(());
        }
        if let Some(template) = run.iter().find(|str| str.is('t') && holds(self, str)) {
            let message = "a placeholder cannot stand in a t-string".to_owned();
            return Err(Problem {
                offset: self.offset(template.start),
                message,
            });
        }
        if run.iter().any(|str| str.is('f')) {
            let mut last = start;
            for str in &run {
                self.copy(last..str.start);
                match (str.is('f'), holds(self, str)) {
                    (true, _) => self.formatted(str)?,
                    (false, false) => self.copy(str.start..str.end),
                    (false, true) => {
                        let literal = Literal {
                            bytes: false,
                            parts: self.parts(str)?,
                        };
                        self.template.literals.push(literal);
                        let index = self.template.literals.len() - 1;
                        self.template.pieces.push(Piece::Literal(index, true));
                    }
                }
                last = str.end;
            }
            self.at = end;
            return Ok(());
        }
        let mut parts = Vec::new();
        for str in &run {
            parts.extend(self.parts(str)?);
        }
        let bytes = run[0].is('b');
        self.template.literals.push(Literal { bytes, parts });
        let index = self.template.literals.len() - 1;
        self.template.pieces.push(Piece::Literal(index, false));
        // Keeps the numbers of the lines that follow.
        for at in start..end {
            if self.is(at, '\n') {
                self.push(at);
            }
        }
        Ok(())
    }

    /// An f-string: placeholders in its literal part become replacement fields.
    fn formatted(&mut self, str: &Str) -> Result<(), Problem> {
        self.copy(str.start..str.body.start);
        let mut at = str.body.start;
        let mut fields = Replacements::default();
        while at < str.body.end {
            if let (Ch::Field(field), true) = (self.chars[at].0, fields.in_text()) {
                let found = &self.template.fields[field];
                if !matches!(found.meaning, Meaning::Constant(_)) {
                    let message =
                        "a live placeholder in an f-string stands in a replacement field: \
                                   {{ {placeholder} }}"
                            .to_owned();
                    return Err(Problem {
                        offset: found.offset,
                        message,
                    });
                }
                self.template.pieces.push(Piece::Formatted(field));
                at += 1;
                continue;
            }
            match self.within(&mut fields, at, 0)? {
                Within::Literal(inner) => {
                    let depth = std::mem::replace(&mut self.depth, 1);
                    let end = inner.end;
                    self.run_of_literals(inner)?;
                    self.depth = depth;
                    at = self.at.max(end);
                }
                Within::Run(end) => {
                    self.copy(at..end);
                    at = end;
                }
            }
        }
        self.copy(str.body.end..str.end);
        self.at = str.end;
        Ok(())
    }

    /// The content of a plain literal.
    fn parts(&self, str: &Str) -> Result<Vec<Part>, Problem> {
        let raw = str.is('r');
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut at = str.body.start;
        while at < str.body.end {
            match self.chars[at].0 {
                Ch::Field(field) => {
                    let found = &self.template.fields[field];
                    if !matches!(found.meaning, Meaning::Constant(_)) {
                        let message =
                            "a live placeholder cannot stand in a plain string: use an f-string, \
                                       f'{{ {placeholder} }}'"
                                .to_owned();
                        return Err(Problem {
                            offset: found.offset,
                            message,
                        });
                    }
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(Part::Field(field));
                    at += 1;
                }
                Ch::Char('\\') if !raw => at = self.escape(str, at, &mut text)?,
                Ch::Char(c) => {
                    text.push(c);
                    at += 1;
                }
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        debug_assert!(str.quote > 0);
        Ok(parts)
    }

    /// Decodes the escape sequence at `at`; gives the place behind it.
    fn escape(&self, str: &Str, at: usize, text: &mut String) -> Result<usize, Problem> {
        let Some(Ch::Char(c)) = self.ch(at + 1) else {
            let message = "a backslash cannot stand before a placeholder".to_owned();
            return Err(Problem {
                offset: self.offset(at),
                message,
            });
        };
        let digits = |from: usize, max: usize, radix: u32| -> (u32, usize) {
            let (mut value, mut n) = (0, 0);
            while n < max
                && let Some(Ch::Char(c)) = self.ch(from + n)
                && let Some(digit) = c.to_digit(radix)
            {
                value = value * radix + digit;
                n += 1;
            }
            (value, n)
        };
        let simple = match c {
            '\n' => return Ok(at + 2),
            '\\' | '\'' | '"' => Some(c),
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            _ => None,
        };
        if let Some(simple) = simple {
            text.push(simple);
            return Ok(at + 2);
        }
        let wide = !str.is('b');
        let (from, max, radix) = match c {
            '0'..='7' => (at + 1, 3, 8),
            'x' => (at + 2, 2, 16),
            'u' if wide => (at + 2, 4, 16),
            'U' if wide => (at + 2, 8, 16),
            'N' if wide => {
                let message =
                    "\\N{…} cannot stand in a literal with a placeholder: use \\u".to_owned();
                return Err(Problem {
                    offset: self.offset(at),
                    message,
                });
            }
            other => {
                text.extend(['\\', other]);
                return Ok(at + 2);
            }
        };
        let (value, n) = digits(from, max, radix);
        match char::from_u32(value) {
            Some(decoded) if n == max || radix == 8 => {
                text.push(decoded);
                Ok(from + n)
            }
            _ => Err(Problem {
                offset: self.offset(at),
                message: "invalid escape sequence".to_owned(),
            }),
        }
    }
}
