//! What is said when a write to an ext4 volume fails.

use fs_ext4::Error as Ext4Error;
use kraken_foundation::{Error, Kind, text};

pub(super) fn failed(kind: Kind, doing: &str, path: &[u8], why: &str) -> Error {
    Error::new(kind, {
        let path = shown(path);
        format!("{doing} {path} in the ext4 file system: {why}")
    })
}

/// Returns a path as a message has it.
pub(super) fn shown(path: &[u8]) -> String {
    text::line(&String::from_utf8_lossy(path))
}

pub(super) fn full(doing: &str, path: &[u8]) -> Error {
    let why = "it is full; the root partition has to be grown, or less put on it";
    failed(Kind::Full, doing, path, why)
}

pub(super) fn wrap(doing: &str, path: &[u8]) -> impl FnOnce(Ext4Error) -> Error {
    move |error| match kind(&error) {
        Kind::Full => full(doing, path),
        kind => failed(kind, doing, path, &error.to_string()),
    }
}

/// The library says "corrupt" where it means "full"; see its `alloc.rs`.
pub(super) fn kind(error: &Ext4Error) -> Kind {
    match error {
        Ext4Error::NoSpaceLeftOnDevice
        | Ext4Error::Corrupt("no group has a contiguous free run of this size" | "no group has a free inode") => {
            Kind::Full
        }
        Ext4Error::Io(_) => Kind::Io,
        Ext4Error::NotFound => Kind::NotFound,
        Ext4Error::NotADirectory
        | Ext4Error::IsADirectory
        | Ext4Error::AlreadyExists
        | Ext4Error::DirectoryNotEmpty => Kind::Conflict,
        Ext4Error::UnsupportedIncompat(_)
        | Ext4Error::UnsupportedRoCompat(_)
        | Ext4Error::Unsupported(_)
        | Ext4Error::NameTooLong
        | Ext4Error::TooManyLinks => Kind::Unsupported,
        Ext4Error::InvalidArgument(_) | Ext4Error::ReadOnly | Ext4Error::Stale => Kind::Internal,
        _ => Kind::Damaged,
    }
}
