//! A FAT volume as a read-only [`FileTree`].

use std::io::{ErrorKind, Read};
use std::sync::Arc;

use fatfs::{Dir, DirEntry, FileSystem, FsOptions};

use super::repair::WithInfo;
use super::{CleanFat, Survey, on_fat, time};
use crate::io::{FileTree, Metadata, NodeType, ReadAt, reading, too_large};
use crate::slice::Slice;
use crate::stream::Stream;
use crate::table::Partition;
use kraken_foundation::{Context, Result};

/// The name of the file system in messages.
const FAT: &str = "FAT";

/// A FAT volume, read only. Names compare without case, as in FAT; a dirty bit does not matter.
pub struct FatTree {
    fs: FileSystem<Stream>,
}

impl FatTree {
    /// Opens the volume in a partition of a disk.
    ///
    /// # Errors
    /// When there is no FAT volume or it is unsafe to walk.
    pub fn open(disk: Arc<dyn ReadAt>, partition: &Partition) -> Result<Self> {
        let slice = Slice::new(disk, partition.start, partition.len).quoted(|| on_fat("opening the partition"))?;
        let survey = Survey::take(&slice)?;
        survey.sound()?;
        match survey.geometry.fs_info.filter(|_| survey.info_lost) {
            Some(at) => Self::mount(WithInfo { volume: slice, at }),
            None => Self::mount(slice),
        }
    }

    /// Opens the volume in a partition of a disk. `clean` is the result of a check of the same
    /// bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_clean(disk: Arc<dyn ReadAt>, partition: &Partition, _clean: &CleanFat) -> Result<Self> {
        Self::mount(Slice::new(disk, partition.start, partition.len).quoted(|| on_fat("opening the partition"))?)
    }

    fn mount(volume: impl ReadAt + 'static) -> Result<Self> {
        let fs =
            FileSystem::new(Stream::read_only(Arc::new(volume)), FsOptions::new()).quoted(|| on_fat("mounting"))?;
        Ok(Self { fs })
    }

    fn find(&self, path: &str) -> Result<Found<'_>> {
        find(self.fs.root_dir(), path).quoted(|| reading(path, FAT))
    }
}

/// What is at a path.
pub(super) enum Found<'a> {
    Nothing,
    Root(Dir<'a, Stream>),
    Entry(DirEntry<'a, Stream>),
}

/// Walks `path` from `root`.
pub(super) fn find<'a>(root: Dir<'a, Stream>, path: &str) -> std::io::Result<Found<'a>> {
    let mut found = Found::Root(root);
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let directory = match found {
            Found::Root(directory) => directory,
            Found::Entry(entry) if entry.is_dir() => entry.to_dir(),
            _ => return Ok(Found::Nothing),
        };
        found = match child(&directory, name)? {
            Some(entry) => Found::Entry(entry),
            None => return Ok(Found::Nothing),
        };
    }
    Ok(found)
}

/// Returns the entry of a directory with this name, long or short, in any case.
pub(super) fn child<'a>(directory: &Dir<'a, Stream>, name: &str) -> std::io::Result<Option<DirEntry<'a, Stream>>> {
    let folded = name.to_uppercase();
    for entry in directory.iter() {
        let entry = entry?;
        let long = entry.file_name();
        if !matches!(long.as_str(), "." | "..") && (long.to_uppercase() == folded || entry.short_file_name() == folded)
        {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Returns all bytes of a file entry, or an error.
pub(super) fn contents(entry: &DirEntry<'_, Stream>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.to_file().read_to_end(&mut bytes)?;
    if bytes.len() as u64 != entry.len() {
        return Err(std::io::Error::new(
            ErrorKind::UnexpectedEof,
            "its cluster chain is shorter than its size",
        ));
    }
    Ok(bytes)
}

impl FileTree for FatTree {
    fn metadata(&self, path: &str) -> Result<Option<Metadata>> {
        let (node, size, mtime) = match self.find(path)? {
            Found::Nothing => return Ok(None),
            Found::Root(_) => (NodeType::Directory, 0, None),
            Found::Entry(entry) if entry.is_dir() => (NodeType::Directory, 0, time::to_unix(entry.modified())),
            Found::Entry(entry) => (NodeType::File, entry.len(), time::to_unix(entry.modified())),
        };
        Ok(Some(Metadata {
            node,
            size,
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime,
        }))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Found::Entry(entry) = self.find(path)? else {
            return Ok(None);
        };
        if entry.is_dir() {
            return Ok(None);
        }
        if entry.len() > limit {
            return Err(too_large(path, FAT, entry.len(), limit));
        }
        contents(&entry).map(Some).quoted(|| reading(path, FAT))
    }

    fn read_link(&self, _path: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let directory = match self.find(path)? {
            Found::Root(directory) => directory,
            Found::Entry(entry) if entry.is_dir() => entry.to_dir(),
            _ => return Ok(Vec::new()),
        };
        let mut names = Vec::new();
        for entry in directory.iter() {
            let name = entry.quoted(|| reading(path, FAT))?.file_name();
            if !matches!(name.as_str(), "." | "..") {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
