//! Fetches files: downloads that resume, a cache by hash and by address, and decompression (xz,
//! zstd, gzip, zip) recognised by content.
//!
//! [`Downloads`] is the entry point for most callers: files are kept by their hash, documents by
//! their address, and with `offline` set the network is never used. [`Cache`] is the folder behind
//! it, shared by all runs of a user, with locks. [`unpack`] writes a packed image sparsely and
//! hashes what it writes; [`stream`] reads one without writing it.
//!
//! This crate does not know base images, packages or clusters, and never changes a file of the
//! user's.
//!
//! ```
//! use kraken_fetch::{Cache, Format, recognise};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let cache = Cache::open(Some(&folder.path().join("cache")))?;
//! let packed = folder.path().join("some.img");
//! std::fs::write(&packed, b"\xfd7zXZ\0 and so on")?;
//! // By content, not by name.
//! assert_eq!(recognise(&packed)?, Format::Xz);
//! # drop(cache);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

pub mod address;
mod ask;
pub mod cache;
mod decompress;
pub mod download;
mod downloads;
mod fetch_error;
mod format;
mod hash;
pub mod http;
mod kept;
mod members;
mod options;
pub mod prune;
mod retry;
mod sparse;
mod stream;
mod unpack_error;
mod xz;
mod zip_member;

pub use cache::{CACHE_VARIABLE, Cache, HashedFile, Lock};
pub use decompress::{Limits, Packed, RawFile, Unpacked, recognise, unpack};
pub use downloads::{Downloads, KeptFile};
pub use fetch_error::{FetchError, refused};
pub use format::Format;
pub use kept::{Incoming, decoded, packing};
pub use members::Tail;
pub use options::Options;
pub use stream::{ImageStream, stream};
