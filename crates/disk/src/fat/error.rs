//! Why a FAT volume cannot be read or written.

/// Why a FAT volume could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// The disk reported an error.
    #[error("{doing} on the FAT file system: {source}")]
    Io {
        /// The operation, and what it was applied to.
        doing: String,
        /// What the disk or the library reported.
        source: std::io::Error,
    },
    /// It is not FAT, or of a shape that is not supported.
    #[error("opening the FAT file system: {0}")]
    NotFat(String),
    /// It is damaged in a way that makes it unsafe to walk.
    #[error("opening the FAT file system: it is damaged: {0}; mend it with `fsck.fat -a`, or fetch the image again")]
    Damaged(String),
    /// A path cannot be written.
    #[error("writing {path} to the FAT file system: {why}")]
    Refused {
        /// The path.
        path: String,
        /// Why not.
        why: String,
    },
    /// It does not fit.
    #[error(
        "writing {path} to the FAT file system: {needed} bytes do not fit, {free} are free; remove files from the boot volume or use a base with a larger one"
    )]
    Full {
        /// The path.
        path: String,
        /// Bytes it needs.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
}

impl FatError {
    /// For `map_err`: adds the operation that failed.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
