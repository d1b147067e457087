//! How a command fails: what is printed, and the exit code.

use std::error::Error;
use std::process::ExitCode;

use crate::interrupt::Interrupted;

use super::EXIT_WRONG;

/// Why a command did not succeed.
pub(crate) enum Failure {
    /// It could not be done: exit code 1.
    Failed(Box<dyn Error + Send + Sync>),
    /// It could not be done, and a source text shows where: exit code 1.
    Diagnosed(Box<miette::Report>),
    /// A check found something wrong; what, is already printed: exit code 3.
    Wrong,
    /// Stopped by a signal: exit code 130.
    Interrupted,
}

impl Failure {
    /// A failure with a plain sentence.
    pub(crate) fn message(text: impl Into<String>) -> Self {
        Failure::Failed(text.into().into())
    }

    /// Prints what there is to say on stderr; gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Failure::Failed(error) => {
                eprintln!("error: {error}");
                let mut cause = error.source();
                while let Some(error) = cause {
                    eprintln!("  because: {error}");
                    cause = error.source();
                }
                ExitCode::from(1)
            }
            Failure::Diagnosed(report) => {
                eprintln!("{report:?}");
                ExitCode::from(1)
            }
            Failure::Wrong => ExitCode::from(EXIT_WRONG),
            Failure::Interrupted => {
                eprintln!("interrupted; nothing unfinished was left behind");
                ExitCode::from(130)
            }
        }
    }
}

/// Every room's error becomes a failure; an interrupt anywhere in its chain of causes makes it one of that kind.
impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            if error.is::<Interrupted>() {
                return Failure::Interrupted;
            }
            cause = error.source();
        }
        // `#[error(transparent)]` passes over the inner error in `source()`, so its words are the last trace.
        if error.to_string() == Interrupted.to_string() {
            return Failure::Interrupted;
        }
        Failure::Failed(Box::new(error))
    }
}
