//! Patterns of names: `*` is any text without a dot, `**` any number of dotted parts, `?` one character,
//! `[ab]` one of some, `{a,b}` either.

use std::ops::Range;

use globset::{GlobBuilder, GlobMatcher};

use super::grammar::SelectError;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it was written.
    pub text: String,
    /// The module, or all of the name.
    first: Part,
    /// The qualname, where there is a `:`.
    second: Option<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    matcher: GlobMatcher,
    /// `a.**` is `a`, too.
    base: Option<GlobMatcher>,
    wild: bool,
}

impl Part {
    /// Of dotted text; the separator of a glob is `/`.
    fn dotted(text: &str, at: &Range<usize>) -> Result<Part, SelectError> {
        let glob = |text: &str| compile(&text.replace('.', "/"), at);
        let base = text.strip_suffix(".**").filter(|base| !base.is_empty());
        Ok(Part {
            matcher: glob(text)?,
            base: base.map(glob).transpose()?,
            wild: text.contains(['*', '?', '[', '{']),
        })
    }

    fn matches(&self, dotted: &str) -> bool {
        let path = match dotted.contains('.') {
            true => dotted.replace('.', "/"),
            false => dotted.to_owned(),
        };
        self.matcher.is_match(&path) || self.base.as_ref().is_some_and(|base| base.is_match(&path))
    }
}

fn compile(text: &str, at: &Range<usize>) -> Result<GlobMatcher, SelectError> {
    let wrong = |message: String| SelectError {
        at: at.clone(),
        message,
    };
    if text.is_empty() {
        return Err(wrong("an empty pattern matches nothing".to_owned()));
    }
    let glob = GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map_err(|error| wrong(format!("pattern {text}: {}", error.kind())))?;
    Ok(glob.compile_matcher())
}

impl Pattern {
    /// `module` or `module:qualname`.
    pub(super) fn name(text: &str, at: Range<usize>) -> Result<Pattern, SelectError> {
        let (module, qualname) = match text.split_once(':') {
            Some((module, qualname)) => (module, Some(qualname)),
            None => (text, None),
        };
        if let Some(name) = qualname
            && name.contains(':')
        {
            let message = "a pattern has one `:`, between module and qualname".to_owned();
            return Err(SelectError { at, message });
        }
        Ok(Pattern {
            text: text.to_owned(),
            first: Part::dotted(module, &at)?,
            second: qualname.map(|name| Part::dotted(name, &at)).transpose()?,
        })
    }

    /// A dotted name.
    pub(super) fn dotted(text: &str, at: Range<usize>) -> Result<Pattern, SelectError> {
        let first = Part::dotted(text, &at)?;
        Ok(Pattern {
            text: text.to_owned(),
            first,
            second: None,
        })
    }

    /// What is called, as the test `calls = …` of a selection has it.
    ///
    /// # Errors
    /// It is no pattern.
    pub fn called(text: &str) -> Result<Pattern, SelectError> {
        Pattern::dotted(text, 0..text.len())
    }

    /// A name without dots.
    pub(super) fn plain(text: &str, at: Range<usize>) -> Result<Pattern, SelectError> {
        if text.contains('.') && !text.contains(['*', '?', '[', '{']) {
            let message = format!("{text} has a dot: a single name is meant here");
            return Err(SelectError { at, message });
        }
        Pattern::dotted(text, at)
    }

    /// The end of a path.
    pub(super) fn file(text: &str, at: Range<usize>) -> Result<Pattern, SelectError> {
        let anywhere = match text.starts_with('/') || text.starts_with("**/") {
            true => text.to_owned(),
            false => format!("**/{text}"),
        };
        let matcher = compile(&anywhere, &at)?;
        let first = Part {
            matcher,
            base: None,
            wild: true,
        };
        Ok(Pattern {
            text: text.to_owned(),
            first,
            second: None,
        })
    }

    /// Whether it is about qualnames.
    pub fn has_qualname(&self) -> bool {
        self.second.is_some()
    }

    /// Whether it names one qualname.
    pub fn is_exact(&self) -> bool {
        self.second.as_ref().is_some_and(|part| !part.wild)
    }

    /// Whether the module, or a name that is all, matches.
    pub fn matches_first(&self, dotted: &str) -> bool {
        self.first.matches(dotted)
    }

    /// Whether a path matches.
    pub fn matches_path(&self, path: &std::path::Path) -> bool {
        self.first.matcher.is_match(path)
    }

    /// Whether the qualname matches; always, if nothing is said of it.
    pub fn matches_qualname(&self, qualname: &str) -> bool {
        self.second
            .as_ref()
            .is_none_or(|part| part.matches(qualname))
    }
}
