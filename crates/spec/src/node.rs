//! A node of the resolved cluster: its name, address and hardware, and its part in the swarm.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Deref;

use kraken_foundation::mac::Mac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which node of a cluster it is, and what it is in the swarm. Everything that is made for a node
/// (image, manifest, record on the card) names it by these facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeId {
    /// Its number, from 1.
    pub number: u32,
    /// RFC 1123 label, unique in the cluster.
    pub hostname: String,
    /// Its static address, inside the subnet, unique in the cluster.
    pub address: Ipv4Addr,
    /// Its role in the swarm.
    pub role: Role,
}

/// One Raspberry Pi of the cluster. It can be read as its [`NodeId`]: `node.hostname`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Node {
    /// Number, host name, address and role.
    #[serde(flatten)]
    pub id: NodeId,
    /// Which board it is.
    pub board: Board,
    /// MAC address of its network interface, when known.
    pub mac: Option<Mac>,
    /// Free-form labels, for the swarm's placement constraints.
    pub labels: BTreeMap<String, String>,
    /// Whether it takes tasks of the swarm.
    pub availability: Availability,
}

impl Deref for Node {
    type Target = NodeId;

    fn deref(&self) -> &NodeId {
        &self.id
    }
}

/// `[[node]] role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It takes part in the swarm's raft.
    Manager,
    /// It runs services only.
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Manager => "manager",
            Role::Worker => "worker",
        })
    }
}

/// `[[node]] board`. It guides checks (an arm64 image on a board that cannot run it), never what is
/// written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Board {
    /// Raspberry Pi Zero W or 1: ARMv6, 32 bit only.
    Pi1,
    /// Raspberry Pi 2: ARMv7, 32 bit only (v1.1).
    Pi2,
    /// Raspberry Pi 3 (A+, B, B+) and Zero 2 W.
    #[default]
    Pi3,
    /// Raspberry Pi 4, 400, CM4.
    Pi4,
    /// Raspberry Pi 5, 500, CM5.
    Pi5,
}

impl Board {
    /// Returns whether the board runs 64-bit (arm64) systems.
    pub fn is_64_bit(self) -> bool {
        matches!(self, Board::Pi3 | Board::Pi4 | Board::Pi5)
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Board::Pi1 => "pi1",
            Board::Pi2 => "pi2",
            Board::Pi3 => "pi3",
            Board::Pi4 => "pi4",
            Board::Pi5 => "pi5",
        })
    }
}

/// `[[node]] availability`, in Docker's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Availability {
    /// It takes tasks.
    #[default]
    Active,
    /// It takes no new tasks.
    Pause,
    /// It has no tasks.
    Drain,
}
