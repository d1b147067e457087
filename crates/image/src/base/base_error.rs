//! Why there is no base: everything that can go wrong in this module.

use super::catalogue::CatalogueError;
use super::debian::DebianError;
use super::found::Base;
use kraken_fetch::AddressError;
use kraken_fetch::CacheError;
use kraken_fetch::FetchError;
use kraken_fetch::UnpackError;
use kraken_foundation::interrupt::Interrupted;

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// An address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The cache, or a file of the user.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A download.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A packed file.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The Debian base.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// It is not in the cache, and the network is not to be used.
    #[error(
        "getting the base {origin}: it is not in the cache, and this run is offline; run `kraken-flash fetch` first, with a network"
    )]
    Offline {
        /// What was wanted.
        origin: String,
    },
    /// It is not the one that was asked for.
    #[error(
        "checking the base {origin}: SHA-256 {expected} is wanted, {}; correct [image] sha256, or get the right file",
        found(download, raw)
    )]
    WrongHash {
        /// What was checked.
        origin: String,
        /// Hex.
        expected: String,
        /// Of the file as downloaded, hex; `None` when it was not packed.
        download: Option<String>,
        /// Of the raw image, hex.
        raw: String,
    },
    /// Stopped on request.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn found(download: &Option<String>, raw: &str) -> String {
    match download {
        Some(download) => format!("but the file has {download}, and the raw image in it {raw}"),
        None => format!("but the image has {raw}"),
    }
}

impl BaseError {
    /// Whether the work was stopped on request, rather than failed.
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

pub(super) fn wrong_hash(base: &Base, expected: String) -> BaseError {
    BaseError::WrongHash {
        origin: base.origin.clone(),
        expected,
        download: base.download_sha256.clone(),
        raw: base.raw_sha256.clone(),
    }
}

/// Whether the error says nothing against the downloaded file.
pub(super) fn is_about_this_machine(error: &BaseError) -> bool {
    matches!(
        error,
        BaseError::Cache(_) | BaseError::Unpack(UnpackError::Io { .. } | UnpackError::NoSpace { .. })
    )
}
