//! Writing to an ext4 volume through `rust-fs-ext4`.

use std::collections::BTreeMap;
use std::sync::Arc;

use fs_ext4::inode::{Inode, S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT};
use fs_ext4::{Error as Ext4Error, Filesystem, xattr};

use super::contract::{Attributes, Ext4Write, Time};
use super::device::{Clock, Device, clamp};
use super::pieces::pieces;
use super::place::{Found, Place, SplitPath, Spot};
use super::superblock::Ext4Info;
use super::write_error::{failed, full, kind, wrap};
use crate::io::WriteAt;
use crate::slice::Slice;
use crate::table::Partition;
use kraken_foundation::{Context, Error, Kind, Result};
use kraken_overlay::{Content, Device as DeviceNumber, Node};

/// The root directory's inode number.
pub(super) const ROOT: u32 = 2;
/// Before the cause when the volume cannot be opened.
const OPENING: &str = "opening the ext4 file system for writing";

/// The largest major or minor number of a device that the library writes as the kernel reads it.
const LARGEST_NUMBER: u32 = 255;

/// An ext4 volume open for writing.
pub struct Ext4Writer {
    pub(super) fs: Filesystem,
    clock: Arc<Clock>,
}

impl Ext4Writer {
    /// Opens the volume in a partition of a disk. `now` (seconds since 1970-01-01 UTC) is the time
    /// of operations that have none of their own, such as removals.
    ///
    /// # Errors
    /// When it is not ext4, was not unmounted cleanly, or has a feature that is
    /// not supported.
    pub fn open(disk: Arc<dyn WriteAt>, partition: &Partition, now: i64) -> Result<Self> {
        let slice = Slice::new(disk, partition.start, partition.len).quoted(|| OPENING)?;
        let info = Ext4Info::read(&slice).quoted(|| OPENING)?;
        if let Some(why) = info.refusal() {
            return Err(Error::new(info.refusal_kind(), format!("{OPENING}: {why}")));
        }
        let clock = Arc::new(Clock::at(now));
        let mut fs = Filesystem::mount_with_runtime(Arc::new(Device(slice)), clock.clone())
            .map_err(|e| Error::new(kind(&e), format!("{OPENING}: {e}")))?;
        // The journal is clean, and a crash between two writes to memory is impossible: a journal
        // would only make the patch larger.
        fs.journal = None;
        Ok(Self { fs, clock })
    }

    fn dress(&self, place: &Place, name: &[u8], inode: u32, attributes: Attributes<'_>) -> Result<()> {
        let path = place.child(name);
        self.fs
            .apply_chown_ino(inode, attributes.uid, attributes.gid)
            .map_err(wrap("setting the owner of", &path))?;
        self.fs
            .apply_chmod_ino(inode, attributes.mode & 0o7777)
            .map_err(wrap("setting the mode of", &path))?;
        for (key, value) in attributes.xattrs {
            self.set_xattr(inode, &path, key, value)?;
        }
        self.set_times(inode, &path, attributes.mtime)
    }

    /// The library sets attributes by a path, which must be UTF-8.
    fn set_xattr(&self, inode: u32, path: &[u8], key: &str, value: &[u8]) -> Result<()> {
        const DOING: &str = "setting an extended attribute of";
        if let Ok(path) = std::str::from_utf8(path) {
            let set = self.fs.apply_setxattr(path, key, value);
            return set.map_err(wrap(DOING, path.as_bytes()));
        }
        // A second name for as long as it takes.
        const NAME: &str = ".kraken-flash-xattr";
        self.fs
            .apply_link_at(inode, ROOT, NAME.as_bytes())
            .map_err(wrap(DOING, path))?;
        let set = self.fs.apply_setxattr(&format!("/{NAME}"), key, value);
        self.fs
            .apply_unlink_at(ROOT, NAME.as_bytes())
            .map_err(wrap(DOING, path))?;
        set.map_err(wrap(DOING, path))
    }

    fn set_times(&self, inode: u32, path: &[u8], time: Time) -> Result<()> {
        let Time { seconds, nanoseconds } = clamp(time);
        self.fs
            .apply_utimens_ino(inode, seconds, nanoseconds, seconds, nanoseconds)
            .map_err(wrap("setting the time of", path))
    }

    /// Whether an inode has these attributes already.
    fn has_attributes(&self, found: &Found, attributes: Attributes<'_>) -> bool {
        let inode = &found.inode;
        let plain = inode.mode & 0o7777 == attributes.mode & 0o7777
            && inode.uid == attributes.uid
            && inode.gid == attributes.gid
            && mtime(inode) == clamp(attributes.mtime);
        plain && self.xattrs(found.number).is_some_and(|have| have == *attributes.xattrs)
    }

