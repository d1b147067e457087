//! What there is to render from.

use super::membership::Rejoin;
use crate::base::OsImage;
use kraken_disk::FileTree;
use kraken_spec::Cluster;
use kraken_swarm_state::ClusterKeys;

/// What there is to render from.
pub struct Context<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What is known of the image.
    pub os: &'a OsImage,
    /// The image's boot volume as it is: base, golden, or an image already provisioned. Provisioning is idempotent, so that
    /// `check` can ask "what would be written?" of a finished image and compare.
    pub boot: &'a dyn FileTree,
    /// The image's root volume, likewise.
    pub root: &'a dyn FileTree,
    /// The mtime of every file written, and the time before which no node's clock may start. Seconds since 1970-01-01 UTC.
    pub clock_floor: i64,
    /// SHA-256 of the raw base image, in hexadecimal; goes into what the image tells of itself.
    pub base_sha256: &'a str,
    /// The cluster's keys, from which its swarm follows. Without them what would hold a secret is left out: enough to compare an
    /// image with its spec, not to make one.
    pub keys: Option<&'a ClusterKeys>,
    /// Whether the nodes join a running swarm again, in the place of cards that were.
    pub rejoin: Rejoin<'a>,
}
