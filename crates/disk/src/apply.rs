//! Writes an overlay into the two volumes of a disk.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ext4::{Attributes, Ext4Error, Ext4Write, Ext4Writer};
use super::fat::{CleanFat, FatError, FatWriter};
use super::io::WriteAt;
use super::layout::Layout;
use kraken_overlay::{Content, Entry, EntryPath, Kind, Overlay, Volume};

/// Why an overlay could not be written into a disk. The disk may be changed in part: use a view,
/// and discard it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The boot volume.
    #[error("laying files over the boot volume: {0}")]
    Boot(#[from] FatError),
    /// The root volume.
    #[error("laying files over the root volume: {0}")]
    Root(#[from] Ext4Error),
    /// The bytes of a file could not be read from the temporary file that keeps them.
    #[error("reading what is to be {path} in the image: {source}")]
    Content {
        /// The path.
        path: EntryPath,
        /// What the system reported.
        source: std::io::Error,
    },
    /// FAT cannot hold this kind of entry.
    #[error("laying files over the boot volume: {path} is a link, which FAT cannot hold; put it on the root volume")]
    LinkOnBoot {
        /// The path.
        path: EntryPath,
    },
}

/// Writes `overlay` into the disk that `view` shows. Doing it twice changes nothing the second
/// time.
///
/// Missing parents are made as `0755 root:root`. Symbolic links on the way to an entry are followed
/// inside the image, never out of it; a link at the entry's own path is replaced. A file over a
/// directory, or a directory over a file, is an error. A replaced file gets a new inode, so that
/// other names of the old one keep their contents.
///
/// # Errors
/// [`ApplyError`] when a volume is damaged or full, or an entry is impossible at its path.
pub fn apply(view: Arc<dyn WriteAt>, layout: &Layout, overlay: &Overlay) -> Result<(), ApplyError> {
    lay(view, layout, overlay, None)
}

/// As [`apply`], on a disk whose boot volume was checked before and has not changed since. This
/// saves time where many views of one image are written.
///
/// # Errors
/// As [`apply`].
pub fn apply_clean(
    view: Arc<dyn WriteAt>,
    layout: &Layout,
    overlay: &Overlay,
    boot: &CleanFat,
) -> Result<(), ApplyError> {
    lay(view, layout, overlay, Some(boot))
}

fn lay(view: Arc<dyn WriteAt>, layout: &Layout, overlay: &Overlay, clean: Option<&CleanFat>) -> Result<(), ApplyError> {
    if overlay.iter().any(|(volume, ..)| volume == Volume::Boot) {
        let writer = match clean {
            Some(clean) => FatWriter::open_clean(view.clone(), &layout.boot, clean)?,
            None => FatWriter::open(view.clone(), &layout.boot)?,
        };
        apply_boot(writer, overlay)?;
    }
    if overlay.iter().any(|(volume, ..)| volume == Volume::Root) {
        apply_root(view, layout, overlay)?;
    }
    Ok(())
}

fn of(overlay: &Overlay, wanted: Volume) -> impl Iterator<Item = (&EntryPath, &Entry)> {
    overlay
        .iter()
        .filter(move |(volume, ..)| *volume == wanted)
        .map(|(_, path, entry)| (path, entry))
}

fn apply_boot(writer: FatWriter, overlay: &Overlay) -> Result<(), ApplyError> {
    for (path, entry) in of(overlay, Volume::Boot) {
        match &entry.kind {
            Kind::File(content) => writer.write(path.as_str(), &bytes(path, content)?, entry.mtime)?,
            Kind::Directory | Kind::DirectoryIfMissing => writer.mkdir(path.as_str(), entry.mtime)?,
            Kind::Absent => writer.remove(path.as_str())?,
            // The boot volume gets no entries that leave empty folders.
            Kind::AbsentIfEmpty => {}
            Kind::Symlink(_) | Kind::HardLink(_) => return Err(ApplyError::LinkOnBoot { path: path.clone() }),
        }
    }
    Ok(writer.finish()?)
}

fn apply_root(view: Arc<dyn WriteAt>, layout: &Layout, overlay: &Overlay) -> Result<(), ApplyError> {
    // Removals have no time of their own: they happen at the time of the newest entry.
    let now = of(overlay, Volume::Root).map(|(_, e)| e.mtime).max().unwrap_or(0);
    let mut writer = Ext4Writer::open(view, &layout.root, now)?;
    let names = names(overlay);
    // Directories that this overlay made. Others keep their times unless something is written into
    // them.
    let mut made = BTreeSet::new();
    for (path, entry) in of(overlay, Volume::Root) {
        let attributes = Attributes {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: &entry.xattrs,
        };
        match &entry.kind {
            Kind::File(content) => {
                let names = names.get(path).copied().unwrap_or(1);
                writer.file(path.as_str(), content, names, attributes)?;
            }
            // These come after all files: the target of a hard link may come later, and so may a
            // removal from a folder.
            Kind::HardLink(_) | Kind::AbsentIfEmpty => {}
            Kind::Directory => {
                writer.directory(path.as_str(), attributes)?;
                made.insert(path);
            }
            Kind::DirectoryIfMissing => {
                if writer.directory_if_missing(path.as_str(), attributes)? {
                    made.insert(path);
                }
            }
            Kind::Symlink(target) => writer.symlink(path.as_str(), target, attributes)?,
            Kind::Absent => writer.remove(path.as_str())?,
        }
    }
    for (path, entry) in of(overlay, Volume::Root) {
        if let Kind::HardLink(other) = &entry.kind {
            writer.hard_link(path.as_str(), other.as_str(), entry.mtime)?;
        }
    }
    // The contents of a folder come before the folder itself.
    let all: Vec<_> = of(overlay, Volume::Root).collect();
    for (path, _) in all.iter().rev().filter(|(_, entry)| entry.kind == Kind::AbsentIfEmpty) {
        writer.remove_if_empty(path.as_str())?;
    }
    // Writing into a directory has changed its time.
    for (path, entry) in all {
        if made.contains(path) {
            writer.touch(path.as_str(), entry.mtime)?;
        }
    }
    Ok(writer.finish()?)
}

/// Returns the number of names for each file of the root volume that gets more than one.
fn names(overlay: &Overlay) -> BTreeMap<&EntryPath, u32> {
    let mut names = BTreeMap::new();
    for (_, entry) in of(overlay, Volume::Root) {
        if let Kind::HardLink(other) = &entry.kind {
            *names.entry(other).or_insert(1) += 1;
        }
    }
    names
}

/// Returns the bytes of a file of the overlay.
fn bytes<'c>(path: &EntryPath, content: &'c Content) -> Result<Cow<'c, [u8]>, ApplyError> {
    content.read().map_err(|source| ApplyError::Content {
        path: path.clone(),
        source,
    })
}
