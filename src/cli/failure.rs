//! How a command fails: what is printed, and the exit code.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use kraken_flash::card::WriteError;
use kraken_flash::card::access::{AccessError, CardState};
use kraken_foundation::interrupt::Interrupted;
use kraken_spec::workspace::WorkspaceError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::as_root::as_root;

/// Exit code when the arguments are wrong.
const EXIT_USAGE: u8 = 2;
/// Exit code when a check found a fault in an image or card.
const EXIT_WRONG: u8 = 3;

/// Why a command did not succeed.
pub(super) enum Failure {
    /// The command failed: exit code 1.
    Failed(Box<dyn Error + Send + Sync>),
    /// The arguments are wrong: exit code 2, as clap's own.
    Usage(String),
    /// A check found a fault, which is already printed: exit code 3.
    Wrong,
    /// Stopped by a signal: exit code 130.
    Interrupted,
    /// Stopped by a signal, with a message about it: exit code 130.
    Stopped(String),
    /// Several things failed; the exit code is that of the first.
    Several(Vec<Failure>),
    /// The reader of stdout closed it (`| head -1`), which is not an error.
    StdoutClosed,
}

impl Failure {
    /// Returns a failure with a plain sentence.
    pub(super) fn message(text: impl Into<String>) -> Self {
        Failure::Failed(text.into().into())
    }

    /// Prints the messages on stderr and returns the exit code.
    pub(super) fn report(self, color: bool) -> ExitCode {
        match self {
            Failure::Failed(error) => {
                let workspace = match error.downcast_ref::<kraken_foundation::Error>() {
                    Some(error) => error.downcast_ref::<WorkspaceError>(),
                    None => error.downcast_ref(),
                };
                let text = match workspace {
                    Some(diagnostic) => diagnosed(diagnostic, color),
                    None => clean(&plain(&*error)),
                };
                // When stderr is closed there is no place left for a message.
                let _ = io::stderr().write_all(text.as_bytes());
                ExitCode::from(1)
            }
            Failure::Usage(why) => {
                let why = clean(&why);
                let _ = writeln!(io::stderr(), "error: {why}\n\nFor more information, try '--help'.");
                ExitCode::from(EXIT_USAGE)
            }
            Failure::Wrong => ExitCode::from(EXIT_WRONG),
            Failure::Interrupted => {
                let _ = writeln!(io::stderr(), "interrupted; nothing unfinished was left behind");
                ExitCode::from(130)
            }
            Failure::Stopped(text) => {
                let _ = writeln!(io::stderr(), "{}", clean(&text));
                ExitCode::from(130)
            }
            Failure::Several(failures) => {
                let mut codes = failures.into_iter().map(|failure| failure.report(color));
                let first = codes.next().unwrap_or(ExitCode::FAILURE);
                codes.for_each(drop);
                first
            }
            Failure::StdoutClosed => ExitCode::SUCCESS,
        }
    }
}

/// Makes a text safe to print on a terminal that may contain foreign words (of a catalogue, a
/// package, an image). Line breaks stay.
pub(super) fn clean(text: &str) -> String {
    let mut shown = kraken_foundation::text::lines(text).collect::<Vec<_>>().join("\n");
    if text.ends_with('\n') {
        shown.push('\n');
    }
    shown
}

/// Returns an error with its place in the spec, where it has one.
fn diagnosed(error: &dyn Diagnostic, color: bool) -> String {
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let width = terminal_size::terminal_size_of(io::stderr()).map_or(100, |(width, _)| usize::from(width.0));
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(width.clamp(40, 120));
    let mut text = String::new();
    match handler.render_report(&mut text, error) {
        Ok(()) => text,
        Err(_) => format!("error: {error}\n"),
    }
}

/// Returns an error with its causes, one on each line.
fn plain(error: &(dyn Error + 'static)) -> String {
    let mut shown = error.to_string();
    let mut text = format!("error: {shown}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors already quote their cause.
        if !shown.contains(&words) {
            text.push_str(&format!("  because: {words}\n"));
        }
        shown = words;
        cause = error.source();
    }
    if let Some(help) = help(error) {
        text.push_str(&format!("  help: {help}\n"));
    }
    text
}

/// What the chain of causes says that the user should do next.
fn help<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a str> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<kraken_foundation::Error>()?.help())
}

