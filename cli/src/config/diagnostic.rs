//! What is wrong with a pipeline file, drawn as rustc draws it.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is written.
    Error,
    /// The run goes on.
    Warning,
}

/// One thing to say of a place in the file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Where: bytes of the file.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What was expected there.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn error(at: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            at,
            message: message.into(),
            label: label.into(),
            help: None,
        }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Draws it.
    pub fn render(&self, path: &Path, text: &str) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let at = self.span(text);
        let snippet = Snippet::source(text)
            .path(path.display().to_string())
            .annotation(AnnotationKind::Primary.span(at).label(self.label.as_str()));
        let mut group = level.primary_title(self.message.as_str()).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group])
    }

    /// Its span, on characters of the text; the first line of one that has several.
    fn span(&self, text: &str) -> Range<usize> {
        let mut start = self.at.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = self.at.end.clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let line = text[start..end].find('\n').map_or(end, |at| start + at);
        start..line.max(start)
    }

    /// Line and column, from 1.
    pub fn position(&self, text: &str) -> (usize, usize) {
        let start = self.span(text).start;
        let line = text[..start].matches('\n').count() + 1;
        let column = text[..start]
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        (line, column)
    }
}
