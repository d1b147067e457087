//! What is to be booted, and how; and by which stages a node comes up.

use std::path::PathBuf;

use super::cuts::PowerCut;
use super::report::Check;
use kraken_guest::{BootTarget, FallbackKernel, Machine};
use kraken_spec::{Cluster, SwarmMode};

/// What is to be booted, and how.
pub struct Plan<'a> {
    /// The cluster that the images are of.
    pub cluster: &'a Cluster,
    /// The nodes that are booted.
    pub targets: Vec<BootTarget<'a>>,
    /// On which machine.
    pub machine: Machine,
    /// How large the emulated cards are, in bytes, at least; an image that is larger keeps its size. A power of two for boards.
    pub card: u64,
    /// A root device in the place of the one in cmdline.txt, where that is asked for.
    pub root: Option<String>,
    /// Where the power of nodes is cut while they come up.
    pub power_cuts: Vec<PowerCut>,
    /// A kernel for cards whose own does not know `virt`, where there are such: [`Subject::lacks_virtio`].
    pub fallback: Option<FallbackKernel>,
    /// Where the overlays may grow: a folder with space for what the guests write, some GiB.
    pub room: PathBuf,
    /// Where the consoles' logs go.
    pub consoles: PathBuf,
    /// Whether they are kept when nothing failed, too.
    pub keep_consoles: bool,
    /// Files with private keys whose public keys are configured.
    pub logins: Vec<PathBuf>,
    /// How many nodes are on at the same time at most; two for each core, and as many as the memory is enough for, where that is not said.
    pub at_once: Option<usize>,
    /// The tokens of managers and workers that the cluster's keys give, where the keys are at hand.
    pub tokens: Option<[String; 2]>,
    /// What is known of the folder of images before anything boots, where they are of one: [`super::set_check`].
    pub set: Option<Check>,
}

/// The stages of a node, in order, the last of which says that it is up.
pub fn stages(cluster: &Cluster) -> &'static [&'static str] {
    match cluster.swarm.mode {
        SwarmMode::None => &["kernel", "root", "ssh", "cloud-init", "packages", "docker"],
        _ => &["kernel", "root", "ssh", "cloud-init", "packages", "docker", "swarm"],
    }
}
