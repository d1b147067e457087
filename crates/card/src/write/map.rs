//! The block map beside an image: ranges, each with the hash of all its bytes. Also finds the data
//! that an image has outside of its map.

use std::io;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::extent::{ExpectedExtent, MappedExtent};
use kraken_disk::{ReadAt, UsedMap};
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
use kraken_image::bake::{self, EXTENT_SIZE};

/// Splits the ranges of a map, which come in order, into extents. A range that is longer than 256
/// KiB or crosses a multiple of that is split, and its hash is compared after its last extent.
pub fn map_extents(ranges: impl IntoIterator<Item = MappedExtent>) -> Vec<ExpectedExtent> {
    let mut extents = Vec::new();
    for mapped in ranges {
        let mapped = Arc::new(mapped);
        let parts = bake::split_extents(&UsedMap::from_ranges(iter::once(mapped.start..mapped.end)));
        extents.extend(parts.into_iter().map(|part| ExpectedExtent {
            mapped: Some(mapped.clone()),
            ..ExpectedExtent::unhashed(part)
        }));
    }
    extents
}

/// Hashes mapped ranges over all their extents, which come in order.
#[derive(Default)]
pub(super) struct Sums {
    running: Sha256,
}

impl Sums {
    /// Adds the next extent; returns an error when a range ends here and does not have the map's
    /// hash.
    pub(super) fn update(&mut self, extent: &ExpectedExtent, bytes: &[u8]) -> io::Result<()> {
        let Some(mapped) = &extent.mapped else {
            return Ok(());
        };
        if extent.start == mapped.start {
            self.running.reset();
        }
        self.running.update(bytes);
        if extent.end < mapped.end || Sha256Hash::from(self.running.finalize_reset()) == mapped.sha256 {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "bytes {} to {} are not those that its block map names: image and map do not belong together, or one is damaged; \
                 get both again, or remove the map to write the whole image",
                mapped.start, mapped.end
            ),
        ))
    }
}

/// Compares an image with the ranges of its map.
///
/// # Errors
/// `InvalidData` names the range that differs; `Interrupted` when asked to stop; otherwise the
/// error of reading.
pub fn compare_map(
    image: &dyn ReadAt,
    extents: &[ExpectedExtent],
    task: &dyn Task,
    interrupt: &Interrupt,
) -> io::Result<()> {
    let mut sums = Sums::default();
    let mut buffer = vec![0; usize::try_from(EXTENT_SIZE).unwrap_or_default()];
    for extent in extents {
        if interrupt.is_set() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let part = &mut buffer[..usize::try_from(extent.end - extent.start).unwrap_or_default()];
        image.read_at(extent.start, part)?;
        sums.update(extent, part)?;
        task.advance(extent.end - extent.start);
    }
    Ok(())
}

/// Returns extents that are in use and that the map does not name. A reader of the card may expect
/// zeros there, or the image's bytes.
pub fn left_out(used: &UsedMap, extents: &[ExpectedExtent], size: u64) -> Vec<ExpectedExtent> {
    let whole = used.ranges().iter().map(|range| bake::whole_blocks(range, size));
    let mut mapped = extents.iter().peekable();
    let mut gaps: Vec<Range<u64>> = Vec::new();
    for range in UsedMap::from_ranges(whole).ranges() {
        let mut at = range.start;
        while mapped.next_if(|extent| extent.end <= at).is_some() {}
        while let Some(extent) = mapped.peek().filter(|extent| extent.start < range.end) {
            gaps.push(at..extent.start.max(at));
            at = at.max(extent.end);
            if extent.end > range.end {
                break;
            }
            mapped.next();
        }
        gaps.push(at.min(range.end)..range.end);
    }
    bake::split_extents(&UsedMap::from_ranges(gaps))
        .into_iter()
        .map(ExpectedExtent::unhashed)
        .collect()
}

/// Returns how many bytes of these extents lie in blocks of 4096 that are not all zeros.
///
/// # Errors
/// The error of reading; `Interrupted` when asked to stop.
pub fn data_in(image: &dyn ReadAt, extents: &[ExpectedExtent], interrupt: &Interrupt) -> io::Result<u64> {
    let mut buffer = vec![0; usize::try_from(EXTENT_SIZE).unwrap_or_default()];
    let mut found = 0;
    for extent in extents {
        if interrupt.is_set() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let part = &mut buffer[..usize::try_from(extent.end - extent.start).unwrap_or_default()];
        image.read_at(extent.start, part)?;
        let blocks = part.chunks(4096).filter(|block| block.iter().any(|byte| *byte != 0));
        found += blocks.map(|block| block.len() as u64).sum::<u64>();
    }
    Ok(found)
}

