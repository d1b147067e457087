//! Clears the blocks that baking has freed: a golden image holds zeros where nothing is in use, and
//! so no data that was removed from the base.

use std::io;
use std::ops::Range;

use rustix::fs::FallocateFlags;

use kraken_disk::{ImageFile, UsedMap, WriteAt};

/// How much is written at a time where holes cannot be punched, in bytes.
const STEP: usize = 1 << 20;

/// Zeroes what was in use `before` and is not in use `after`.
///
/// # Errors
/// The error of writing.
pub(super) fn clear(file: &ImageFile, before: &UsedMap, after: &UsedMap) -> io::Result<()> {
    for range in freed(before, after) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if rustix::fs::fallocate(file.file(), flags, range.start, range.end - range.start).is_err() {
            write_zeros(file, range)?;
        }
    }
    Ok(())
}

fn write_zeros(file: &ImageFile, range: Range<u64>) -> io::Result<()> {
    let zeros = vec![0; STEP];
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).unwrap_or(STEP).min(STEP);
        file.write_at(at, &zeros[..len])?;
        at += len as u64;
    }
    Ok(())
}

/// Returns the ranges that are in `before` and not in `after`.
fn freed(before: &UsedMap, after: &UsedMap) -> Vec<Range<u64>> {
    let mut list = Vec::new();
    for old in before.ranges() {
        let mut at = old.start;
        let from = after.ranges().partition_point(|range| range.end <= old.start);
        for kept in after.ranges()[from..].iter().take_while(|range| range.start < old.end) {
            if kept.start > at {
                list.push(at..kept.start);
            }
            at = at.max(kept.end);
        }
        if at < old.end {
            list.push(at..old.end);
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_longer_in_use_is_freed() {
        let map = |ranges: &[Range<u64>]| UsedMap::from_ranges(ranges.iter().cloned());
        let before = map(&[0..100, 200..300, 400..500]);
        for (after, want) in [
            (map(&[0..100, 200..300, 400..500]), vec![]),
            (map(&[0..40, 60..250, 450..600]), vec![40..60, 250..300, 400..450]),
            (map(&[]), vec![0..100, 200..300, 400..500]),
            (map(&[0..500, 500..1000]), vec![]),
            (map(&[150..199, 210..220]), vec![0..100, 200..210, 220..300, 400..500]),
        ] {
            assert_eq!(freed(&before, &after), want);
        }
    }

    #[test]
    fn what_is_freed_reads_as_zeros_and_the_rest_as_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; 3 << 20]).unwrap();
        let disk = ImageFile::open_write(file.path()).unwrap();
        let map = |range: Range<u64>| UsedMap::from_ranges([range]);
        clear(&disk, &map(0..3 << 20), &map(4096..(2 << 20) + 512)).unwrap();
        write_zeros(&disk, 8192..8193).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        let sevens = |range: Range<usize>| bytes[range].iter().all(|byte| *byte == 7);
        assert!(bytes[..4096].iter().all(|byte| *byte == 0));
        assert!(sevens(4096..8192) && bytes[8192] == 0 && sevens(8193..(2 << 20) + 512));
        assert!(bytes[(2 << 20) + 512..].iter().all(|byte| *byte == 0));
        assert_eq!(bytes.len(), 3 << 20);
    }
}
