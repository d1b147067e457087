//! Why a `.deb` cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a `.deb` cannot be used. Nothing of it is baked in.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It cannot be read.
    #[error("reading the package {}: {source}; fetch it again", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system, or a decompressor, reported.
        source: io::Error,
    },
    /// It is not a package, or not a trustworthy one.
    #[error("reading the package {}: {why}; it is damaged or was made to do harm: take another", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An entry that cannot be put into an image.
    #[error("reading the package {}: {entry:?} {why}; take another version of the package", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry's name, shortened.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
}

impl DebError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn bad(path: &Path, why: impl Into<String>) -> Self {
        Self::Bad {
            path: path.to_owned(),
            why: why.into(),
        }
    }

    /// Makes the error for a path that is not allowed.
    pub(crate) fn bad_entry(path: &Path, entry: &str, why: &str) -> Self {
        Self::entry(path, entry.as_bytes(), why)
    }

    pub(super) fn entry(path: &Path, entry: &[u8], why: impl Into<String>) -> Self {
        Self::Entry {
            path: path.to_owned(),
            entry: String::from_utf8_lossy(entry).chars().take(200).collect(),
            why: why.into(),
        }
    }
}
