//! What was proven by booting, as data: nodes, checks with their evidence and times.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is as it should be.
    Passed,
    /// It is not, or did not come to be in time.
    Failed,
    /// It could not be looked at, since something before it failed or the run was stopped.
    NotReached,
    /// It does not apply to this image (Docker, on a node without Docker).
    NotApplicable,
}

/// One thing that was looked at, from outside the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// Its name, stable for programs: `kernel`, `root`, `cloud-init`, `ssh-login`, `swarm-node`, …
    pub name: &'static str,
    /// What it proves, in words: `cloud-init finished without errors`.
    pub title: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was expected, when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was seen: the evidence, some lines at most. Text of a guest, already cleaned of control characters.
    pub seen: String,
    /// The likely cause, when it failed and one is known; what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When it was begun to be looked at, in milliseconds from the start of the run.
    pub began_ms: u64,
    /// When it ended, in milliseconds from the start of the run.
    pub ended_ms: u64,
}

/// A moment in a node's start: `kernel`, `root`, `cloud-init`, `docker`, `ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stage {
    /// Its name, as a column of the live view shows it.
    pub name: String,
    /// When it was reached, in milliseconds from the start of the run.
    pub at_ms: u64,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeReport {
    /// Its number.
    pub node: u32,
    /// Its name.
    pub hostname: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// `manager`, `worker`, or `none` without a swarm.
    pub role: String,
    /// The image that was booted; `None` when it was made of golden image and patch.
    pub image: Option<PathBuf>,
    /// Whether a key of the emulator's own was put beside the configured ones, in the emulator's overlay only.
    pub ephemeral_key: bool,
    /// The stages that it reached.
    pub stages: Vec<Stage>,
    /// Its checks, in the order in which they were made.
    pub checks: Vec<Check>,
    /// The last lines of its console.
    pub console_tail: Vec<String>,
    /// Its whole console, kept when something failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<PathBuf>,
}

/// What was proven of a set of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BootReport {
    /// The cluster's name.
    pub cluster: String,
    /// The emulated machine: `virt`, `raspi3b`, …
    pub machine: String,
    /// The emulator and its version.
    pub emulator: String,
    /// When the run began (RFC 3339).
    pub started: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How much slower than the reference machine this one is with this load, from the calibration run.
    pub slowness: f64,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// The nodes, in order.
    pub nodes: Vec<NodeReport>,
    /// What was proven of them together.
    pub cluster_checks: Vec<Check>,
}

impl BootReport {
    /// Whether everything that was looked at is right, and the run came to its end. A node of which nothing was looked at is not.
    pub fn is_good(&self) -> bool {
        let looked_at = |node: &NodeReport| node.checks.iter().any(|check| check.outcome == Outcome::Passed);
        !self.interrupted
            && !self.nodes.is_empty()
            && self.nodes.iter().all(looked_at)
            && self
                .checks()
                .all(|check| check.outcome != Outcome::Failed && check.outcome != Outcome::NotReached)
    }

    /// All checks, of the nodes and of the cluster.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.nodes
            .iter()
            .flat_map(|node| &node.checks)
            .chain(&self.cluster_checks)
    }
}

/// Something that happened while nodes boot, for who shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A node's emulator was started.
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
    /// A check ended; `None` for one of the whole cluster.
    Checked {
        /// The node's number.
        node: Option<u32>,
        /// The check.
        check: Check,
    },
    /// Something is being done that is no check: `calibrating`, `waiting for memory`.
    Doing {
        /// The node's number, where it is one's.
        node: Option<u32>,
        /// In words.
        what: String,
    },
}

/// Who shows what happens. Called from several threads.
pub trait Watcher: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}
