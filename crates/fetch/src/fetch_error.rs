//! Why a download failed, and which answers are worth another attempt.

use std::io;
use std::path::{Path, PathBuf};

use url::Url;

use super::address::shown;
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupted;

/// Why a download failed.
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
    /// No attempt succeeded, or none was possible.
    #[error(
        "fetching {url}: {why} (attempt {attempts}); check the network and run again: what has arrived is kept and resumed"
    )]
    GaveUp {
        /// The address, without secrets.
        url: String,
        /// The reason of the last failure.
        why: String,
        /// Attempts in a row without progress.
        attempts: u32,
    },
    /// The file is not of the announced size.
    #[error("fetching {url}: it has {size} bytes, {expected} were announced; it is not the file that was meant")]
    WrongSize {
        /// The address, without secrets.
        url: String,
        /// Its size in bytes.
        size: u64,
        /// The announced size in bytes.
        expected: u64,
    },
    /// The server sends more than was announced, or more than the maximum for such a file.
    #[error("fetching {url}: more than {limit} bytes arrive, which is more than it should have")]
    TooLarge {
        /// The address, without secrets.
        url: String,
        /// The maximum that is accepted, in bytes.
        limit: u64,
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
    /// A document is not UTF-8.
    #[error("fetching {url}: it is not a text")]
    NotText {
        /// The address, without secrets.
        url: String,
    },
    /// The file could not be written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// The operation ("writing").
        doing: &'static str,
        /// The path that it was applied to.
        path: PathBuf,
        /// What the system reported.
        source: io::Error,
    },
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
}

/// Returns the reason to try again after this status, or the error when that cannot help.
pub fn refused(url: &Url, status: u16) -> Result<String, FetchError> {
    let meaning = match status {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => return Ok(format!("the server answered {status} (not now)")),
        401 | 407 => "a login is needed",
        403 => "forbidden",
        404 => "not found",
        410 => "gone",
        300..=399 => "a redirect to nowhere",
        400..=499 => "it refuses the request",
        _ => "unexpected",
    };
    let url = shown(url);
    Err(FetchError::Status { url, status, meaning })
}

pub fn gave_up(url: &Url, why: String, attempts: u32) -> FetchError {
    let url = shown(url);
    FetchError::GaveUp { url, why, attempts }
}

pub fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { doing, path, source }
}
