//! Writes an image to a card so that the card is either complete or plainly not bootable, and
//! proves it by reading back.
//!
//! The order of the steps makes this safe:
//!
//! 1. The first and the last MiB are zeroed, so that no partition table and no signature of an old
//!    system is left.
//! 2. The card must show that it is as large as it reports.
//! 3. Its old contents may be discarded.
//! 4. The used blocks are written, except the first MiB.
//! 5. They are flushed.
//! 6. They are read back past the cache and compared.
//! 7. Only then the first MiB, with the partition table, is written, flushed and read back.
//!
//! Blocks that the image does not use are not written. coreos-installer warns that this is unsafe
//! where a reader expects zeros, since discarded blocks need not read as zeros. No reader expects
//! zeros here: the map of used blocks comes from the file systems' own metadata
//! ([`kraken_disk::UsedMap`]), where that can be trusted as it is on disk. Neither FAT nor ext4
//! reads a block that its metadata calls free before writing it: a FAT's clusters are in the table
//! or free; ext4's inode tables, bitmaps and journal count as used, and group descriptors that say
//! "uninitialised" have checksums. A volume without a known file system, or with one that was not
//! unmounted, is written as a whole. Old data may stay in unused blocks, as on any card that was
//! formatted.

mod body;
mod buffer;
mod capacity;
mod error;
mod extent;
mod limits;
mod map;
mod readback;
mod source;

pub use error::{Difference, WriteError};
pub use extent::{ExpectedExtent, MappedExtent};
pub use limits::HEAD;
pub use map::{compare_map, data_in, left_out, map_extents};
pub use readback::compare;
pub use source::{ImageSource, Source, SourceExtent, StreamSource};

use std::ops::Range;
use std::time::{Duration, Instant};

use super::target::Target;
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_image::bake::HashedExtent;

/// A device that takes longer than this to discard is written without discarding.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of one discard request, so that discarding can be stopped in between.
const DISCARD_STEP: u64 = 1 << 30;

/// How to write a card.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// Read everything back and compare.
    pub verify: bool,
    /// Test that the card is as large as it reports.
    pub test_capacity: bool,
    /// A number that no earlier run had: the blocks that the capacity test writes must not already
    /// be on the card.
    pub nonce: u64,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct WriteReport {
    /// Every range that was written, with its hash.
    pub extents: Vec<HashedExtent>,
    /// The size of the image in bytes.
    pub image_size: u64,
    /// Whether the device discarded its old contents.
    pub discarded: bool,
    /// The time for writing and flushing.
    pub writing: Duration,
    /// The time for reading back; `None` when that was not requested.
    pub reading: Option<Duration>,
}

impl WriteReport {
    /// Returns the number of bytes that were written.
    pub fn bytes(&self) -> u64 {
        self.extents.iter().map(|extent| extent.end - extent.start).sum()
    }
}

/// Writes an image. `name` is the card's name in progress messages.
///
/// # Errors
/// [`WriteError`]. After the first step, every error leaves the first MiB empty, as far as the
/// device can still be written.
pub fn write(
    source: &mut dyn Source,
    target: &dyn Target,
    name: &str,
    options: WriteOptions,
    job: Job<'_>,
) -> Result<WriteReport, WriteError> {
    job.check().map_err(|_| WriteError::NotBegun)?;
    if let Some(needed) = source.size().filter(|needed| *needed > target.size()) {
        return Err(WriteError::TooSmall {
            needed,
            size: target.size(),
        });
    }
    let result = in_order(source, target, name, options, job);
    // A partial table, or a table before wrong data, must not stay.
    result.map_err(|error| {
        // The next flush reports what was lost before, once (fsync(2)); such an error does not mean
        // that emptying failed.
        let _ = target.flush();
        match wipe_ends(target) {
            Ok(()) => error,
            Err(second) => WriteError::Left(Box::new(error), Box::new(second)),
        }
    })
}

fn in_order(
    source: &mut dyn Source,
    target: &dyn Target,
    name: &str,
    options: WriteOptions,
    job: Job<'_>,
) -> Result<WriteReport, WriteError> {
    wipe_ends(target)?;
    if options.test_capacity {
        let task = job.task(&format!("{name}: testing its size"), None);
        capacity::test(target, source.size(), options.nonce, job.interrupt)?;
        drop(task);
    }
    let discarded = discard(target, job.interrupt)?;
    let began = Instant::now();
    let written = {
        let task = job.task(&format!("{name}: writing"), source.used_bytes());
        body::write(source, target, &*task, job.interrupt)?
    };
    if written.head.iter().all(|byte| *byte == 0) {
        return Err(WriteError::NoHead);
    }
    {
        let _task = job.task(&format!("{name}: waiting for the card"), None);
        target.flush().map_err(WriteError::Flush)?;
    }
    let mut writing = began.elapsed();
    let (head, rest): (Vec<HashedExtent>, Vec<HashedExtent>) =
        written.extents.iter().cloned().partition(|extent| extent.start < HEAD);
    let began = Instant::now();
    if options.verify {
        let total = rest.iter().map(|extent| extent.end - extent.start).sum();
        let task = job.task(&format!("{name}: reading back"), Some(total));
        readback::compare(target, &rest, &*task, job.interrupt)?;
    }
    let mut reading = began.elapsed();
    job.check()?;
    let began = Instant::now();
    body::write_head(target, &written.head)?;
    target.flush().map_err(WriteError::Flush)?;
    writing += began.elapsed();
    if options.verify {
        let began = Instant::now();
        readback::compare(target, &head, &kraken_foundation::progress::Silent, &Interrupt::new())?;
        reading += began.elapsed();
    }
    Ok(WriteReport {
        extents: written.extents,
        image_size: written.image_size,
        discarded,
        writing,
        reading: options.verify.then_some(reading),
    })
}

/// Zeroes the first and the last MiB, which make a disk bootable or recognisable.
fn wipe_ends(target: &dyn Target) -> Result<(), WriteError> {
    let size = target.size();
    empty(target, 0..HEAD.min(size))?;
    empty(target, tail(target)..size)?;
    target.flush().map_err(WriteError::Flush)
}

/// Writes zeros over a range.
fn empty(target: &dyn Target, range: Range<u64>) -> Result<(), WriteError> {
    let zeros = buffer::Buffer::new(usize::try_from(range.end - range.start).unwrap_or_default());
    let written = target.write(range.start, &zeros);
    written.map_err(|source| WriteError::Card {
        doing: "emptying",
        at: range.start,
        source,
    })
}

/// Returns the offset of the last MiB, which is zeroed as well: the copy of a GPT and some
/// signatures lie at the end.
fn tail(target: &dyn Target) -> u64 {
    target.size().saturating_sub(HEAD).next_multiple_of(target.block())
}

/// Discards everything except the two zeroed ends, as long as that is quick. The ends are excluded
/// because a discarded block may read as anything, even as the old table.
fn discard(target: &dyn Target, interrupt: &Interrupt) -> Result<bool, WriteError> {
    let began = Instant::now();
    let mut at = HEAD;
    while at < tail(target) {
        interrupt.check()?;
        let end = (at + DISCARD_STEP).min(tail(target));
        // A device that fails at this can still be written; only speed is lost.
        if !target.discard(at..end).unwrap_or(false) || began.elapsed() > DISCARD_TIMEOUT {
            return Ok(false);
        }
        at = end;
    }
    Ok(true)
}
