//! The inputs of a golden image.

use std::sync::Arc;

use crate::base::Base;
use crate::packages::ReadyPackages;
use crate::provision::{Assets, Rejoin};
use kraken_spec::Cluster;
use kraken_swarm_state::{ClusterKeys, Token};

/// The inputs of a golden image. Clones share all of them.
#[derive(Clone)]
pub struct Inputs {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The base image, checked and decompressed.
    pub base: Arc<Base>,
    /// Templates and overlays.
    pub assets: Arc<Assets>,
    /// The packages to bake in; `None` for none.
    pub packages: Option<Arc<ReadyPackages>>,
    /// How the nodes become members of their swarm.
    pub admission: Admission,
}

/// How nodes become members of their swarm, with the secret that they need for that.
#[derive(Clone, Default)]
pub enum Admission {
    /// There is no swarm.
    #[default]
    None,
    /// They are members of a new swarm with these keys.
    New(Arc<ClusterKeys>),
    /// They join a running swarm with the token that follows from its keys.
    ByKeys(Arc<ClusterKeys>),
    /// They join a running swarm with a token that it issued; after a rotation, this is all that is
    /// known of the swarm.
    ByToken(Arc<Token>),
}

impl Admission {
    /// Returns the keys of the swarm, if they are known.
    pub fn keys(&self) -> Option<&ClusterKeys> {
        match self {
            Self::None | Self::ByToken(_) => None,
            Self::New(keys) | Self::ByKeys(keys) => Some(keys),
        }
    }

    /// Returns whether the swarm already runs.
    pub fn is_into_a_running_swarm(&self) -> bool {
        matches!(self, Self::ByKeys(_) | Self::ByToken(_))
    }

    /// Returns the form of it that templates use.
    pub fn rejoin(&self) -> Rejoin<'_> {
        match self {
            Self::None | Self::New(_) => Rejoin::No,
            Self::ByKeys(_) => Rejoin::ByKeys,
            Self::ByToken(token) => Rejoin::ByToken(Some(token)),
        }
    }
}
