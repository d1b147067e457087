//! The faults of downloads and of packed files that a caller decides on, and which answers are
//! worth another attempt.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::address::shown;
use kraken_foundation::{Error, Kind, Sha256Hash};

/// A fault that a caller decides on; [`Error::downcast_ref`] finds it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server refused permanently.
    #[error("fetching {url}: the server answered {status} ({meaning}); check the address")]
    Status {
        /// The address, without secrets.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Its meaning in words.
        meaning: &'static str,
    },
    /// The file is not the announced one.
    #[error(
        "fetching {url}: its SHA-256 is {found}, {expected} was announced; it was thrown away: fetch it again, or from elsewhere"
    )]
    WrongHash {
        /// The address, without secrets.
        url: String,
        /// The hash of the file.
        found: Sha256Hash,
        /// The announced hash.
        expected: Sha256Hash,
    },
    /// The number of bytes that come out of a packed file is not the announced one.
    #[error("unpacking {}: {size} bytes came out of it, {expected} were announced; it is not what the catalogue means", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// The unpacked size, in bytes.
        size: u64,
        /// The announced size, in bytes.
        expected: u64,
    },
}

impl FetchError {
    /// Returns whether the error means that the server does not have the file (404, 410).
    pub fn is_missing(error: &Error) -> bool {
        matches!(
            error.downcast_ref::<Self>(),
            Some(Self::Status { status: 404 | 410, .. })
        )
    }
}

/// Whether another attempt can help after this status.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Returns the error of an answer with this status: the server refused.
pub fn refused(url: &Url, status: u16) -> Error {
    let meaning = match status {
        401 | 407 => "a login is needed",
        403 => "forbidden",
        404 => "not found",
        410 => "gone",
        300..=399 => "a redirect to nowhere",
        status if is_passing(status) => "not now",
        400..=499 => "it refuses the request",
        _ => "unexpected",
    };
    let kind = match status {
        401 | 403 | 407 => Kind::Permission,
        404 | 410 => Kind::NotFound,
        _ => Kind::Network,
    };
    let url = shown(url);
    Error::typed(kind, FetchError::Status { url, status, meaning })
}

/// The server takes no more requests now, and says how long that lasts: longer than this program
/// waits.
pub(crate) fn come_back(url: &Url, status: u16, wait: Duration) -> Error {
    let minutes = wait.as_secs().div_ceil(60);
    let text = format!(
        "fetching {}: the server answered {status} and accepts no more requests for {minutes} minutes",
        shown(url)
    );
    Error::new(Kind::Network, text).with_help(format!(
        "run again in {minutes} minutes: what has arrived is kept; a login often raises the limit"
    ))
}

/// No attempt succeeded, or none was possible; `attempts` were made in a row without progress.
pub(crate) fn gave_up(url: &Url, why: &str, attempts: u32) -> Error {
    let text = format!(
        "fetching {}: {why} (attempt {attempts}); check the network and run again: what has arrived is kept and resumed",
        shown(url)
    );
    Error::new(Kind::Network, text)
}

/// More than `limit` bytes arrive, the announced size or the maximum for such a file.
pub(crate) fn too_large(url: &Url, limit: u64) -> Error {
    let text = format!(
        "fetching {}: more than {limit} bytes arrive, which is more than it should have",
        shown(url)
    );
    Error::new(Kind::Damaged, text)
}