/// Any crate's error becomes a failure; an interrupt anywhere in its chain of causes makes it
/// [`Failure::Interrupted`].
impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let error: Box<dyn Error + Send + Sync> = Box::new(error);
        match error.downcast::<AccessError>() {
            Ok(error) => of_access(*error),
            Err(error) => of_any(error),
        }
    }
}

fn of_any(error: Box<dyn Error + Send + Sync>) -> Failure {
    if error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    {
        return Failure::StdoutClosed;
    }
    match is_interrupted(&*error) {
        true => Failure::Interrupted,
        false => Failure::Failed(error),
    }
}

/// What a card's error means to the user: what to do next, and in which state the card is.
fn of_access(error: AccessError) -> Failure {
    match &error {
        AccessError::Twice(_) => Failure::Usage(error.to_string()),
        AccessError::NotWritable { .. } | AccessError::NotReadable { .. } => {
            Failure::message(format!("{error}. As root it can:\n  {}", as_root()))
        }
        AccessError::Finished { .. } => Failure::message(format!(
            "{error}; take it out, and start again with another card, it goes on where it stopped"
        )),
        AccessError::Write { path, state, source } => {
            let path = path.display();
            match (source, state) {
                (WriteError::NotBegun, _) => Failure::Stopped(format!("interrupted; {path} was not touched")),
                (WriteError::Interrupted(_), _) => Failure::Stopped(format!(
                    "interrupted; {path} is empty at its beginning and does not boot: write it again"
                )),
                (_, CardState::NotBootable) => Failure::message(format!(
                    "{error}\n  The card is not bootable, so that it cannot be mistaken for a good one."
                )),
                (_, CardState::Untouched | CardState::Unknown) => Failure::message(error.to_string()),
            }
        }
        _ => of_any(Box::new(error)),
    }
}

/// Returns whether an interrupt is in the chain of causes. Readers and writers report it as an I/O
/// error of that kind; the standard library itself tries again when a signal ends a system call.
fn is_interrupted(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let is_io = |error: &io::Error| {
            // An I/O error hides from `source()` what it is made of.
            let is_inside = error.get_ref().is_some_and(|inside| inside.is::<Interrupted>());
            is_inside || error.kind() == io::ErrorKind::Interrupted
        };
        let is_ours = |error: &kraken_foundation::Error| error.is_interrupted();
        if error.is::<Interrupted>()
            || error.downcast_ref::<io::Error>().is_some_and(is_io)
            || error.downcast_ref().is_some_and(is_ours)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_is_found_however_deep_it_is() {
        use kraken_foundation::{Context, Error};
        let stopped: Vec<Failure> = vec![
            Interrupted.into(),
            io::Error::other(Interrupted).into(),
            io::Error::from(io::ErrorKind::Interrupted).into(),
            Error::from(Interrupted).into(),
            Error::from(io::Error::other(Interrupted)).context("fetching").into(),
            Err::<(), _>(Interrupted).doing("hashing", "x").unwrap_err().into(),
            Error::of(Error::from(Interrupted)).into(),
            Error::from(Interrupted).context("baking").into(),
        ];
        for (number, failure) in stopped.iter().enumerate() {
            assert!(matches!(failure, Failure::Interrupted), "number {number}");
        }
        // The word alone is not one.
        let said = Failure::from(io::Error::other("interrupted"));
        assert!(matches!(said, Failure::Failed(_)));
    }

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        let error = io::Error::other("there are: \u{1b}[2J\u{1b}]0;title\u{7}Lite, a\u{202e}b");
        let shown = clean(&plain(&error));
        assert_eq!(shown, "error: there are: Lite, a\u{fffd}b\n");
        assert_eq!(
            clean("nothing was written\n  /dev/sda: no\n"),
            "nothing was written\n  /dev/sda: no\n"
        );
        assert_eq!(clean("one\n\ntwo"), "one\n\ntwo");
    }
}
