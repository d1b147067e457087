//! The plan of a run: what is booted and how, and the stages of a node.

use std::path::PathBuf;

use super::cuts::PowerCut;
use super::report::Check;
use kraken_guest::{BootTarget, FallbackKernel, Machine};
use kraken_spec::{Cluster, SwarmMode};

/// What is booted, and how.
pub struct Plan<'a> {
    /// The cluster that the images belong to.
    pub cluster: &'a Cluster,
    /// The nodes that are booted.
    pub targets: Vec<BootTarget<'a>>,
    /// The machine to emulate.
    pub machine: Machine,
    /// The smallest size of the emulated cards in bytes; a larger image keeps its size. It must be
    /// a power of two for boards.
    pub card: u64,
    /// The root device to use instead of the one in cmdline.txt, if the user asks for one.
    pub root: Option<String>,
    /// The power cuts while nodes come up.
    pub power_cuts: Vec<PowerCut>,
    /// The kernel for cards whose own kernel does not support `virt`, if there are any:
    /// [`BootTarget::lacks_virtio`].
    pub fallback: Option<FallbackKernel>,
    /// The folder for the overlays. It needs some GiB of free space for what the guests write.
    pub room: PathBuf,
    /// The folder for the console logs that are kept.
    pub consoles: PathBuf,
    /// Whether to keep the console logs even if nothing failed.
    pub keep_consoles: bool,
    /// Private key files that belong to the configured public keys.
    pub logins: Vec<PathBuf>,
    /// How many nodes may be on at the same time. Without it: two for each core, as far as the
    /// memory allows.
    pub at_once: Option<usize>,
    /// The worker and the manager token of the cluster's keys, if the keys are available.
    pub tokens: Option<[String; 2]>,
    /// The check of the folder of images, if they come from one: [`super::set_check`].
    pub set: Option<Check>,
}

/// Returns the stages of a node, in order. A node that reaches the last one is up.
pub fn stages(cluster: &Cluster) -> &'static [&'static str] {
    match cluster.swarm.mode {
        SwarmMode::None => &["kernel", "root", "ssh", "cloud-init", "packages", "docker"],
        _ => &["kernel", "root", "ssh", "cloud-init", "packages", "docker", "swarm"],
    }
}