/// Returns the extents of `bytes`, which lie at `offset`, that no given extent covers and that are
/// not all zeros.
pub(super) fn data_between(extents: &[ExpectedExtent], offset: u64, bytes: &[u8]) -> Vec<ExpectedExtent> {
    let end = offset + bytes.len() as u64;
    let mut found = Vec::new();
    let mut at = offset;
    for next in extents
        .iter()
        .map(|extent| extent.start..extent.end)
        .chain(iter::once(end..end))
    {
        while at < next.start {
            let stop = (at / EXTENT_SIZE + 1).saturating_mul(EXTENT_SIZE).min(next.start);
            let place = |position: u64| usize::try_from(position - offset).unwrap_or(usize::MAX);
            if bytes[place(at)..place(stop)].iter().any(|byte| *byte != 0) {
                found.push(ExpectedExtent::unhashed(at..stop));
            }
            at = stop;
        }
        at = at.max(next.end);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(start: u64, end: u64, image: &[u8]) -> MappedExtent {
        MappedExtent {
            start,
            end,
            sha256: Sha256Hash::of(&image[start as usize..end as usize]),
        }
    }

    #[test]
    fn a_range_of_any_length_is_compared_with_its_one_hash() {
        let mut image: Vec<u8> = (0..3u32 << 20).map(|n| (n / 511) as u8).collect();
        let extents = map_extents([
            mapped(0, 4096, &image),
            mapped(8192, (2 << 20) + 12288, &image),
            mapped((2 << 20) + 16384, 3 << 20, &image),
        ]);
        assert!(extents.iter().all(|extent| extent.end - extent.start <= EXTENT_SIZE));
        let none = Interrupt::new();
        let compare = |image: &Vec<u8>| {
            let image = kraken_disk::RamDisk::from_bytes(image.clone());
            compare_map(&image, &extents, &kraken_foundation::progress::Silent, &none)
        };
        compare(&image).unwrap();
        // Outside of every range.
        image[5000] ^= 1;
        compare(&image).unwrap();
        image[1_500_000] ^= 1;
        let error = compare(&image).unwrap_err().to_string();
        assert!(
            error.contains("bytes 8192 to 2109440") && error.contains("belong together"),
            "{error}"
        );
    }

    #[test]
    fn what_is_in_use_and_not_mapped_is_found() {
        let block = |n: u64| n * 4096;
        let image = vec![0; 4096 * 200];
        let extents = map_extents([
            mapped(block(2), block(4), &image),
            mapped(block(8), block(100), &image),
            mapped(block(150), block(160), &image),
        ]);
        let used = UsedMap::from_ranges([
            0..block(3),
            block(4)..block(5),
            block(90)..block(155) + 1,
            block(170)..block(171),
        ]);
        let left: Vec<(u64, u64)> = left_out(&used, &extents, block(200))
            .iter()
            .map(|extent| (extent.start / 4096, extent.end / 4096))
            .collect();
        assert_eq!(left, [(0, 2), (4, 5), (100, 128), (128, 150), (170, 171)]);
    }

    #[test]
    fn data_between_ranges_is_found_in_extents() {
        let mut bytes = vec![0; 1 << 20];
        let extents = map_extents([
            mapped(4096, 8192, &bytes),
            mapped(300_000 / 4096 * 4096, 600_000 / 4096 * 4096, &bytes),
        ]);
        assert_eq!(data_between(&extents, 0, &bytes), []);
        bytes[100_000] = 1;
        bytes[5000] = 1;
        bytes[(1 << 20) - 1] = 1;
        let found: Vec<(u64, u64)> = data_between(&extents, 0, &bytes)
            .iter()
            .map(|extent| (extent.start, extent.end))
            .collect();
        assert_eq!(found, [(8192, EXTENT_SIZE), (3 * EXTENT_SIZE, 4 * EXTENT_SIZE)]);
    }
}
