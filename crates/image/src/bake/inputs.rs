//! The inputs of a golden image.

use crate::base::Base;
use crate::packages::ReadyPackages;
use crate::provision::{Assets, Rejoin};
use kraken_spec::Cluster;
use kraken_swarm_state::ClusterKeys;

/// The inputs of a golden image.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The base image, checked and decompressed.
    pub base: &'a Base,
    /// Templates and overlays.
    pub assets: &'a Assets,
    /// The packages to bake in; `None` for none.
    pub packages: Option<&'a ReadyPackages>,
    /// The cluster's keys; `None` when it is not a swarm.
    pub keys: Option<&'a ClusterKeys>,
    /// Whether the nodes join a running swarm again.
    pub rejoin: Rejoin<'a>,
}
