//! The options of every command that writes cards: which warnings they allow, and how a card is
//! written.

use kraken_flash::card::Policy;
use kraken_flash::card::access::FlashOptions;

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
    /// Write a device that is neither a card, a reader nor a USB disk
    #[arg(long)]
    i_know_this_is_not_removable: bool,
    /// Write a device that is larger than cards are
    #[arg(long)]
    allow_large: bool,
    /// Do not read back what was written
    #[arg(long, conflicts_with = "dry_run")]
    no_verify: bool,
    /// Leave the card where it is, ready to be inspected, instead of ejecting it
    #[arg(long, conflicts_with = "dry_run")]
    no_eject: bool,
}

impl CardArgs {
    /// Returns what the guard may let pass; `needed` is the size of the image in bytes.
    pub(super) fn policy(&self, needed: Option<u64>) -> Policy {
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

    /// Returns whether the program reads back what it wrote.
    pub(super) fn reads_back(&self) -> bool {
        !self.no_verify
    }

    /// Returns how a card is written; `label` is its name in progress messages.
    pub(super) fn flash_options(&self, label: String) -> FlashOptions {
        FlashOptions {
            label,
            verify: self.reads_back(),
            eject: !self.no_eject,
            receipts: None,
        }
    }

    /// Returns whether nothing is to be written.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}
