//! Reads mounts and swap areas: `/proc/self/mountinfo` and `/proc/swaps`.
//!
//! Both describe only this process's mount namespace and root. What another namespace uses shows in
//! a device's holders, in `/sys/fs/btrfs`, or not at all; then only the exclusive open of the
//! device detects it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::{DeviceNumber, Host};

/// The largest table that is read, in bytes. A machine with thousands of containers has a few MiB
/// of mounts.
const TABLE: u64 = 64 << 20;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The device's number; its major part is 0 when no single block device is behind the mount.
    pub number: DeviceNumber,
    /// The mount point.
    pub point: PathBuf,
    /// The kind of file system, such as `ext4`.
    pub kind: String,
    /// What was mounted, as it was given: a device file, a pool, a word.
    pub source: PathBuf,
    /// The options of the file system.
    options: Vec<u8>,
}

/// One swap area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    /// The device or the file.
    pub path: PathBuf,
    /// Whether it is a file.
    pub file: bool,
}

/// A layer of an overlay.
pub(super) struct Layer {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether the overlay writes to it (`upperdir`, `workdir`).
    pub is_writable: bool,
}

impl Mount {
    /// Reads the mount table.
    ///
    /// # Errors
    /// When it cannot be read as a whole.
    pub(crate) fn all(host: &Host) -> io::Result<Vec<Self>> {
        let bytes = host.read("/proc/self/mountinfo", TABLE)?;
        Ok(bytes.split(|b| *b == b'\n').filter_map(Self::parse).collect())
    }

    /// Parses a line: `36 35 8:17 /sub /mnt rw,noatime shared:1 - ext4 /dev/sdb1 rw`
    /// (proc_pid_mountinfo(5)): id, parent, number, root, point, options, any number of tags, a
    /// hyphen, kind, source, options of the file system.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let hyphen = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
        let after = |index: usize| fields.get(hyphen + index).copied();
        Some(Self {
            number: DeviceNumber::parse(std::str::from_utf8(fields.get(2)?).ok()?)?,
            point: path(fields.get(4)?),
            kind: String::from_utf8_lossy(after(1)?).into_owned(),
            source: path(after(2).unwrap_or_default()),
            options: after(3).unwrap_or_default().to_vec(),
        })
    }

    /// Returns the values of the file system options with this name, in order.
    pub(crate) fn options(&self, name: &str) -> Vec<PathBuf> {
        // overlayfs escapes a comma inside a value as `\,`. A layer with a comma in its name is cut
        // off here, is not found, and so counts as unknown.
        self.options
            .split(|b| *b == b',')
            .filter_map(|option| option.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .map(path)
            .collect()
    }

    /// Returns the layers of an overlay, the writable ones last.
    pub(crate) fn layers(&self) -> Vec<Layer> {
        let lower = self.options("lowerdir").into_iter().flat_map(|list| {
            // `:` separates layers, `::` precedes those with data only
            // (Documentation/filesystems/overlayfs.rst).
            let parts: Vec<PathBuf> = list
                .into_os_string()
                .into_vec()
                .split(|b| *b == b':')
                .filter(|part| !part.is_empty())
                .map(|part| PathBuf::from(OsString::from_vec(part.to_vec())))
                .collect();
            parts
        });
        // With the new mount system call, each layer has its own option: `lowerdir+=`, `datadir+=`.
        let more = ["lowerdir+", "datadir+"]
            .into_iter()
            .flat_map(|name| self.options(name));
        let upper = ["upperdir", "workdir"].into_iter().flat_map(|name| self.options(name));
        let layer = |is_writable| move |folder| Layer { folder, is_writable };
        lower
            .chain(more)
            .map(layer(false))
            .chain(upper.map(layer(true)))
            .collect()
    }
}

/// Returns the index of the mount that a path lies on: the deepest mount point above it, and of
/// several the latest.
pub(super) fn mount_of(mounts: &[Mount], path: &Path) -> Option<usize> {
    let above = mounts
        .iter()
        .enumerate()
        .filter(|(_, mount)| path.starts_with(&mount.point));
    above
        .max_by_key(|(index, mount)| (mount.point.components().count(), *index))
        .map(|(index, _)| index)
}

impl Swap {
    /// Reads the table of swap areas; empty on kernels without swap.
    ///
    /// # Errors
    /// When it exists and cannot be read as a whole.
    pub(crate) fn all(host: &Host) -> io::Result<Vec<Self>> {
        match host.read("/proc/swaps", TABLE) {
            Ok(bytes) => Ok(bytes.split(|b| *b == b'\n').skip(1).filter_map(Self::parse).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Parses a line: name, `partition` or `file`, sizes (proc_swaps(5)).
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let name = path(fields.next()?);
        Some(Self {
            path: name,
            file: fields.next()? != b"partition",
        })
    }
}

/// Decodes a path of these tables: blank, tab, line feed, backslash and `#` are written as `\040`
/// and so on.
pub(super) fn path(field: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let code = (field[at] == b'\\')
            .then(|| field.get(at + 1..at + 4))
            .flatten()
            .filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)))
            .map(|digits| digits.iter().fold(0u32, |sum, d| sum * 8 + u32::from(d - b'0')))
            .and_then(|code| u8::try_from(code).ok());
        plain.push(code.unwrap_or(field[at]));
        at += if code.is_some() { 4 } else { 1 };
    }
    OsString::from_vec(plain).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_with_its_escapes_and_tags() {
        let line =
            br"89 27 8:17 / /media/pi/My\040card\011x rw,nosuid shared:45 master:2 - vfat /dev/sdb1 rw,fmask=0022";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(mount.number, DeviceNumber { major: 8, minor: 17 });
        assert_eq!(mount.point, Path::new("/media/pi/My card\tx"));
        assert_eq!(
            (mount.kind.as_str(), mount.source.to_str()),
            ("vfat", Some("/dev/sdb1"))
        );
        assert_eq!(path(br"\134\999\04"), Path::new(r"\\999\04"));
        for odd in [&b""[..], b"1 2 3:4", b"1 2 x / / rw - ext4 a b", b"1 2 8:1 / /a rw -"] {
            assert_eq!(Mount::parse(odd), None);
        }
    }

    #[test]
    fn the_layers_of_an_overlay_are_read() {
        let line = b"1 0 0:40 / / rw - overlay overlay rw,lowerdir=/ro/a:/ro/b::/data,upperdir=/rw/up,workdir=/rw/work,lowerdir+=/c";
        let layers: Vec<String> = Mount::parse(line)
            .unwrap()
            .layers()
            .into_iter()
            .map(|layer| {
                format!(
                    "{}{}",
                    layer.folder.display(),
                    if layer.is_writable { " rw" } else { "" }
                )
            })
            .collect();
        assert_eq!(layers, ["/ro/a", "/ro/b", "/data", "/c", "/rw/up rw", "/rw/work rw"]);
    }

    #[test]
    fn a_path_lies_on_the_deepest_and_latest_mount() {
        let mounts: Vec<Mount> = ["/", "/media", "/media/card", "/media"]
            .iter()
            .map(|point| Mount::parse(format!("1 1 8:1 / {point} rw - ext4 /dev/sda1 rw").as_bytes()).unwrap())
            .collect();
        for (path, index) in [("/media/card/x.img", 2), ("/media/cards", 3), ("/home", 0)] {
            assert_eq!(mount_of(&mounts, Path::new(path)), Some(index), "{path}");
        }
    }
}
