//! `kraken-flash cards`: writes the cards of the whole cluster one after the other with one reader,
//! and continues where it stopped.

use std::io::Write;
use std::path::{Path, PathBuf};

use kraken_disk::ReadAt;
use kraken_flash::bake::{Golden, HashedExtent};
use kraken_flash::card::access::{CardWait, FinishedCard, Reader, Standing, WaitOptions};
use kraken_flash::card::{Making, Receipts, WantedCard};
use kraken_spec::Node;

use super::card::Question;
use super::card_args::CardArgs;
use super::flash::MadeFrom;
use super::golden::{self, Baked, Wanted};
use super::known::IMAGES;
use super::load::{self, BaseArgs};
use super::rejoin::RejoinArgs;
use super::{Failure, Session, card, cards_wait, flash, known, owner, say};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this node; may be given several times [default: all nodes that have no card yet]
    #[arg(long = "node", value_name = "N", value_parser = load::node_number)]
    pub(super) nodes: Vec<u32>,
    /// The reader that the cards go into, with or without a card in it yet [default: wherever one
    /// is plugged in]; --yes needs it
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
    /// Checks what clap cannot express about these options.
    pub(super) fn check(&self) -> Result<(), String> {
        // A dry run lists which cards are left, and reads none.
        if self.card.is_dry_run() && self.card.are_mild() {
            return Err(
                "`cards --dry-run` says which cards are left to be written and looks at none: \
                 --unmount, --allow-large and --i-know-this-is-not-removable have no effect on it"
                    .into(),
            );
        }
        if self.card.is_agreed() && self.device.is_none() {
            return Err(
                "with --yes no prompt shows which device is taken for the card: name the reader with --device as well"
                    .into(),
            );
        }
        Ok(())
    }
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let wanted = Wanted {
        nodes: &args.nodes,
        base: &args.base,
        rejoin: &args.rejoin,
        making: None,
        images: Path::new(IMAGES),
    };
    let reader = match args.device.as_deref() {
        // Recorded before the bake: afterwards another device may have its name.
        Some(device) => Reader::at(device)?,
        None => None,
    };
    let baked = golden::begin(session, &wanted)?.bake()?;
    walk(session, args, &baked, reader, out)
}

/// A node whose card this command writes.
struct Place<'a> {
    node: &'a Node,
    /// The extents by which its card is recognised.
    own: FinishedCard,
    has_card: bool,
}

fn walk(
    session: &Session,
    args: &Args,
    baked: &Baked,
    reader: Option<Reader>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (golden, loaded, nodes) = (&baked.golden, &baked.loaded, baked.nodes()?);
    let inputs = golden.inputs();
    let life = |standing: Option<&Standing>| standing.map_or(0, Standing::life);
    let before = life(loaded.swarm.as_ref());
    let receipts = Receipts::open().ok();
    let mut all = Vec::new();
    for node in nodes {
        let extents = hashed_extents(node, golden)?;
        let wanted = WantedCard {
            cluster: &inputs.cluster.name,
            hostname: &node.hostname,
            life: before,
            extents: &extents,
            read_back: args.card.reads_back(),
        };
        let has_card = !args.again && receipts.as_ref().is_some_and(|receipts| receipts.has_card(&wanted));
        all.push(Place {
            node,
            own: FinishedCard::of(&node.hostname, &extents, golden.image().hashed_extents()),
            has_card,
        });
    }
    // A new cluster that was begun and is incomplete continues. Otherwise a node that has its card
    // has one of the old cluster.
    let goes_on = before > 0 && all.iter().any(|place| !place.has_card);
    let asked: Vec<&Node> = all
        .iter()
        .filter(|place| !place.has_card || (args.rejoin.new_cluster && !goes_on))
        .map(|place| place.node)
        .collect();
    let swarm = known::check(
        session,
        &inputs.cluster,
        inputs.admission.keys(),
        &args.rejoin,
        Making::Cards,
        &asked,
        Path::new(IMAGES),
    )?;
    // When a new cluster begins with this run, no card of the old one counts.
    let begins = life(swarm.as_ref()) != before;
    let (done, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|place| place.has_card && !begins);
    if !done.is_empty() {
        let names: Vec<&str> = done.iter().map(|place| place.node.hostname.as_str()).collect();
        say(
            session,
            &format!(
                "{} have their cards already (--again writes them again)",
                names.join(", ")
            ),
        );
    }
    let made_from = MadeFrom {
        golden,
        config_sha256: loaded.project.config_sha256,
        swarm: swarm.as_ref(),
    };
    // Before the long wait: a run that is killed then leaves no files that belong to root.
    owner::give_back(session, None);
    let mut wait = CardWait::new(WaitOptions {
        device: args.device.clone(),
        reader,
        policy: args.card.policy(Some(golden.image().size())),
        is_attended: !args.card.is_agreed(),
        finished: done.into_iter().map(|place| place.own).collect(),
    });
    for (index, Place { node, own, .. }) in left.iter().enumerate() {
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
        let inserted = cards_wait::next(session, &mut wait)?;
        let question = Question {
            card: &inserted.card,
            becomes: flash::becomes(node),
            note: inserted.note,
        };
        card::confirm(session, &[question], &args.card)?;
        let written = flash::one(session, &args.card, &made_from, node, &inserted.card)?;
        out.write_all(card::done(&written, &node.hostname, inserted.card.path()).as_bytes())?;
        out.flush()?;
        wait.add_finished(own.clone());
        if index + 1 < left.len() {
            say(session, &format!("Label it {}, and take it out …", node.hostname));
            wait.until_gone(&inserted.card, session.job())?;
        } else {
            say(session, &format!("Label it {}. All cards are written.", node.hostname));
        }
    }
    if left.is_empty() {
        say(session, "Nothing is left to be written.");
    }
    Ok(())
}

/// Returns the extents of a node's card with their hashes.
fn hashed_extents(node: &Node, golden: &Golden) -> Result<Vec<HashedExtent>, Failure> {
    let extents = golden.node(node)?.hashed_extents();
    extents.map_err(|error| Failure::message(format!("reading {}: {error}", golden.image().path().display())))
}
