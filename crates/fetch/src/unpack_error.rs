//! Why a file could not be unpacked into a raw image.

use std::io;
use std::path::{Path, PathBuf};

use super::format::Format;
use kraken_foundation::interrupt::Interrupted;

/// Why a file could not be unpacked into a raw image.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The file has a format that cannot be a base.
    #[error(
        "reading {}: it is {looks}, not a disk image (raw, .xz, .zst, .gz or .zip); check what was downloaded or named",
        path.display()
    )]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        looks: String,
    },
    /// It ends too early.
    #[error("unpacking {}: the {format} is cut short; download or copy it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
    },
    /// It is damaged, or built in an unusual way.
    #[error("unpacking {}: the {format} cannot be read: {why}; download or copy it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// What its decoder reported.
        why: String,
    },
    /// It is complete, but packed in a way that is not supported.
    #[error("unpacking {}: {unusual}", path.display())]
    Unusual {
        /// The file.
        path: PathBuf,
        /// In which way.
        unusual: Unusual,
    },
    /// The image is shorter than its own partition table says.
    #[error(
        "reading {}: the image has {size} bytes, but its partition table reaches to {needed}; it is cut short: download or copy it again",
        path.display()
    )]
    Shortened {
        /// The file.
        path: PathBuf,
        /// Bytes of raw image.
        size: u64,
        /// Bytes that its partition table needs.
        needed: u64,
    },
    /// More bytes come out than allowed.
    #[error(
        "unpacking {}: more than {limit} bytes come out of it, which is more than an image should have; it is not unpacked further",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The maximum that was accepted, in bytes.
        limit: u64,
    },
    /// The number of bytes is not the announced one.
    #[error("unpacking {}: {size} bytes came out of it, {expected} were announced; it is not what the catalogue means", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// The unpacked size, in bytes.
        size: u64,
        /// The announced size, in bytes.
        expected: u64,
    },
    /// The disk is too small.
    #[error("writing {}: the disk has {free} bytes free, {needed} are needed; free some, or set another cache folder", path.display())]
    NoSpace {
        /// The raw image.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed, at least.
        needed: u64,
    },
    /// The file or the raw image could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// The operation ("writing").
        doing: &'static str,
        /// The path that it was applied to.
        path: PathBuf,
        /// What the system reported.
        source: io::Error,
    },
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
}

/// A complete file that is not supported, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusual {
    /// The window is larger than decoders allow by default.
    #[error(
        "it was packed with a window of more than 128 MiB (`zstd --long` or `--ultra`); unpack it with `zstd -d --long=31 FILE`, and name \
         what comes of it"
    )]
    Window,
    /// A password is needed.
    #[error("its image is behind a password; unpack it yourself, and name the .img that comes of it")]
    Password,
    /// Another method than the usual ones of zip.
    #[error(
        "its image is packed with {0}, which is not unpacked here; unpack it with 7-Zip (`7z x FILE`) or Windows' Explorer, \
         and name the .img that comes of it"
    )]
    Method(String),
    /// It contains several images, and nothing determines which one is meant.
    #[error("there are two images of the same size in it, {0:?} and {1:?}; unpack the one that is meant, and name it")]
    Twins(String, String),
}

pub fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    move |source| UnpackError::Io { doing, path, source }
}
