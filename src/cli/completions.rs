//! `kraken-flash completions`: completions for a shell, from the same definition as the arguments.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure, Session, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(_session: &Session, args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kraken-flash", &mut script);
    text::out(&String::from_utf8_lossy(&script))
}
