//! Splits the used ranges of an image into extents with one hash each, so that a node's block map
//! needs new hashes only for the extents that changed.

use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use kraken_disk::{PATCH_BLOCK, ReadAt, UsedMap};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
use kraken_foundation::{Sha256Hash, parallel};

/// Extents never cross a multiple of this many bytes, so a changed 4 KiB block needs at most this
/// much to be hashed again.
pub const EXTENT_SIZE: u64 = 256 << 10;

/// A used range of an image and the SHA-256 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashedExtent {
    /// Start offset, in bytes.
    pub start: u64,
    /// End offset (exclusive), in bytes.
    pub end: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Hash,
}

/// Widens a range to whole 4 KiB blocks, the unit of patches and block maps, within an image of
/// `size` bytes.
pub fn whole_blocks(range: &Range<u64>, size: u64) -> Range<u64> {
    range.start / PATCH_BLOCK * PATCH_BLOCK..range.end.next_multiple_of(PATCH_BLOCK).min(size)
}

/// Splits the used ranges at the multiples of [`EXTENT_SIZE`].
pub fn split_extents(used: &UsedMap) -> Vec<Range<u64>> {
    let mut extents = Vec::new();
    for range in used.ranges() {
        let mut at = range.start;
        while at < range.end {
            let end = ((at / EXTENT_SIZE + 1) * EXTENT_SIZE).min(range.end);
            extents.push(at..end);
            at = end;
        }
    }
    extents
}

/// Hashes one extent.
///
/// # Errors
/// The error of reading.
pub(super) fn hash_extent(image: &dyn ReadAt, range: Range<u64>) -> io::Result<HashedExtent> {
    let len = usize::try_from(range.end - range.start).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut buffer = vec![0; len];
    image.read_at(range.start, &mut buffer)?;
    Ok(HashedExtent {
        start: range.start,
        end: range.end,
        sha256: Sha256Hash::of(&buffer),
    })
}

/// Hashes all used extents of an image, on all cores; returns them in order.
///
/// # Errors
/// The error of reading, or `Interrupted`.
pub(super) fn hash_all(
    image: &dyn ReadAt,
    used: &UsedMap,
    task: &dyn Task,
    interrupt: &Interrupt,
) -> io::Result<Vec<HashedExtent>> {
    let ranges = split_extents(used);
    let work = |range: &Range<u64>| {
        if interrupt.is_set() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        let extent = hash_extent(image, range.clone())?;
        task.advance(range.end - range.start);
        Ok(extent)
    };
    parallel::map(&ranges, parallel::cores(), work).all()
}
