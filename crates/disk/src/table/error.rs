//! The sentences of faults in partition tables.

use std::fmt::Display;

use kraken_foundation::{Error, Kind};

/// Before the cause when the disk cannot be read, or the table is not what it must be.
pub(super) const READING: &str = "reading the partition table";
/// Before the cause when the disk cannot be written.
pub(super) const WRITING: &str = "writing the partition table";

/// The disk has no table.
pub(super) fn none(why: &str) -> Error {
    let text = format!("{READING}: there is none ({why}); a base must be a whole-disk image, not a single partition");
    Error::new(Kind::NotFound, text)
}

/// The table exists and cannot be trusted.
pub(super) fn damaged(why: impl Display) -> Error {
    let text = format!(
        "{READING}: {why}; the image is damaged or cut short - fetch it again, or look at it with `sfdisk --verify`"
    );
    Error::new(Kind::Damaged, text)
}

/// The table is of a kind that is not supported.
pub(super) fn unsupported(why: impl Display) -> Error {
    Error::new(Kind::Unsupported, format!("{READING}: {why}"))
}

/// Partition `number` cannot be grown as asked.
pub(super) fn cannot_grow(kind: Kind, number: u32, why: impl Display) -> Error {
    Error::new(kind, format!("growing partition {number}: {why}"))
}
