//! What is said when there is no base, and what its causes mean for what is in the cache.

use std::io;

use super::found::Base;
use kraken_fetch::FetchError;
use kraken_foundation::{Error, Kind, Sha256Hash};

/// The hash of a base is not the requested one: in the chain of the error, since
/// [`obtain`](super::obtain) then looks at the address again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongHash(String);

/// It is not in the cache, and the network must not be used.
pub(super) fn offline(origin: &str) -> Error {
    let text = format!(
        "getting the base {origin}: it is not in the cache, and this run is offline; run `kraken-flash fetch` first, with a network"
    );
    Error::new(Kind::NotFound, text)
}

/// Its hash is not `expected`, the one in `[image] sha256` or in the catalogue.
pub(super) fn wrong_hash(base: &Base, expected: Sha256Hash) -> Error {
    let raw = &base.raw_sha256;
    let found = match &base.download_sha256 {
        Some(download) => format!("but the file has {download}, and the raw image in it {raw}"),
        None => format!("but the image has {raw}"),
    };
    let text = format!(
        "checking the base {}: SHA-256 {expected} is wanted, {found}; correct [image] sha256, or get the right file",
        base.origin
    );
    Error::typed(Kind::Damaged, WrongHash(text))
}

/// Returns whether the error does not mean that the downloaded file is wrong.
pub(super) fn is_about_this_machine(error: &Error) -> bool {
    // What the system reports, too little room, and another program that changes a file.
    error.downcast_ref::<io::Error>().is_some() || matches!(error.kind(), Kind::Full | Kind::Conflict)
}

/// Returns whether the error means that the image is another one than the announced or requested
/// one.
pub(super) fn is_another_image(error: &Error) -> bool {
    let has_wrong_size = matches!(error.downcast_ref::<FetchError>(), Some(FetchError::WrongSize { .. }));
    has_wrong_size || error.downcast_ref::<WrongHash>().is_some()
}
