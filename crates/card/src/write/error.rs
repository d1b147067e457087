//! Why a card was not written, and what was read back wrong.

use std::io;
use std::ops::Range;

use super::super::reason::decimal_size;
use kraken_foundation::interrupt::Interrupted;

/// Why a card was not written. After the first step it is not bootable, unless the error says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Stopped on request.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Stopped on request before anything was done.
    #[error("nothing was written")]
    NotBegun,
    /// The image does not fit.
    #[error("the image needs {needed} bytes, and the card has {size}: take a larger one")]
    TooSmall {
        /// Bytes of the image.
        needed: u64,
        /// Bytes of the card.
        size: u64,
    },
    /// The image could not be read.
    #[error("reading the image: {0}")]
    Source(#[source] io::Error),
    /// The card could not be written or read.
    #[error("{doing} the card at {}: {source}; try it in another reader, and another card", place(*.at))]
    Card {
        /// As a gerund.
        doing: &'static str,
        /// Bytes from its beginning.
        at: u64,
        /// What the system said.
        source: io::Error,
    },
    /// What was written could not be made sure of.
    #[error("waiting until the card has all of it: {0}; try it in another reader, and another card")]
    Flush(#[source] io::Error),
    /// The card is smaller than it says.
    #[error(
        "the card says that it holds {} and does not keep what is written beyond {}: it is a counterfeit, or broken; \
         give it back", decimal_size(*.claimed), decimal_size(*.real)
    )]
    Counterfeit {
        /// Bytes that it says it has.
        claimed: u64,
        /// Bytes up to which it kept what was written.
        real: u64,
    },
    /// What was read back is not what was written.
    #[error("the card does not hold what was written to it: {}; try it in another reader, and another card", ranges(.0))]
    Differs(Vec<Difference>),
    /// It failed, and after that the card could not be emptied either: it may look bootable.
    #[error("{0}; its beginning could not be emptied after that ({1}): do not use it before it is written again")]
    Left(Box<WriteError>, Box<WriteError>),
    /// The image has no beginning, so no partition table: it would not boot.
    #[error("the image has nothing in its first MiB, so no partition table: it is no image of a card")]
    NoHead,
}

/// A range that was read back wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Bytes of the card.
    pub range: Range<u64>,
    /// What the system said, where it could not be read at all.
    pub error: Option<String>,
}

fn place(at: u64) -> String {
    format!("byte {at} (MiB {})", at >> 20)
}

/// The first few, joined where they touch.
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
