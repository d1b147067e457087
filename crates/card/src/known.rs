//! What is known of a swarm that may already run, and what cards made now would do to it.
//!
//! The card of the first manager decides what the running swarm knows: its log holds every node
//! with its role. A node that the log lacks, or has with another role, must not come as a member.
//! See the table in `docs/operations.md`.

use std::collections::BTreeMap;
use std::fmt;

use kraken_spec::{NodeId, Role};

/// The nodes in the first manager's log, by number.
pub type Members = BTreeMap<u32, Role>;

/// A card that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCard {
    /// When it was written: RFC 3339.
    pub written: String,
    /// Whether the node joins by token. The swarm then has it under another id than the log.
    pub by_token: bool,
}

/// What is known of the swarm with these keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The newest card of each node since the cluster began.
    pub cards: BTreeMap<u32, KnownCard>,
    /// What the log on the first manager's card holds; for any other card, the members for which it
    /// was made. `None` when no card was written.
    pub members: Option<Members>,
    /// The members for which images were built, when no card is known; another program may have
    /// written them to cards.
    pub images: Option<Members>,
    /// Set when there is a manifest of images which cannot be read: what was being done, to which
    /// file, and why it failed. The images that it lists may be those of a running swarm.
    pub unreadable_manifest: Option<String>,
    /// Why receipts cannot be read, one text for each. They may be of cards of this swarm, or of
    /// anything else.
    pub unreadable_receipts: Vec<String>,
    /// Set when cards, or else images, were made here with other keys than the present ones.
    pub other_keys: Option<Evidence>,
}

/// How certain it is that nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Cards were written.
    Cards,
    /// Images were built. It is not known whether they were written to cards.
    Images,
}

/// What is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// Nothing yet: `plan` shows what would apply to a single card of each node.
    Plan,
    /// Images of all nodes, which are not cards.
    AllImages,
    /// Images of some nodes.
    SomeImages,
    /// Cards.
    Cards,
    /// Images that an emulator boots and that are gone afterwards. No running swarm sees them, so
    /// all that counts is whether keys that would be made for them take the place of lost ones.
    Trial,
}

/// A node to be made as a member of the swarm, without a token.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// Whether its card holds the log with which the swarm begins.
    pub begins: bool,
}

/// The damage that a card would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It has other keys than the cards that were written.
    Stranger,
    /// The running swarm does not know the node.
    Unknown,
    /// The running swarm knows it with this other role.
    Role(Role),
    /// It is a manager, and the other managers remember its earlier state.
    ManagerAgain,
    /// It is the first of several managers.
    FirstAgain,
    /// It joined by token: the swarm knows it under another id.
    ByToken,
    /// It is the only manager: the swarm begins again.
    BeginsAgain,
    /// It is not known: the manifest of earlier images cannot be read.
    Unreadable,
    /// It is not known: receipts of cards cannot be read.
    UnreadableReceipts,
}

impl Harm {
    fn refused(self) -> Decision {
        let refuse = true;
        Decision { harm: self, refuse }
    }

    fn noted(self) -> Decision {
        let refuse = false;
        Decision { harm: self, refuse }
    }
}

/// What is done about a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decision {
    harm: Harm,
    /// Whether it is refused unless the user insists; else it is only noted.
    refuse: bool,
}

/// One warning or refusal before anything is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The node's number; `None` when it concerns all nodes.
    pub node: Option<u32>,
    /// The damage that the card would do.
    pub harm: Harm,
    /// Whether it is refused unless the user insists.
    pub refuse: bool,
    text: String,
}

