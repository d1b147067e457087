//! The reasons why booting could not be tried at all. A card that does not boot is not an error: it
//! is a check that failed.

use std::io;
use std::path::{Path, PathBuf};

use kraken_foundation::Error;
use kraken_foundation::interrupt::Interrupted;

/// Why booting could not be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// Some programs are not installed.
    #[error("booting images needs {}, which {} not here; {}", names.join(", "), if names.len() == 1 { "is" } else { "are" }, install)]
    Missing {
        /// The names of the programs.
        names: Vec<String>,
        /// How to install them.
        install: String,
    },
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund such as `reading`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// The name of the program.
        program: &'static str,
        /// The message of the program.
        said: String,
    },
    /// An image does not have the partitions of a card.
    #[error("looking at {}: {source}", path.display())]
    Layout {
        /// The image.
        path: PathBuf,
        /// The fault in its partition table.
        source: Error,
    },
    /// A packed image cannot be unpacked.
    #[error("{0}")]
    Packed(#[from] Error),
    /// No fallback kernel can be fetched.
    #[error("fetching a kernel for `virt`, since that of {} has no drivers for it: {source}; a board needs none (--machine raspi3b, or raspi2b for a 32-bit image)", image.display())]
    FallbackKernel {
        /// The image that needs the kernel, or the package that should contain it.
        image: PathBuf,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The virtual network could not be started.
    #[error("making the virtual network: {0}")]
    Lan(#[source] Error),
    /// The free memory is too small even for the managers and one more node.
    #[error(
        "booting {nodes} at the same time, the fewest that show something, takes about {needed} MiB of memory, and {free} MiB are free: free some, or boot some of the nodes alone (--nodes 1)"
    )]
    Memory {
        /// The smallest number of nodes that can be booted together.
        nodes: usize,
        /// The memory that they need, in MiB.
        needed: u64,
        /// The free memory, in MiB.
        free: u64,
    },
    /// The user allows fewer nodes at the same time than a run needs.
    #[error(
        "{places} at once are too few: the managers that are booted stay on, and beside them there must be a place for one more; {needed} are enough"
    )]
    Places {
        /// How many nodes the user allows.
        places: usize,
        /// How many nodes a run needs.
        needed: usize,
    },
    /// Another program changed an image during the run.
    #[error("another program changed {} while it was booted, so the results are not valid: start again", .0.display())]
    Changed(PathBuf),
    /// The user stopped the run.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
}

/// Returns a function that makes an error out of one of the operating system. `doing` is a gerund,
/// such as `reading`.
pub fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BootError {
    let path = path.to_owned();
    move |source| BootError::Io { doing, path, source }
}
