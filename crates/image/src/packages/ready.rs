//! Packages that are ready to be unpacked.

use std::path::PathBuf;

use super::lock::LockedSet;

/// Packages that are ready to be unpacked.
#[derive(Clone, Debug)]
pub struct ReadyPackages {
    /// Names, versions and hashes.
    pub locked: LockedSet,
    /// The file of each of [`LockedSet::packages`], in the same order.
    pub debs: Vec<PathBuf>,
}
