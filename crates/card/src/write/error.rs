//! Why a card was not written, and what differed when it was read back.

use std::io;
use std::ops::Range;

use super::super::reason::decimal_size;
use kraken_foundation::interrupt::Interrupted;

/// Why a card was not written. After the first step it is not bootable, unless the error says
/// otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
    /// Stopped on request before anything was written.
    #[error("nothing was written")]
    NotBegun,
    /// The image does not fit.
    #[error("the image needs {needed} bytes, and the card has {size}: take a larger one")]
    TooSmall {
        /// The image's size in bytes.
        needed: u64,
        /// The card's size in bytes.
        size: u64,
    },
    /// The image could not be read.
    #[error("reading the image: {0}")]
    Source(#[source] io::Error),
    /// The card could not be written or read.
    #[error("{doing} the card at {}: {source}; try it in another reader, and another card", place(*.at))]
    Card {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// Offset on the card, in bytes.
        at: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The card did not confirm that all data is on the medium.
    #[error("waiting until the card has all of it: {0}; try it in another reader, and another card")]
    Flush(#[source] io::Error),
    /// The card is smaller than it reports.
    #[error(
        "the card says that it holds {} and does not keep what is written beyond {}: it is a counterfeit, or broken; \
         give it back", decimal_size(*.claimed), decimal_size(*.real)
    )]
    Counterfeit {
        /// The size that it reports, in bytes.
        claimed: u64,
        /// The number of bytes that it keeps.
        real: u64,
    },
    /// What was read back is not what was written.
    #[error("the card does not hold what was written to it: {}; try it in another reader, and another card", ranges(.0))]
    Differs(Vec<Difference>),
    /// Writing failed, and then the card could not be emptied: it may look bootable.
    #[error("{0}; its beginning could not be emptied after that ({1}): do not use it before it is written again")]
    Left(Box<WriteError>, Box<WriteError>),
    /// The first MiB of the image is empty, so there is no partition table: it would not boot.
    #[error("the image has nothing in its first MiB, so no partition table: it is not an image of a card")]
    NoHead,
}

/// A range that differed when it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Offsets on the card, in bytes.
    pub range: Range<u64>,
    /// The system's error, when the range could not be read at all.
    pub error: Option<String>,
}

fn place(at: u64) -> String {
    format!("byte {at} (MiB {})", at >> 20)
}

/// Lists the first few ranges.
fn ranges(differences: &[Difference]) -> String {
    let shown = differences.iter().take(5).map(|difference| match &difference.error {
        None => format!("bytes {} to {}", difference.range.start, difference.range.end),
        Some(error) => format!("bytes {} to {} ({error})", difference.range.start, difference.range.end),
    });
    let shown: Vec<String> = shown.collect();
    match differences.len() {
        0..=5 => shown.join(", "),
        count => format!("{}, and {} more ranges", shown.join(", "), count - 5),
    }
}
