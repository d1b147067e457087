//! `kraken-flash man`: manual pages, from the same definition as the arguments.
//!
//! Packages install them (`cargo xtask man` writes all of them); who has only the program reads
//! them with `man -l -`.

mod page;

use std::io::Write;

use super::Failure;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The command whose page it is [default: the program's own page]
    command: Option<String>,
    /// Print the names of all pages, as in kraken-flash-build.1, instead of a page
    #[arg(long, conflicts_with = "command")]
    list: bool,
}

/// Has `man` take the names of commands that exist, and no others.
pub(super) fn with_names(definition: clap::Command) -> clap::Command {
    let names: Vec<String> = definition
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let known = move |text: &str| match names.iter().any(|name| name == text) {
        true => Ok(text.to_owned()),
        false => Err("there is no such command; `kraken-flash man --list` prints the names of all pages"),
    };
    definition.mut_subcommand("man", |man| man.mut_arg("command", |arg| arg.value_parser(known)))
}

/// Prints a page, or the names of all.
///
/// # Errors
/// Where the output cannot be written.
pub(super) fn run(args: &Args, definition: clap::Command, out: &mut dyn Write) -> Result<(), Failure> {
    if args.list {
        for name in page::names(&definition) {
            writeln!(out, "{name}.1")?;
        }
        return Ok(());
    }
    let date = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|seconds| page::date(&seconds));
    let text = page::render(definition, args.command.as_deref(), &date.unwrap_or_default())?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests;
