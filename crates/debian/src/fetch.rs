//! What this crate requires of the caller that fetches files: texts that change, and files that are
//! identified by their hash.

use std::error::Error;
use std::path::PathBuf;

use url::Url;

use kraken_foundation::Sha256Hash;

/// Fetches files of an archive: over the network, out of a cache, or from a folder in a test.
pub trait Fetch {
    /// Returns the present text at an address, of at most `most` bytes; `None` when there is none
    /// (404, 410).
    ///
    /// # Errors
    /// [`FetchFailed`] when it cannot be fetched, or is larger.
    fn text(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>, FetchFailed>;

    /// Returns a file of `size` bytes with this SHA-256, kept by its hash: a later call need not
    /// ask the network.
    ///
    /// # Errors
    /// [`FetchFailed`] when it cannot be fetched or is another file; its `missing` is set when the
    /// server does not have it (404, 410).
    fn file(&self, url: &Url, size: u64, sha256: &Sha256Hash) -> Result<PathBuf, FetchFailed>;
}

/// Why something could not be fetched. The source's message contains the address, the reason and
/// the help.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct FetchFailed {
    /// The server does not have the file; it may have it under another name.
    pub missing: bool,
    /// The error of the implementation; it names the address.
    pub source: Box<dyn Error + Send + Sync>,
}

impl FetchFailed {
    /// Makes a permanent failure.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        Self { missing: false, source }
    }

    /// Makes a failure because the server does not have the file.
    pub fn missing(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        Self { missing: true, source }
    }
}
