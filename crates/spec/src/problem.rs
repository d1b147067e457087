//! What is wrong with a spec: every mistake at once, each with its place in the text and the mend.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use super::mask;

/// More than this many mistakes are counted, not listed.
const LISTED: usize = 100;

/// A place in the text and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    span: Range<usize>,
    text: String,
}

/// One mistake: a sentence, the place, the mend. A struct and not an enum of kinds, since it is read by people only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    message: String,
    labels: Vec<Label>,
    help: Option<String>,
}

impl Problem {
    /// A mistake that has no place in the text yet.
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

    /// Points at `span` if there is one: what comes from a default has none.
    #[must_use]
    pub(super) fn at_some(self, span: Option<Range<usize>>, label: impl Into<String>) -> Self {
        match span {
            Some(span) => self.at(span, label),
            None => self,
        }
    }

    /// Says how to mend it.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The place of the mistake, in bytes of the text, when it has one.
    pub fn span(&self) -> Option<Range<usize>> {
        self.labels.first().map(|label| label.span.clone())
    }

    /// How to mend it.
    pub fn mend(&self) -> Option<&str> {
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
    /// Notes one more mistake.
    pub(super) fn push(&mut self, problem: Problem) {
        if self.list.len() < LISTED {
            self.list.push(problem);
        } else {
            self.unlisted += 1;
        }
    }

    /// Never shows this part of the text.
    pub(super) fn hide(&mut self, span: Range<usize>) {
        self.hidden.push(span);
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The mistakes in the order of the text, those without a place last, with secrets in the text painted over.
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

/// Everything that is wrong with a spec, ready to be shown with its source text. Secrets in the text are painted over.
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
    /// The mistakes, in the order of the text (the first hundred of them).
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
