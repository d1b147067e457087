//! What is to be written into an image: files with owner, mode, time and bytes, for the boot or the
//! root file system.
//!
//! Everything that goes into an image (a template, a folder of the user's, an unpacked package, the
//! state of a swarm) is an [`Overlay`]. One writer puts it into the image, and one verifier
//! compares an image with it. Two overlays with the same [`Overlay::digest`] give the same image.
//!
//! This crate writes no files, and reads only those that a [`Content`] refers to.
//!
//! ```
//! use kraken_overlay::{Entry, EntryPath, Overlay, Volume};
//!
//! # fn main() -> Result<(), kraken_overlay::BadPath> {
//! let mut overlay = Overlay::new();
//! let clock = 1_767_225_600; // seconds since 1970-01-01 UTC
//! overlay.insert(
//!     Volume::Root,
//!     EntryPath::new("/etc/hostname")?,
//!     Entry::file(b"kraken-1\n".to_vec(), 0o644, clock),
//! );
//! assert_eq!(overlay.len(), 1);
//! assert!(EntryPath::new("/etc/../hostname").is_err());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

mod content;
mod path;

use std::collections::BTreeMap;
use std::fmt;

pub use content::Content;
pub use path::{BadPath, EntryPath};

use sha2::{Digest, Sha256};

/// Which file system of a card an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Volume {
    /// The FAT file system that the firmware reads (`bootfs`, mounted on `/boot/firmware`). It
    /// keeps no owners and no modes.
    Boot,
    /// The ext4 root file system (`rootfs`).
    Root,
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Volume::Boot => "boot",
            Volume::Root => "root",
        })
    }
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file with these bytes.
    File(Content),
    /// Another name of a file that this overlay or the image has on the same volume (root volume
    /// only; FAT has none).
    HardLink(EntryPath),
    /// A directory. An existing one keeps its children and gets this mode, owner and time.
    Directory,
    /// A directory, unless there is one or a link to one: that stays as it is, as with dpkg.
    DirectoryIfMissing,
    /// A symbolic link to this target, which need not be UTF-8 (root volume only; FAT has none).
    Symlink(Vec<u8>),
    /// A device node or a pipe (root volume only).
    Node(Node),
    /// Removes the file or link at this path. A directory is not removed.
    Absent,
    /// Removes the directory at this path if it is empty after everything else was written (root
    /// volume only).
    AbsentIfEmpty,
}

/// A file that is none: the kernel gives it its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A character device. One with the number 0:0 stands for a name that a lower layer of an
    /// overlay file system has and that is gone (a whiteout).
    Character(Device),
    /// A block device.
    Block(Device),
    /// A named pipe.
    Pipe,
}

/// The number of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl Node {
    /// A whiteout.
    pub const WHITEOUT: Self = Self::Character(Device { major: 0, minor: 0 });

    /// Returns the number; 0:0 for a pipe.
    pub fn device(self) -> Device {
        match self {
            Node::Character(device) | Node::Block(device) => device,
            Node::Pipe => Device { major: 0, minor: 0 },
        }
    }

    fn name(self) -> &'static str {
        match self {
            Node::Character(_) => "character device",
            Node::Block(_) => "block device",
            Node::Pipe => "pipe",
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Never the bytes: they may be a secret.
            Kind::File(content) => write!(f, "File({} bytes)", content.len()),
            Kind::HardLink(other) => write!(f, "HardLink({other})"),
            Kind::Directory => f.write_str("Directory"),
            Kind::DirectoryIfMissing => f.write_str("DirectoryIfMissing"),
            Kind::Symlink(target) => write!(f, "Symlink({:?})", String::from_utf8_lossy(target)),
            Kind::Node(node) => node.fmt(f),
            Kind::Absent => f.write_str("Absent"),
            Kind::AbsentIfEmpty => f.write_str("AbsentIfEmpty"),
        }
    }
}

/// One file, directory or link of an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, `0o7777` at most. Ignored on the boot volume and for links.
    pub mode: u16,
    /// Owner, numeric. Ignored on the boot volume.
    pub uid: u32,
    /// Group, numeric. Ignored on the boot volume.
    pub gid: u32,
    /// Modification time in seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// Nanoseconds after [`mtime`](Self::mtime), below 1,000,000,000. Root volume only.
    pub mtime_nanoseconds: u32,
    /// Extended attributes by full name (`security.capability`). Root volume only.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Entry {
    fn new(kind: Kind, mode: u16, mtime: i64) -> Self {
        Self {
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime,
            mtime_nanoseconds: 0,
            xattrs: BTreeMap::new(),
        }
    }

    /// Makes a regular file owned by root.
    pub fn file(bytes: impl Into<Content>, mode: u16, mtime: i64) -> Self {
        Self::new(Kind::File(bytes.into()), mode, mtime)
    }

    /// Makes a directory owned by root.
    pub fn directory(mode: u16, mtime: i64) -> Self {
        Self::new(Kind::Directory, mode, mtime)
    }

    /// Makes a symbolic link owned by root.
    pub fn symlink(target: impl Into<Vec<u8>>, mtime: i64) -> Self {
        Self::new(Kind::Symlink(target.into()), 0o777, mtime)
    }

    /// Makes a device node or a pipe owned by root.
    pub fn node(node: Node, mode: u16, mtime: i64) -> Self {
        Self::new(Kind::Node(node), mode, mtime)
    }

    /// Makes an entry that removes a file or link.
    pub fn absent() -> Self {
        Self::new(Kind::Absent, 0, 0)
    }

    /// Makes an entry that removes a directory if it is empty.
    pub fn absent_if_empty() -> Self {
        Self::new(Kind::AbsentIfEmpty, 0, 0)
    }

    /// Returns the same entry with another owner and group.
    #[must_use]
    pub fn owned_by(mut self, uid: u32, gid: u32) -> Self {
        self.uid = uid;
        self.gid = gid;
        self
    }
}

