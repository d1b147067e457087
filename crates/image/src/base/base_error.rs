//! Why there is no base: all errors of this module.

use super::catalogue::CatalogueError;
use super::debian::DebianError;
use super::found::Base;
use kraken_fetch::AddressError;
use kraken_fetch::CacheError;
use kraken_fetch::FetchError;
use kraken_fetch::UnpackError;
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupted;

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// An address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The cache, or a file of the user, cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The catalogue cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A packed file cannot be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The Debian base cannot be composed.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// It is not in the cache, and the network must not be used.
    #[error(
        "getting the base {origin}: it is not in the cache, and this run is offline; run `kraken-flash fetch` first, with a network"
    )]
    Offline {
        /// The base that was requested.
        origin: String,
    },
    /// Its hash is not the one in `[image] sha256`.
    #[error(
        "checking the base {origin}: SHA-256 {expected} is wanted, {}; correct [image] sha256, or get the right file",
        found(download, raw)
    )]
    WrongHash {
        /// The base that was checked.
        origin: String,
        /// The hash from kraken.toml.
        expected: Sha256Hash,
        /// The hash of the file as downloaded; `None` when it was not packed.
        download: Option<Sha256Hash>,
        /// The hash of the raw image.
        raw: Sha256Hash,
    },
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
}

fn found(download: &Option<Sha256Hash>, raw: &Sha256Hash) -> String {
    match download {
        Some(download) => format!("but the file has {download}, and the raw image in it {raw}"),
        None => format!("but the image has {raw}"),
    }
}

impl BaseError {
    /// Returns whether the work was stopped on request, rather than failed.
    pub fn is_interrupted(&self) -> bool {
        matches!(
            self,
            Self::Interrupted(_)
                | Self::Cache(CacheError::Interrupted(_))
                | Self::Fetch(FetchError::Interrupted(_))
                | Self::Unpack(UnpackError::Interrupted(_))
        )
    }
}

pub(super) fn wrong_hash(base: &Base, expected: Sha256Hash) -> BaseError {
    BaseError::WrongHash {
        origin: base.origin.clone(),
        expected,
        download: base.download_sha256,
        raw: base.raw_sha256,
    }
}

/// Returns whether the error does not mean that the downloaded file is wrong.
pub(super) fn is_about_this_machine(error: &BaseError) -> bool {
    matches!(
        error,
        BaseError::Cache(_) | BaseError::Unpack(UnpackError::Io { .. } | UnpackError::NoSpace { .. })
    )
}