    fn xattrs(&self, inode: u32) -> Option<BTreeMap<String, Vec<u8>>> {
        let (parsed, raw) = self.fs.read_inode_verified(inode).ok()?;
        let entries = xattr::read_all_resolved(&self.fs, &parsed, &raw).ok()?;
        Some(entries.into_iter().map(|e| (e.name, e.value)).collect())
    }

    /// Whether a file inode holds exactly these bytes.
    fn holds(&self, found: &Found, content: &Content, path: &[u8]) -> Result<bool> {
        if found.inode.size != content.len() {
            return Ok(false);
        }
        let mut have = Vec::new();
        pieces(content, path, |at, piece| {
            have.resize(piece.len(), 0);
            let read = self.fs.read_ino(found.number, at, &mut have);
            Ok(matches!(read, Ok(count) if count == piece.len()) && have == piece)
        })
    }

    /// Removes the name of a file or link, so that the new inode inherits neither attributes nor
    /// other names.
    fn clear(&self, place: &Place, name: &[u8], found: Option<&Found>) -> Result<()> {
        let path = place.child(name);
        match found {
            None => Ok(()),
            Some(found) if found.inode.is_dir() => {
                Err(failed(Kind::Conflict, "replacing", &path, "a directory stands there"))
            }
            Some(_) => self
                .fs
                .apply_unlink_at(place.inode, name)
                .map_err(wrap("replacing", &path)),
        }
    }
}

/// Returns a path inside this directory, so that looking for its parent leads to the directory.
fn inside(path: &[u8]) -> Vec<u8> {
    [path, b"/x"].concat()
}

/// Returns the number of a device node, which is in the first word of its block map (the kernel's
/// old encoding, `old_encode_dev`).
fn device_of(inode: &Inode) -> DeviceNumber {
    let number = u16::from_le_bytes([inode.block[0], inode.block[1]]);
    DeviceNumber {
        major: u32::from(number >> 8),
        minor: u32::from(number & 0xff),
    }
}

fn mtime(inode: &Inode) -> Time {
    Time {
        seconds: inode.mtime,
        nanoseconds: inode.mtime_nsec,
    }
}

impl Ext4Write for Ext4Writer {
    fn file(&mut self, path: &[u8], content: &Content, names: u32, attributes: Attributes<'_>) -> Result<()> {
        self.clock.set(attributes.mtime.seconds);
        let Spot { parent, name, found } = self.spot(path)?;
        if let Some(found) = &found
            && found.inode.is_file()
            && u32::from(found.inode.links_count) == names
            && self.has_attributes(found, attributes)
            && self.holds(found, content, path)?
        {
            return Ok(());
        }
        self.clear(&parent, name, found.as_ref())?;
        let inode = self
            .fs
            .apply_create_at(parent.inode, name, attributes.mode & 0o7777)
            .map_err(wrap("creating", path))?;
        pieces(content, path, |at, piece| {
            // The library returns the new size of the file.
            let size = self
                .fs
                .apply_pwrite_ino(inode, at, piece)
                .map_err(wrap("writing", path))?;
            match size == at + piece.len() as u64 {
                true => Ok(true),
                false => Err(full("writing", path)),
            }
        })?;
        self.dress(&parent, name, inode, attributes)
    }

    fn directory(&mut self, path: &[u8], attributes: Attributes<'_>) -> Result<()> {
        self.clock.set(attributes.mtime.seconds);
        let spot = self.spot(path)?;
        let (mut parent, mut name) = (spot.parent, spot.name.to_owned());
        let inode = match spot.found {
            None => self
                .fs
                .apply_mkdir_at(parent.inode, &name, attributes.mode & 0o7777)
                .map_err(wrap("creating", path))?,
            Some(found) if found.inode.is_dir() => {
                if self.has_attributes(&found, attributes) {
                    return Ok(());
                }
                found.number
            }
            // A link to a directory (/lib -> usr/lib) stays, as with dpkg; the entry applies to its
            // target.
            Some(found) if found.inode.is_symlink() => match self.parent(&inside(path), false)? {
                Some(target) if !target.path.is_empty() => {
                    let path = SplitPath::of(&target.path)?;
                    name = path.name.to_owned();
                    parent = Place {
                        inode: 0,
                        path: path.parents.to_owned(),
                    };
                    target.inode
                }
                _ => {
                    return Err(failed(
                        Kind::Conflict,
                        "creating",
                        path,
                        "a symbolic link that leads to no directory stands there",
                    ));
                }
            },
            Some(_) => {
                return Err(failed(
                    Kind::Conflict,
                    "creating",
                    path,
                    "a file stands there, not a directory",
                ));
            }
        };
        self.dress(&parent, &name, inode, attributes)
    }

    fn directory_if_missing(&mut self, path: &[u8], attributes: Attributes<'_>) -> Result<bool> {
        if self.parent(&inside(path), false)?.is_some() {
            return Ok(false);
        }
        self.directory(path, attributes)?;
        Ok(true)
    }

