//! The devices that cards are written to: which warnings the options allow, and which devices pass
//! the guard.

use std::path::PathBuf;

use kraken_flash::card::{self, Device, Host, HostPath, Identity, Policy, Reason};

use super::Failure;
use super::card_held::Held;

/// Options of every command that writes cards.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Writing cards")]
pub(super) struct CardArgs {
    /// Do not ask: everything on the devices named will be lost
    #[arg(short, long, conflicts_with = "dry_run")]
    yes: bool,
    /// Look, judge and say what would be written; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Unmount what is mounted from the card
    #[arg(long)]
    unmount: bool,
    /// Write a device that is no card, no reader and no USB disk
    #[arg(long)]
    i_know_this_is_not_removable: bool,
    /// Write a device that is larger than cards are
    #[arg(long)]
    allow_large: bool,
    /// Do not read back what was written
    #[arg(long, conflicts_with = "dry_run")]
    no_verify: bool,
    /// Leave the card where it is, ready to be looked at, instead of ejecting it
    #[arg(long, conflicts_with = "dry_run")]
    no_eject: bool,
}

impl CardArgs {
    fn policy(&self, needed: Option<u64>) -> Policy {
        Policy {
            needed,
            allow_fixed: self.i_know_this_is_not_removable,
            allow_large: self.allow_large,
            unmount: self.unmount,
        }
    }

    /// Returns whether an option makes the guard less strict.
    pub(super) fn are_mild(&self) -> bool {
        self.unmount || self.i_know_this_is_not_removable || self.allow_large
    }

    /// Returns whether --yes was given: the program asks no question.
    pub(super) fn is_agreed(&self) -> bool {
        self.yes
    }

    /// Returns whether devices that are not cards may be written.
    pub(super) fn allows_fixed(&self) -> bool {
        self.i_know_this_is_not_removable
    }

    /// Returns whether the program reads back what it wrote.
    pub(super) fn reads_back(&self) -> bool {
        !self.no_verify
    }

    /// Returns whether a card is ejected after it is written.
    pub(super) fn ejects(&self) -> bool {
        !self.no_eject
    }

    /// Returns whether nothing is to be written.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// A device that passed the guard, and its identity at that time.
pub(super) struct Chosen {
    pub(super) device: Device,
    pub(super) identity: Identity,
    /// What the user should consider, in words.
    pub(super) warnings: Vec<String>,
    /// The guard's warnings.
    pub(super) reasons: Vec<Reason>,
    /// Finished cards: a card that holds the bytes of one of them is not written.
    pub(super) held: Vec<Held>,
    pub(super) unmount: Vec<HostPath>,
}

/// Finds and judges all devices before any of them is touched.
pub(super) fn choose(paths: &[PathBuf], args: &CardArgs, needed: Option<u64>) -> Result<Vec<Chosen>, Failure> {
    let host = Host::system();
    let mut chosen: Vec<Chosen> = Vec::new();
    let mut refused = Vec::new();
    for path in paths {
        let device = card::find(&host, path)?;
        if chosen.iter().any(|other| other.device.number == device.number) {
            return Err(Failure::Usage(format!("{} is named twice", device.path.display())));
        }
        let verdict = card::judge(&device, &args.policy(needed));
        for reason in &verdict.refusals {
            refused.push(format!("{}: {reason}", device.path.display()));
        }
        chosen.push(Chosen {
            identity: Identity::of(&device),
            warnings: verdict.warnings.iter().map(ToString::to_string).collect(),
            reasons: verdict.warnings,
            held: Vec::new(),
            unmount: verdict.unmount,
            device,
        });
    }
    match refused.is_empty() {
        true => Ok(chosen),
        false => Err(Failure::message(format!(
            "nothing was written\n  {}",
            refused.join("\n  ")
        ))),
    }
}
