//! The arguments of the program, as clap defines them, and the rule over them: the program accepts
//! an option only where it has an effect.
//!
//! The options in front of a command are the general ones and those of writing a node's card, which
//! needs no command. clap accepts all of them in front of any command; this module refuses what the
//! command does not have itself (see [`places`]) and never drops it.

mod misfit;
mod places;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::global::{GENERAL, Global};
use super::{build, cards, completions, devices, fetch, flash, flash_image, init, inspect, man, plan, token, verify};
use misfit::Misfit;

/// Raspberry Pi images for a whole cluster, from one file.
///
/// Describe the cluster in kraken.toml (`kraken-flash init` writes one to begin with), look at it
/// with `plan`, write a card with `--node 1 /dev/sdX` (`devices` lists what could be written), or
/// make images with `build`; prove both with `verify`. Without a kraken.toml you get the default:
/// seven nodes, kraken-1 to kraken-7, 192.168.3.11 to .17, the first one the manager.
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

const CARD: &str = "Writing a node's card, without a command";

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
    /// Print a manual page
    Man(man::Args),
}

/// Returns the whole definition as clap shows and parses it. Each command gets those of the general
/// options that have an effect on it.
pub(super) fn definition() -> clap::Command {
    let general: Vec<clap::Arg> = Global::augment_args(clap::Command::new("general").next_help_heading(GENERAL))
        .get_arguments()
        .cloned()
        .collect();
    let general_ids: Vec<clap::Id> = general.iter().map(|arg| arg.get_id().clone()).collect();
    man::with_names(Cli::command())
        .mut_args(|arg| match general_ids.contains(arg.get_id()) || arg.is_positional() {
            true => arg,
            // All options about a card share one heading, wherever they are defined.
            false => arg.help_heading(CARD),
        })
        .mut_subcommands(|command| {
            let name = command.get_name().to_owned();
            let fitting = general.iter().filter(|arg| places::has(&name, arg.get_id().as_str()));
            command.args(fitting.cloned())
        })
}

/// Parses the arguments, which begin with the program's name, and checks that each has an effect.
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
        places::in_front(definition, &matches, name, behind).map_err(Misfit::Usage)?;
        cli.global.take(behind);
    }
    cli.check(definition).map_err(Misfit::Usage)?;
    Ok(cli)
}

impl Cli {
    /// Checks what clap cannot express: combinations over several groups of options in which one
    /// option would have no effect.
    fn check(&self, definition: &clap::Command) -> Result<(), String> {
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
            None => {
                places::devices(definition, &self.flash.nodes, &self.flash.devices)?;
                self.flash.check()
            }
            Some(Command::Init(args)) => args.check(&self.global),
            Some(Command::Verify(args)) => args.check(),
            Some(Command::Cards(args)) => args.check(),
            Some(Command::FlashImage(args)) => args.check(),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
