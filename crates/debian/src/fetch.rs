//! What this crate asks of whoever brings files: texts that change, and files that are known by their hash.

use std::error::Error;
use std::path::PathBuf;

use url::Url;

/// Brings files of an archive: over the network, out of a cache, or from a folder in a test.
pub trait Fetch {
    /// The present text at an address, of at most `most` bytes; `None` when there is none (404, 410).
    ///
    /// # Errors
    /// [`FetchFailed`] when it cannot be had, or is larger.
    fn text(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>, FetchFailed>;

    /// A file of `size` bytes with this SHA-256, kept by its hash: a later call need not ask the network.
    ///
    /// # Errors
    /// [`FetchFailed`] when it cannot be had or is another file; its `missing` is set when the server has none (404, 410).
    fn file(&self, url: &Url, size: u64, sha256: &[u8; 32]) -> Result<PathBuf, FetchFailed>;
}

/// Why something could not be brought. What it says (address, reason, mend) is the source's to say.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct FetchFailed {
    /// The server has no such file; another name of it may do.
    pub missing: bool,
    /// Whatever the one who fetches reports; it names the address.
    pub source: Box<dyn Error + Send + Sync>,
}

impl FetchFailed {
    /// A failure for good.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        Self { missing: false, source }
    }

    /// The server has no such file.
    pub fn missing(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = source.into();
        Self { missing: true, source }
    }
}
