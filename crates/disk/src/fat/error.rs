//! The sentences of faults in FAT volumes.

use std::fmt::Display;

use kraken_foundation::{Error, Kind};

/// What stands before the cause when an operation failed.
pub(crate) fn on_fat(doing: impl Display) -> String {
    format!("{doing} on the FAT file system")
}

/// It is not FAT, or of a shape that is not supported.
pub(super) fn not_fat(kind: Kind, why: &str) -> Error {
    Error::new(kind, format!("opening the FAT file system: {why}"))
}

/// It is damaged in a way that makes it unsafe to walk.
pub(super) fn damaged(why: impl Display) -> Error {
    let text = format!(
        "opening the FAT file system: it is damaged: {why}; repair it with `fsck.fat -a`, or fetch the image again"
    );
    Error::new(Kind::Damaged, text)
}

/// A path cannot be written.
pub(super) fn refused(kind: Kind, path: &str, why: impl Display) -> Error {
    Error::new(kind, format!("writing {path} to the FAT file system: {why}"))
}
