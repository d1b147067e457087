//! What is said and asked about a swarm that may be running before anything is made for it.

use std::path::Path;

use kraken_flash::card::access::{Intent, Outcome, Past, Standing};
use kraken_flash::card::{Harm, Making, Receipts, Remark};
use kraken_foundation::{Error, Kind};
use kraken_spec::{Cluster, Node, SwarmMode};
use kraken_swarm_state::ClusterKeys;

use super::rejoin::RejoinArgs;
use super::{Failure, Session, say};

/// Where `build` puts images by default.
pub(super) const IMAGES: &str = "images";

/// Judges what is to be made before anything is made. Prints notes, and refuses what would harm a
/// swarm that may be running, unless the user passed --rejoin or --new-cluster. `images` is the
/// folder where images may lie that were built before.
pub(super) fn check(
    session: &Session,
    cluster: &Cluster,
    keys: Option<&ClusterKeys>,
    args: &RejoinArgs,
    making: Making,
    nodes: &[&Node],
    images: &Path,
) -> Result<Option<Standing>, Failure> {
    if cluster.swarm.mode == SwarmMode::None {
        return match args.new_cluster {
            true => Err(super::keys::no_swarm()),
            false => Ok(None),
        };
    }
    let id = keys.map(kraken_swarm_state::cluster_id);
    let intent = Intent {
        making,
        nodes,
        rejoin: args.how(),
        new_cluster: args.new_cluster,
    };
    let judgement = past(cluster, id.as_deref(), images).judge(cluster, intent);
    for note in &judgement.notes {
        say(session, &format!("note: {note}{}", help(note)));
    }
    match judgement.outcome {
        Outcome::Refused(refused) => Err(refusal(&refused, making)),
        Outcome::Begins(standing) => {
            say(
                session,
                "A new cluster begins (--new-cluster): the cards of the old one must not be used any more; write all of them again",
            );
            Ok(Some(standing))
        }
        Outcome::Continues(standing) => {
            let of_records = |note: &Remark| matches!(note.harm, Harm::Unreadable | Harm::UnreadableReceipts);
            if args.new_cluster && !nodes.is_empty() && judgement.notes.iter().all(of_records) {
                say(
                    session,
                    "note: nothing is known here of an older cluster that these cards could harm, so --new-cluster changes nothing",
                );
            }
            Ok(Some(standing))
        }
    }
}

/// Returns for `plan` what would be refused about each node's card.
pub(super) fn planned(cluster: &Cluster) -> Vec<Remark> {
    if cluster.swarm.mode == SwarmMode::None {
        return Vec::new();
    }
    let nodes: Vec<&Node> = cluster.nodes.iter().collect();
    past(cluster, None, Path::new(IMAGES)).remarks(cluster, Making::Plan, &nodes)
}

/// Reads what receipts and manifest record. Without a home folder there are no receipts.
fn past(cluster: &Cluster, id: Option<&str>, images: &Path) -> Past {
    Past::read(Receipts::open().ok().as_ref(), cluster, id, images)
}

/// Returns the line that says what to do about a remark, where there is one.
pub(super) fn help(remark: &Remark) -> String {
    remark
        .help()
        .map_or_else(String::new, |help| format!("\n  help: {help}"))
}

fn refusal(refused: &[Remark], making: Making) -> Failure {
    let what = match making {
        Making::Plan | Making::Cards => "no card was written",
        Making::AllImages | Making::SomeImages => "no image was made",
        Making::Trial => "nothing was booted",
    };
    let lines: Vec<String> = refused.iter().map(ToString::to_string).collect();
    let nodes: Vec<String> = refused
        .iter()
        .filter_map(|remark| Some(format!("--node {}", remark.node?)))
        .collect();
    let rejoin = match nodes.is_empty() {
        true => String::new(),
        false => format!(
            "\n  To bring it into the swarm that runs: take its old entry off the list (docker node demote, docker node rm --force), and say {} --rejoin.",
            nodes.join(" ")
        ),
    };
    let otherwise = match making {
        Making::Trial => "To boot images that exist, name their folder: kraken-flash verify --boot images.",
        _ => "If no card of that cluster was ever switched on, or all its cards are written again: say --new-cluster.",
    };
    let text = format!(
        "{what}\n  {}{rejoin}\n  {otherwise} See docs/operations.md.",
        lines.join("\n  ")
    );
    let error = Error::new(Kind::Conflict, text);
    match refused.iter().find_map(Remark::help) {
        Some(help) => error.with_help(help).into(),
        None => error.into(),
    }
}
