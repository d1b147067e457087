//! What a golden image is made from.

use std::sync::Arc;

use crate::base::Base;
use crate::packages::Selection;
use crate::provision::{Assets, Rejoin};
use kraken_spec::Cluster;
use kraken_swarm_state::{ClusterKeys, Token};

/// What a golden image is made from. Cloning shares all of it.
#[derive(Clone)]
pub struct Inputs {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The base image, checked and decompressed.
    pub base: Arc<Base>,
    /// Templates and overlays.
    pub assets: Arc<Assets>,
    /// The packages to bake in; `None` for none.
    pub packages: Option<Arc<Selection>>,
    /// How the nodes come into their swarm.
    pub admission: Admission,
}

/// How nodes come into their swarm, with the secret that they need for it.
#[derive(Clone, Default)]
pub enum Admission {
    /// There is no swarm.
    #[default]
    None,
    /// They are members of a new swarm, whose keys these are.
    New(Arc<ClusterKeys>),
    /// They join a running swarm with the token that follows from its keys.
    ByKeys(Arc<ClusterKeys>),
    /// They join a running swarm with a token that it gave out, which is all that is known of it after a rotation.
    ByToken(Arc<Token>),
}

impl Admission {
    /// The keys of the swarm, where they are known.
    pub fn keys(&self) -> Option<&ClusterKeys> {
        match self {
            Self::None | Self::ByToken(_) => None,
            Self::New(keys) | Self::ByKeys(keys) => Some(keys),
        }
    }

    /// Whether the swarm runs already.
    pub fn is_into_a_running_swarm(&self) -> bool {
        matches!(self, Self::ByKeys(_) | Self::ByToken(_))
    }

    /// How templates see it.
    pub fn rejoin(&self) -> Rejoin<'_> {
        match self {
            Self::None | Self::New(_) => Rejoin::No,
            Self::ByKeys(_) => Rejoin::ByKeys,
            Self::ByToken(token) => Rejoin::ByToken(Some(token)),
        }
    }
}
