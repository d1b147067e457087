//! What is in an unpacked layer, entry by entry, for those who write it to its place.
//!
//! Sources: OCI image specification 1.1, `layer.md`; what Docker does with names and whiteouts
//! (moby/go-archive, `archive.go`). What Docker refuses is refused here, and more: no entry leads
//! out of the layer or lies below what is not a folder, and no name is there twice. So the entries
//! can be written in their order, without following anything.

use std::collections::BTreeMap;
use std::collections::hash_map::{self, HashMap};
use std::io::{Read, Seek};

use kraken_foundation::{Context, Error, Kind, Result, text};
use kraken_tar::{Device, Member, Members, Stretch, Time, Type};

/// The most entries of a layer, with the folders that they lie in.
const MOST_ENTRIES: usize = 1_000_000;
/// The maximum size of all their paths, in bytes.
const MOST_PATHS: usize = 256 << 20;
/// The longest path in bytes, and the longest part of one (Linux: PATH_MAX, NAME_MAX).
const LONGEST_PATH: usize = 4095;
const LONGEST_PART: usize = 255;
/// The largest extended attribute in bytes, and the longest name of one (Linux: XATTR_SIZE_MAX,
/// XATTR_NAME_MAX).
const LARGEST_XATTR: usize = 64 << 10;
const LONGEST_XATTR: usize = 255;
/// What the kernel's overlayfs keeps on its own files. A layer could reach into others with it.
const OVERLAY_XATTR: &[u8] = b"trusted.overlay.";
/// The prefix of whiteouts.
const WHITEOUT: &[u8] = b".wh.";
/// The whiteout of all that lower layers have in a folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The prefix of what AUFS keeps for itself.
const AUFS: &[u8] = b".wh..wh.";

/// An entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name as the archive has it (`./etc/motd`); it need not be UTF-8.
    pub name: Vec<u8>,
    /// Where it belongs: `etc/motd`; empty for the root folder. Of a whiteout it is the path that
    /// it hides, of an opaque mark the folder.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// The permission bits, with those for set-user-id, set-group-id and sticky.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it was changed.
    pub mtime: Time,
    /// Extended attributes by name: `security.capability`, `user.mime_type`.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where its first header begins in the archive, in bytes. What is between the content before
    /// it and its own content is headers and padding.
    pub header: u64,
    /// The bytes of a file, by their place in the archive.
    pub content: Stretch,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// A file, possibly empty.
    File,
    /// A symbolic link. Its target need not be UTF-8, and does not lead out of the root.
    Symlink {
        /// What it leads to, as it is written.
        target: Vec<u8>,
    },
    /// Another name for an earlier entry that is not a folder.
    HardLink {
        /// The path of that entry.
        target: Vec<u8>,
    },
    /// A character device.
    Character(Device),
    /// A block device.
    Block(Device),
    /// A named pipe.
    Fifo,
    /// `.wh.NAME`: lower layers have nothing at the path any more.
    Whiteout,
    /// `.wh..wh..opq`: lower layers have nothing in the folder any more.
    Opaque,
    /// PAX records for the whole archive, which Docker ignores; they have no path.
    GlobalHeader,
}

/// What is known of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// A folder that no entry has named so far.
    Implied,
    Folder,
    /// Something that a hard link can lead to.
    Linkable,
    /// A whiteout.
    Gone,
}

/// Reads the entries of a layer in their order. After an error there is none.
pub struct Entries<R> {
    members: Members<R>,
    seen: HashMap<Vec<u8>, Seen>,
    /// The length of all paths in `seen`.
    paths: usize,
    is_done: bool,
}

impl<R: Read + Seek> Entries<R> {
    /// Begins to read a layer.
    ///
    /// # Errors
    /// When the input cannot seek.
    pub fn new(input: R) -> Result<Self> {
        let members = Members::new(input).context(|| "reading a layer")?;
        Ok(Self {
            members,
            seen: HashMap::new(),
            paths: 0,
            is_done: false,
        })
    }

    /// The size of the archive in bytes. What is behind the last entry's content is padding and the
    /// mark of the end.
    pub fn archive_size(&self) -> u64 {
        self.members.archive_size()
    }

    fn entry(&mut self, member: Member) -> Result<Entry> {
        let why = |why: &str| refused(&member.name, why);
        if member.is_sparse {
            return Err(why("is a sparse file, which is not supported"));
        }
        check_xattrs(&member.xattrs).map_err(why)?;
        let (path, kind) = match member.kind {
            Type::GlobalHeader => (Vec::new(), EntryKind::GlobalHeader),
            _ => {
                let Placed { path, kind } = self.place(&member).map_err(why)?;
                (path, kind)
            }
        };
        Ok(Entry {
            path,
            kind,
            mode: (member.mode & 0o7777) as u16,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
            xattrs: member.xattrs,
            header: member.header,
            content: member.content,
            name: member.name,
        })
    }

