//! Node image → files: raw (sparse, by reflink if the file system supports it), xz, zstd, block
//! map, checksums, manifest.
//!
//! Everything is written under a temporary name and renamed when it is complete. This module never
//! leaves a partial file under its final name, and never writes a secret outside an image.

mod bmap;
mod compress;
mod error;
mod folder;
mod manifest;
mod raw;
mod sums;

pub use bmap::{BLOCK as BMAP_BLOCK, Bmap, BmapRange};
pub use compress::Compression;
pub use folder::{Folder, Options, Written};
pub use manifest::{MANIFEST, Manifest, ManifestInputs, ManifestNode, ManifestSwarm};
pub use sums::SUMS;

/// The largest size, in bytes, to which a packed image may unpack. A larger image is not one of
/// kraken-flash.
pub const UNPACKED_LIMIT: u64 = 64 << 30;
