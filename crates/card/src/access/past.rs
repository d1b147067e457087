//! What receipts and the images' manifest record of the cluster's swarm, and what follows from it
//! before anything is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kraken_image::output::Manifest;
use kraken_image::provision::{Membership, Rejoin};
use kraken_spec::{Cluster, Node};

use crate::{
    Evidence, Harm, Known, KnownCard, Making, MemberFacts, Members, Receipts, Remark, SwarmFacts, Wish, Written,
};

/// What is to be made, and what the user said about the swarm that may be running.
#[derive(Clone, Copy, Debug)]
pub struct Intent<'a> {
    /// Cards or images.
    pub making: Making,
    /// The nodes that are made.
    pub nodes: &'a [&'a Node],
    /// How they join a swarm that is running.
    pub rejoin: Rejoin<'a>,
    /// A new cluster begins: all cards of the old one are written again, or were never used.
    pub new_cluster: bool,
}

/// The judgement of an [`Intent`] before anything is made.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What the user should know.
    pub notes: Vec<Remark>,
    /// Whether the nodes may be made.
    pub outcome: Outcome,
}

/// Whether the nodes may be made, and what their receipts record then.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// They would harm a swarm that may be running.
    Refused(Vec<Remark>),
    /// They may be made, and belong to the swarm that was there before.
    Continues(Standing),
    /// They may be made, and a new cluster begins with them, as the user said.
    Begins(Standing),
}

/// What the receipts of cards that are written now record of the swarm.
#[derive(Clone, Debug)]
pub struct Standing {
    facts: SwarmFacts,
    places: BTreeMap<u32, Membership>,
    first: Option<u32>,
}

impl Standing {
    /// Returns what the receipt of this node's card records.
    pub fn facts(&self, node: &Node) -> SwarmFacts {
        let membership = self.places.get(&node.number).copied().unwrap_or_default();
        SwarmFacts {
            membership,
            begins: membership == Membership::Baked && self.first == Some(node.number),
            ..self.facts.clone()
        }
    }

    /// Returns how often a new cluster was begun.
    pub fn life(&self) -> u32 {
        self.facts.life
    }
}

/// What receipts and manifest record of a cluster's swarm.
#[derive(Clone, Debug)]
pub struct Past {
    known: Known,
    life: u32,
    id: Option<String>,
}

impl Past {
    /// Reads receipts, and the manifest in the folder `images`. `id` is that of the swarm, where
    /// its keys were read. Without it, the swarm is the newest one whose keys lay in the same
    /// place.
    ///
    /// A manifest or receipt that cannot be read does not count as none: it may be of a swarm that
    /// runs, and the judgement says so.
    pub fn read(receipts: Option<&Receipts>, cluster: &Cluster, id: Option<&str>, images: &Path) -> Self {
        let keys = place(&cluster.swarm.keys_file);
        let all = receipts.map(Receipts::of_swarms).unwrap_or_default();
        let receipts = all.written;
        let there: Vec<&Written> = receipts.iter().filter(|written| written.swarm.keys == keys).collect();
        let swarm_id = id.or_else(|| there.iter().find_map(|written| written.swarm.id.as_deref()));
        let ours: Vec<&Written> = receipts
            .iter()
            .filter(|written| match (swarm_id, &written.swarm.id) {
                (Some(swarm_id), Some(other)) => swarm_id == other,
                _ => written.swarm.keys == keys,
            })
            .collect();
        let (manifest, unreadable_manifest) = match Manifest::read(images) {
            Ok(manifest) => (manifest, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let manifest = manifest.filter(|manifest| manifest.cluster == cluster.name);
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
                unreadable_manifest,
                unreadable_receipts: all.unreadable.iter().map(ToString::to_string).collect(),
                other_keys,
            },
            life,
            id: id.map_or_else(
                || now.iter().find_map(|written| written.swarm.id.clone()),
                |id| Some(id.to_owned()),
            ),
        }
    }

    /// Judges what is to be made.
    pub fn judge(&self, cluster: &Cluster, intent: Intent<'_>) -> Judgement {
        let remarks = match intent.rejoin {
            Rejoin::No => self.remarks(cluster, intent.making, intent.nodes),
            Rejoin::ByKeys | Rejoin::ByToken(_) if intent.nodes.is_empty() => Vec::new(),
            // Cards that join by token are never refused.
            Rejoin::ByKeys | Rejoin::ByToken(_) => self.known.unreadable(intent.making, false),
        };
        // The only manager's card is never refused, but with it a new swarm begins all the same.
        let begins_again = remarks.iter().any(|remark| remark.harm == Harm::BeginsAgain);
        let (refusals, notes): (Vec<_>, Vec<_>) = remarks.into_iter().partition(|remark| remark.refuse);
        let begins = !refusals.is_empty() || (begins_again && intent.making == Making::Cards);
        let outcome = match (intent.new_cluster, begins) {
            (true, true) => Outcome::Begins(self.standing(cluster, intent.rejoin, self.life + 1)),
            (false, true) if !refusals.is_empty() => Outcome::Refused(refusals),
            _ => Outcome::Continues(self.standing(cluster, intent.rejoin, self.life)),
        };
        Judgement { notes, outcome }
    }

    fn standing(&self, cluster: &Cluster, rejoin: Rejoin<'_>, life: u32) -> Standing {
        let members = cluster.nodes.iter().map(|node| MemberFacts {
            number: node.number,
            role: node.role,
        });
        let places = cluster.nodes.iter();
        Standing {
            facts: SwarmFacts {
                id: self.id.clone(),
                keys: place(&cluster.swarm.keys_file),
                life,
                membership: Membership::None,
                begins: false,
                members: members.collect(),
            },
            places: places
                .map(|node| (node.number, Membership::of_node(cluster, node, rejoin)))
                .collect(),
            first: cluster.first_manager().map(|first| first.number),
        }
    }

    /// Returns the warnings and refusals about the cards or images of these nodes, none of which
    /// joins by token.
    pub fn remarks(&self, cluster: &Cluster, making: Making, nodes: &[&Node]) -> Vec<Remark> {
        let first = cluster.first_manager().map(|first| first.number);
        let member = |node: &&&Node| Membership::of_node(cluster, node, Rejoin::No) == Membership::Baked;
        let wishes: Vec<Wish<'_>> = nodes
            .iter()
            .filter(member)
            .map(|node| Wish {
                node: &node.id,
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
