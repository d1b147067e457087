//! Finds devices: all of them, or the one that a path names.

use std::io;
use std::path::{Path, PathBuf};

use super::backing_devices::Usage;
use super::clean::clean;
use super::host::Node;
use super::{Bus, Device, Host, read};

/// Why there is no device to speak of.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The kernel's list of block devices cannot be read.
    #[error("listing block devices in /sys/block: {0}; is /sys mounted here?")]
    Kernel(io::Error),
    /// Nothing is there.
    #[error(
        "{}: there is nothing with this name{hint}; `kraken-flash devices` lists what could be written",
        shown(path)
    )]
    Nothing {
        /// The path.
        path: PathBuf,
        /// `; did you mean /dev/sdb?`, or empty.
        hint: String,
    },
    /// A symbolic link leads to nothing.
    #[error(
        "{}: this is a link to {}, and there is nothing; is the card still plugged in?",
        shown(path),
        shown(target)
    )]
    Dangling {
        /// The path.
        path: PathBuf,
        /// Where the link points.
        target: PathBuf,
    },
    /// It cannot be looked at.
    #[error("looking at {}: {source}", shown(path))]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a partition.
    #[error(
        "{}: this is partition {number} of {}; an image goes onto the whole card: name {} instead",
        shown(path),
        shown(disk),
        shown(disk)
    )]
    Partition {
        /// The path.
        path: PathBuf,
        /// The partition's number.
        number: u32,
        /// The whole disk.
        disk: PathBuf,
    },
    /// It is a regular file.
    #[error(
        "{}: this is a file, not a card; `kraken-flash build -o DIR` makes image files",
        shown(path)
    )]
    File {
        /// The path.
        path: PathBuf,
    },
    /// It is a folder.
    #[error(
        "{}: this is a folder, not a card; `kraken-flash build -o DIR` puts image files into one",
        shown(path)
    )]
    Folder {
        /// The path.
        path: PathBuf,
    },
    /// It is a character device.
    #[error(
        "{}: this is a character device, and a card is a block device, like /dev/sdb or /dev/mmcblk0; `kraken-flash devices` lists them",
        shown(path)
    )]
    Character {
        /// The path.
        path: PathBuf,
    },
    /// It is a socket or a pipe.
    #[error(
        "{}: this is neither a block device nor a file; `kraken-flash devices` lists the cards",
        shown(path)
    )]
    Other {
        /// The path.
        path: PathBuf,
    },
    /// A card reader, or a drive, with nothing in it.
    #[error("{}: there is no card in it; put one in", shown(path))]
    NoCard {
        /// The path.
        path: PathBuf,
    },
    /// A device node whose number the kernel does not have.
    #[error(
        "{}: this is a device node for {number}, and the kernel has no such disk; is the card still plugged in, and /sys that of this machine?",
        shown(path)
    )]
    Unknown {
        /// The path.
        path: PathBuf,
        /// The node's number, `8:16`.
        number: super::DeviceNumber,
    },
}

fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

/// All block devices of a host, cards first, then other USB devices, then the rest; empty readers included, loop devices and the like
/// only when there is something behind them.
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

/// Cards first; then as a person counts: `sdb` before `sdaa`, `loop2` before `loop10`.
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

/// The whole block device that a path names, directly or by a symbolic link (`/dev/disk/by-id/…`).
///
/// # Errors
/// [`FindError`] says what the path is instead, and what to do.
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

/// Says why there is nothing: a dangling link, a name without `/dev/`, or simply nothing.
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
