//! Templates and overlays → what a node needs on its first boot, as overlays: one that all nodes share, and one for each node.
//!
//! This room renders files. It never writes a byte to a disk.

mod accounts;
mod assets;
mod common;
mod covered;
mod docker;
mod error;
mod fat_names;
mod firmware;
mod home;
mod image;
mod keyboard;
mod locale;
mod network;
mod node;
mod packages;
mod pristine;
mod record;
mod render;
mod sudo;
mod swarm;
mod tell;

pub use assets::Assets;
pub use common::common;
pub use covered::{covers, covers_swarm};
pub use docker::docker_refuses;
pub use error::ProvisionError;
pub use keyboard::keyboard_refuses;
pub use node::node;
pub use pristine::pristine;
pub use record::NodeRecord;
pub use swarm::{JOIN_TOKEN, Membership, NODE_ID, Rejoin, state_folder};

use crate::base::OsImage;
use crate::spec::Cluster;
use kraken_disk::FileTree;
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
