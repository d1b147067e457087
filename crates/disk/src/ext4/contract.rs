//! What we require of a library that writes ext4, so that it can be replaced by another.

use std::collections::BTreeMap;

use kraken_foundation::Result;
use kraken_overlay::{Content, Node};

/// Owner, mode, time and attributes of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Permission bits, `0o7777` at most.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
    /// Extended attributes by full name.
    pub xattrs: &'a BTreeMap<String, Vec<u8>>,
}

/// A time of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01 UTC; clamped to 1970..2038, which is what every reader of ext4
    /// understands.
    pub seconds: i64,
    /// Nanoseconds after that.
    pub nanoseconds: u32,
}

/// What we require of a library that writes ext4. Paths are absolute; symbolic links on the way to
/// the last component are followed inside the volume; missing parents are made as `0755 root:root`.
pub trait Ext4Write {
    /// Writes a file under a new inode, unless it exists with these bytes, all its attributes, and
    /// as many names as `names` says. A file or link that was there loses this name only.
    ///
    /// # Errors
    /// When there is a directory at the path, a parent is a file, or the volume is
    /// full.
    fn file(&mut self, path: &[u8], content: &Content, names: u32, attributes: Attributes<'_>) -> Result<()>;

    /// Makes a directory, or sets these attributes on an existing one.
    ///
    /// # Errors
    /// As [`Self::file`]; a file at the path is an error.
    fn directory(&mut self, path: &[u8], attributes: Attributes<'_>) -> Result<()>;

    /// Makes a directory where there is none, and returns whether it did. An existing directory, or
    /// a link to one, stays as it is.
    ///
    /// # Errors
    /// As [`Self::file`]; a file at the path is an error.
    fn directory_if_missing(&mut self, path: &[u8], attributes: Attributes<'_>) -> Result<bool>;

    /// Makes a device node or a pipe, unless it exists with all its attributes and as many names as
    /// `names` says; replaces a file or link that was there.
    ///
    /// # Errors
    /// As [`Self::file`]; also for a device number above 255, which the library does not write.
    fn node(&mut self, path: &[u8], node: Node, names: u32, attributes: Attributes<'_>) -> Result<()>;

    /// Adds another name for `other`, which is not a directory. A file or link that was at `path`
    /// loses this name. `now` is the time of the change.
    ///
    /// # Errors
    /// As [`Self::file`]; also when `other` is missing or a directory.
    fn hard_link(&mut self, path: &[u8], other: &[u8], now: i64) -> Result<()>;

    /// Makes a symbolic link; replaces a file or link that was there.
    ///
    /// # Errors
    /// As [`Self::file`].
    fn symlink(&mut self, path: &[u8], target: &[u8], attributes: Attributes<'_>) -> Result<()>;

    /// Removes a file or link; a missing one is not an error.
    ///
    /// # Errors
    /// As [`Self::file`].
    fn remove(&mut self, path: &[u8]) -> Result<()>;

    /// Removes an empty directory. Anything else stays, and a missing one is not an error.
    ///
    /// # Errors
    /// As [`Self::file`].
    fn remove_if_empty(&mut self, path: &[u8]) -> Result<()>;

    /// Sets the modification time of an existing directory (writing into it changed it).
    ///
    /// # Errors
    /// As [`Self::file`].
    fn touch(&mut self, path: &[u8], mtime: Time) -> Result<()>;

    /// Finishes the writes.
    ///
    /// # Errors
    /// When the disk reports one.
    fn finish(self) -> Result<()>;
}
