//! A range of an image that is read in one go, and the range of a block map that it is a part of.

use std::ops::Range;
use std::sync::Arc;

/// A range of the image within a chunk, and its hash where that is known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedExtent {
    /// Where it begins, in bytes.
    pub start: u64,
    /// Where it ends (exclusive), in bytes.
    pub end: u64,
    /// SHA-256 in hexadecimal; what is read must have it.
    pub sha256: Option<String>,
    /// The range of a block map that it is a part of, or all of; that must have its hash.
    pub mapped: Option<Arc<MappedExtent>>,
}

impl ExpectedExtent {
    /// A range of which no hash is known.
    pub(super) fn unhashed(range: Range<u64>) -> Self {
        Self {
            start: range.start,
            end: range.end,
            sha256: None,
            mapped: None,
        }
    }
}

/// A range that a block map names. It may be of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedExtent {
    /// Where it begins, in bytes.
    pub start: u64,
    /// Where it ends (exclusive), in bytes.
    pub end: u64,
    /// SHA-256 of all of it, in hexadecimal.
    pub sha256: String,
}
