//! The arguments of `verify --boot`.

use std::path::PathBuf;

use kraken_flash::boot_check::{Machine, PowerCut};
use kraken_spec::Node;

use super::Failure;
use super::load::{self, BaseArgs};

/// Arguments of `verify` that go with `--boot`.
#[derive(Debug, clap::Args)]
pub(super) struct BootArgs {
    /// Boot the image in QEMU; of a folder, or of kraken.toml where no path is given, all nodes, as
    /// one cluster on a LAN of their own. Nothing is written to the images
    #[arg(long, help_heading = "Proof by booting")]
    pub(super) boot: bool,
    /// Boot these nodes only
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        value_parser = load::node_number,
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    pub(super) nodes: Vec<u32>,
    /// Boot at most so many nodes at the same time [default: two for each core, as many as there is
    /// memory for]. Managers stay on, workers take turns
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..),
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    pub(super) at_once: Option<u16>,
    /// What is emulated: `virt` is fast, the boards are slow and have their own devices
    #[arg(
        long,
        value_name = "MACHINE",
        default_value = "virt",
        value_parser = machine,
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    pub(super) machine: Machine,
    /// How large the emulated cards are at least; a power of two
    #[arg(
        long,
        value_name = "GIB",
        default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=1024),
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    pub(super) card_size: u64,
    /// Cut a node's power while it comes up, as soon as its console prints TEXT, and give it again:
    /// of node NODE, or of each that is booted (a TEXT that begins with a number and a colon needs
    /// NODE). Several times for several cuts, in this order; a TEXT that is never printed is a
    /// failed check
    #[arg(
        long,
        value_name = "[NODE:]TEXT",
        value_parser = power_cut,
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    pub(super) cut_power_at: Vec<PowerCut>,
    /// Boot with this root device in the place of the one in cmdline.txt
    #[arg(long, value_name = "DEVICE", requires = "boot", help_heading = "Proof by booting")]
    pub(super) root: Option<String>,
    /// Write the report as JUnit XML, for CI
    #[arg(long, value_name = "FILE", requires = "boot", help_heading = "Proof by booting")]
    pub(super) junit: Option<PathBuf>,
    /// Write the report as one HTML file, with picture, timeline and evidence
    #[arg(long, value_name = "FILE", requires = "boot", help_heading = "Proof by booting")]
    pub(super) html: Option<PathBuf>,
    /// Keep the consoles' logs here [default: those of nodes that failed, in consoles/ in the cache
    /// folder]
    #[arg(long, value_name = "DIR", requires = "boot", help_heading = "Proof by booting")]
    pub(super) consoles: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Proof by booting")]
    pub(super) base: BaseArgs,
}

impl BootArgs {
    /// Refuses a power cut at a node that is not booted: it would never happen.
    pub(super) fn cuts_are_of(&self, booted: &[&Node]) -> Result<(), Failure> {
        let mut named = self.cut_power_at.iter().filter_map(|cut| cut.node);
        match named.find(|number| booted.iter().all(|node| node.number != *number)) {
            None => Ok(()),
            Some(number) => Err(Failure::Usage(format!(
                "--cut-power-at names node {number}, which is not booted"
            ))),
        }
    }

    /// Refuses options about the base when the images exist already. Only `virt` may need a
    /// download: a kernel that it can boot.
    pub(super) fn check_with_path(&self) -> Result<(), String> {
        if self.base.replaces() {
            return Err("--base has no effect on images that are there: leave it out, or leave the path out".into());
        }
        match self.base.are_given() && self.machine != Machine::Virt {
            true => Err(format!(
                "--offline and --refresh have no effect on images that are there and boot as {}: nothing is downloaded for it",
                self.machine.name()
            )),
            false => Ok(()),
        }
    }
}

fn power_cut(words: &str) -> Result<PowerCut, String> {
    let Ok(cut) = words.parse::<PowerCut>();
    match cut.text.trim().is_empty() {
        true => Err(
            "it says no text of the console: say what its line has in it, such as \"3:Setting up containerd\"".into(),
        ),
        false => Ok(cut),
    }
}

fn machine(name: &str) -> Result<Machine, String> {
    Machine::ALL
        .into_iter()
        .find(|machine| machine.name() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = Machine::ALL.iter().map(|machine| machine.name()).collect();
            format!("there is no such machine here; there are {}", names.join(", "))
        })
}
