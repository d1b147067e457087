//! A base image on this machine.

use std::path::PathBuf;

use kraken_disk::{Ext4Tree, FatTree};
use kraken_foundation::Sha256Hash;

/// The two volumes of a base, open for reading.
pub(crate) struct BaseTrees {
    pub(crate) boot: FatTree,
    pub(crate) root: Ext4Tree,
}

/// A base image, ready to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The raw image: in the cache, or the user's own file. It must not be written.
    pub raw: PathBuf,
    /// SHA-256 of the raw image.
    pub raw_sha256: Sha256Hash,
    /// Its size in bytes.
    pub size: u64,
    /// What it was made from: an address without secrets, a file name without folders, `debian`.
    pub origin: String,
    /// SHA-256 of the packed file that it came out of; `None` when it was not packed.
    pub download_sha256: Option<Sha256Hash>,
}