impl Remark {
    /// Returns what to do next, where that is more than the two ways on of every refusal.
    pub fn help(&self) -> Option<&'static str> {
        match self.harm {
            Harm::Unreadable if self.refuse => Some(
                "restore the file from a copy, or move it away if that cluster is gone or the file is another program's; \
                 to replace a card of a swarm that runs, take the node's old entry off its list \
                 (docker node demote, docker node rm --force), and say --node N --rejoin",
            ),
            Harm::Unreadable => Some(
                "restore the file from a copy, or move it away if that cluster is gone or the file is another program's",
            ),
            Harm::UnreadableReceipts => {
                Some("make it readable or restore it from a copy, or move it away if that card is no longer in use")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Known {
    /// Returns the remarks for what is about to be made. `managers` is the number of managers in
    /// kraken.toml.
    pub fn judge(&self, making: Making, managers: usize, wishes: &[Wish<'_>]) -> Vec<Remark> {
        if let Some(evidence) = self.other_keys {
            let unreadable = self.unreadable(making, false);
            return stranger(evidence, making).into_iter().chain(unreadable).collect();
        }
        if making == Making::Trial {
            let refuse = self.members.is_none() && !wishes.is_empty();
            let mut unreadable = self.unreadable(making, refuse);
            unreadable.retain(|remark| remark.refuse);
            return unreadable;
        }
        let mut begins_again = false;
        let mut remarks = Vec::new();
        for wish in wishes {
            let judged = match &self.members {
                Some(members) => self.of_running(members, managers, making, wish),
                None => self.of_built(making, wish),
            };
            if let Some(Decision { harm, refuse }) = judged {
                begins_again |= harm == Harm::BeginsAgain;
                remarks.push(Remark {
                    node: Some(wish.node.number),
                    harm,
                    refuse,
                    text: self.words(wish, harm),
                });
            }
        }
        if begins_again {
            // The new log holds all nodes as they are now.
            remarks.retain(|remark| !matches!(remark.harm, Harm::Unknown | Harm::Role(_) | Harm::ByToken));
        }
        // Where cards are known, images count for nothing.
        remarks.extend(self.unreadable(making, self.members.is_none() && !wishes.is_empty()));
        remarks
    }

    /// Returns the remarks about a manifest and receipts that cannot be read. For images there is
    /// none about the manifest: the folder into which they would be written is refused before they
    /// are made, whatever the user insists on. `refuse` is about the manifest: a receipt may be of
    /// any other card.
    pub(crate) fn unreadable(&self, making: Making, refuse: bool) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if let (Some(why), Making::Plan | Making::Cards | Making::Trial) = (&self.unreadable_manifest, making) {
            remarks.push(Remark {
                node: None,
                harm: Harm::Unreadable,
                refuse,
                text: format!("{why}; it may record images whose nodes are running"),
            });
        }
        if let Some(why) = self.unreadable_receipts.first() {
            let more = match self.unreadable_receipts.len() - 1 {
                0 => String::new(),
                more => format!(" ({more} more cannot be read)"),
            };
            remarks.push(Remark {
                node: None,
                harm: Harm::UnreadableReceipts,
                refuse: false,
                text: format!("{why}{more}; it may record a card of a swarm that runs"),
            });
        }
        remarks
    }

    /// Judges a node of a swarm whose cards were written.
    fn of_running(&self, members: &Members, managers: usize, making: Making, wish: &Wish<'_>) -> Option<Decision> {
        let card = self.cards.get(&wish.node.number);
        let harm = match (members.get(&wish.node.number), card) {
            (_, Some(card)) if card.by_token => Harm::ByToken,
            (None, _) => Harm::Unknown,
            (Some(role), _) if *role != wish.node.role => Harm::Role(*role),
            // No card of this node was written in this life of the cluster, or it is a worker,
            // whose card may be written any number of times.
            (Some(_), None) | (Some(Role::Worker), Some(_)) => return None,
            (Some(Role::Manager), Some(_)) => {
                let others = managers > 1 || members.values().filter(|role| **role == Role::Manager).count() > 1;
                match (wish.begins, others) {
                    (true, false) => Harm::BeginsAgain,
                    (true, true) => Harm::FirstAgain,
                    (false, _) => Harm::ManagerAgain,
                }
            }
        };
        let again = matches!(harm, Harm::ManagerAgain | Harm::FirstAgain | Harm::BeginsAgain);
        // `plan` does not report that a card was written. Images of all nodes are mostly built to
        // be kept.
        match (again, making) {
            (true, Making::Plan) => None,
            (true, Making::AllImages) => Some(harm.noted()),
            // An image of a node that joined by token is made along with the others; its card is
            // refused.
            (false, Making::AllImages) if harm == Harm::ByToken => Some(harm.noted()),
            _ if harm == Harm::BeginsAgain => Some(harm.noted()),
            _ => Some(harm.refused()),
        }
    }

    /// Judges a node of a cluster of which only images are known.
    fn of_built(&self, making: Making, wish: &Wish<'_>) -> Option<Decision> {
        let images = self.images.as_ref()?;
        let harm = match images.get(&wish.node.number) {
            None => Harm::Unknown,
            Some(role) if *role != wish.node.role => Harm::Role(*role),
            Some(Role::Manager) if making == Making::SomeImages && !wish.begins => {
                return Some(Harm::ManagerAgain.noted());
            }
            Some(_) => return None,
        };
        Some(match making {
            Making::AllImages => harm.noted(),
            _ => harm.refused(),
        })
    }

    fn words(&self, wish: &Wish<'_>, harm: Harm) -> String {
        let name = &wish.node.hostname;
        let written = self.cards.get(&wish.node.number).map_or_else(String::new, |card| {
            format!(" on {}", card.written.split('T').next().unwrap_or_default())
        });
        let known = match self.members.is_some() {
            true => "the cluster's cards were written",
            false => "the cluster's images were built",
        };
        match harm {
            Harm::Stranger | Harm::Unreadable | Harm::UnreadableReceipts => String::new(),
            Harm::Unknown => format!(
                "{name} is new: {known} without it, and a running swarm does not let it in as a member, only by token"
            ),
            Harm::Role(was) => format!(
                "{name} was a {was} when {known}, and is a {} now: a running swarm keeps its own list of roles{}",
                wish.node.role,
                match wish.node.role {
                    Role::Manager =>
                        ", and such a card would take the quorum from its managers and end it; `docker node promote` makes it a manager without a new card",
                    Role::Worker => "",
                }
            ),
            Harm::ManagerAgain => format!(
                "{name}'s card was made{written} already: the other managers remember a manager's past, and one that forgot it crashes on their first word"
            ),
            Harm::FirstAgain => format!(
                "{name}'s card was written{written} already: it would begin a swarm of its own beside that of the other managers"
            ),
            Harm::ByToken => {
                format!("{name} joined by token{written}: the swarm knows it by another id than the one on this card")
            }
            Harm::BeginsAgain => format!(
                "{name}'s card was written{written} already, and it is the only manager: the swarm begins from scratch; its nodes come back by themselves, its services, secrets and configs do not"
            ),
        }
    }
}

fn stranger(evidence: Evidence, making: Making) -> Option<Remark> {
    let (what, whose) = match evidence {
        Evidence::Cards => ("cards of this cluster were written", "those cards"),
        Evidence::Images => ("images of this cluster were built", "those images"),
    };
    // Images of all nodes replace earlier images, not cards.
    let refuse = !(evidence == Evidence::Images && making == Making::AllImages);
    Some(Remark {
        node: None,
        harm: Harm::Stranger,
        refuse,
        text: format!(
            "{what} with other keys: what is made with new ones is a stranger to {whose}; put the old key file back if there is a copy"
        ),
    })
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
