//! What this crate requires of the caller that fetches files: texts that change, and files that are
//! identified by their hash.

use std::path::PathBuf;

use kraken_foundation::{Result, Sha256Hash};
use url::Url;

/// Fetches files of an archive: over the network, out of a cache, or from a folder in a test. The
/// message of an error contains the address, the reason and the help.
pub trait Fetch {
    /// Returns the present text at an address, of at most `most` bytes; `None` when there is none
    /// (404, 410).
    ///
    /// # Errors
    /// When it cannot be fetched, or is larger.
    fn text(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>>;

    /// Returns a file of `size` bytes with this SHA-256, kept by its hash: a later call need not
    /// ask the network.
    ///
    /// # Errors
    /// When it cannot be fetched or is another file. The kind is [`NotFound`] for one reason alone:
    /// the server does not have it (404, 410), and may have it under another name.
    ///
    /// [`NotFound`]: kraken_foundation::Kind::NotFound
    fn file(&self, url: &Url, size: u64, sha256: &Sha256Hash) -> Result<PathBuf>;
}
