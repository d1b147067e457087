//! An ext4 volume as a read-only [`FileTree`], through `ext4-view`.

use std::error::Error as StdError;
use std::sync::Arc;

use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType};

use crate::io::{FileTree, Metadata, NodeType, ReadAt, reading, too_large, unreadable};
use crate::slice::Slice;
use crate::table::Partition;
use kraken_foundation::{Context, Error, Kind, Result};

/// The name of the file system in messages.
const EXT4: &str = "ext4";

/// An ext4 volume, read only. A journal that was not replayed is replayed in memory.
pub struct Ext4Tree {
    fs: Ext4,
}

struct Source(Slice<Arc<dyn ReadAt>>);

impl Ext4Read for Source {
    fn read(&mut self, start: u64, dst: &mut [u8]) -> std::result::Result<(), Box<dyn StdError + Send + Sync>> {
        Ok(self.0.read_at(start, dst)?)
    }
}

impl Ext4Tree {
    /// Opens the volume in a partition of a disk.
    ///
    /// # Errors
    /// When there is no ext4 file system, or it is damaged or of an unsupported
    /// shape.
    pub fn open(disk: Arc<dyn ReadAt>, partition: &Partition) -> Result<Self> {
        let slice = Slice::new(disk, partition.start, partition.len).quoted(|| reading("/", EXT4))?;
        let fs = Ext4::load(Box::new(Source(slice))).map_err(|e| failed("/", e))?;
        Ok(Self { fs })
    }

    fn stat(&self, path: &str) -> Result<Option<ext4_view::Metadata>> {
        found(path, self.fs.symlink_metadata(path))
    }
}

/// The library cannot read what is at `path`.
fn failed(path: &str, error: Ext4Error) -> Error {
    let kind = match &error {
        Ext4Error::Incompatible(_) | Ext4Error::Encrypted => Kind::Unsupported,
        Ext4Error::Io(_) => Kind::Io,
        _ => Kind::Damaged,
    };
    unreadable(path, EXT4, error).with_kind(kind)
}

/// Turns "not found" into `None`; so also a file where a directory was expected, and links that
/// lead nowhere or in a circle.
fn found<T>(path: &str, result: Result<T, Ext4Error>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(
            Ext4Error::NotFound
            | Ext4Error::NotADirectory
            | Ext4Error::NotASymlink
            | Ext4Error::TooManySymlinks
            | Ext4Error::PathTooLong,
        ) => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

impl FileTree for Ext4Tree {
    fn metadata(&self, path: &str) -> Result<Option<Metadata>> {
        Ok(self.stat(path)?.map(|m| Metadata {
            node: match m.file_type() {
                FileType::Regular => NodeType::File,
                FileType::Directory => NodeType::Directory,
                FileType::Symlink => NodeType::Symlink,
                _ => NodeType::Other,
            },
            size: m.len(),
            mode: m.mode() & 0o7777,
            uid: m.uid(),
            gid: m.gid(),
            mtime: Some(m.modified().seconds()),
        }))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(metadata) = self.stat(path)? else {
            return Ok(None);
        };
        if metadata.file_type() != FileType::Regular {
            return Ok(None);
        }
        if metadata.len() > limit {
            return Err(too_large(path, EXT4, metadata.len(), limit));
        }
        found(path, self.fs.read(path))
    }

    fn read_link(&self, path: &str) -> Result<Option<String>> {
        let Some(target) = found(path, self.fs.read_link(path))? else {
            return Ok(None);
        };
        match target.to_str() {
            Ok(target) => Ok(Some(target.to_owned())),
            Err(_) => Err(unreadable(path, EXT4, "its target is not UTF-8")),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        // A link to a directory does not count as a directory, as everywhere in a `FileTree`.
        match self.stat(path)? {
            Some(m) if m.is_dir() => (),
            _ => return Ok(Vec::new()),
        }
        let mut names = Vec::new();
        for entry in self.fs.read_dir(path).map_err(|e| failed(path, e))? {
            let entry = entry.map_err(|e| failed(path, e))?;
            let name = entry.file_name();
            if !matches!(name.as_ref(), b"." | b"..") {
                names.push(String::from_utf8_lossy(name.as_ref()).into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}