    /// Finds out where an entry belongs and what it is, and remembers that.
    fn place(&mut self, member: &Member) -> Result<Placed, &'static str> {
        let path = clean(&member.name)?;
        let (folder, last) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b""[..], &path[..]),
        };
        if last == OPAQUE {
            self.parents(folder)?;
            self.remember(&path, Seen::Gone)?;
            return Ok(Placed {
                path: folder.to_vec(),
                kind: EntryKind::Opaque,
            });
        }
        if let Some(hidden) = last.strip_prefix(WHITEOUT) {
            if last.starts_with(AUFS) || matches!(hidden, b"" | b"." | b"..") {
                return Err("is a whiteout of what cannot be");
            }
            let hidden = joined(folder, hidden);
            self.parents(folder)?;
            self.remember(&hidden, Seen::Gone)?;
            return Ok(Placed {
                path: hidden,
                kind: EntryKind::Whiteout,
            });
        }
        let kind = self.kind(member, &path)?;
        match (&kind, path.is_empty()) {
            (EntryKind::Folder, true) => {}
            (_, true) => return Err("has no name"),
            (_, false) => self.parents(folder)?,
        }
        let seen = match kind {
            EntryKind::Folder => Seen::Folder,
            _ => Seen::Linkable,
        };
        self.remember(&path, seen)?;
        Ok(Placed { path, kind })
    }

    fn kind(&self, member: &Member, path: &[u8]) -> Result<EntryKind, &'static str> {
        Ok(match member.kind {
            Type::File => EntryKind::File,
            Type::Folder => EntryKind::Folder,
            Type::Fifo => EntryKind::Fifo,
            Type::Character => EntryKind::Character(member.device),
            Type::Block => EntryKind::Block(member.device),
            Type::Symlink => {
                check_target(&member.link, path)?;
                EntryKind::Symlink {
                    target: member.link.clone(),
                }
            }
            Type::HardLink => {
                let target = clean(&member.link).map_err(|_| "is a hard link to what leads out of the layer")?;
                if self.seen.get(&target) != Some(&Seen::Linkable) {
                    return Err("is a hard link to what is not there");
                }
                EntryKind::HardLink { target }
            }
            Type::GlobalHeader | Type::Other(_) => return Err("is of a kind that no layer has"),
        })
    }

    /// Makes sure that an entry can lie in a folder, which need not have been named.
    fn parents(&mut self, folder: &[u8]) -> Result<(), &'static str> {
        let mut missing = Vec::new();
        let mut at = folder;
        while !at.is_empty() {
            match self.seen.get(at) {
                Some(Seen::Folder | Seen::Implied) => break,
                Some(Seen::Linkable | Seen::Gone) => return Err("lies below what is not a folder"),
                None => missing.push(at),
            }
            at = at
                .iter()
                .rposition(|byte| *byte == b'/')
                .map_or(&b""[..], |slash| &at[..slash]);
        }
        missing
            .into_iter()
            .try_for_each(|folder| self.insert(folder, Seen::Implied))
    }

    fn remember(&mut self, path: &[u8], seen: Seen) -> Result<(), &'static str> {
        if seen == Seen::Folder
            && let Some(known) = self.seen.get_mut(path)
            && *known == Seen::Implied
        {
            *known = seen;
            return Ok(());
        }
        self.insert(path, seen)
    }

    fn insert(&mut self, path: &[u8], seen: Seen) -> Result<(), &'static str> {
        if self.seen.len() >= MOST_ENTRIES {
            return Err("is one of more than 1,000,000 entries and folders");
        }
        self.paths += path.len();
        if self.paths > MOST_PATHS {
            return Err("is one of too many long names");
        }
        match self.seen.entry(path.to_vec()) {
            hash_map::Entry::Occupied(_) => Err("is there twice"),
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(seen);
                Ok(())
            }
        }
    }
}

impl<R: Read + Seek> Iterator for Entries<R> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let entry = match self.members.next_member().quoted(|| "reading a layer") {
            Ok(None) => None,
            Ok(Some(member)) => Some(self.entry(member)),
            Err(error) => Some(Err(error)),
        };
        self.is_done = !matches!(entry, Some(Ok(_)));
        entry
    }
}

/// Where an entry belongs, and what it is.
struct Placed {
    path: Vec<u8>,
    kind: EntryKind,
}

/// Returns a name without what does not count: `.`, doubled slashes, and one at the start, since
/// Docker takes an absolute name as one inside the layer.
fn clean(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.contains(&0) {
        return Err("has a NUL in its name");
    }
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return Err("leads out of the layer: `..` is in its name"),
            _ if part.len() > LONGEST_PART => return Err("has a name that is longer than 255 bytes"),
            _ => {}
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    match path.len() > LONGEST_PATH {
        true => Err("has a path that is longer than 4095 bytes"),
        false => Ok(path),
    }
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder.is_empty() {
        true => name.to_vec(),
        false => [folder, b"/", name].concat(),
    }
}

/// Checks the target of a symbolic link at `path`. As in Docker, it must not lead out of the root,
/// and an absolute one is inside it.
fn check_target(target: &[u8], path: &[u8]) -> Result<(), &'static str> {
    if target.is_empty() || target.contains(&0) || target.len() > LONGEST_PATH {
        return Err("is a symbolic link to what cannot be a path");
    }
    if target.starts_with(b"/") {
        return Ok(());
    }
    let mut depth = path.iter().filter(|byte| **byte == b'/').count();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return Err("is a symbolic link that leads out of the root"),
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    Ok(())
}

fn check_xattrs(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), &'static str> {
    for (name, value) in xattrs {
        let namespaces = [&b"user."[..], b"security.", b"system.", b"trusted."];
        let known = namespaces
            .iter()
            .any(|start| name.starts_with(start) && name.len() > start.len());
        if !known || name.len() > LONGEST_XATTR || name.contains(&0) {
            return Err("has an extended attribute with a name that cannot be");
        }
        if name.starts_with(OVERLAY_XATTR) {
            return Err("has an extended attribute of overlayfs, which no layer may bring");
        }
        if value.len() > LARGEST_XATTR {
            return Err("has an extended attribute that is larger than 64 KiB");
        }
    }
    Ok(())
}

fn refused(name: &[u8], why: &str) -> Error {
    let name = text::line(&String::from_utf8_lossy(name));
    let text = format!("reading a layer: its entry {name:?} {why}");
    Error::new(Kind::Damaged, text).with_help("build the image again, or use another one")
}

#[cfg(test)]
#[path = "entries_tests.rs"]
mod tests;
