//! Why an archive could not be used.

use super::fetch::FetchFailed;
use super::index::IndexError;
use super::openpgp::OpenPgpError;
use super::release::ReleaseError;

/// Why an archive could not be used. Nothing of it was used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file of it could not be fetched.
    #[error(transparent)]
    Fetch(FetchFailed),
    /// It has no InRelease.
    #[error("there is no {url}: check the address and the suite in {named_in}, or the mirror")]
    NoRelease {
        /// The requested address.
        url: String,
        /// Where the archive is named.
        named_in: String,
    },
    /// A key file is not a key.
    #[error("reading the key file {file}: {source}")]
    Key {
        /// The file.
        file: String,
        /// What is wrong.
        source: OpenPgpError,
    },
    /// Its signature is not good.
    #[error("{url} is not used: {source}; check the mirror, and the key that {named_in} names")]
    Signature {
        /// The file.
        url: String,
        /// Where the archive is named.
        named_in: String,
        /// What is wrong.
        source: OpenPgpError,
    },
    /// The signed text is out of date, of another suite, or not a Release file.
    #[error("{url} is not used: {source}")]
    Release {
        /// The file.
        url: String,
        /// What is wrong.
        source: ReleaseError,
    },
    /// A file is not the one that was signed.
    #[error("{url} is not used: {why}; the mirror may be in the middle of an update: try again later, or take another")]
    WrongFile {
        /// The file.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file is larger than the maximum size of an index.
    #[error("{url} is not used: it is larger than 1 GiB")]
    TooLarge {
        /// The file.
        url: String,
    },
    /// A file cannot be unpacked.
    #[error("unpacking {url}: {why}; the archive publishes a damaged file: take another mirror")]
    Damaged {
        /// The file.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A file is not an index.
    #[error("reading {url}: {source}; the archive publishes an index that cannot be read")]
    Index {
        /// The file.
        url: String,
        /// What is wrong.
        source: IndexError,
    },
}
