//! A range of an image that is read at once, and the range of a block map that contains it.

use std::ops::Range;
use std::sync::Arc;

use kraken_foundation::Sha256Hash;

/// A range of an image, with its hash where that is known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedExtent {
    /// Start offset, in bytes.
    pub start: u64,
    /// End offset (exclusive), in bytes.
    pub end: u64,
    /// SHA-256, if known; the bytes that are read must have it.
    pub sha256: Option<Sha256Hash>,
    /// The range of a block map that contains this extent; the whole range must have its hash.
    pub mapped: Option<Arc<MappedExtent>>,
}

impl ExpectedExtent {
    /// Returns an extent without a known hash.
    pub(super) fn unhashed(range: Range<u64>) -> Self {
        Self {
            start: range.start,
            end: range.end,
            sha256: None,
            mapped: None,
        }
    }
}

/// A range that a block map names. It may have any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedExtent {
    /// Start offset, in bytes.
    pub start: u64,
    /// End offset (exclusive), in bytes.
    pub end: u64,
    /// SHA-256 of the whole range.
    pub sha256: Sha256Hash,
}
