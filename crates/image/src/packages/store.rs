//! Fetches files of archives: through `kraken-fetch`'s downloads and cache, from mirrors where
//! these are configured.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use kraken_debian::Fetch;
use kraken_fetch::{Downloads, FetchError};
use kraken_foundation::{Error, Kind, Result, Sha256Hash};

/// The source of an archive's files.
pub(super) struct Store<'a> {
    downloads: &'a Downloads<'a>,
    mirrors: Vec<(String, String)>,
}

impl<'a> Store<'a> {
    /// `mirrors` maps the address of an archive to the address to use in its place.
    pub(super) fn new(downloads: &'a Downloads<'a>, mirrors: &BTreeMap<String, String>) -> Self {
        let tidy = |text: &String| text.trim_end_matches('/').to_owned();
        let mut mirrors: Vec<_> = mirrors.iter().map(|(from, to)| (tidy(from), tidy(to))).collect();
        // The longest first, so that an archive inside another one's address has its own mirror.
        mirrors.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Self { downloads, mirrors }
    }

    /// Returns the address on the mirror, if there is one for it.
    fn on_mirror(&self, url: &Url) -> Result<Url> {
        let text = url.as_str();
        for (from, to) in &self.mirrors {
            if let Some(rest) = text.strip_prefix(from.as_str())
                && rest.starts_with('/')
            {
                return Url::parse(&format!("{to}{rest}")).map_err(|error| Error::typed(Kind::Usage, error));
            }
        }
        Ok(url.clone())
    }
}

/// Leaves the kind `NotFound` to what the server does not have, as [`Fetch`] requires: a folder of
/// the cache can be missing, too.
fn failed(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound if !FetchError::is_missing(&error) => error.with_kind(Kind::Io),
        _ => error,
    }
}

impl Fetch for Store<'_> {
    fn text(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>> {
        self.downloads.document(&self.on_mirror(url)?, most).map_err(failed)
    }

    fn file(&self, url: &Url, size: u64, sha256: &Sha256Hash) -> Result<PathBuf> {
        self.downloads.file(&self.on_mirror(url)?, size, sha256).map_err(failed)
    }
}
