//! Why arguments are not taken, or help that was asked for; and how it is said.

use std::process::ExitCode;

use super::super::failure::Failure;

/// Why arguments are not taken, or help that was asked for.
pub(in super::super) enum Misfit {
    /// As clap says it.
    Clap(clap::Error),
    /// In a sentence.
    Usage(String),
}

impl Misfit {
    /// Prints it; gives the exit code.
    pub(in super::super) fn report(self) -> ExitCode {
        match self {
            Misfit::Clap(error) => error.exit(),
            Misfit::Usage(text) => Failure::Usage(text).report(false),
        }
    }
}
