//! The source of facts about devices: the running machine, or a recorded tree.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use super::DeviceNumber;

/// The largest attribute that is read, in bytes: sysfs has one page at most
/// (Documentation/filesystems/sysfs.rst).
const ATTRIBUTE: u64 = 4 << 10;
/// The most entries that are read from a folder; more than any such folder has on a real machine.
const ENTRIES: usize = 16 << 10;
/// The most links that are followed in one path before it counts as a loop: the kernel's own limit
/// (path_resolution(7)).
const LINKS: usize = 40;

/// The machine whose devices are read: its `/sys`, `/proc`, `/run/udev/data` and `/dev`.
///
/// It only reads. A file that is missing, malformed or too large counts as an unknown fact; it
/// never causes a panic.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    recorded: bool,
}

/// What kind of file a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A block device.
    Block(DeviceNumber),
    /// A character device.
    Character,
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A socket or a pipe.
    Other,
}

impl Host {
    /// Reads the running machine.
    pub fn system() -> Self {
        Self {
            root: "/".into(),
            recorded: false,
        }
    }

    /// Reads a recorded tree that contains `sys`, `proc`, `run` and `dev`. Because making device
    /// nodes needs root, a file with kind and number (`block 8:16` or `char 1:3`) stands for each
    /// node. Symbolic links stay inside the tree.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            recorded: true,
        }
    }

    /// Returns whether this is the running machine, whose devices can be opened.
    pub(super) fn is_live(&self) -> bool {
        !self.recorded
    }

    /// Returns where a path of the host is in the tree.
    pub(super) fn locate(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The system's error, or `FileTooLarge` for more than `most` bytes: half a mount table is
    /// worse than none.
    pub(super) fn read(&self, path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.locate(path.as_ref()))?;
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        file.take(most + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > most {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(bytes),
        }
    }

    /// Returns a sysfs attribute without surrounding blanks; `None` when it is missing, unreadable
    /// or empty.
    pub(super) fn attribute(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = self.read(path, ATTRIBUTE).ok()?;
        // Devices pad their strings with blanks or zeros.
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    /// Returns a sysfs attribute that is a decimal number.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.attribute(path)?.parse().ok()
    }

    /// Returns whether a sysfs attribute is `1`.
    pub(super) fn flag(&self, path: impl AsRef<Path>) -> bool {
        self.number(path) == Some(1)
    }

    /// Returns the names in a folder, sorted; empty when the folder does not exist.
    pub(super) fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        self.try_names(folder.as_ref()).unwrap_or_default()
    }

    /// Returns the names in a folder, sorted. Names that are not UTF-8 are left out; the kernel has
    /// none for devices.
    pub(super) fn try_names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = fs::read_dir(self.locate(folder))?
            .take(ENTRIES)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Returns whether a path exists.
    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.locate(path.as_ref()).exists()
    }

    /// Returns whether a path surely does not exist. A path that may not be examined may exist.
    pub(super) fn is_missing(&self, path: &Path) -> bool {
        self.resolve(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Returns the target of a symbolic link, as it is written there.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.locate(path.as_ref())).ok()
    }

    /// Returns the last name in the target of a symbolic link. This is how sysfs stores `subsystem`
    /// and `driver`.
    pub(super) fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        Some(self.link(path)?.file_name()?.to_str()?.to_owned())
    }

    /// Returns an absolute path with all symbolic links resolved as on the host.
    ///
    /// # Errors
    /// The system's error for the first part that is missing or may not be entered.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut done = PathBuf::from("/");
        let mut rest: Vec<OsString> = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(&part);
            if !fs::symlink_metadata(self.locate(&done))?.is_symlink() {
                continue;
            }
            links += 1;
            if links > LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            let target = fs::read_link(self.locate(&done))?;
            match target.is_absolute() {
                true => done = PathBuf::from("/"),
                false => _ = done.pop(),
            }
            rest.extend(parts(&target));
        }
        Ok(done)
    }

    /// Returns what kind of file a path names, after following links.
    pub(super) fn node(&self, path: &Path) -> io::Result<Node> {
        let real = self.resolve(path)?;
        let metadata = fs::metadata(self.locate(&real))?;
        let kind = metadata.file_type();
        if kind.is_file() && self.recorded {
            return Ok(self.recorded_node(&real).unwrap_or(Node::File));
        }
        Ok(match kind {
            kind if kind.is_block_device() => {
                let number = metadata.rdev();
                Node::Block(DeviceNumber {
                    major: rustix::fs::major(number),
                    minor: rustix::fs::minor(number),
                })
            }
            kind if kind.is_char_device() => Node::Character,
            kind if kind.is_file() => Node::File,
            kind if kind.is_dir() => Node::Folder,
            _ => Node::Other,
        })
    }

    /// Reads the file that stands for a device node in a recorded tree.
    fn recorded_node(&self, real: &Path) -> Option<Node> {
        let text = self.attribute(real)?;
        match text.split_once(' ')? {
            ("block", number) => DeviceNumber::parse(number).map(Node::Block),
            ("char", number) => DeviceNumber::parse(number).map(|_| Node::Character),
            _ => None,
        }
    }
}

/// Returns the parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}
