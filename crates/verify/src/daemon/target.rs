//! The input of the check: one image, its files, and what is known of its node.

use kraken_disk::{FileTree, real_path};

/// Where dockerd reads its options.
pub(super) const OPTIONS: &str = "/etc/docker/daemon.json";

/// The image that is checked.
#[derive(Clone, Copy)]
pub(in super::super) struct DaemonTarget<'a> {
    /// The image's root volume.
    pub(in super::super) root: &'a dyn FileTree,
    /// Its architecture, as Debian names it.
    pub(in super::super) architecture: &'a str,
    /// Whether the node is in a swarm.
    pub(in super::super) swarm: bool,
    /// Whether its files are known to come from signed packages. Only then does one of its programs
    /// run here.
    pub(in super::super) trusted: bool,
}

/// Returns whether there is something at a path. Links are followed.
pub(super) fn is_there(root: &dyn FileTree, path: &str) -> bool {
    matches!(real_path(root, path).and_then(|path| root.metadata(&path)), Ok(Some(_)))
}
