//! The format version in the name of everything that is baked, so that an image of another format
//! is never taken from a cache.

/// Version of the bytes that the same inputs give. It is raised whenever they change:
/// `tests/it/image_format.rs` has the hashes of small images, and fails when these change without a
/// new version.
pub const IMAGE_FORMAT: u32 = 5;

/// Returns the format as it stands in keys and records of cached images.
pub(super) fn format() -> String {
    format!("kraken-flash golden image {IMAGE_FORMAT}")
}
