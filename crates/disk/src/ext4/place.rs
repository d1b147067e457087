//! Places in an ext4 volume that is written to.

use fs_ext4::inode::Inode;

use super::write_error::failed;
use kraken_foundation::{Kind, Result};

/// A directory.
#[derive(Clone)]
pub(super) struct Place {
    /// The number of its inode.
    pub(super) inode: u32,
    /// Its path without links: the library sets attributes by path.
    pub(super) path: Vec<u8>,
}

impl Place {
    pub(super) fn child(&self, name: &[u8]) -> Vec<u8> {
        [&self.path, &b"/"[..], name].concat()
    }
}

/// An inode that a name leads to.
pub(super) struct Found {
    pub(super) number: u32,
    pub(super) inode: Inode,
}

/// Where an entry is to be written.
pub(super) struct Spot<'p> {
    pub(super) parent: Place,
    pub(super) name: &'p [u8],
    /// What stands there.
    pub(super) found: Option<Found>,
}

/// The two parts of an absolute path.
pub(super) struct SplitPath<'p> {
    /// The path of the directory; empty for the root.
    pub(super) parents: &'p [u8],
    pub(super) name: &'p [u8],
}

impl<'p> SplitPath<'p> {
    pub(super) fn of(path: &'p [u8]) -> Result<Self> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        match slash.map(|at| (&path[..at], &path[at + 1..])) {
            Some((parents, name)) if !name.is_empty() => Ok(Self { parents, name }),
            _ => Err(failed(
                Kind::Internal,
                "resolving",
                path,
                "it is not an absolute path to an entry",
            )),
        }
    }
}
