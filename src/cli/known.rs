//! What receipts and the images' manifest record of the cluster's swarm, and the warnings that
//! follow from it before anything is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kraken_flash::card::{
    Evidence, Harm, Known, KnownCard, Making, MemberFacts, Members, Receipts, Remark, SwarmFacts, Wish, Written,
};
use kraken_flash::output::Manifest;
use kraken_flash::provision::{Membership, Rejoin};
use kraken_spec::{Cluster, Node, SwarmMode};
use kraken_swarm_state::ClusterKeys;

use super::rejoin::RejoinArgs;
use super::{Failure, Session, say};

/// Where `build` puts images by default.
pub(super) const IMAGES: &str = "images";

/// What the receipts of cards that are written now record of the swarm.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    facts: SwarmFacts,
    places: BTreeMap<u32, Membership>,
    first: Option<u32>,
}

impl Standing {
    /// Returns what the receipt of this node's card records.
    pub(super) fn facts(&self, node: &Node) -> SwarmFacts {
        let membership = self.places.get(&node.number).copied().unwrap_or_default();
        SwarmFacts {
            membership,
            begins: membership == Membership::Baked && self.first == Some(node.number),
            ..self.facts.clone()
        }
    }

    /// How often a new cluster was begun.
    pub(super) fn life(&self) -> u32 {
        self.facts.life
    }
}

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
    let past = Past::read(cluster, id.as_deref(), images);
    let mut life = past.life;
    let remarks = match args.how() {
        Rejoin::No => past.remarks(cluster, making, nodes),
        Rejoin::ByKeys | Rejoin::ByToken(_) => Vec::new(),
    };
    let (refused, noted): (Vec<_>, Vec<_>) = remarks.iter().partition(|remark| remark.refuse);
    for remark in noted {
        say(session, &format!("note: {remark}"));
    }
    if remarks.is_empty() && args.new_cluster && !nodes.is_empty() {
        say(
            session,
            "note: nothing is known here of an older cluster that these cards could harm, so --new-cluster changes nothing",
        );
    }
    if !refused.is_empty() && !args.new_cluster {
        return Err(refusal(&refused, making));
    }
    // The only manager's card is never refused, but with it a new swarm begins all the same.
    let begins = making == Making::Cards && remarks.iter().any(|remark| remark.harm == Harm::BeginsAgain);
    if args.new_cluster && (begins || !refused.is_empty()) {
        life += 1;
        say(
            session,
            "A new cluster begins (--new-cluster): the cards of the old one must not be used any more; write all of them anew",
        );
    }
    let members = cluster.nodes.iter().map(|node| MemberFacts {
        number: node.number,
        role: node.role,
    });
    let places = cluster.nodes.iter();
    Ok(Some(Standing {
        facts: SwarmFacts {
            id: id.or(past.id),
            keys: place(&cluster.swarm.keys_file),
            life,
            membership: Membership::None,
            begins: false,
            members: members.collect(),
        },
        places: places
            .map(|node| (node.number, Membership::of_node(cluster, node, args.how())))
            .collect(),
        first: cluster.first_manager().map(|first| first.number),
    }))
}

/// Returns for `plan` what would be refused about each node's card.
pub(super) fn planned(cluster: &Cluster) -> Vec<Remark> {
    if cluster.swarm.mode == SwarmMode::None {
        return Vec::new();
    }
    let nodes: Vec<&Node> = cluster.nodes.iter().collect();
    Past::read(cluster, None, Path::new(IMAGES)).remarks(cluster, Making::Plan, &nodes)
}

