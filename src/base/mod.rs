//! Where an OS image comes from (file, URL, catalogue, Debian), how it is checked, decompressed and cached, and what system is inside it.
//!
//! This room never changes an image.

mod address;
mod base_error;
mod cache;
pub mod catalogue;
pub mod debian;
mod decompress;
mod downloads;
mod fetch;
mod fetch_error;
mod format;
mod hash;
mod http;
mod lived;
mod members;
mod options;
mod plain;
mod product;
mod prune;
mod resolve;
mod sparse;
mod stream;
pub mod system;
mod text;
mod unpack_error;
mod xz;
mod zip_member;

pub use address::AddressError;
pub use base_error::BaseError;
pub(crate) use cache::lock_failed;
pub use cache::{CACHE_VARIABLE, Cache, CacheError, Lock};
pub use catalogue::CatalogueError;
pub use debian::DebianError;
pub use decompress::{Limits, Unpacked, recognise, unpack};
pub use downloads::{DownloadError, Downloads};
pub use fetch_error::FetchError;
pub use format::Format;
pub use hash::Hash;
pub use lived::{Customised, Leftover, Lived, Place, Stay};
pub use members::Tail;
pub use options::{Base, Options};
pub use resolve::obtain;
pub use stream::{ImageStream, stream};
pub use system::{CloudInit, NetworkStack, OsImage, SystemError};
pub use unpack_error::UnpackError;
