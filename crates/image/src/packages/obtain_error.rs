//! Why packages could not be obtained.

use std::path::PathBuf;

use super::lock::LockError;
use kraken_debian::ResolveError;
use kraken_foundation::Error;
use kraken_foundation::interrupt::Interrupted;

/// Why packages could not be obtained.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// The lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The network or the cache failed, an archive cannot be verified, or the packages conflict
    /// with one another or with the image.
    #[error("{0}")]
    Source(#[from] Error),
    /// The base image cannot be read.
    #[error("reading the base image {}", path.display())]
    Base {
        /// The image's path.
        path: PathBuf,
        /// What is wrong with the image.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The image's lists of packages and archives cannot be read.
    #[error("reading which packages and archives the base image has: {0}")]
    Image(#[source] Error),
    /// The key of Docker's own archive cannot be used.
    #[error("taking the key {named}: {source}; check [docker] key-file and key-fingerprint")]
    Key {
        /// The file or address of the key.
        named: String,
        /// What is wrong with the key.
        source: Error,
    },
    /// A file cannot be read.
    #[error("reading {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The packages that were requested are not available.
    #[error("choosing packages: {0}")]
    Resolve(#[from] ResolveError),
    /// No archive can be used.
    #[error("{why}; the base image names that archive, {archive}, in {named_in}")]
    NoArchive {
        /// The first archive's address and suite.
        archive: String,
        /// The file of the image that names it.
        named_in: String,
        /// Why it could not be used.
        why: String,
    },
    /// The request cannot be resolved without an archive that cannot be used.
    #[error(
        "choosing packages: {source}; and an archive that the base image names in {named_in}, {archive}, could not be asked: {why}; \
         if it is gone for good, set a mirror for it ([apt] mirrors), or take it out of the image"
    )]
    Incomplete {
        /// Why it cannot be resolved without that archive.
        source: Box<ResolveError>,
        /// The archive's address and suite.
        archive: String,
        /// The file of the image that names it.
        named_in: String,
        /// Why it could not be used.
        why: String,
    },
    /// A `.deb` cannot be used.
    #[error("{package} cannot be used: {source}")]
    Package {
        /// Its name and version, or its file.
        package: String,
        /// What is wrong with it.
        source: Error,
    },
    /// A name or an address is not valid.
    #[error("choosing packages: {0}")]
    Name(String),
    /// The image does not name its release.
    #[error(
        "asking Docker's own archive: the base image does not say which release it is (VERSION_CODENAME in /etc/os-release); use [docker] source = \"debian\""
    )]
    NoCodename,
    /// The network must not be used, and the lock file has nothing for this request.
    #[error(
        "choosing packages: {} has none for this base and this kraken.toml, and the network must not be used; run `kraken-flash fetch` first",
        lock.display()
    )]
    Offline {
        /// The lock file.
        lock: PathBuf,
    },
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
}