fn refusal(refused: &[&Remark], making: Making) -> Failure {
    let what = match making {
        Making::Plan | Making::Cards => "no card was written",
        Making::AllImages | Making::SomeImages => "no image was made",
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
    Failure::message(format!(
        "{what}\n  {}{rejoin}\n  If no card of that cluster was ever switched on, or all its cards are written anew: say --new-cluster. See docs/operations.md.",
        lines.join("\n  ")
    ))
}

/// What receipts and manifest record.
struct Past {
    known: Known,
    life: u32,
    id: Option<String>,
}

impl Past {
    /// Reads receipts and manifest. `id` is that of the swarm, where its keys were read. Without
    /// it, the swarm is the newest one whose keys lay in the same place.
    fn read(cluster: &Cluster, id: Option<&str>, images: &Path) -> Self {
        let keys = place(&cluster.swarm.keys_file);
        let receipts: Vec<Written> = Receipts::open().map_or_else(|_| Vec::new(), |all| all.of_swarms().collect());
        let there: Vec<&Written> = receipts.iter().filter(|written| written.swarm.keys == keys).collect();
        let swarm_id = id.or_else(|| there.iter().find_map(|written| written.swarm.id.as_deref()));
        let ours: Vec<&Written> = receipts
            .iter()
            .filter(|written| match (swarm_id, &written.swarm.id) {
                (Some(swarm_id), Some(other)) => swarm_id == other,
                _ => written.swarm.keys == keys,
            })
            .collect();
        let manifest = Manifest::read(images).filter(|manifest| manifest.cluster == cluster.name);
        let images = manifest.and_then(|manifest| manifest.swarm);
        let lost = id.is_none() && !cluster.swarm.keys_file.exists();
        let other_keys = match (lost, id) {
            (true, _) if !there.is_empty() => Some(Evidence::Cards),
            (true, _) if images.is_some() => Some(Evidence::Images),
            // The images were made with the new keys, so the user has agreed to those already.
            (false, Some(id)) if images.as_ref().is_some_and(|images| images.id == id) => None,
            (false, Some(_)) if ours.is_empty() && !there.is_empty() => Some(Evidence::Cards),
            (false, Some(id)) if ours.is_empty() && images.as_ref().is_some_and(|images| images.id != id) => {
                Some(Evidence::Images)
            }
            _ => None,
        };
        let life = ours.iter().map(|written| written.swarm.life).max().unwrap_or_default();
        let mut cards: BTreeMap<u32, KnownCard> = BTreeMap::new();
        let now: Vec<&Written> = ours.into_iter().filter(|written| written.swarm.life == life).collect();
        for written in &now {
            // The newest receipt comes first.
            cards.entry(written.node).or_insert_with(|| KnownCard {
                written: written.written.clone(),
                by_token: by_token(written),
            });
        }
        let log = now.iter().find(|written| written.swarm.begins);
        let members = log.or_else(|| now.iter().find(|written| !by_token(written)));
        Self {
            known: Known {
                cards,
                members: members.map(|written| roles(&written.swarm.members)),
                images: images.map(|images| images.roles),
                other_keys,
            },
            life,
            id: now.iter().find_map(|written| written.swarm.id.clone()),
        }
    }

    fn remarks(&self, cluster: &Cluster, making: Making, nodes: &[&Node]) -> Vec<Remark> {
        let first = cluster.first_manager().map(|first| first.number);
        let member = |node: &&&Node| Membership::of_node(cluster, node, Rejoin::No) == Membership::Baked;
        let wishes: Vec<Wish<'_>> = nodes
            .iter()
            .filter(member)
            .map(|node| Wish {
                number: node.number,
                hostname: &node.hostname,
                role: node.role,
                begins: first == Some(node.number),
            })
            .collect();
        match nodes.is_empty() {
            true => Vec::new(),
            false => self.known.judge(making, cluster.managers().count(), &wishes),
        }
    }
}

fn by_token(written: &Written) -> bool {
    written.swarm.membership != Membership::Baked
}

fn roles(members: &[MemberFacts]) -> Members {
    members.iter().map(|member| (member.number, member.role)).collect()
}

/// Returns a path that means the same file from every folder, whether the file exists or not.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}
