//! How the files of a store are read.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Pipe,
    /// Anything else, such as a socket.
    Other,
}

/// What a file system says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its type.
    pub kind: FileKind,
    /// Its permission bits, `0o7777` at most.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of a file, or of a link's target.
    pub size: u64,
    /// Its number in the file system: names of one file have one number.
    pub inode: u64,
    /// Modification time, in seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// The number of a device: major, then minor, 32 bits each.
    pub device: u64,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Reads files below Docker's data root. Paths are relative to it; links are not followed.
pub trait StoreFiles {
    /// Returns what a file is; `None` when there is none.
    ///
    /// # Errors
    /// When reading fails.
    fn stat(&self, path: &[u8]) -> io::Result<Option<Stat>>;

    /// Returns the names in a folder, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// When reading fails.
    fn list(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>>;

    /// Returns the content of a file.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + '_>>;

    /// Returns the target of a symbolic link.
    ///
    /// # Errors
    /// When reading fails.
    fn target(&self, path: &[u8]) -> io::Result<Vec<u8>>;
}
