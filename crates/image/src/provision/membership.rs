//! How a card makes its node a member of the swarm, and whether that swarm already runs.

use serde::{Deserialize, Serialize};

use kraken_spec::{Cluster, Node, SwarmMode};
use kraken_swarm_state::Token;

/// How a card makes its node a member of the swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// Not at all: there is no swarm.
    #[default]
    None,
    /// The node is already a member.
    Baked,
    /// The node joins with a token.
    Join,
    /// The node joins a running swarm again, in place of an earlier card, with the token that
    /// follows from the cluster's keys.
    Rejoin,
    /// Likewise, with a token that the running swarm issued.
    Admitted,
}

/// Whether cards join a running swarm, in place of earlier ones.
#[derive(Clone, Copy, Debug, Default)]
pub enum Rejoin<'a> {
    /// They do not.
    #[default]
    No,
    /// They join with the token that follows from the cluster's keys.
    ByKeys,
    /// They join with a token that the running swarm issued; after a rotation, this is all that is
    /// known of the swarm. `None` when no secret is needed.
    ByToken(Option<&'a Token>),
}

impl Membership {
    /// Returns how a card of this kind was made, without secrets.
    pub fn rejoin(self) -> Rejoin<'static> {
        match self {
            Self::None | Self::Baked | Self::Join => Rejoin::No,
            Self::Rejoin => Rejoin::ByKeys,
            Self::Admitted => Rejoin::ByToken(None),
        }
    }

    /// Returns how the card of a cluster's node makes it a member.
    pub fn of_node(cluster: &Cluster, node: &Node, rejoin: Rejoin<'_>) -> Self {
        let first = cluster.first_manager().is_some_and(|first| first.number == node.number);
        match (cluster.swarm.mode, rejoin) {
            (SwarmMode::None, _) => Membership::None,
            (_, Rejoin::ByKeys) => Membership::Rejoin,
            (_, Rejoin::ByToken(_)) => Membership::Admitted,
            (SwarmMode::Join, Rejoin::No) if !first => Membership::Join,
            (SwarmMode::Baked | SwarmMode::Join, Rejoin::No) => Membership::Baked,
        }
    }
}
