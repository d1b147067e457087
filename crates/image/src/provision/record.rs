//! `/etc/kraken-flash/node.json`: a card's record of itself, from which `inspect` and `verify` know
//! which node it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use kraken_disk::{FileTree, real_path};
use kraken_foundation::{Context as _, Result, Sha256Hash};
use kraken_spec::NodeId;

use super::{Membership, error};
use crate::json;

/// A card's record of itself. It holds no secret: every user of the node may read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeRecord {
    /// The cluster's name.
    pub cluster: String,
    /// The node's number, host name, static address and role.
    #[serde(flatten)]
    pub id: NodeId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How the card makes its node a member of the swarm.
    #[serde(default)]
    pub swarm: Membership,
    /// The instance id for cloud-init; another id makes cloud-init run as on a first boot.
    pub instance_id: String,
    /// SHA-256 of the raw base image.
    pub base_sha256: Sha256Hash,
    /// The time before which the node's clock never starts, in seconds since 1970-01-01 UTC.
    pub clock_floor: i64,
}

impl NodeRecord {
    /// Its path on the root volume; mode 0644, owner root.
    pub const PATH: &'static str = "/etc/kraken-flash/node.json";

    /// The largest record that is read, in bytes.
    const MAX: u64 = 1 << 20;

    /// Returns the file's content: JSON, indented, with a newline at its end.
    pub fn to_json(&self) -> String {
        let value = serde_json::json!(self);
        format!("{value:#}\n")
    }

    /// Reads the record from a root volume; `None` when the volume has none, and so was not made by
    /// kraken-flash.
    ///
    /// # Errors
    /// When the file system is damaged or the file is not a record.
    pub fn read(root: &dyn FileTree) -> Result<Option<Self>> {
        let path = real_path(root, Self::PATH).context(|| error::READING)?;
        let Some(bytes) = root.read(&path, Self::MAX).context(|| error::READING)? else {
            return Ok(None);
        };
        json::parse(&bytes).map(Some).map_err(|error| {
            error::image(
                Self::PATH,
                &format!("it is not a node record ({error}); build the image again"),
            )
        })
    }
}
