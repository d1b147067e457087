//! Finds devices: all of them, or the one that a path names.

use std::io;
use std::path::{Path, PathBuf};

use super::clean::clean;
use super::{Device, Host};

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
    host.try_names(Path::new("/sys/block")).map_err(FindError::Kernel)?;
    Ok(Vec::new())
}

/// The whole block device that a path names, directly or by a symbolic link (`/dev/disk/by-id/…`).
///
/// # Errors
/// [`FindError`] says what the path is instead, and what to do.
pub fn find(host: &Host, path: &Path) -> Result<Device, FindError> {
    let _ = host.node(path);
    Err(FindError::Nothing {
        path: path.into(),
        hint: String::new(),
    })
}
