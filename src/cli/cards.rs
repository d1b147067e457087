//! `kraken-flash cards`: walks through the cluster with one reader, card after card, and goes on where it stopped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kraken_flash::bake::Golden;
use kraken_flash::card::{Device, DeviceNumber, Host, Receipt, Receipts, find, list};
use kraken_flash::disk::ReadAt;
use kraken_flash::spec::Node;

use super::card::{self, CardArgs, Chosen};
use super::golden::{self, RejoinArgs, Wanted};
use super::load::{BaseArgs, Loaded};
use super::{Failure, Session, flash, say};

/// How often it is looked whether a card came or went.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this node; may be given several times [default: all nodes that have no card yet]
    #[arg(long = "node", value_name = "N")]
    pub(super) nodes: Vec<u32>,
    /// The reader that the cards go into [default: wherever one is plugged in]
    #[arg(long, value_name = "DEVICE", conflicts_with = "dry_run")]
    device: Option<PathBuf>,
    /// Write nodes again that have a card with these very bytes already
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    pub(super) rejoin: RejoinArgs,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    card: CardArgs,
}

impl Args {
    /// A dry run says which cards are left, and looks at none.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.card.is_dry_run() && self.card.are_mild() {
            true => Err(
                "`cards --dry-run` says which cards are left to be written and looks at none:                  --unmount, --allow-large and --i-know-this-is-not-removable have no effect on it"
                    .into(),
            ),
            false => Ok(()),
        }
    }
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let wanted = Wanted {
        nodes: &args.nodes,
        base: &args.base,
        rejoin: &args.rejoin,
    };
    if let Some(device) = &args.device {
        // What is no device would be waited for in vain.
        find(&Host::system(), device)?;
    }
    golden::with(
        session,
        &wanted,
        |_| Ok(()),
        |(), golden, nodes, loaded| walk(session, args, (golden, loaded), nodes, out),
    )
}

/// A card in a reader, as it can be told from the next one.
type Seen = (DeviceNumber, Option<u64>, u64);

fn seen(device: &Device) -> Seen {
    (device.number, device.diskseq, device.size)
}

fn walk(
    session: &Session,
    args: &Args,
    (golden, loaded): (&Golden<'_>, &Loaded),
    nodes: &[&Node],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (mut done, mut left) = (Vec::new(), Vec::new());
    for node in nodes {
        let has_card = !args.again && has_card(node, golden)?;
        if has_card { &mut done } else { &mut left }.push(*node);
    }
    if !done.is_empty() {
        let names: Vec<&str> = done.iter().map(|node| node.hostname.as_str()).collect();
        say(
            session,
            &format!(
                "{} have their cards already (--again writes them again)",
                names.join(", ")
            ),
        );
    }
    let size = golden.image().size();
    for (index, node) in left.iter().enumerate() {
        say(
            session,
            &format!(
                "\n{} of {}: insert the card for {} ({}, {}) …",
                index + 1,
                left.len(),
                node.hostname,
                node.address,
                node.role
            ),
        );
        if args.card.is_dry_run() {
            continue;
        }
        let chosen = wait_for_card(session, args, size)?;
        let becomes = format!("{}, {}, {}", node.hostname, node.address, node.role);
        card::confirm(session, std::slice::from_ref(&chosen), &[becomes], &args.card)?;
        let written = flash::one(session, &args.card, (golden, loaded), node, &chosen)?;
        out.write_all(card::done(&written, &node.hostname, &chosen.device.path).as_bytes())?;
        out.flush()?;
        if index + 1 < left.len() {
            say(session, &format!("Label it {}, and take it out …", node.hostname));
            wait_until_gone(session, &chosen.device)?;
        } else {
            say(session, &format!("Label it {}. All cards are written.", node.hostname));
        }
    }
    if left.is_empty() {
        say(session, "Nothing is left to be written.");
    }
    Ok(())
}

/// Whether a card was written with these very bytes for this node, and read back.
fn has_card(node: &Node, golden: &Golden<'_>) -> Result<bool, Failure> {
    let image = golden.node(node)?;
    let pieces = image
        .pieces()
        .map_err(|error| Failure::message(format!("reading {}: {error}", golden.image().path().display())))?;
    let same = |receipt: &Receipt| receipt.verified && receipt.pieces == pieces;
    Ok(Receipts::open().is_ok_and(|receipts| receipts.of_node(&node.hostname).iter().any(same)))
}

/// Waits for a card that may be written: in the reader that was named, else one that was not there before.
fn wait_for_card(session: &Session, args: &Args, size: u64) -> Result<Chosen, Failure> {
    let host = Host::system();
    let before: Vec<Seen> = match &args.device {
        Some(_) => Vec::new(),
        None => list(&host)?.iter().filter(|device| device.media).map(seen).collect(),
    };
    let mut said = None;
    loop {
        session.interrupt.check()?;
        let there: Vec<PathBuf> = match &args.device {
            Some(device) => find(&host, device)
                .ok()
                .filter(|device| device.media)
                .map(|device| device.path)
                .into_iter()
                .collect(),
            None => list(&host)?
                .into_iter()
                .filter(|device| device.media && !before.contains(&seen(device)))
                .map(|device| device.path)
                .collect(),
        };
        if let [path] = &there[..] {
            // Desktops mount what is plugged in: what is on it settles for a moment.
            std::thread::sleep(LOOK_EVERY);
            match card::choose(std::slice::from_ref(path), &args.card, Some(size)) {
                Ok(mut chosen) => {
                    if let Some(chosen) = chosen.pop() {
                        return Ok(chosen);
                    }
                }
                Err(failure) => say_once(session, &mut said, path, failure)?,
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Says why a card cannot be taken, once for each; anything else than a refusal ends the walk.
fn say_once(session: &Session, said: &mut Option<String>, path: &Path, failure: Failure) -> Result<(), Failure> {
    let Failure::Failed(error) = failure else {
        return Err(failure);
    };
    let text = format!("{}: {error}\nAnother card, please …", path.display());
    if said.as_ref() != Some(&text) {
        say(session, &text);
        *said = Some(text);
    }
    Ok(())
}

/// Waits until a card is not there any more.
fn wait_until_gone(session: &Session, device: &Device) -> Result<(), Failure> {
    let host = Host::system();
    let was = seen(device);
    loop {
        session.interrupt.check()?;
        let still = list(&host)?.iter().any(|other| other.media && seen(other) == was);
        if !still {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
