//! The one error of the workspace: its kind, what was being done, what to do next, and its cause.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::io;
use std::path::Path;

use crate::interrupt::Interrupted;

/// A result with the workspace's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of fault an error is, for callers that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The work was stopped on request.
    Interrupted,
    /// What the user wrote is wrong: an argument, a file of the project.
    Usage,
    /// Something that is needed does not exist.
    NotFound,
    /// The system does not allow it to this user.
    Permission,
    /// There is not enough room.
    Full,
    /// Two things cannot be had together: a file where a directory must be, packages that exclude
    /// each other, a second run in the same folder.
    Conflict,
    /// Data are not what they must be: cut off, contradictory, a wrong checksum.
    Damaged,
    /// Data are sound, and of a sort that is not supported.
    Unsupported,
    /// Something on the network did not answer, or answered wrongly.
    Network,
    /// Another program failed.
    Tool,
    /// Reading or writing failed.
    Io,
    /// A fault of kraken-flash itself.
    Internal,
}

/// What went wrong. `Display` shows the outermost sentence; [`source`](StdError::source) leads to
/// the causes, each a sentence of its own.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    what: What,
    help: Option<Cow<'static, str>>,
}

enum What {
    /// A sentence, and its cause.
    Sentence {
        text: Cow<'static, str>,
        cause: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// An error of another type, shown as it is.
    Typed(Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// An error without a cause.
    pub fn new(kind: Kind, text: impl Into<Cow<'static, str>>) -> Self {
        Self::sentence(kind, text.into(), None)
    }

    /// An error that is shown as `error`, which [`downcast_ref`](Self::downcast_ref) finds again.
    /// One of this type stays what it is: what was known before counts more than `kind`.
    pub fn typed(kind: Kind, error: impl StdError + Send + Sync + 'static) -> Self {
        let error: Box<dyn StdError + Send + Sync> = Box::new(error);
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self(Box::new(Inner {
                kind,
                what: What::Typed(error),
                help: None,
            })),
        }
    }

    /// As [`typed`](Self::typed), with the kind that is known in the chain of causes; without one it
    /// is a fault in data.
    pub fn of(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::typed(kind_of(&error), error)
    }

    /// The error with a sentence before it; its kind stays.
    #[must_use]
    pub fn context(self, text: impl Into<Cow<'static, str>>) -> Self {
        Self::sentence(self.kind(), text.into(), Some(Box::new(self)))
    }

    /// The error with what to do next: a sentence, with the command to run where there is one.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The error with another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What sort of fault it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What to do next, from the outermost error in the chain that says so.
    pub fn help(&self) -> Option<&str> {
        chain(self)
            .filter_map(|error| error.downcast_ref::<Error>())
            .find_map(|error| error.0.help.as_deref())
    }

    /// Whether the work was stopped on request.
    pub fn is_interrupted(&self) -> bool {
        self.kind() == Kind::Interrupted
    }

    /// Returns the error of this type in the chain of causes, this error included.
    pub fn downcast_ref<T: StdError + 'static>(&self) -> Option<&T> {
        chain(self).find_map(|error| {
            error
                .downcast_ref::<T>()
                .or_else(|| match &error.downcast_ref::<Error>()?.0.what {
                    What::Typed(typed) => typed.downcast_ref::<T>(),
                    What::Sentence { .. } => None,
                })
        })
    }

    fn sentence(kind: Kind, text: Cow<'static, str>, cause: Option<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Box::new(Inner {
            kind,
            what: What::Sentence { text, cause },
            help: None,
        }))
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.what {
            What::Sentence { text, .. } => f.write_str(text),
            What::Typed(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Error");
        shown.field("kind", &self.0.kind);
        match &self.0.what {
            What::Sentence { text, cause } => shown.field("text", text).field("cause", cause),
            What::Typed(error) => shown.field("typed", error),
        };
        shown.field("help", &self.0.help).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.what {
            What::Sentence { cause, .. } => Some(&**cause.as_ref()?),
            What::Typed(error) => error.source(),
        }
    }
}

impl From<Interrupted> for Error {
    fn from(interrupted: Interrupted) -> Self {
        // As a cause it is found also where another type shows this error as its own.
        let text = interrupted.to_string().into();
        Self::sentence(Kind::Interrupted, text, Some(Box::new(interrupted)))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::typed(kind_of_io(&error), error)
    }
}

/// Puts a sentence before an error of any type.
pub trait Context<T> {
    /// Says what was being done, as a gerund, to which file: `reading /etc/fstab`. A cause that the
    /// system gave is in the same sentence.
    ///
    /// # Errors
    /// The error that it is called on, with that sentence before it.
    fn doing(self, gerund: &str, path: impl AsRef<Path>) -> Result<T>;

    /// As [`doing`](Self::doing), with a whole sentence.
    ///
    /// # Errors
    /// The error that it is called on, with that sentence before it.
    fn context<S: Into<Cow<'static, str>>>(self, text: impl FnOnce() -> S) -> Result<T>;

    /// As [`context`](Self::context), with the cause in the same sentence: `TEXT: CAUSE`.
    ///
    /// # Errors
    /// The error that it is called on, with that sentence before it.
    fn quoted<S: Display>(self, text: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn doing(self, gerund: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| {
            let path = path.as_ref().display();
            let text = match of_the_system(&error) {
                Some(error) => format!("{gerund} {path}: {error}"),
                None => format!("{gerund} {path}"),
            };
            Error::sentence(kind_of(&error), text.into(), Some(Box::new(error)))
        })
    }

    fn context<S: Into<Cow<'static, str>>>(self, text: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| Error::sentence(kind_of(&error), text().into(), Some(Box::new(error))))
    }

    fn quoted<S: Display>(self, text: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| {
            let text = format!("{}: {error}", text());
            Error::sentence(kind_of(&error), text.into(), Some(Box::new(error)))
        })
    }
}

