//! The volumes of an image, as the checks get them.

use std::path::Path;

use kraken_disk::FileTree;

/// The files of an image's two volumes.
#[derive(Clone, Copy)]
pub(super) struct Trees<'a> {
    /// The boot volume.
    pub(super) boot: &'a dyn FileTree,
    /// The root volume.
    pub(super) root: &'a dyn FileTree,
}

/// A file system inside an image, for programs that read it by themselves.
#[derive(Clone, Copy)]
pub(super) struct ImageVolume<'a> {
    /// The raw image.
    pub(super) image: &'a Path,
    /// Where the file system begins, in bytes.
    pub(super) offset: u64,
}
