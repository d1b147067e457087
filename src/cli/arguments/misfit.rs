//! Why the program refuses its arguments, or the help that the user asked for; and how it is
//! printed.

use std::process::ExitCode;

use super::super::failure::Failure;

/// Why the program refuses its arguments, or the help that the user asked for.
pub(in super::super) enum Misfit {
    /// clap's own error, or its help.
    Clap(clap::Error),
    /// A sentence of this program.
    Usage(String),
}

impl Misfit {
    /// Prints it and returns the exit code.
    pub(in super::super) fn report(self) -> ExitCode {
        match self {
            Misfit::Clap(error) => error.exit(),
            Misfit::Usage(text) => Failure::Usage(text).report(false),
        }
    }
}