    fn hard_link(&mut self, path: &[u8], other: &[u8], now: i64) -> Result<()> {
        self.clock.set(now);
        let name = SplitPath::of(other)?.name;
        let source = match self.parent(other, false)? {
            Some(place) => self.lookup(&place, name, other)?,
            None => None,
        };
        let Some(source) = source.filter(|found| !found.inode.is_dir()) else {
            return Err(failed(
                Kind::NotFound,
                "linking to",
                other,
                "there is no file of that name",
            ));
        };
        let Spot { parent, name, found } = self.spot(path)?;
        if found.as_ref().is_some_and(|found| found.number == source.number) {
            return Ok(());
        }
        self.clear(&parent, name, found.as_ref())?;
        self.fs
            .apply_link_at(source.number, parent.inode, name)
            .map_err(wrap("linking", path))?;
        self.set_times(source.number, path, mtime(&source.inode))
    }

    fn symlink(&mut self, path: &[u8], target: &[u8], attributes: Attributes<'_>) -> Result<()> {
        self.clock.set(attributes.mtime.seconds);
        let Spot { parent, name, found } = self.spot(path)?;
        if let Some(Found { number, inode }) = &found
            && inode.is_symlink()
            && (inode.uid, inode.gid) == (attributes.uid, attributes.gid)
            && self::mtime(inode) == clamp(attributes.mtime)
            && self.target(*number, path)? == target
        {
            return Ok(());
        }
        self.clear(&parent, name, found.as_ref())?;
        let inode = self
            .fs
            .apply_symlink_at(parent.inode, name, target)
            .map_err(wrap("creating", path))?;
        self.fs
            .apply_chown_ino(inode, attributes.uid, attributes.gid)
            .map_err(wrap("setting the owner of", path))?;
        self.set_times(inode, path, attributes.mtime)
    }

    fn node(&mut self, path: &[u8], node: Node, names: u32, attributes: Attributes<'_>) -> Result<()> {
        self.clock.set(attributes.mtime.seconds);
        let DeviceNumber { major, minor } = node.device();
        if major > LARGEST_NUMBER || minor > LARGEST_NUMBER {
            let why = format!("device numbers are at most {LARGEST_NUMBER} here, and this one is {major}:{minor}");
            return Err(failed(Kind::Unsupported, "creating", path, &why));
        }
        let file_type = match node {
            Node::Character(_) => S_IFCHR,
            Node::Block(_) => S_IFBLK,
            Node::Pipe => S_IFIFO,
        };
        let Spot { parent, name, found } = self.spot(path)?;
        if let Some(found) = &found
            && found.inode.mode & S_IFMT == file_type
            && u32::from(found.inode.links_count) == names
            && device_of(&found.inode) == node.device()
            && self.has_attributes(found, attributes)
        {
            return Ok(());
        }
        self.clear(&parent, name, found.as_ref())?;
        let mode = file_type | (attributes.mode & 0o7777);
        let inode = self
            .fs
            .apply_mknod_at(parent.inode, name, mode, major, minor)
            .map_err(wrap("creating", path))?;
        self.dress(&parent, name, inode, attributes)
    }

    fn remove(&mut self, path: &[u8]) -> Result<()> {
        let name = SplitPath::of(path)?.name;
        let Some(place) = self.parent(path, false)? else {
            return Ok(());
        };
        match self.lookup(&place, name, path)? {
            None => Ok(()),
            Some(found) if found.inode.is_dir() => Err(failed(
                Kind::Conflict,
                "removing",
                path,
                "it is a directory, and only files are removed",
            )),
            Some(_) => self
                .fs
                .apply_unlink_at(place.inode, name)
                .map_err(wrap("removing", path)),
        }
    }

    fn remove_if_empty(&mut self, path: &[u8]) -> Result<()> {
        let name = SplitPath::of(path)?.name;
        let Some(place) = self.parent(path, false)? else {
            return Ok(());
        };
        match self.lookup(&place, name, path)? {
            Some(found) if found.inode.is_dir() => match self.fs.apply_rmdir_at(place.inode, name) {
                Ok(()) | Err(Ext4Error::DirectoryNotEmpty) => Ok(()),
                Err(error) => Err(wrap("removing", path)(error)),
            },
            _ => Ok(()),
        }
    }

    fn touch(&mut self, path: &[u8], mtime: Time) -> Result<()> {
        self.clock.set(mtime.seconds);
        match self.parent(&inside(path), false)? {
            Some(place) => {
                let found = self.fs.stat_ino(place.inode).map_err(wrap("looking up", path))?;
                if self::mtime(&found) == clamp(mtime) {
                    return Ok(());
                }
                self.set_times(place.inode, path, mtime)
            }
            None => Err(failed(Kind::NotFound, "setting the time of", path, "it is not there")),
        }
    }

    fn finish(self) -> Result<()> {
        self.fs.finish().map_err(wrap("finishing the writes to", b"/"))
    }
}
