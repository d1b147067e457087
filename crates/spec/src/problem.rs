//! The mistakes in a spec: all of them at once, each with its place in the text and a help text.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::mask;

/// Mistakes beyond this number are counted, not listed.
const LISTED: usize = 100;

/// A place in the text, and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    span: Range<usize>,
    text: String,
}

/// One mistake: a sentence, the place, the help text. It is a struct and not an enum of kinds,
/// since only people read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    message: String,
    labels: Vec<Label>,
    help: Option<String>,
}

impl Problem {
    /// Makes a mistake that has no place in the text yet.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            labels: Vec::new(),
            help: None,
        }
    }

    /// Points at `span` (bytes of the text); the first label is the main one.
    #[must_use]
    pub(super) fn at(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: label.into(),
        });
        self
    }

    /// Points at `span` if there is one: a value that comes from a default has none.
    #[must_use]
    pub(super) fn at_some(self, span: Option<Range<usize>>, label: impl Into<String>) -> Self {
        match span {
            Some(span) => self.at(span, label),
            None => self,
        }
    }

    /// Says how to correct it.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the place of the mistake, in bytes of the text, when it has one.
    pub fn span(&self) -> Option<Range<usize>> {
        self.labels.first().map(|label| label.span.clone())
    }

    /// Returns how to correct it.
    pub fn hint(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() {
            return None;
        }
        let labels = self.labels.iter().enumerate().map(|(index, label)| {
            let text = Some(label.text.clone());
            let span = label.span.clone();
            match index {
                0 => LabeledSpan::new_primary_with_span(text, span),
                _ => LabeledSpan::new_with_span(text, span),
            }
        });
        Some(Box::new(labels))
    }
}

/// The mistakes found so far, and the places that must not be shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
    hidden: Vec<Range<usize>>,
    unlisted: usize,
}

impl Problems {
    /// Adds one more mistake.
    pub(super) fn push(&mut self, problem: Problem) {
        if self.list.len() < LISTED {
            self.list.push(problem);
        } else {
            self.unlisted += 1;
        }
    }

    /// Marks a part of the text that must never be shown.
    pub(super) fn hide(&mut self, span: Range<usize>) {
        self.hidden.push(span);
    }

    /// Returns whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the mistakes in the order of the text, those without a place last, with secrets in
    /// the text masked.
    pub(super) fn into_errors(mut self, name: &str, text: &str) -> SpecErrors {
        self.list
            .sort_by_key(|problem| problem.span().map_or(usize::MAX, |span| span.start));
        let shown = mask::paint_over(text, &self.hidden);
        SpecErrors(Box::new(Inner {
            name: name.to_owned(),
            source: NamedSource::new(name, shown),
            list: self.list,
            unlisted: self.unlisted,
        }))
    }
}

/// Everything that is wrong with a spec, ready to be shown with its source text. Secrets in the
/// text are masked.
#[derive(Clone)]
pub struct SpecErrors(Box<Inner>);

#[derive(Clone)]
struct Inner {
    name: String,
    source: NamedSource<String>,
    list: Vec<Problem>,
    unlisted: usize,
}

impl SpecErrors {
    /// Returns the mistakes, in the order of the text (the first hundred of them).
    pub fn problems(&self) -> &[Problem] {
        &self.0.list
    }
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.list.len() {
            1 => write!(f, "{} has a mistake", self.0.name),
            count => write!(f, "{} has {} mistakes", self.0.name, count + self.0.unlisted),
        }?;
        if self.0.unlisted > 0 {
            write!(f, ", of which the first {LISTED} are listed")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpecErrors")
            .field("name", &self.0.name)
            .field("problems", &self.0.list)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for SpecErrors {}

impl Diagnostic for SpecErrors {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.list.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
