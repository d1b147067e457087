//! The general options: those of more than one command, in front of a command and behind it.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, ValueEnum};

/// The heading above these options in a command's help.
pub(super) const GENERAL: &str = "General options";

/// Options of more than one command; which ones, `has` in `arguments/places.rs` says.
#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// The cluster's description [default: ./kraken.toml, or the seven-node default when there is
    /// none]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Say nothing but errors, and what the command is there to print
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Say more: where things are taken from, how they are done
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// A file with the passphrase of the cluster's keys, where they are encrypted with one
    /// [default: ask]
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// A file with an age identity that opens the cluster's keys; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Vec<PathBuf>,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: Color,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Global {
    /// Takes over the options that stand behind the command's name.
    pub(super) fn take(&mut self, behind: &ArgMatches) {
        let file = |id| behind.get_one::<PathBuf>(id).cloned();
        if is_given(behind, "config") {
            self.config = file("config");
        }
        if is_given(behind, "passphrase_file") {
            self.passphrase_file = file("passphrase_file");
        }
        if is_given(behind, "identity") {
            self.identity
                .extend(behind.get_many::<PathBuf>("identity").into_iter().flatten().cloned());
        }
        self.quiet |= is_given(behind, "quiet");
        self.verbose |= is_given(behind, "verbose");
        if is_given(behind, "color")
            && let Some(color) = behind.get_one("color")
        {
            self.color = *color;
        }
    }
}

/// Returns whether the user wrote an option on the command line. Not every command has every
/// option.
pub(super) fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
}

impl Color {
    /// Returns whether stderr is coloured. `--color` overrides NO_COLOR (no-color.org), which
    /// overrides the terminal.
    pub(super) fn on_stderr(self) -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !refused && io::stderr().is_terminal(),
        }
    }

    /// Passes the choice to the library that draws the progress bars.
    pub(super) fn apply(self) {
        console::set_colors_enabled_stderr(self.on_stderr());
    }
}
