//! The interface to the files of a swarm state: a folder, an image, memory. This crate only reads
//! through it.

use std::io;

/// Owner and permission bits of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Permission bits, `0o7777`.
    pub bits: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Reads the files of one node's `/var/lib/docker/swarm`. Paths are relative to it, with `/`; `""`
/// is the folder itself.
pub trait StateFiles {
    /// Returns the bytes of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// What the system reported, or `InvalidData` when it has more than `most` bytes.
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>>;

    /// Returns the names in a folder, in any order; none when there is no such folder.
    ///
    /// # Errors
    /// What the system reported.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Returns owner and mode of a file or folder; `None` when there is none, or when this source
    /// does not know them.
    ///
    /// # Errors
    /// What the system reported.
    fn mode(&self, path: &str) -> io::Result<Option<Mode>>;
}
