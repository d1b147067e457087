//! The command line: arguments, progress, tables, exit codes; one file per command.
//!
//! Data goes to stdout, progress and messages to stderr. Nothing here is logic that a library user would need.

mod boot_images;
mod boot_view;
mod build;
mod card;
mod cards;
mod completions;
mod devices;
mod door;
mod failure;
mod fetch;
mod flash;
mod flash_image;
mod golden;
mod init;
mod inspect;
mod keys;
mod load;
mod packages;
mod plan;
mod progress;
mod schema;
mod text;
mod token;
mod verify;
mod verify_boot;
mod verify_card;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kraken_flash::interrupt::Interrupt;
use kraken_flash::progress::Progress;

use failure::Failure;

/// How often a wait looks whether it was interrupted.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// Exit code when the arguments do not fit.
const EXIT_USAGE: u8 = 2;
/// Exit code when a check found an image or card wrong.
const EXIT_WRONG: u8 = 3;

/// Raspberry Pi images for a whole cluster, from one file.
///
/// Describe the cluster in kraken.toml (`kraken-flash init` writes one to begin with), look at it with `plan`,
/// write a card with `--node 1 /dev/sdX` (`devices` lists what could be written), or make images with `build`; prove
/// both with `verify`. Without a kraken.toml you get the default: seven nodes,
/// kraken-1 to kraken-7, 192.168.3.11 to .17, the first one the manager.
#[derive(Debug, Parser)]
#[command(
    name = "kraken-flash",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit codes: 0 done; 1 it could not be done; 2 usage; 3 a check found something wrong; 130 interrupted."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(flatten, next_help_heading = "Writing a node's card")]
    flash: flash::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
struct Global {
    /// The cluster's description [default: ./kraken.toml, or the seven-node default when there is none]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more: where things are taken from, how they are done
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// A file with the passphrase of the cluster's keys, where they are encrypted with one [default: ask]
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// A file with an age identity that opens the cluster's keys; may be given several times
    #[arg(long, global = true, value_name = "FILE")]
    identity: Vec<PathBuf>,
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
    /// Write a commented kraken.toml and the cluster's keys, never over existing ones
    Init(init::Args),
    /// Show what each node will be; changes nothing
    Plan(plan::Args),
    /// Make the nodes' images
    Build(build::Args),
    /// Get what `build` needs, to work offline later
    Fetch(fetch::Args),
    /// Prove that an image, a folder of images, or a card is what kraken.toml asks for
    Verify(verify::Args),
    /// Write the cards of all nodes one after the other, with one reader
    Cards(cards::Args),
    /// Write any image of a disk to a card
    FlashImage(flash_image::Args),
    /// Print the token with which a node joins the swarm by hand
    Token(token::Args),
    /// Show the cards that could be written
    Devices(devices::Args),
    /// Show what is on an image
    Inspect(inspect::Args),
    /// Print the JSON schema of kraken.toml
    Schema,
    /// Print completions for a shell
    Completions(completions::Args),
}

/// What a command has at hand.
struct Session {
    global: Global,
    progress: Box<dyn Progress>,
    interrupt: Interrupt,
}

impl Session {
    /// Does something that may wait for a person. Ctrl-C ends the wait, and what is waited for is left alone.
    fn wait_for<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let (give, answer) = mpsc::channel();
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = give.send(work());
        });
        loop {
            self.interrupt.check()?;
            match answer.recv_timeout(LISTEN_EVERY) {
                Ok(answer) => return Ok(answer),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Failure::message(
                        "nothing came of the wait: this is a fault of the program",
                    ));
                }
            }
        }
    }
}

/// Parses the arguments, runs the command, reports what went wrong; returns the exit code.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let color = cli.global.color;
    color.apply();
    let interrupt = Interrupt::new();
    catch_signals(&interrupt);
    let session = Session {
        progress: progress::choose(cli.global.quiet, cli.global.verbose),
        global: cli.global,
        interrupt,
    };
    let mut out = io::stdout().lock();
    let result = match &cli.command {
        None => flash::run(&session, &cli.flash, &mut out),
        Some(_) if cli.flash.is_given() => Err(Failure::Usage(
            "--node and a device go with no command, to write cards; a command's own options come behind its name"
                .into(),
        )),
        Some(command) => run_command(&session, command, &mut out),
    };
    match result.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(color.on_stderr()),
    }
}

fn run_command(session: &Session, command: &Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Init(args) => init::run(session, args),
        Command::Plan(args) => plan::run(session, args, out),
        Command::Build(args) => build::run(session, args, out),
        Command::Fetch(args) => fetch::run(session, args, out),
        Command::Verify(args) => verify::run(session, args, out),
        Command::Cards(args) => cards::run(session, args, out),
        Command::FlashImage(args) => flash_image::run(session, args, out),
        Command::Token(args) => token::run(session, args, out),
        Command::Devices(args) => devices::run(session, args, out),
        Command::Inspect(args) => inspect::run(session, args, out),
        Command::Schema => schema::run(out),
        Command::Completions(args) => completions::run(args, out),
    }
}

/// The first SIGINT, SIGTERM or SIGHUP asks the work to stop and clean up; a second one ends the program at once.
fn catch_signals(interrupt: &Interrupt) {
    use signal_hook::{consts, flag};
    for (signal, code) in [(consts::SIGINT, 130), (consts::SIGTERM, 143), (consts::SIGHUP, 129)] {
        // In this order: the shutdown is armed only by a flag that was set before this signal.
        let caught = flag::register_conditional_shutdown(signal, code, interrupt.flag())
            .and_then(|_| flag::register(signal, interrupt.flag()));
        if let Err(error) = caught {
            let _ = writeln!(
                io::stderr(),
                "warning: signals cannot be caught ({error}): Ctrl-C may leave unfinished files behind"
            );
        }
    }
}

impl Color {
    /// Whether what goes to stderr is coloured. `--color` wins over NO_COLOR (no-color.org), that over the terminal.
    fn on_stderr(self) -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !refused && io::stderr().is_terminal(),
        }
    }

    /// Tells the library that draws the progress bars.
    fn apply(self) {
        console::set_colors_enabled_stderr(self.on_stderr());
    }
}

/// Says a sentence on stderr, unless the user wants silence.
fn say(session: &Session, line: &str) {
    if !session.global.quiet {
        session.progress.note(line);
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