/// Files to write over the two file systems of a card, in a fixed order.
///
/// The writer makes parents that neither the overlay nor the image has as `0755 root:root`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    entries: BTreeMap<(Volume, EntryPath), Entry>,
}

impl Overlay {
    /// Makes an overlay without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry; replaces and returns the one that was at the same place.
    pub fn insert(&mut self, volume: Volume, path: EntryPath, entry: Entry) -> Option<Entry> {
        self.entries.insert((volume, path), entry)
    }

    /// Adds all entries of `other`: where both have a path, `other` wins.
    pub fn merge(&mut self, other: Overlay) {
        self.entries.extend(other.entries);
    }

    /// Returns the entry at a path.
    pub fn get(&self, volume: Volume, path: &EntryPath) -> Option<&Entry> {
        self.entries.get(&(volume, path.clone()))
    }

    /// Returns all entries, boot volume first, each volume sorted by path, so that a directory
    /// comes before its contents.
    pub fn iter(&self) -> impl Iterator<Item = (Volume, &EntryPath, &Entry)> {
        self.entries
            .iter()
            .map(|((volume, path), entry)| (*volume, path, entry))
    }

    /// Returns the SHA-256 of everything that this overlay would put on a card: two overlays with
    /// one digest write the same bytes.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            // The length comes first, so that no two sequences of fields have the same bytes.
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for (volume, path, entry) in self.iter() {
            field(&[volume as u8]);
            field(path.as_bytes());
            match &entry.kind {
                Kind::File(content) => {
                    field(b"file");
                    field(&content.sha256());
                }
                Kind::HardLink(other) => {
                    field(b"hard link");
                    field(other.as_bytes());
                }
                Kind::Directory => field(b"directory"),
                Kind::DirectoryIfMissing => field(b"directory if missing"),
                Kind::Symlink(target) => {
                    field(b"symlink");
                    field(target);
                }
                Kind::Node(node) => {
                    let Device { major, minor } = node.device();
                    field(node.name().as_bytes());
                    field(&major.to_le_bytes());
                    field(&minor.to_le_bytes());
                }
                Kind::Absent => field(b"absent"),
                Kind::AbsentIfEmpty => field(b"absent if empty"),
            }
            field(&entry.mode.to_le_bytes());
            field(&entry.uid.to_le_bytes());
            field(&entry.gid.to_le_bytes());
            field(&entry.mtime.to_le_bytes());
            if entry.mtime_nanoseconds != 0 {
                field(b"nanoseconds");
                field(&entry.mtime_nanoseconds.to_le_bytes());
            }
            field(&(entry.xattrs.len() as u64).to_le_bytes());
            for (name, value) in &entry.xattrs {
                field(name.as_bytes());
                field(value);
            }
        }
        hash.finalize().into()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_overlay_wins() {
        let path = EntryPath::new("/etc/motd").unwrap();
        let mut a = Overlay::new();
        a.insert(Volume::Root, path.clone(), Entry::file(*b"one", 0o644, 0));
        let mut b = Overlay::new();
        b.insert(Volume::Root, path.clone(), Entry::file(*b"two", 0o600, 0));
        a.merge(b);
        assert_eq!(
            a.get(Volume::Root, &path).unwrap().kind,
            Kind::File(Content::from(*b"two"))
        );
    }

    #[test]
    fn every_difference_changes_the_digest() {
        let digest = |path: &str, entry: Entry| {
            let mut overlay = Overlay::new();
            overlay.insert(Volume::Root, EntryPath::new(path).unwrap(), entry);
            overlay.digest()
        };
        let file = || Entry::file(*b"x", 0o644, 7);
        let mut with_xattr = file();
        with_xattr.xattrs.insert("user.a".into(), vec![1]);
        let mut with_nanoseconds = file();
        with_nanoseconds.mtime_nanoseconds = 1;
        let different = [
            digest("/b", file()),
            digest("/a", Entry::file(*b"y", 0o644, 7)),
            digest("/a", Entry::file(*b"x", 0o600, 7)),
            digest("/a", Entry::file(*b"x", 0o644, 8)),
            digest("/a", file().owned_by(1, 0)),
            digest("/a", file().owned_by(0, 1)),
            digest("/a", Entry::symlink("x", 7)),
            digest("/a", Entry::symlink(*b"\xff", 7)),
            digest("/a", Entry::node(Node::WHITEOUT, 0o644, 7)),
            digest("/a", Entry::node(Node::Block(Device { major: 0, minor: 0 }), 0o644, 7)),
            digest(
                "/a",
                Entry::node(Node::Character(Device { major: 0, minor: 1 }), 0o644, 7),
            ),
            digest("/a", Entry::node(Node::Pipe, 0o644, 7)),
            digest("/a", with_nanoseconds),
            digest("/a", with_xattr),
            Overlay::new().digest(),
        ];
        assert_eq!(digest("/a", file()), digest("/a", file()));
        for (at, other) in different.iter().enumerate() {
            assert_ne!(*other, digest("/a", file()), "case {at}");
            assert!(!different[..at].contains(other), "case {at} has a twin");
        }
    }

    #[test]
    fn debug_output_never_shows_contents() {
        let shown = format!("{:?}", Entry::file(*b"secret", 0o600, 0));
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }
}
