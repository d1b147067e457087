//! `kraken-flash completions`: completions for a shell, from the same definition as the arguments.

use std::io::Write;

use clap_complete::Shell;

use super::Failure;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell
    shell: Shell,
}

/// Prints the completions of these arguments.
pub(super) fn run(args: &Args, mut definition: clap::Command, out: &mut dyn Write) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition, "kraken-flash", &mut script);
    out.write_all(&script)?;
    Ok(())
}
