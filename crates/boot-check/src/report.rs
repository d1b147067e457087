//! The result of a run as data: nodes, and checks with their evidence and times.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything is as expected.
    Passed,
    /// Something is wrong, or did not come about in time.
    Failed,
    /// The check could not be made, because an earlier one failed or the run was stopped.
    NotReached,
    /// The check does not apply to this image (such as Docker on a node without Docker).
    NotApplicable,
}

/// One check, made from outside of the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// The name, stable for programs: `kernel`, `root`, `cloud-init`, `ssh-login`, `swarm-node`, …
    pub name: &'static str,
    /// What the check verifies, in words: `cloud-init finished without errors`.
    pub title: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was expected, if the check failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was seen: the evidence, a few lines at most. It is text of a guest, without control
    /// characters.
    pub seen: String,
    /// The likely cause, and what the user can do, if the check failed and a cause is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When the check began, in milliseconds from the start of the run.
    pub began_ms: u64,
    /// When it ended, in milliseconds from the start of the run.
    pub ended_ms: u64,
}

/// A moment in a node's start: `kernel`, `root`, `cloud-init`, `docker`, `ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stage {
    /// The name, as a column of the live view shows it.
    pub name: String,
    /// When the stage was reached, in milliseconds from the start of the run.
    pub at_ms: u64,
}

/// The result of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeReport {
    /// The number of the node.
    pub node: u32,
    /// The host name.
    pub hostname: String,
    /// The address on the cluster's network.
    pub address: Ipv4Addr,
    /// `manager`, `worker`, or `none` without a swarm.
    pub role: String,
    /// The image file; `None` if the node was made of a golden image and a patch.
    pub image: Option<PathBuf>,
    /// Whether a key of the emulator was added to the configured ones, in the emulator's overlay
    /// only.
    pub ephemeral_key: bool,
    /// The stages that the node reached.
    pub stages: Vec<Stage>,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
    /// The last lines of the console.
    pub console_tail: Vec<String>,
    /// The file with the whole console, which is kept if something failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<PathBuf>,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BootReport {
    /// The name of the cluster.
    pub cluster: String,
    /// The emulated machine: `virt`, `raspi3b`, …
    pub machine: String,
    /// The emulator and its version.
    pub emulator: String,
    /// When the run began (RFC 3339).
    pub started: String,
    /// How long the run took, in milliseconds.
    pub took_ms: u64,
    /// How many times slower than the reference machine this one is with this load, from the
    /// calibration run.
    pub slowness: f64,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
    /// The nodes, in order.
    pub nodes: Vec<NodeReport>,
    /// The checks of all nodes together.
    pub cluster_checks: Vec<Check>,
}

impl BootReport {
    /// Returns whether all checks have passed and the run came to its end. A node without any
    /// passed check is not good.
    pub fn is_good(&self) -> bool {
        let looked_at = |node: &NodeReport| node.checks.iter().any(|check| check.outcome == Outcome::Passed);
        !self.interrupted
            && !self.nodes.is_empty()
            && self.nodes.iter().all(looked_at)
            && self
                .checks()
                .all(|check| check.outcome != Outcome::Failed && check.outcome != Outcome::NotReached)
    }

    /// Returns all checks, of the nodes and of the cluster.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.nodes
            .iter()
            .flat_map(|node| &node.checks)
            .chain(&self.cluster_checks)
    }
}

/// Something that happened while nodes boot, for display.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The emulator of a node was started.
    Started {
        /// The node's number.
        node: u32,
    },
    /// A node reached a stage.
    Stage {
        /// The node's number.
        node: u32,
        /// The stage.
        stage: Stage,
    },
    /// A line on a node's console, cleaned of control characters.
    Console {
        /// The node's number.
        node: u32,
        /// The line.
        line: String,
    },
    /// A check ended; `None` for the node means a check of the whole cluster.
    Checked {
        /// The node's number.
        node: Option<u32>,
        /// The check.
        check: Check,
    },
    /// An activity that is not a check: `calibrating`, `waiting for memory`.
    Doing {
        /// The node's number, if the activity belongs to a node.
        node: Option<u32>,
        /// The activity in words.
        what: String,
    },
}

/// Shows what happens. It is called from several threads.
pub trait Watcher: Send + Sync {
    /// Called when something happened.
    fn event(&self, event: &Event);
}
