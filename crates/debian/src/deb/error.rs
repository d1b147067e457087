//! The faults of a `.deb` itself.

use std::io;
use std::path::{Path, PathBuf};

use kraken_foundation::{Error, Kind};

/// A `.deb` that cannot be used; nothing of it is baked in. [`Error::downcast_ref`] tells it from
/// packages that do not fit together: its message names the file only, which says little to the
/// user when the file is in a cache.
#[derive(Debug, thiserror::Error)]
#[error("reading the package {}: {why}", path.display())]
pub struct DebError {
    /// The file.
    path: PathBuf,
    /// What is wrong with it, and what to do.
    why: String,
    /// What the system, or a decompressor, reported.
    source: Option<Error>,
}

/// For `map_err`: the file at `path` cannot be read.
pub(super) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| {
        let why = format!("{source}; fetch it again");
        let source = Error::from(source);
        let (kind, path) = (source.kind(), path.to_owned());
        let source = Some(source);
        Error::typed(kind, DebError { path, why, source })
    }
}

/// The temporary file for the files of packages failed.
pub(crate) fn not_stored(error: io::Error) -> Error {
    let text =
        format!("unpacking into a temporary file: {error}; there may be too little room in the cache's file system");
    Error::from(error).context(text)
}

/// It is not a package, or not a trustworthy one.
pub(crate) fn bad(path: &Path, why: &str) -> Error {
    damaged(
        path,
        format!("{why}; it is damaged or was made to do harm: take another"),
    )
}

/// It has an entry that cannot be put into an image.
pub(crate) fn bad_entry(path: &Path, entry: &[u8], why: &str) -> Error {
    let entry: String = String::from_utf8_lossy(entry).chars().take(200).collect();
    damaged(path, format!("{entry:?} {why}; take another version of the package"))
}

fn damaged(path: &Path, why: String) -> Error {
    let error = DebError {
        path: path.to_owned(),
        why,
        source: None,
    };
    Error::typed(Kind::Damaged, error)
}
