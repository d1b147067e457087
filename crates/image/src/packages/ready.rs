//! Packages that are ready to be laid out.

use std::path::PathBuf;

use super::lock::LockedSet;

/// Packages that are ready to be laid out.
#[derive(Clone, Debug)]
pub struct ReadyPackages {
    /// What they are.
    pub locked: LockedSet,
    /// Where each of [`LockedSet::packages`] is, in the same order.
    pub debs: Vec<PathBuf>,
}
