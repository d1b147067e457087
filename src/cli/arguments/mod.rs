//! The arguments of the program, as clap defines them, and the rule over them: an option is taken only where it has an effect.
//!
//! The options in front of a command are the general ones and those of writing a node's card, which is done without a command. clap
//! takes them all in front of any command; what the command does not have itself is refused here (see [`places`]), never dropped.

mod places;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::{
    Failure, build, cards, completions, devices, fetch, flash, flash_image, init, inspect, plan, token, verify,
};

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
    arg_required_else_help = true,
    override_usage = "kraken-flash <COMMAND> [OPTIONS]
       kraken-flash --node <N> <DEVICE> [--node <N> <DEVICE>]... [OPTIONS]"
)]
#[command(
    after_help = "Options stand behind the command's name; the general ones may stand in front of it, too.\n\
                  Exit codes: 0 done; 1 it could not be done; 2 usage; 3 a check found something wrong; 130 interrupted."
)]
pub(super) struct Cli {
    #[command(flatten, next_help_heading = GENERAL)]
    pub(super) global: Global,
    #[command(flatten, next_help_heading = CARD)]
    pub(super) flash: flash::Args,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

const GENERAL: &str = "General options";
const CARD: &str = "Writing a node's card, without a command";

/// Options of more than one command; which ones, says [`places::has`].
#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// The cluster's description [default: ./kraken.toml, or the seven-node default when there is none]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Say nothing but errors, and what the command is there to print
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Say more: where things are taken from, how they are done
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// A file with the passphrase of the cluster's keys, where they are encrypted with one [default: ask]
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

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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

/// Why arguments are not taken, or help that was asked for.
pub(super) enum Misfit {
    /// As clap says it.
    Clap(clap::Error),
    /// In a sentence.
    Usage(String),
}

impl Misfit {
    /// Prints it; gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        match self {
            Misfit::Clap(error) => error.exit(),
            Misfit::Usage(text) => Failure::Usage(text).report(false),
        }
    }
}

/// All of it as clap shows and parses it: of the general options, each command has those that mean something to it.
pub(super) fn definition() -> clap::Command {
    let general: Vec<clap::Arg> = Global::augment_args(clap::Command::new("general").next_help_heading(GENERAL))
        .get_arguments()
        .cloned()
        .collect();
    let general_ids: Vec<clap::Id> = general.iter().map(|arg| arg.get_id().clone()).collect();
    Cli::command()
        .mut_args(|arg| match general_ids.contains(arg.get_id()) || arg.is_positional() {
            true => arg,
            // One heading for all that belongs to a card, wherever it is defined.
            false => arg.help_heading(CARD),
        })
        .mut_subcommands(|command| {
            let name = command.get_name().to_owned();
            let fitting = general.iter().filter(|arg| places::has(&name, arg.get_id().as_str()));
            command.args(fitting.cloned())
        })
}

/// Takes the arguments apart, the program's name first, and makes sure that each has an effect.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Misfit> {
    parse_with(&definition(), arguments)
}

fn parse_with(definition: &clap::Command, arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Misfit> {
    let matches = match definition.clone().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::UnknownArgument => return Err(places::elsewhere(definition, error)),
        Err(error) => return Err(Misfit::Clap(error)),
    };
    let mut cli = Cli::from_arg_matches(&matches).map_err(Misfit::Clap)?;
    if let Some((name, behind)) = matches.subcommand() {
        places::in_front(definition, &matches, (name, behind)).map_err(Misfit::Usage)?;
        cli.global.take(behind);
    }
    cli.check().map_err(Misfit::Usage)?;
    Ok(cli)
}

/// Whether an option is there because somebody wrote it. Not every command has every option.
fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
}

impl Global {
    /// Takes what stands behind the command's name.
    fn take(&mut self, behind: &ArgMatches) {
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

impl Cli {
    /// What clap cannot say: combinations over several groups of options of which one would have no effect.
    fn check(&self) -> Result<(), String> {
        if self.global.quiet && self.global.verbose {
            return Err("--quiet and --verbose contradict each other".into());
        }
        let opens_keys = self.global.passphrase_file.is_some() || !self.global.identity.is_empty();
        let rejoin = match &self.command {
            None => Some((&self.flash.rejoin, &self.flash.nodes)),
            Some(Command::Build(args)) => Some((&args.rejoin, &args.nodes)),
            Some(Command::Cards(args)) => Some((&args.rejoin, &args.nodes)),
            Some(_) => None,
        };
        if let Some((rejoin, nodes)) = rejoin {
            rejoin.check(nodes)?;
        }
        if opens_keys && rejoin.is_some_and(|(rejoin, _)| rejoin.has_token()) {
            return Err(
                "with --token-file the cluster's keys are not read: leave --passphrase-file and --identity out".into(),
            );
        }
        match &self.command {
            None => self.flash.check(),
            Some(Command::Init(args)) => args.check(&self.global),
            Some(Command::Verify(args)) => args.check(),
            Some(Command::Cards(args)) => args.check(),
            Some(Command::FlashImage(args)) => args.check(),
            Some(_) => Ok(()),
        }
    }
}

impl Color {
    /// Whether what goes to stderr is coloured. `--color` wins over NO_COLOR (no-color.org), that over the terminal.
    pub(super) fn on_stderr(self) -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !refused && io::stderr().is_terminal(),
        }
    }

    /// Tells the library that draws the progress bars.
    pub(super) fn apply(self) {
        console::set_colors_enabled_stderr(self.on_stderr());
    }
}

/// What to say of a plain word that stands where a device is expected.
pub(super) fn no_command(word: &str) -> String {
    places::no_command(&definition(), word)
}
