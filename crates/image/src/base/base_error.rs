//! Why there is no base: all errors of this module.

use std::io;

use super::catalogue::CatalogueError;
use super::debian::DebianError;
use super::found::Base;
use kraken_fetch::FetchError;
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupted;
use kraken_foundation::{Error, Kind};

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// An address, the cache or a file cannot be used, a download failed, or a packed file cannot
    /// be unpacked.
    #[error("{0}")]
    Source(#[from] Error),
    /// The catalogue cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
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
        match self {
            Self::Interrupted(_) => true,
            Self::Source(error) => error.is_interrupted(),
            _ => false,
        }
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
    // What the system reports, too little room, and another program that changes a file.
    matches!(error, BaseError::Source(error)
        if error.downcast_ref::<io::Error>().is_some() || matches!(error.kind(), Kind::Full | Kind::Conflict))
}

/// Returns whether the error means that the image is another one than the announced or requested
/// one.
pub(super) fn is_another_image(error: &BaseError) -> bool {
    match error {
        BaseError::WrongHash { .. } => true,
        BaseError::Source(error) => matches!(error.downcast_ref::<FetchError>(), Some(FetchError::WrongSize { .. })),
        _ => false,
    }
}
