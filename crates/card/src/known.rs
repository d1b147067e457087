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
    pub unreadable: Option<String>,
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
        (self.harm == Harm::Unreadable).then_some(
            "restore the file from a copy; if the cluster is gone, move the file away; \
             to replace a card of a swarm that runs, pass --rejoin",
        )
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
        let mut begins_again = false;
        let mut remarks = Vec::new();
        for wish in wishes {
            let harms = match &self.members {
                Some(members) => self.of_running(members, managers, making, wish),
                None => self.of_built(making, wish),
            };
            if let Some((harm, refuse)) = harms {
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

    /// Returns the remark about a manifest that cannot be read. Images have none: the folder into
    /// which they would be written is refused before they are made, whatever the user insists on.
    pub(crate) fn unreadable(&self, making: Making, refuse: bool) -> Option<Remark> {
        let why = self.unreadable.as_ref()?;
        matches!(making, Making::Plan | Making::Cards).then(|| Remark {
            node: None,
            harm: Harm::Unreadable,
            refuse,
            text: format!("{why}; it records images that were built, whose nodes may be running"),
        })
    }

    /// Judges a node of a swarm whose cards were written; returns the damage and whether to refuse
    /// it.
    fn of_running(&self, members: &Members, managers: usize, making: Making, wish: &Wish<'_>) -> Option<(Harm, bool)> {
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
            (true, Making::AllImages) => Some((harm, false)),
            // An image of a node that joined by token is made along with the others; its card is
            // refused.
            (false, Making::AllImages) if harm == Harm::ByToken => Some((harm, false)),
            _ => Some((harm, harm != Harm::BeginsAgain)),
        }
    }

    /// Judges a node of a cluster of which only images are known.
    fn of_built(&self, making: Making, wish: &Wish<'_>) -> Option<(Harm, bool)> {
        let images = self.images.as_ref()?;
        let harm = match images.get(&wish.node.number) {
            None => Harm::Unknown,
            Some(role) if *role != wish.node.role => Harm::Role(*role),
            Some(Role::Manager) if making == Making::SomeImages && !wish.begins => {
                return Some((Harm::ManagerAgain, false));
            }
            Some(_) => return None,
        };
        Some((harm, making != Making::AllImages))
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
            Harm::Stranger | Harm::Unreadable => String::new(),
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
mod tests {
    use super::*;

    const M: Role = Role::Manager;
    const W: Role = Role::Worker;

    fn members(roles: &[Role]) -> Option<Members> {
        Some((1..).zip(roles.iter().copied()).collect())
    }

    fn cards(numbers: &[u32], by_token: &[u32]) -> BTreeMap<u32, KnownCard> {
        let card = |number: &u32, by_token| {
            let written = "2026-11-29T20:00:00Z".to_owned();
            (*number, KnownCard { written, by_token })
        };
        let members = numbers.iter().map(|number| card(number, false));
        members
            .chain(by_token.iter().map(|number| card(number, true)))
            .collect()
    }

    /// Returns the nodes of a cluster with these roles.
    fn nodes(roles: &[Role]) -> Vec<NodeId> {
        let node = |(number, role): (u8, &Role)| NodeId {
            number: number.into(),
            hostname: format!("kraken-{number}"),
            address: [192, 168, 3, 10 + number].into(),
            role: *role,
        };
        (1..).zip(roles).map(node).collect()
    }

    /// Returns wishes for those of these nodes that have these numbers.
    fn wishes<'a>(nodes: &'a [NodeId], numbers: &[u32]) -> Vec<Wish<'a>> {
        let first = nodes.iter().find(|node| node.role == M);
        let wish = |number: &u32| {
            let node = &nodes[*number as usize - 1];
            let begins = first == Some(node);
            Wish { node, begins }
        };
        numbers.iter().map(wish).collect()
    }

    /// The table of docs/operations.md: what is known, what kraken.toml has now, what is made, what
    /// is reported.
    #[test]
    fn the_table_of_decisions() {
        use Making::{AllImages, Cards, Plan, SomeImages};
        let one = Known {
            members: members(&[M, W, W]),
            cards: cards(&[1, 2, 3], &[]),
            ..Known::default()
        };
        let only_first = Known {
            cards: cards(&[1], &[]),
            ..one.clone()
        };
        let three = Known {
            members: members(&[M, M, M, W]),
            cards: cards(&[1, 2, 3, 4], &[]),
            ..Known::default()
        };
        let begun = Known {
            cards: cards(&[1], &[]),
            ..three.clone()
        };
        let token = Known {
            cards: cards(&[1, 3, 4], &[2]),
            ..three.clone()
        };
        let built = Known {
            images: members(&[M, W, W]),
            ..Known::default()
        };
        let damaged = Known {
            unreadable: Some("reading images/manifest.json: it is damaged".into()),
            ..Known::default()
        };
        let cards_and_damaged = Known {
            unreadable: damaged.unreadable.clone(),
            ..one.clone()
        };
        let nothing = Known::default();
        let other_cards = Known {
            other_keys: Some(Evidence::Cards),
            ..Known::default()
        };
        let other_images = Known {
            other_keys: Some(Evidence::Images),
            ..Known::default()
        };
        let one_now: &[Role] = &[M, W, W];
        let four_now: &[Role] = &[M, W, W, W];
        let raised: &[Role] = &[M, M, M];
        let three_now: &[Role] = &[M, M, M, W];
        let lowered: &[Role] = &[M, W, W, W];
        let refused = |harm| Some((harm, true));
        let noted = |harm| Some((harm, false));
        type Row<'a> = (&'a Known, &'a [Role], Making, &'a [u32], Option<(Harm, bool)>);
        let rows: &[Row<'_>] = &[
            // Nothing is known: everything is allowed.
            (&nothing, one_now, Cards, &[1], None),
            (&nothing, three_now, Cards, &[2], None),
            (&nothing, three_now, AllImages, &[1, 2, 3, 4], None),
            // The first cards of a cluster, one after the other, in any order.
            (&only_first, one_now, Cards, &[2], None),
            (&begun, three_now, Cards, &[2], None),
            (&begun, three_now, Cards, &[4, 3, 2], None),
            // A worker's card again.
            (&one, one_now, Cards, &[2], None),
            (&three, three_now, Cards, &[4], None),
            (&three, three_now, SomeImages, &[4], None),
            // The only manager's card again.
            (&one, one_now, Cards, &[1], noted(Harm::BeginsAgain)),
            (&one, one_now, SomeImages, &[1], noted(Harm::BeginsAgain)),
            (&one, four_now, Cards, &[1, 4], noted(Harm::BeginsAgain)),
            (&one, raised, Cards, &[1], refused(Harm::FirstAgain)),
            // The card of one of several managers again.
            (&three, three_now, Cards, &[1], refused(Harm::FirstAgain)),
            (&three, three_now, Cards, &[2], refused(Harm::ManagerAgain)),
            (&three, three_now, SomeImages, &[2], refused(Harm::ManagerAgain)),
            (&three, three_now, AllImages, &[2], noted(Harm::ManagerAgain)),
            (&three, three_now, Plan, &[1, 2, 3, 4], None),
            // A node with another role.
            (&one, raised, Cards, &[2], refused(Harm::Role(W))),
            (&only_first, raised, Cards, &[2], refused(Harm::Role(W))),
            (&one, raised, SomeImages, &[2], refused(Harm::Role(W))),
            (&one, raised, AllImages, &[2], refused(Harm::Role(W))),
            (&one, raised, Plan, &[2], refused(Harm::Role(W))),
            (&three, lowered, Cards, &[2], refused(Harm::Role(M))),
            // A new node.
            (&one, four_now, Cards, &[4], refused(Harm::Unknown)),
            (&one, four_now, SomeImages, &[4], refused(Harm::Unknown)),
            (&one, four_now, Plan, &[4], refused(Harm::Unknown)),
            // A node that joined by token.
            (&token, three_now, Cards, &[2], refused(Harm::ByToken)),
            (&token, three_now, AllImages, &[2], noted(Harm::ByToken)),
            (&token, three_now, SomeImages, &[2], refused(Harm::ByToken)),
            (&token, three_now, Plan, &[2], refused(Harm::ByToken)),
            // Only images are known.
            (&built, one_now, Cards, &[1], None),
            (&built, one_now, SomeImages, &[2], None),
            (&built, raised, AllImages, &[2], noted(Harm::Role(W))),
            (&built, raised, SomeImages, &[2], refused(Harm::Role(W))),
            (&built, raised, Cards, &[2], refused(Harm::Role(W))),
            (&built, raised, Cards, &[1], None),
            (&built, four_now, AllImages, &[4], noted(Harm::Unknown)),
            (&built, four_now, SomeImages, &[4], refused(Harm::Unknown)),
            // There is a manifest of images, and it cannot be read. `build` refuses its folder.
            (&damaged, one_now, Cards, &[1], refused(Harm::Unreadable)),
            (&damaged, one_now, Cards, &[2], refused(Harm::Unreadable)),
            (&damaged, one_now, Plan, &[1, 2, 3], refused(Harm::Unreadable)),
            (&damaged, one_now, Cards, &[], noted(Harm::Unreadable)),
            (&damaged, one_now, AllImages, &[1, 2, 3], None),
            (&damaged, one_now, SomeImages, &[2], None),
            (&cards_and_damaged, one_now, Cards, &[2], noted(Harm::Unreadable)),
            (&cards_and_damaged, one_now, Plan, &[1, 2, 3], noted(Harm::Unreadable)),
            // Cards or images were made with other keys.
            (&other_cards, one_now, AllImages, &[1, 2, 3], refused(Harm::Stranger)),
            (&other_cards, one_now, Cards, &[2], refused(Harm::Stranger)),
            (&other_images, one_now, AllImages, &[1, 2, 3], noted(Harm::Stranger)),
            (&other_images, one_now, SomeImages, &[2], refused(Harm::Stranger)),
            (&other_images, one_now, Cards, &[1], refused(Harm::Stranger)),
        ];
        for (index, (known, roles, making, numbers, wanted)) in rows.iter().enumerate() {
            let managers = roles.iter().filter(|role| **role == M).count();
            let nodes = nodes(roles);
            let said = known.judge(*making, managers, &wishes(&nodes, numbers));
            let found = said.first().map(|remark| (remark.harm, remark.refuse));
            assert_eq!(
                found, *wanted,
                "row {index}: {known:?}, {roles:?}, {making:?} {numbers:?}: {said:?}"
            );
            assert!(said.len() <= 1, "row {index}: {said:?}");
            assert!(
                said.iter().all(|remark| remark.to_string().len() > 40),
                "row {index}: {said:?}"
            );
        }
    }
}
