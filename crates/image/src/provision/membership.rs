//! How a card brings its node into the swarm, and whether that swarm runs already.

use serde::{Deserialize, Serialize};

use kraken_spec::{Cluster, Node, SwarmMode};
use kraken_swarm_state::Token;

/// How a card brings its node into the swarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// Not at all.
    #[default]
    None,
    /// It is a member already.
    Baked,
    /// It joins with a token.
    Join,
    /// It joins a running swarm again, in the place of a card that was, with the token of the cluster's keys.
    Rejoin,
    /// Likewise, with a token that the running swarm gave out.
    Admitted,
}

/// Whether cards join a running swarm, in the place of others.
#[derive(Clone, Copy, Debug, Default)]
pub enum Rejoin<'a> {
    /// They do not.
    #[default]
    No,
    /// With the token that follows from the cluster's keys.
    ByKeys,
    /// With one that the running swarm gave out, which is all that is known of it after a rotation. `None` where no secret is needed.
    ByToken(Option<&'a Token>),
}

impl Membership {
    /// What a card of this kind was made with, secrets aside.
    pub fn rejoin(self) -> Rejoin<'static> {
        match self {
            Self::None | Self::Baked | Self::Join => Rejoin::No,
            Self::Rejoin => Rejoin::ByKeys,
            Self::Admitted => Rejoin::ByToken(None),
        }
    }

    /// How the card of a cluster's node does it.
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
