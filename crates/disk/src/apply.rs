//! Writes an overlay into the two volumes of a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ext4::{Attributes, Ext4Write, Ext4Writer, Time};
use super::fat::{CleanFat, FatWriter};
use super::io::WriteAt;
use super::layout::Layout;
use kraken_foundation::{Context, Error, Result};
use kraken_overlay::{Entry, EntryPath, Kind, Overlay, Volume};

/// Before the cause when the boot volume cannot be written.
const BOOT: &str = "laying files over the boot volume";
/// Before the cause when the root volume cannot be written.
const ROOT: &str = "laying files over the root volume";

/// Writes `overlay` into the disk that `view` shows. Doing it twice changes nothing the second
/// time.
///
/// Missing parents are made as `0755 root:root`. Symbolic links on the way to an entry are followed
/// inside the image, never out of it; a link at the entry's own path is replaced. A file over a
/// directory, or a directory over a file, is an error. A replaced file gets a new inode, so that
/// other names of the old one keep their contents.
///
/// # Errors
/// When a volume is damaged or full, or an entry is impossible at its path. The disk may be changed
/// in part then: use a view, and discard it.
pub fn apply(view: Arc<dyn WriteAt>, layout: &Layout, overlay: &Overlay) -> Result<()> {
    lay(view, layout, overlay, None)
}

/// As [`apply`], on a disk whose boot volume was checked before and has not changed since. This
/// saves time where many views of one image are written.
///
/// # Errors
/// As [`apply`].
pub fn apply_clean(view: Arc<dyn WriteAt>, layout: &Layout, overlay: &Overlay, boot: &CleanFat) -> Result<()> {
    lay(view, layout, overlay, Some(boot))
}

fn lay(view: Arc<dyn WriteAt>, layout: &Layout, overlay: &Overlay, clean: Option<&CleanFat>) -> Result<()> {
    if overlay.iter().any(|(volume, ..)| volume == Volume::Boot) {
        let writer = match clean {
            Some(clean) => FatWriter::open_clean(view.clone(), &layout.boot, clean),
            None => FatWriter::open(view.clone(), &layout.boot),
        };
        apply_boot(writer.quoted(|| BOOT)?, overlay)?;
    }
    if overlay.iter().any(|(volume, ..)| volume == Volume::Root) {
        apply_root(view, layout, overlay).quoted(|| ROOT)?;
    }
    Ok(())
}

fn of(overlay: &Overlay, wanted: Volume) -> impl Iterator<Item = (&EntryPath, &Entry)> {
    overlay
        .iter()
        .filter(move |(volume, ..)| *volume == wanted)
        .map(|(_, path, entry)| (path, entry))
}

fn apply_boot(writer: FatWriter, overlay: &Overlay) -> Result<()> {
    for (path, entry) in of(overlay, Volume::Boot) {
        let written = match &entry.kind {
            Kind::File(content) => {
                let bytes = content
                    .read()
                    .quoted(|| format!("reading what is to be {path} in the image"))?;
                writer.write(path.as_str(), &bytes, entry.mtime)
            }
            Kind::Directory | Kind::DirectoryIfMissing => writer.mkdir(path.as_str(), entry.mtime),
            Kind::Absent => writer.remove(path.as_str()),
            // The boot volume gets no entries that leave empty folders.
            Kind::AbsentIfEmpty => Ok(()),
            Kind::Symlink(_) | Kind::HardLink(_) | Kind::Node(_) => Err(Error::new(
                kraken_foundation::Kind::Unsupported,
                format!("{path} is a link or a device, which FAT cannot hold; put it on the root volume"),
            )),
        };
        written.quoted(|| BOOT)?;
    }
    writer.finish().quoted(|| BOOT)
}

fn apply_root(view: Arc<dyn WriteAt>, layout: &Layout, overlay: &Overlay) -> Result<()> {
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
            mtime: mtime(entry),
            xattrs: &entry.xattrs,
        };
        match &entry.kind {
            Kind::File(content) => {
                let names = names.get(path).copied().unwrap_or(1);
                writer.file(path.as_bytes(), content, names, attributes)?;
            }
            // These come after all files: the target of a hard link may come later, and so may a
            // removal from a folder.
            Kind::HardLink(_) | Kind::AbsentIfEmpty => {}
            Kind::Directory => {
                writer.directory(path.as_bytes(), attributes)?;
                made.insert(path);
            }
            Kind::DirectoryIfMissing => {
                if writer.directory_if_missing(path.as_bytes(), attributes)? {
                    made.insert(path);
                }
            }
            Kind::Symlink(target) => writer.symlink(path.as_bytes(), target, attributes)?,
            Kind::Node(node) => {
                let names = names.get(path).copied().unwrap_or(1);
                writer.node(path.as_bytes(), *node, names, attributes)?;
            }
            Kind::Absent => writer.remove(path.as_bytes())?,
        }
    }
    for (path, entry) in of(overlay, Volume::Root) {
        if let Kind::HardLink(other) = &entry.kind {
            writer.hard_link(path.as_bytes(), other.as_bytes(), entry.mtime)?;
        }
    }
    // The contents of a folder come before the folder itself.
    let all: Vec<_> = of(overlay, Volume::Root).collect();
    for (path, _) in all.iter().rev().filter(|(_, entry)| entry.kind == Kind::AbsentIfEmpty) {
        writer.remove_if_empty(path.as_bytes())?;
    }
    // Writing into a directory has changed its time.
    for (path, entry) in all {
        if made.contains(path) {
            writer.touch(path.as_bytes(), mtime(entry))?;
        }
    }
    writer.finish()
}

fn mtime(entry: &Entry) -> Time {
    Time {
        seconds: entry.mtime,
        nanoseconds: entry.mtime_nanoseconds,
    }
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
