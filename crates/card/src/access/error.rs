//! Why a card could not be chosen, opened or written, and in which state it is then.

use std::fmt;
use std::io;
use std::path::PathBuf;

use kraken_foundation::interrupt::Interrupted;

use crate::{FindError, HostPath, Reason, Swapped, UdisksError, WriteError};

/// Why a card could not be chosen, opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Stopped on request; no card was changed.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
    /// A path does not name a device.
    #[error(transparent)]
    Find(#[from] FindError),
    /// One device was named twice.
    #[error("{} is named twice", .0.display())]
    Twice(PathBuf),
    /// The guard refuses devices; none was touched.
    #[error("nothing was written\n  {}", lines(.0))]
    Refused(Vec<Refusal>),
    /// Neither this user nor UDisks2 for this user may write a card.
    #[error("{} cannot be written by you: {refused}; {udisks}", path.display())]
    NotWritable {
        /// The device file.
        path: PathBuf,
        /// Why this user may not.
        refused: io::Error,
        /// Why UDisks2 does not do it.
        udisks: UdisksError,
    },
    /// This user may not read a card.
    #[error("{} cannot be read by you: {source}", path.display())]
    NotReadable {
        /// The device file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// What is mounted from a card could not be unmounted.
    #[error("unmounting {mounted}: {why}; close what uses it, nothing was written to {}", path.display())]
    NotUnmounted {
        /// The device file.
        path: PathBuf,
        /// The mount point.
        mounted: HostPath,
        /// Why not.
        why: String,
    },
    /// A card is in use.
    #[error(
        "opening {}: it is in use: something has it mounted or opened since it was checked; close it and start again",
        .0.display()
    )]
    InUse(PathBuf),
    /// A card could not be opened for writing.
    #[error("opening {}: {source}; look at `kraken-flash devices` and start again", path.display())]
    NotOpened {
        /// The device file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A card could not be opened for reading, or its facts could not be read.
    #[error("{doing} {}: {source}", path.display())]
    NotRead {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The device file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The device is not the one that was chosen.
    #[error(transparent)]
    Swapped(#[from] Swapped),
    /// The opened device is not the one that was chosen.
    #[error("{} changed while it was opened; nothing was written - start again", .0.display())]
    Changed(PathBuf),
    /// The card holds what was written to a finished card, and was not written.
    #[error("{} holds the card of {hostname}, which is done: it was not written", path.display())]
    Finished {
        /// The device file.
        path: PathBuf,
        /// The host name of the node whose card it is.
        hostname: String,
    },
    /// The system has no random numbers.
    #[error("asking the system for a random number: {0}")]
    Random(getrandom::Error),
    /// Writing failed.
    #[error("{}: {source}", path.display())]
    Write {
        /// The device file.
        path: PathBuf,
        /// The state in which the card was left.
        state: CardState,
        /// What failed.
        source: WriteError,
    },
    /// A card could not be compared with its receipt.
    #[error(transparent)]
    Compare(WriteError),
    /// A receipt could not be read.
    #[error("{0}")]
    Receipt(#[from] kraken_foundation::Error),
    /// The thread that waited for UDisks2 ended without an answer.
    #[error("nothing came of the wait: this is a fault of the program")]
    NoAnswer,
}

/// The state in which a failure leaves a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardState {
    /// It is as it was.
    Untouched,
    /// It is empty at its beginning, and does not boot.
    NotBootable,
    /// Its beginning could not be emptied: it may look bootable.
    Unknown,
}

/// Why the guard refuses a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The device file.
    pub path: PathBuf,
    /// The reason.
    pub reason: Reason,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

fn lines(refusals: &[Refusal]) -> String {
    let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    lines.join("\n  ")
}
