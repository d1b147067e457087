//! Where facts are read from: the running machine, or a recorded tree.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use super::DeviceNumber;

/// An attribute of sysfs is one page at most (Documentation/filesystems/sysfs.rst).
const ATTRIBUTE: u64 = 4 << 10;
/// More entries than any folder of these has on a real machine.
const ENTRIES: usize = 16 << 10;
/// Links on one way before it counts as a circle: the kernel's own limit (path_resolution(7)).
const LINKS: usize = 40;

/// The machine whose devices are looked at: its `/sys`, `/proc`, `/run/udev/data` and `/dev`.
///
/// Only reads. A file that is missing, odd or too large is a fact that is not known, never a panic.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    recorded: bool,
}

/// What a path is.
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
    /// A socket, a pipe.
    Other,
}

impl Host {
    /// The running machine.
    pub fn system() -> Self {
        Self {
            root: "/".into(),
            recorded: false,
        }
    }

    /// A recorded tree that has `sys`, `proc`, `run` and `dev` in it. A device node is stood in for by a file with its kind and number,
    /// `block 8:16` or `char 1:3`, since making nodes needs root; symbolic links stay inside the tree.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            recorded: true,
        }
    }

    /// Whether this is the running machine, whose devices can be opened.
    pub(super) fn is_live(&self) -> bool {
        !self.recorded
    }

    /// Where a path of the host is for us.
    pub(super) fn locate(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// What the system says, or `FileTooLarge` beyond `most` bytes: half a table of mounts is worse than none.
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

    /// A sysfs attribute without the blanks around it; `None` when there is none, or it cannot be read, or it is empty.
    pub(super) fn attribute(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = self.read(path, ATTRIBUTE).ok()?;
        // Strings of devices are padded with blanks or zeros.
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    /// A sysfs attribute that is a decimal number.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.attribute(path)?.parse().ok()
    }

    /// A sysfs attribute that is `1` for yes.
    pub(super) fn flag(&self, path: impl AsRef<Path>) -> bool {
        self.number(path) == Some(1)
    }

    /// The names in a folder, sorted; none when there is no such folder.
    pub(super) fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        self.try_names(folder.as_ref()).unwrap_or_default()
    }

    /// The names in a folder, sorted. Names that are not UTF-8 are left out: the kernel makes none for devices.
    pub(super) fn try_names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = fs::read_dir(self.locate(folder))?
            .take(ENTRIES)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Whether there is something.
    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.locate(path.as_ref()).exists()
    }

    /// Whether there is surely nothing; what may not be looked at may be there.
    pub(super) fn is_missing(&self, path: &Path) -> bool {
        self.resolve(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Where a symbolic link points, as it is written.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.locate(path.as_ref())).ok()
    }

    /// The last name of where a symbolic link points: how sysfs says `subsystem` and `driver`.
    pub(super) fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        Some(self.link(path)?.file_name()?.to_str()?.to_owned())
    }

    /// An absolute path with all symbolic links followed, as the host sees it.
    ///
    /// # Errors
    /// What the system says of the first part that is missing or may not be entered.
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

    /// What a path is, after following links.
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

    /// The stand-in for a device node in a recorded tree.
    fn recorded_node(&self, real: &Path) -> Option<Node> {
        let text = self.attribute(real)?;
        match text.split_once(' ')? {
            ("block", number) => DeviceNumber::parse(number).map(Node::Block),
            ("char", number) => DeviceNumber::parse(number).map(|_| Node::Character),
            _ => None,
        }
    }
}

/// The parts of a path, the first one last.
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
