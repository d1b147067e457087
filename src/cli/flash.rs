//! `kraken-flash --node 3 /dev/sdX`: writes nodes to cards, several at once, each at its own speed.

use std::io::Write;
use std::path::{Path, PathBuf};

use kraken_disk::ReadAt;
use kraken_flash::bake::Golden;
use kraken_flash::card::access::{self, ChosenCard, Flashed, Standing};
use kraken_flash::card::{Contents, ImageSource, Making};
use kraken_spec::Node;

use super::card::{self, Question};
use super::card_args::CardArgs;
use super::golden::{self, Wanted};
use super::known::IMAGES;
use super::load::{self, BaseArgs};
use super::rejoin::RejoinArgs;
use super::{Failure, Session, owner, text};
use kraken_foundation::Sha256Hash;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write this node to the device that follows; may be given several times, with a device each
    #[arg(long = "node", value_name = "N", value_parser = load::node_number)]
    pub(super) nodes: Vec<u32>,
    /// The card, a whole block device as `kraken-flash devices` lists it
    #[arg(value_name = "DEVICE")]
    pub(super) devices: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) rejoin: RejoinArgs,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    card: CardArgs,
    /// Print the receipts as JSON
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

impl Args {
    /// Checks that each node has a device and occurs only once.
    pub(super) fn check(&self) -> Result<(), String> {
        let pairs = (self.nodes.len(), self.devices.len());
        if pairs.0 != pairs.1 {
            return Err(match pairs {
                (0, _) => "which node is it to be? Say --node N before each device".to_owned(),
                (_, 0) => {
                    "name a device after each --node; `kraken-flash devices` lists those that could be written".into()
                }
                (nodes, devices) => {
                    format!("each --node needs one device: there are {nodes} nodes and {devices} devices")
                }
            });
        }
        if self.nodes.is_empty() {
            return Err("say what to do: a command, or --node N DEVICE to write a node's card".into());
        }
        let mut sorted = self.nodes.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => Err(format!(
                "node {} is named twice: two cards of one node would fight for one place in the cluster",
                pair[0]
            )),
        }
    }
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let wanted = Wanted {
        nodes: &args.nodes,
        base: &args.base,
        rejoin: &args.rejoin,
        making: Some(Making::Cards),
        images: Path::new(IMAGES),
    };
    // The guard first: it refuses a device before anything is made or downloaded.
    let judged = card::choose(&args.devices, &args.card, None)?;
    if !args.card.is_dry_run() {
        access::may_write(&judged)?;
    }
    let baked = golden::begin(session, &wanted)?.bake()?;
    let (golden, loaded, all) = (&baked.golden, &baked.loaded, baked.nodes()?);
    // Nodes are in the cluster's order, devices in that of the command line.
    let by_number = |number: &u32| all.iter().find(|node| node.number == *number).copied();
    let nodes: Vec<&Node> = args.nodes.iter().filter_map(by_number).collect();
    let chosen = card::choose(&args.devices, &args.card, Some(golden.image().size()))?;
    if args.card.is_agreed() {
        // With --yes the user does not see the devices again: those that were judged before the
        // bake must be the ones that are written.
        for (before, now) in judged.iter().zip(&chosen) {
            before.identity().check(now.device())?;
        }
    }
    let questions = nodes.iter().zip(&chosen).map(|(node, card)| Question {
        card,
        becomes: becomes(node),
        note: None,
    });
    let questions: Vec<Question<'_>> = questions.collect();
    // Before minutes of writing: a run that is killed then leaves no files that belong to root.
    owner::give_back(session, None);
    card::confirm(session, &questions, &args.card)?;
    if args.card.is_dry_run() {
        return Ok(());
    }
    let from = MadeFrom {
        golden,
        config_sha256: loaded.project.config_sha256,
        swarm: loaded.swarm.as_ref(),
    };
    let shown = write_all(session, args, &from, &nodes, &chosen)?;
    out.write_all(&shown)?;
    Ok(())
}

/// Returns what a card becomes, in a line.
pub(super) fn becomes(node: &Node) -> String {
    format!("{}, {}, {}", node.hostname, node.address, node.role)
}

/// Writes all cards side by side; one that fails does not stop the others.
fn write_all(
    session: &Session,
    args: &Args,
    from: &MadeFrom<'_>,
    nodes: &[&Node],
    chosen: &[ChosenCard],
) -> Result<Vec<u8>, Failure> {
    let results: Vec<Result<Flashed, Failure>> = std::thread::scope(|scope| {
        let handles: Vec<_> = nodes
            .iter()
            .zip(chosen)
            .map(|(node, card)| scope.spawn(move || one(session, &args.card, from, node, card)))
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut shown = Vec::new();
    let mut receipts = Vec::new();
    let mut failures = Vec::new();
    for ((node, card), result) in nodes.iter().zip(chosen).zip(results) {
        match result {
            Ok(flashed) => {
                let line = card::done(&flashed, &node.hostname, card.path());
                if !args.json && !session.global.quiet {
                    shown.extend_from_slice(line.as_bytes());
                }
                receipts.push(flashed.receipt);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if args.json {
        receipts.iter_mut().for_each(|receipt| receipt.extents.clear());
        text::json(&mut shown, &receipts)?;
    }
    if failures.is_empty() {
        return Ok(shown);
    }
    // Print the successes first, and then the failures.
    std::io::stdout().lock().write_all(&shown)?;
    Err(Failure::Several(failures))
}

/// What cards are made from, and what the receipts record of that.
pub(super) struct MadeFrom<'a> {
    pub(super) golden: &'a Golden,
    pub(super) config_sha256: Option<Sha256Hash>,
    pub(super) swarm: Option<&'a Standing>,
}

/// Writes one node's card.
pub(super) fn one(
    session: &Session,
    args: &CardArgs,
    from: &MadeFrom<'_>,
    node: &Node,
    card: &ChosenCard,
) -> Result<Flashed, Failure> {
    let golden = from.golden;
    let image = golden.node(node)?;
    let mut source = ImageSource::of_node(&image)
        .map_err(|error| Failure::message(format!("reading {}: {error}", golden.image().path().display())))?;
    let swarm = from.swarm.map(|swarm| swarm.facts(node));
    let contents = Contents::of_node(golden, node, from.config_sha256, swarm);
    let label = format!("{} → {}", node.hostname, card.path().display());
    card::write(session, card, &mut source, contents, label, args)
}
