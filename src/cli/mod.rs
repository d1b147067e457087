//! The command line: arguments, progress, tables, exit codes; one file per command.
//!
//! Data goes to stdout, progress and messages to stderr. Nothing here is logic that a library user would need.

mod build;
mod completions;
mod failure;
mod init;
mod inspect;
mod plan;
mod progress;
mod schema;
mod text;
mod verify;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::interrupt::Interrupt;
use crate::progress::Progress;

pub(crate) use failure::Failure;

/// Exit code when a check found an image or card wrong.
const EXIT_WRONG: u8 = 3;

/// Raspberry Pi images for a whole cluster, from one file.
///
/// Describe the cluster in kraken.toml (`kraken-flash init` writes one to begin with), look at it with `plan`,
/// make the images with `build`, prove them with `verify`. Without a kraken.toml you get the default: seven nodes,
/// kraken-1 to kraken-7, 192.168.3.11 to .17, the first one the manager.
#[derive(Debug, Parser)]
#[command(name = "kraken-flash", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done; 1 it could not be done; 2 usage; 3 a check found something wrong; 130 interrupted.")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The cluster's description [default: ./kraken.toml, or the seven-node default when there is none]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented kraken.toml
    Init(init::Args),
    /// Show what each node will be; changes nothing
    Plan(plan::Args),
    /// Make the nodes' images
    Build(build::Args),
    /// Prove that an image, or a folder of images, is what kraken.toml asks for
    Verify(verify::Args),
    /// Show what is on an image
    Inspect(inspect::Args),
    /// Print the JSON schema of kraken.toml
    Schema(schema::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// What a command has at hand.
pub(crate) struct Session {
    pub(crate) global: Global,
    pub(crate) progress: Box<dyn Progress>,
    pub(crate) interrupt: Interrupt,
}

/// Parses the arguments, runs the command, reports what went wrong; returns the exit code.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    cli.global.color.apply();
    let interrupt = Interrupt::new();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once: registered first, it is armed only when the flag is already set.
        let armed = signal_hook::flag::register_conditional_shutdown(signal, 130, interrupt.flag());
        if let Err(error) = armed.and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupt.flag()))) {
            eprintln!("warning: signals cannot be caught ({error}); Ctrl-C may leave unfinished files behind");
        }
    }
    let session = Session { progress: progress::choose(cli.global.quiet), global: cli.global, interrupt };
    let result = match cli.command {
        Command::Init(args) => init::run(&session, &args),
        Command::Plan(args) => plan::run(&session, &args),
        Command::Build(args) => build::run(&session, &args),
        Command::Verify(args) => verify::run(&session, &args),
        Command::Inspect(args) => inspect::run(&session, &args),
        Command::Schema(args) => schema::run(&session, &args),
        Command::Completions(args) => completions::run(&session, &args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

impl Color {
    /// Tells the libraries that draw; NO_COLOR (no-color.org) wins over a terminal, `--color` over both.
    fn apply(self) {
        let wanted = match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal(),
        };
        let handler = miette::MietteHandlerOpts::new().color(wanted).unicode(std::env::var_os("TERM").is_none_or(|term| term != "linux"));
        let _ = miette::set_hook(Box::new(move |_| Box::new(handler.clone().build())));
        if !wanted {
            indicatif_colors_off();
        }
    }
}

fn indicatif_colors_off() {
    // indicatif draws through `console`, which reads these; set through its own switch, not the environment.
    console::set_colors_enabled_stderr(false);
}
