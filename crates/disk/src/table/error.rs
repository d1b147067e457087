//! Why a partition table cannot be read or changed.

use std::io;

/// Why a partition table could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The disk could not be read or written.
    #[error("{doing} the partition table: {source}")]
    Io {
        /// `reading` or `writing`.
        doing: &'static str,
        /// What the disk reported.
        source: io::Error,
    },
    /// The disk has no table.
    #[error(
        "reading the partition table: there is none ({0}); a base must be a whole-disk image, not a single partition"
    )]
    None(&'static str),
    /// The table exists and cannot be trusted.
    #[error(
        "reading the partition table: {0}; the image is damaged or cut short - fetch it again, or look at it with `sfdisk --verify`"
    )]
    Damaged(String),
    /// The table is of a kind that is not supported.
    #[error("reading the partition table: {0}")]
    Unsupported(String),
    /// A partition cannot be grown as asked.
    #[error("growing partition {number}: {why}")]
    Grow {
        /// The number of the partition.
        number: u32,
        /// Why not.
        why: String,
    },
}

/// The disk cannot be read.
pub(super) fn reading(source: io::Error) -> TableError {
    TableError::Io {
        doing: "reading",
        source,
    }
}

/// The disk cannot be written.
pub(super) fn writing(source: io::Error) -> TableError {
    TableError::Io {
        doing: "writing",
        source,
    }
}
