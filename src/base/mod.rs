//! Where an OS image comes from (file, URL, catalogue, Debian), how it is checked, decompressed and cached, and what system is inside it.
//!
//! This room never changes an image.

mod address;
mod cache;
pub mod catalogue;
pub mod debian;
mod decompress;
mod fetch;
mod format;
mod hash;
mod http;
mod resolve;
mod sparse;
pub mod system;
mod xz;

pub use address::AddressError;
pub use cache::{CACHE_VARIABLE, Cache, CacheError, Lock};
pub use catalogue::CatalogueError;
pub use debian::DebianError;
pub use decompress::{Limits, UnpackError, Unpacked, recognise, unpack};
pub use fetch::FetchError;
pub use format::Format;
pub use hash::Hash;
pub use resolve::{Base, BaseError, Options, obtain};
pub use system::{CloudInit, NetworkStack, OsImage, SystemError};
