//! Why booting could not be tried at all. A card that does not boot is no error: it is a check that failed.

use std::io;
use std::path::{Path, PathBuf};

use kraken_disk::LayoutError;
use kraken_foundation::interrupt::Interrupted;
use kraken_lan::LanError;

/// Why booting could not be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// Programs are missing.
    #[error("booting images needs {}, which {} not here; {}", names.join(", "), if names.len() == 1 { "is" } else { "are" }, install)]
    Missing {
        /// Their names.
        names: Vec<String>,
        /// How to install them.
        install: String,
    },
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// As a gerund.
        doing: &'static str,
        /// What.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// Its name.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// An image has no partitions of the kind that a card has.
    #[error("looking at {}: {source}", path.display())]
    Layout {
        /// The image.
        path: PathBuf,
        /// What is wrong.
        source: LayoutError,
    },
    /// A packed image cannot be unpacked.
    #[error(transparent)]
    Packed(#[from] kraken_fetch::UnpackError),
    /// There is no kernel to be had in the place of the card's own.
    #[error("fetching a kernel for `virt`, since that of {} has no drivers for it: {source}; a board needs none (--machine raspi3b, or raspi2b for a 32-bit image)", image.display())]
    FallbackKernel {
        /// The image, or the package.
        image: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The virtual network could not be made.
    #[error("making the virtual network: {0}")]
    Lan(#[from] LanError),
    /// There is not enough memory, not even for one node at a time beside the managers.
    #[error(
        "booting {nodes} at the same time, the fewest that show something, takes about {needed} MiB of memory, and {free} MiB are free: free some, or boot some of the nodes alone (--nodes 1)"
    )]
    Memory {
        /// How many.
        nodes: usize,
        /// MiB.
        needed: u64,
        /// MiB.
        free: u64,
    },
    /// Fewer nodes may be on at the same time than show something.
    #[error(
        "{places} at once are too few: the managers that are booted stay on, and beside them there must be a place for one more; {needed} are enough"
    )]
    Places {
        /// As many may be.
        places: usize,
        /// As many must be.
        needed: usize,
    },
    /// An image was changed while it ran.
    #[error("{} changed while it was booted, by somebody else: what was seen is worth nothing, start again", .0.display())]
    Changed(PathBuf),
    /// Stopped on request.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Makes an error of what the system says: `doing` is a gerund, such as "reading".
pub fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BootError {
    let path = path.to_owned();
    move |source| BootError::Io { doing, path, source }
}
