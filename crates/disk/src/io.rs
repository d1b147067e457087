//! The small traits between this crate and the others: positioned reads and writes, and a read-only
//! view of a file tree.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use kraken_foundation::{Error, Kind, Result};

/// Something with a fixed size in bytes that can be read at any offset: an image file, a view, a
/// card.
pub trait ReadAt: Send + Sync {
    /// The size in bytes.
    fn size(&self) -> u64;

    /// Fills `buf` from `offset` (bytes).
    ///
    /// # Errors
    /// `UnexpectedEof` when the range reaches past the end, or whatever the source reports.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
}

/// A [`ReadAt`] that can also be written. A write never makes it larger.
pub trait WriteAt: ReadAt {
    /// Writes all of `buf` at `offset` (bytes).
    ///
    /// # Errors
    /// `InvalidInput` when the range reaches past the end, or whatever the target reports.
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()>;
}

/// Returns a number of bytes as a size in memory.
///
/// # Errors
/// `InvalidData` when this machine cannot address that much.
pub(crate) fn in_memory(bytes: u64) -> io::Result<usize> {
    let error = |_| {
        let why = format!("{bytes} bytes are more than this machine can address");
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    usize::try_from(bytes).map_err(error)
}

/// Returns a place in something that is in memory. One that is beyond what this machine can address
/// becomes a place that no slice has.
pub(crate) fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn size(&self) -> u64 {
        (**self).size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buf)
    }
}

impl<T: WriteAt + ?Sized> WriteAt for &T {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, buf)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> u64 {
        (**self).size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buf)
    }
}

impl<T: WriteAt + ?Sized> WriteAt for Arc<T> {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, buf)
    }
}

/// The type of a file-system entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Other,
}

/// What a file system records about an entry, without following links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its type.
    pub node: NodeType,
    /// Size in bytes (of a link: of its target's text).
    pub size: u64,
    /// Permission bits, `0o7777`; FAT has none and says `0o755`.
    pub mode: u16,
    /// Owner; 0 on FAT.
    pub uid: u32,
    /// Group; 0 on FAT.
    pub gid: u32,
    /// Modification time in seconds since 1970-01-01 UTC, as far as the reader knows it.
    pub mtime: Option<i64>,
}

/// A read-only file tree: FAT, ext4, or a map in memory. Paths are absolute (`/etc/hostname`). A
/// missing path is `None`, never an error. Symbolic links in the middle of a path are followed
/// inside the tree; the last component is not followed.
pub trait FileTree {
    /// Returns what is at `path`.
    ///
    /// # Errors
    /// When the file system is damaged there.
    fn metadata(&self, path: &str) -> Result<Option<Metadata>>;

    /// The bytes of a regular file; `None` when there is no regular file at `path`.
    ///
    /// # Errors
    /// When the file system is damaged there, or the file is larger than `limit`
    /// bytes.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>>;

    /// The target of a symbolic link; `None` when there is no link at `path`.
    ///
    /// # Errors
    /// When the file system is damaged there.
    fn read_link(&self, path: &str) -> Result<Option<String>>;

    /// The names in a directory, sorted, without `.` and `..`; empty when there is no directory at
    /// `path`.
    ///
    /// # Errors
    /// When the file system is damaged there.
    fn list(&self, path: &str) -> Result<Vec<String>>;
}

/// What stands before the cause when the file tree in a `file_system` (`ext4`, `FAT`) cannot be
/// read at `path`.
pub(crate) fn reading(path: &str, file_system: &str) -> String {
    format!("reading {path} from the {file_system} file system")
}

/// The file tree in a `file_system` (`ext4`, `FAT`) cannot be read at `path`.
pub(crate) fn unreadable(path: &str, file_system: &str, why: impl Display) -> Error {
    Error::new(Kind::Damaged, format!("{}: {why}", reading(path, file_system)))
}

/// A file of `len` bytes is larger than the caller expects.
pub(crate) fn too_large(path: &str, file_system: &str, len: u64, limit: u64) -> Error {
    let why = format_args!("it has {len} bytes, at most {limit} were expected");
    unreadable(path, file_system, why)
}