/// Returns what the system says, when an error is that and no more.
fn of_the_system<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    error
        .downcast_ref::<io::Error>()
        .or_else(|| match &error.downcast_ref::<Error>()?.0.what {
            What::Typed(typed) => typed.downcast_ref::<io::Error>(),
            What::Sentence { .. } => None,
        })
}

/// Returns the kind that is known in a chain of causes; without one it is a fault in data.
fn kind_of(error: &(dyn StdError + 'static)) -> Kind {
    chain(error)
        .find_map(|error| match error.downcast_ref::<Error>() {
            Some(error) => Some(error.kind()),
            None if error.is::<Interrupted>() => Some(Kind::Interrupted),
            None => error.downcast_ref::<io::Error>().map(kind_of_io),
        })
        .unwrap_or(Kind::Damaged)
}

/// Readers and writers report an interrupt as an I/O error, of that kind or made of one.
fn kind_of_io(error: &io::Error) -> Kind {
    // An I/O error hides from `source()` what it is made of.
    if let Some(inside) = error.get_ref() {
        if inside.is::<Interrupted>() {
            return Kind::Interrupted;
        }
        if let Some(inside) = inside.downcast_ref::<Error>() {
            return inside.kind();
        }
    }
    match error.kind() {
        io::ErrorKind::Interrupted => Kind::Interrupted,
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Permission,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Kind::Full,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Kind::Damaged,
        io::ErrorKind::Unsupported => Kind::Unsupported,
        _ => Kind::Io,
    }
}

/// An error and its causes, the outermost one first.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("sector {0} differs")]
    struct Differs(u64);

    fn shown(error: &Error) -> Vec<String> {
        chain(error).map(ToString::to_string).collect()
    }

    #[test]
    fn the_chain_says_what_was_being_done_from_the_outside_in() {
        let error = Err::<(), _>(Error::new(Kind::Full, "3 blocks are free, 4 are needed"))
            .doing("growing", "/tmp/a.img")
            .context(|| "making the golden image")
            .unwrap_err();
        assert_eq!(
            shown(&error),
            [
                "making the golden image",
                "growing /tmp/a.img",
                "3 blocks are free, 4 are needed"
            ]
        );
        assert_eq!(error.kind(), Kind::Full);
    }

    #[test]
    fn what_the_system_says_is_in_the_sentence() {
        let error = std::fs::File::open("/nowhere/at/all")
            .doing("opening", "/nowhere/at/all")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "opening /nowhere/at/all: No such file or directory (os error 2)"
        );
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.downcast_ref::<io::Error>().is_some());
        let again = Err::<(), _>(Error::from(io::Error::from(io::ErrorKind::StorageFull)))
            .doing("writing", "/tmp/a.img")
            .unwrap_err();
        assert_eq!(again.to_string(), "writing /tmp/a.img: no storage space");
    }

    #[test]
    fn a_quoted_cause_is_in_the_sentence_and_in_the_chain() {
        let error = Err::<(), _>(Error::new(Kind::Full, "4 blocks are needed"))
            .quoted(|| "laying files over the root volume")
            .unwrap_err();
        assert_eq!(
            shown(&error),
            [
                "laying files over the root volume: 4 blocks are needed",
                "4 blocks are needed"
            ]
        );
        assert_eq!(error.kind(), Kind::Full);
    }

    #[test]
    fn a_typed_error_is_shown_as_it_is_and_found_again() {
        let error = Error::typed(Kind::Damaged, Differs(7)).context("reading the card back");
        assert_eq!(shown(&error), ["reading the card back", "sector 7 differs"]);
        assert_eq!(error.downcast_ref::<Differs>(), Some(&Differs(7)));
        assert!(error.downcast_ref::<io::Error>().is_none());
    }

    #[test]
    fn an_error_of_any_type_keeps_the_kind_of_its_causes() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(Error::of(missing).kind(), Kind::NotFound);
        assert_eq!(Error::of(Differs(7)).downcast_ref(), Some(&Differs(7)));
        let ours = Error::of(Error::new(Kind::Full, "no room").with_help("make some"));
        assert_eq!((ours.kind(), ours.help()), (Kind::Full, Some("make some")));
        assert_eq!(shown(&ours), ["no room"]);
        let typed = Error::typed(Kind::Damaged, Error::from(Interrupted).with_help("again"));
        assert!(typed.is_interrupted() && typed.help() == Some("again"));
    }

    #[test]
    fn the_outermost_help_counts() {
        let inner = Error::new(Kind::NotFound, "no base").with_help("run `kraken-flash fetch`");
        assert_eq!(inner.help(), Some("run `kraken-flash fetch`"));
        let outer = inner.context("building");
        assert_eq!(outer.help(), Some("run `kraken-flash fetch`"));
        assert_eq!(outer.with_help("name a base").help(), Some("name a base"));
    }

    #[test]
    fn an_interrupt_keeps_its_kind_however_it_comes() {
        let stopped: [Error; 5] = [
            Interrupted.into(),
            io::Error::other(Interrupted).into(),
            io::Error::from(io::ErrorKind::Interrupted).into(),
            io::Error::other(Error::from(Interrupted)).into(),
            Err::<(), _>(Interrupted).doing("hashing", "x").unwrap_err(),
        ];
        for error in stopped {
            let error = error.context("building");
            assert!(error.is_interrupted(), "{error:?}");
        }
        assert!(!Error::from(io::Error::other("interrupted")).is_interrupted());
    }

    #[test]
    fn a_cause_of_an_unknown_type_is_a_fault_in_data() {
        let error = Err::<(), _>(Differs(7)).context(|| "verifying").unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
    }
}
