//! What a golden image is made from.

use crate::base::Base;
use crate::packages::ReadyPackages;
use crate::provision::{Assets, Rejoin};
use kraken_spec::Cluster;
use kraken_swarm_state::ClusterKeys;

/// What a golden image is made from.
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
    /// The cluster's keys; `None` where it is to be no swarm.
    pub keys: Option<&'a ClusterKeys>,
    /// Whether the nodes join a running swarm again.
    pub rejoin: Rejoin<'a>,
}
