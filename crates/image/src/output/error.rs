//! Why the files of images could not be written.

use std::path::PathBuf;

use crate::bake::BakeError;
use kraken_foundation::interrupt::Interrupted;

/// Why the files of images could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
    /// A file could not be read or written.
    #[error("{doing} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Another run writes to the same folder.
    #[error("{} is in use by another kraken-flash; wait for it to end, or choose another folder with --output", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A node's patch could not be made.
    #[error("baking {hostname}")]
    Bake {
        /// The node's host name.
        hostname: String,
        /// The reason.
        source: BakeError,
    },
    /// The existing manifest is not one of kraken-flash.
    #[error("reading {}: {why}; remove it, or choose another folder with --output", path.display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull => {
            "; free some space, build fewer nodes at a time (--node), or choose another folder (--output)"
        }
        _ => "",
    }
}

impl OutputError {
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        // An interrupted loop returns an I/O error of this kind, which is not a real I/O error.
        move |source| match source.kind() {
            std::io::ErrorKind::Interrupted => OutputError::Interrupted(Interrupted),
            _ => OutputError::Io { doing, path, source },
        }
    }
}
