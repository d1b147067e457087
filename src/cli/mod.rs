//! The command line: arguments, what is printed, exit codes. One file per command.
//!
//! Data goes to stdout, everything else to stderr. This room holds no logic that a user of the library would need.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use kraken_flash::workspace::WorkspaceError;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

mod init;
mod plan;
mod schema;

/// It could not be done; stderr says why, and what to do.
const FAILED: u8 = 1;

/// Raspberry Pi OS images for a whole cluster.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The description of the cluster [default: ./kraken.toml; the seven-node Kraken when there is none]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Colours: NO_COLOR is heeded by `auto`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether what goes to stderr is coloured.
    fn on_stderr(self) -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !refused && io::stderr().is_terminal(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented kraken.toml, never over an existing one
    Init,
    /// Show what each node will be; changes nothing
    Plan(plan::Args),
    /// Print the JSON schema of kraken.toml
    Schema,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CliError {
    /// The spec, or what lies beside it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Workspace(#[from] WorkspaceError),
    /// What was asked for cannot be printed.
    #[error("writing to standard output: {0}")]
    Print(#[from] io::Error),
}

/// Runs the program: parses the arguments, does the work, reports what went wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let result = match &cli.command {
        Command::Init => init::run(&cli.global),
        Command::Plan(args) => plan::run(&cli.global, args, &mut out),
        Command::Schema => schema::run(&mut out),
    };
    match result.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough: `kraken-flash plan | head -1` is no mistake.
        Err(CliError::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, cli.global.color);
            ExitCode::from(FAILED)
        }
    }
}

/// Shows an error on stderr, with the place in the spec where it has one.
fn report(error: &dyn Diagnostic, color: Color) {
    let colored = color.on_stderr();
    let theme = if colored {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let width = terminal_size::terminal_size_of(io::stderr()).map_or(100, |(width, _)| usize::from(width.0));
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(width.clamp(40, 120));
    let mut text = String::new();
    if handler.render_report(&mut text, error).is_err() {
        text = format!("error: {error}\n");
    }
    // Nobody is left to be told when stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Says a sentence on stderr, unless the user wants silence.
fn say(global: &Global, line: &str) {
    if !global.quiet {
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// How wide stdout is, when it is a terminal.
fn stdout_width() -> Option<u16> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
