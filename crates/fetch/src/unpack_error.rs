//! The sentences of faults in packed images.

use std::fmt::Display;
use std::path::Path;

use super::format::Format;
use kraken_foundation::{Error, Kind};

/// The file at `path` has a format that cannot be a base: it is `found` instead.
pub(crate) fn not_an_image(path: &Path, found: &str) -> Error {
    let text = format!(
        "reading {}: it is {found}, not a disk image (raw, .xz, .zst, .gz or .zip); check what was downloaded or named",
        path.display()
    );
    Error::new(Kind::Unsupported, text)
}

/// It ends too early.
pub(crate) fn truncated(path: &Path, format: Format) -> Error {
    let text = format!(
        "unpacking {}: the {format} is cut short; download or copy it again",
        path.display()
    );
    Error::new(Kind::Damaged, text)
}

/// It is damaged, or built in an unusual way; `why` is what its decoder reported.
pub(crate) fn corrupt(path: &Path, format: Format, why: impl Display) -> Error {
    let text = format!(
        "unpacking {}: the {format} cannot be read: {why}; download or copy it again",
        path.display()
    );
    Error::new(Kind::Damaged, text)
}

/// It is complete, but packed in a way that is not supported.
pub(crate) fn unusual(path: &Path, how: impl Display) -> Error {
    Error::new(Kind::Unsupported, format!("unpacking {}: {how}", path.display()))
}

/// The window is larger than decoders allow by default.
pub(crate) const WINDOW: &str = "it was packed with a window of more than 128 MiB (`zstd --long` or `--ultra`); unpack it with \
                          `zstd -d --long=31 FILE`, and name what comes of it";

/// The image has `size` bytes, fewer than its own partition table needs.
pub(crate) fn shortened(path: &Path, size: u64, needed: u64) -> Error {
    let text = format!(
        "reading {}: the image has {size} bytes, but its partition table reaches to {needed}; it is cut short: download or copy it again",
        path.display()
    );
    Error::new(Kind::Damaged, text)
}

/// More bytes come out than the `limit`.
pub(crate) fn too_large(path: &Path, limit: u64) -> Error {
    let text = format!(
        "unpacking {}: more than {limit} bytes come out of it, which is more than an image should have; it is not unpacked further",
        path.display()
    );
    Error::new(Kind::Damaged, text)
}

/// The disk with the raw image at `path` has fewer bytes free than are needed.
pub(crate) fn no_space(path: &Path, free: u64, needed: u64) -> Error {
    let text = format!(
        "writing {}: the disk has {free} bytes free, {needed} are needed; free some, or set another cache folder",
        path.display()
    );
    Error::new(Kind::Full, text)
}
