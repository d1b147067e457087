//! Packages that are ready to be laid out.

use std::path::PathBuf;

use super::lock::Bake;

/// Packages that are ready to be laid out.
#[derive(Clone, Debug)]
pub struct Selection {
    /// What they are.
    pub bake: Bake,
    /// Where each of [`Bake::packages`] is, in the same order.
    pub debs: Vec<PathBuf>,
}
