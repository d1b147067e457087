//! The mistakes in a compose file: all of them at once, each with line and column and what to do;
//! and the notes, which say what a swarm does not do.

use std::fmt;
use std::ops::Range;

use kraken_foundation::text;
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// Mistakes beyond this number are counted, not listed.
const LISTED: usize = 100;

/// A place in the compose file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Its bytes in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    /// Its bytes in the text.
    pub(crate) fn span(self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    message: String,
    place: Place,
    label: &'static str,
    help: Option<String>,
}

impl Problem {
    /// Makes a mistake at `place`.
    pub(crate) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place,
            label: "here",
            help: None,
        }
    }

    /// Says how to correct it.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns where it is.
    pub fn place(&self) -> Place {
        self.place
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
        let label = LabeledSpan::new_primary_with_span(Some(self.label.to_owned()), self.place.span());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Something that a swarm does not do, or that is not as it looks: the stack works without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is so, in one sentence.
    pub message: String,
    /// Where the compose file says otherwise.
    pub place: Place,
}

/// The mistakes found so far, and the places that must not be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    hidden: Vec<Range<usize>>,
    unlisted: usize,
}

impl Problems {
    /// Adds one more mistake. What several aliases repeat is one.
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.list.contains(&problem) {
            return;
        }
        if self.list.len() < LISTED {
            self.list.push(problem);
        } else {
            self.unlisted += 1;
        }
    }

    /// Marks a part of the text that must never be shown.
    pub(crate) fn hide(&mut self, span: Range<usize>) {
        self.hidden.push(span);
    }

    /// Returns whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the mistakes in the order of the text, with the hidden parts of it masked.
    pub(crate) fn into_errors(mut self, name: &str, text: &str) -> StackErrors {
        self.list.sort_by_key(|problem| problem.place);
        StackErrors(Box::new(Inner {
            name: name.to_owned(),
            source: NamedSource::new(name, masked(text, &self.hidden)),
            list: self.list,
            unlisted: self.unlisted,
        }))
    }
}

/// Returns the text with `hidden` parts, and what would control a terminal, replaced by asterisks.
/// Lengths and line breaks stay, so that places in the text stay right.
fn masked(text: &str, hidden: &[Range<usize>]) -> String {
    let deceptive = text.char_indices().filter(|(_, c)| text::is_deceptive(*c));
    let deceptive = deceptive.map(|(at, c)| at..at + c.len_utf8());
    let mut bytes = text.as_bytes().to_vec();
    let hidden = hidden.iter().map(|span| {
        let shown = text.get(span.clone()).unwrap_or_default();
        span.start..span.start + shown.trim_end().len()
    });
    for span in deceptive.chain(hidden) {
        for byte in bytes.get_mut(span).unwrap_or_default() {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Everything that is wrong with a compose file, ready to be shown with its text. The values of
/// environment variables and of driver options are masked in it.
#[derive(Clone)]
pub struct StackErrors(Box<Inner>);

#[derive(Clone)]
struct Inner {
    name: String,
    source: NamedSource<String>,
    list: Vec<Problem>,
    unlisted: usize,
}

impl StackErrors {
    /// Returns the mistakes, in the order of the text (the first hundred of them).
    pub fn problems(&self) -> &[Problem] {
        &self.0.list
    }
}

impl fmt::Display for StackErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            name, list, unlisted, ..
        } = &*self.0;
        match list.len() {
            1 => write!(f, "{name} has a mistake"),
            count => write!(f, "{name} has {} mistakes", count + unlisted),
        }?;
        if *unlisted > 0 {
            write!(f, ", of which the first {LISTED} are listed")?;
        }
        Ok(())
    }
}

impl fmt::Debug for StackErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackErrors")
            .field("name", &self.0.name)
            .field("problems", &self.0.list)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for StackErrors {}

impl Diagnostic for StackErrors {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.list.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
