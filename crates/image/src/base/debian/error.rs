//! Why there is no `debian` base.

use std::io;
use std::path::{Path, PathBuf};

use kraken_foundation::interrupt::Interrupted;

/// The environment variable that names the Debian mirror (`http://mirror.example/debian`) when the
/// host's apt configuration has none.
pub const MIRROR_VARIABLE: &str = "KRAKEN_FLASH_DEBIAN_MIRROR";

/// Why there is no `debian` base.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// Programs or keys are missing.
    #[error("composing the debian base: this machine lacks {}; install it with: apt-get install {}", .what.join(", "), .packages.join(" "))]
    Missing {
        /// The names of what is missing.
        what: Vec<String>,
        /// The Debian packages that contain it.
        packages: Vec<String>,
    },
    /// It is not in the cache yet, and the user is not root.
    #[error(
        "composing the debian base needs root (it installs packages into a tree of its own), once; after that it is taken from the \
         cache. Run as root with the same cache: sudo env KRAKEN_FLASH_CACHE={} kraken-flash fetch --base debian",
        cache.display()
    )]
    NeedsRoot {
        /// This user's cache folder.
        cache: PathBuf,
    },
    /// The host's apt has no Debian archive.
    #[error(
        "composing the debian base: the apt configuration of this machine names no Debian archive; \
         name one with {MIRROR_VARIABLE}=http://HOST/debian"
    )]
    NoMirror,
    /// A program of the host could not be queried.
    #[error("asking `{command}`: {why}")]
    Host {
        /// The command line.
        command: String,
        /// What went wrong.
        why: String,
    },
    /// The archive could not be reached, or a file of it is not as expected.
    #[error(
        "reading the release date of the Debian archive at {uri}: {why}; check the network and the mirror, or run `apt-get update`"
    )]
    Archive {
        /// The address of the file.
        uri: String,
        /// What went wrong.
        why: String,
    },
    /// The scripts failed.
    #[error("composing the debian base failed while {stage}; the end of its log, all of which is in {}:\n{tail}", .log.display())]
    Compose {
        /// The stage that failed.
        stage: String,
        /// The path of the whole log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// What was being done, as a gerund: "creating".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
}

pub(super) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DebianError {
    let path = path.to_owned();
    move |source| DebianError::Io { doing, path, source }
}
