//! The inputs of rendering.

use super::membership::Rejoin;
use crate::base::OsImage;
use kraken_disk::FileTree;
use kraken_foundation::Sha256Hash;
use kraken_spec::Cluster;
use kraken_swarm_state::ClusterKeys;

/// The inputs of rendering.
pub struct Context<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The facts about the image's system.
    pub os: &'a OsImage,
    /// The image's boot volume as it is: base, golden, or an image that is already provisioned.
    /// Provisioning is idempotent, so that `check` can compare a finished image with what would be
    /// written to it.
    pub boot: &'a dyn FileTree,
    /// The image's root volume, likewise.
    pub root: &'a dyn FileTree,
    /// The mtime of every file that is written, and the time before which no node's clock may
    /// start. Seconds since 1970-01-01 UTC.
    pub clock_floor: i64,
    /// SHA-256 of the raw base image; part of the image's record of itself.
    pub base_sha256: Sha256Hash,
    /// The cluster's keys, from which its swarm is derived. Without them everything secret is left
    /// out: enough to compare an image with its spec, not to make one.
    pub keys: Option<&'a ClusterKeys>,
    /// Whether the nodes join a running swarm again, in place of earlier cards.
    pub rejoin: Rejoin<'a>,
}
