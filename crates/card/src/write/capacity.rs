//! Tests whether a card is as large as it reports. Counterfeits report a larger size: what is
//! written beyond their real end is lost, or overwrites earlier data. A few test blocks show this
//! before ten minutes of writing do.

use sha2::{Digest, Sha256};

use super::super::target::{ALIGNMENT, Target};
use super::buffer::Buffer;
use super::error::WriteError;
use super::limits::HEAD;
use kraken_foundation::interrupt::Interrupt;

/// Offset of the first test block, in bytes.
const CANARY: u64 = 3 << 20;

/// Writes a distinct block at each of several offsets, reads all of them back, and zeroes them
/// again.
///
/// # Errors
/// [`WriteError::Counterfeit`] when one of them is missing.
pub(super) fn test(
    target: &dyn Target,
    image: Option<u64>,
    nonce: u64,
    interrupt: &Interrupt,
) -> Result<(), WriteError> {
    let places = places(target.size(), image);
    let failed = |doing, at| move |source| WriteError::Card { doing, at, source };
    for at in &places {
        interrupt.check()?;
        target.write(*at, &mark(*at, nonce)).map_err(failed("testing", *at))?;
    }
    target.flush().map_err(WriteError::Flush)?;
    let marks: Vec<Buffer> = places.iter().map(|at| mark(*at, nonce)).collect();
    let mut kept = HEAD;
    let mut wraps_after = None;
    let mut lost = false;
    let mut buffer = Buffer::new(ALIGNMENT);
    for (at, mark) in places.iter().zip(&marks) {
        interrupt.check()?;
        // An offset beyond the real end may also be unreadable.
        let read = target.read(*at, &mut buffer).is_ok();
        if read && buffer[..] == mark[..] {
            kept = if lost { kept } else { *at + ALIGNMENT as u64 };
            continue;
        }
        lost = true;
        // When another offset's block is found here, the distance between the two is where the
        // card's addresses wrap around.
        let others = places
            .iter()
            .zip(&marks)
            .filter(|(_, other)| read && buffer[..] == other[..]);
        wraps_after = others.map(|(other, _)| other.abs_diff(*at)).chain(wraps_after).min();
    }
    if lost {
        return Err(WriteError::Counterfeit {
            claimed: target.size(),
            real: wraps_after.unwrap_or(kept),
        });
    }
    let zeros = Buffer::new(ALIGNMENT);
    for at in &places {
        target.write(*at, &zeros).map_err(failed("testing", *at))?;
    }
    target.flush().map_err(WriteError::Flush)
}

/// Returns the test offsets in order: one near the beginning, and one at the same distance after
/// every power of two. If addresses wrap around at the size of a real chip, one of these overwrites
/// the first. The end of the image and the last block are tested as well.
fn places(size: u64, image: Option<u64>) -> Vec<u64> {
    let block = ALIGNMENT as u64;
    let powers = (23..63).map(|power| (1u64 << power) + CANARY);
    let halves = (28..63).map(|power| 3u64 << (power - 1));
    let ends = [image.unwrap_or(0), size];
    let mut places: Vec<u64> = powers
        .chain(halves)
        .chain([CANARY])
        .chain(ends.map(|end| end.saturating_sub(block)))
        .map(|at| at / block * block)
        .filter(|at| *at >= HEAD && at.saturating_add(block) <= size)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// Returns the block for one offset, which is different for every offset and run.
fn mark(at: u64, nonce: u64) -> Buffer {
    let mut block = Buffer::new(ALIGNMENT);
    for (index, part) in block.chunks_mut(32).enumerate() {
        let mut hash = Sha256::new();
        for number in [nonce, at, index as u64] {
            hash.update(number.to_le_bytes());
        }
        part.copy_from_slice(&hash.finalize());
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_inside_and_reach_the_end() {
        for size in [2 << 20, 100 << 20, (32 << 30) - 512, 2_000_398_934_016] {
            let places = places(size, Some(2 << 30));
            assert!(
                places
                    .iter()
                    .all(|at| at % 4096 == 0 && at + 4096 <= size && *at >= HEAD),
                "{size}"
            );
            assert!(size - places.last().unwrap() < 2 * 4096, "{size}");
            assert!(places.len() < 80);
        }
        assert_eq!(super::places(HEAD, None), Vec::<u64>::new());
    }
}
