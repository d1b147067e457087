//! Finds block devices: all of them, or the one that a path names.

use std::io;
use std::path::{Path, PathBuf};

use super::backing_devices::Usage;
use super::clean::clean;
use super::host::Node;
use super::{Bus, Device, Host, read};

/// Why a path does not name a device, or why there is no list of devices.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The kernel's list of block devices cannot be read.
    #[error("listing block devices in /sys/block: {0}; is /sys mounted here?")]
    Kernel(io::Error),
    /// The path does not exist.
    #[error(
        "{}: there is nothing with this name{hint}; `kraken-flash devices` lists what could be written",
        shown(path)
    )]
    Nothing {
        /// The path as the user gave it.
        path: PathBuf,
        /// `; did you mean /dev/sdb?`, or empty.
        hint: String,
    },
    /// The path is a symbolic link to a file that does not exist.
    #[error(
        "{}: this is a link to {}, and there is nothing; is the card still plugged in?",
        shown(path),
        shown(target)
    )]
    Dangling {
        /// The path as the user gave it.
        path: PathBuf,
        /// Where the link points.
        target: PathBuf,
    },
    /// The path cannot be examined.
    #[error("looking at {}: {source}", shown(path))]
    Unreadable {
        /// The path as the user gave it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The path names a partition.
    #[error(
        "{}: this is partition {number} of {}; an image goes onto the whole card: name {} instead",
        shown(path),
        shown(disk),
        shown(disk)
    )]
    Partition {
        /// The path as the user gave it.
        path: PathBuf,
        /// The partition's number.
        number: u32,
        /// Device file of the whole disk.
        disk: PathBuf,
    },
    /// The path names a regular file.
    #[error(
        "{}: this is a file, not a card; `kraken-flash build -o DIR` makes image files",
        shown(path)
    )]
    File {
        /// The path as the user gave it.
        path: PathBuf,
    },
    /// The path names a folder.
    #[error(
        "{}: this is a folder, not a card; `kraken-flash build -o DIR` puts image files into one",
        shown(path)
    )]
    Folder {
        /// The path as the user gave it.
        path: PathBuf,
    },
    /// The path names a character device.
    #[error(
        "{}: this is a character device, and a card is a block device, like /dev/sdb or /dev/mmcblk0; `kraken-flash devices` lists them",
        shown(path)
    )]
    Character {
        /// The path as the user gave it.
        path: PathBuf,
    },
    /// The path names a socket or a pipe.
    #[error(
        "{}: this is neither a block device nor a file; `kraken-flash devices` lists the cards",
        shown(path)
    )]
    Other {
        /// The path as the user gave it.
        path: PathBuf,
    },
    /// The path names a card reader or a drive without a medium.
    #[error("{}: there is no card in it; put one in", shown(path))]
    NoCard {
        /// The path as the user gave it.
        path: PathBuf,
    },
    /// The path is a device node whose number the kernel does not know.
    #[error(
        "{}: this is a device node for {number}, and the kernel has no such disk; is the card still plugged in, and /sys that of this machine?",
        shown(path)
    )]
    Unknown {
        /// The path as the user gave it.
        path: PathBuf,
        /// The node's number, such as `8:16`.
        number: super::DeviceNumber,
    },
}

fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

/// Returns all block devices of a host: cards first, then other USB devices, then the rest. Empty
/// readers are included; loop devices and the like only when something is behind them.
///
/// # Errors
/// [`FindError::Kernel`].
pub fn list(host: &Host) -> Result<Vec<Device>, FindError> {
    let usage = Usage::read(host).map_err(FindError::Kernel)?;
    let mut devices: Vec<Device> = usage
        .topology
        .blocks
        .iter()
        .filter(|(_, block)| block.partition_of.is_none())
        .filter_map(|(name, _)| read::device(host, &usage, name))
        .filter(|device| device.media || !device.bus.is_made_up())
        .collect();
    devices.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(devices)
}

/// Sort key: cards first, then in natural order: `sdb` before `sdaa`, `loop2` before `loop10`.
fn order(device: &Device) -> (u8, usize, &str) {
    let rank = match device.bus {
        Bus::Mmc => 0,
        Bus::SdCardReader => 1,
        Bus::Usb if device.removable => 2,
        Bus::Usb => 3,
        bus if bus.is_made_up() => 5,
        _ => 4,
    };
    (rank, device.name.len(), &device.name)
}

/// Returns the whole block device that a path names, directly or by a symbolic link
/// (`/dev/disk/by-id/…`).
///
/// # Errors
/// [`FindError`] says what the path names instead, and what to do.
pub fn find(host: &Host, path: &Path) -> Result<Device, FindError> {
    let named = || path.to_owned();
    let whole = match path.is_absolute() || !host.is_live() {
        true => Path::new("/").join(path),
        false => std::path::absolute(path).map_err(unreadable(path))?,
    };
    let number = match host.node(&whole) {
        Ok(Node::Block(number)) => number,
        Ok(Node::File) => return Err(FindError::File { path: named() }),
        Ok(Node::Folder) => return Err(FindError::Folder { path: named() }),
        Ok(Node::Character) => return Err(FindError::Character { path: named() }),
        Ok(Node::Other) => return Err(FindError::Other { path: named() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(nothing(host, path, &whole)),
        Err(error) => return Err(unreadable(path)(error)),
    };
    let usage = Usage::read(host).map_err(FindError::Kernel)?;
    let unknown = || FindError::Unknown { path: named(), number };
    let name = usage.topology.by_number(number).ok_or_else(unknown)?;
    if let Some(partition) = &usage.topology.blocks[name].partition_of {
        let disk = usage
            .topology
            .blocks
            .get(&partition.disk)
            .map(|disk| disk.file.clone())
            .ok_or_else(unknown)?;
        return Err(FindError::Partition {
            path: named(),
            number: partition.number,
            disk,
        });
    }
    let device = read::device(host, &usage, name).ok_or_else(unknown)?;
    match device.media || device.bus.is_made_up() || matches!(device.bus, Bus::Optical | Bus::Floppy) {
        true => Ok(device),
        false => Err(FindError::NoCard { path: named() }),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> FindError {
    let path = path.to_owned();
    move |source| FindError::Unreadable { path, source }
}

/// Returns why nothing was found: a dangling link, a name without `/dev/`, or a path that does not
/// exist.
fn nothing(host: &Host, path: &Path, whole: &Path) -> FindError {
    if let Some(target) = host.link(whole) {
        return FindError::Dangling {
            path: path.to_owned(),
            target,
        };
    }
    let meant = Path::new("/dev").join(path.strip_prefix("/").unwrap_or(path));
    let hint = match host.node(&meant) {
        Ok(Node::Block(_)) => format!("; did you mean {}?", shown(&meant)),
        _ => String::new(),
    };
    FindError::Nothing {
        path: path.to_owned(),
        hint,
    }
}
