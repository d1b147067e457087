//! Why a golden image or a node's patch could not be made.

use std::path::PathBuf;

use crate::provision::ProvisionError;
use kraken_foundation::Error;
use kraken_foundation::interrupt::Interrupted;

/// Why a golden image or a node's patch could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// Stopped on request.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund: `reading`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Images in the cache do not keep the bytes that were written.
    #[error(
        "what was baked into {} is not what it was when it was made, twice in a row: the disk or the memory of this machine is failing; \
         check them, or set another cache folder (KRAKEN_FLASH_CACHE)",
        cache.display()
    )]
    Rots {
        /// The cache folder.
        cache: PathBuf,
    },
    /// The base does not have the partitions that a Raspberry Pi boots from.
    #[error("looking for the boot and root partitions of {}", path.display())]
    Layout {
        /// The image's path.
        path: PathBuf,
        /// What is wrong with the partitions.
        source: Error,
    },
    /// The boot volume could not be read.
    #[error("reading the boot file system of {}", path.display())]
    Boot {
        /// The image's path.
        path: PathBuf,
        /// What is wrong with the boot volume.
        source: Error,
    },
    /// The root file system's superblock could not be read.
    #[error("reading the root file system of {}", path.display())]
    Superblock {
        /// The image's path.
        path: PathBuf,
        /// What is wrong with the superblock.
        source: Error,
    },
    /// A file system could not be read.
    #[error("reading the file systems of {}", path.display())]
    Tree {
        /// The image's path.
        path: PathBuf,
        /// What is wrong with the file system.
        source: Error,
    },
    /// The image holds no system that kraken-flash knows.
    #[error("looking at the system inside {}", path.display())]
    System {
        /// The image's path.
        path: PathBuf,
        /// What is wrong with the system.
        source: crate::base::SystemError,
    },
    /// The image is for an architecture that no Raspberry Pi runs.
    #[error("the base is for {architecture}, which no Raspberry Pi runs; choose one for arm64 or armhf")]
    NotForPi {
        /// The image's architecture.
        architecture: String,
    },
    /// The cluster is a swarm, and its keys are missing.
    #[error("the cluster is to be a swarm, and its keys are missing; `kraken-flash init` makes them")]
    NoKeys,
    /// A node's board cannot run this image.
    #[error(
        "{hostname} is a {board}, which runs only 32-bit systems, and the base is {architecture}; choose an armhf base, or correct its `board`"
    )]
    WrongArchitecture {
        /// The node's host name.
        hostname: String,
        /// The node's board.
        board: String,
        /// The image's architecture.
        architecture: String,
    },
    /// The base has been in use, and not every trace of that can be removed.
    #[error(
        "looking for what belongs to others in {}: it has been in use, and this would be on every node:\n  {}\n\
         use a fresh image{}, or set used = \"accept\" in [image] of kraken.toml where all of this is wanted",
        path.display(), stays.join("\n  "), if *accounts { ", make an account your own by naming it in [user]" } else { "" }
    )]
    Lived {
        /// The base's path.
        path: PathBuf,
        /// What would be on every node, one line each.
        stays: Vec<String>,
        /// Whether accounts are among it.
        accounts: bool,
    },
    /// Templates or overlays could not be rendered.
    #[error("preparing what goes onto the cards")]
    Provision(#[from] ProvisionError),
    /// The packages could not be unpacked.
    #[error("laying out the packages")]
    Packages(#[source] Error),
    /// The files could not be written into the image.
    #[error("writing into the image")]
    Apply(#[source] Error),
    /// The used blocks could not be determined.
    #[error("mapping the used blocks of {}", path.display())]
    Used {
        /// The image's path.
        path: PathBuf,
        /// What is wrong with the image.
        source: Error,
    },
    /// The free space could not be determined, or there is too little of it.
    #[error("looking for free space in the image")]
    Space(#[source] Error),
    /// The root partition could not be enlarged.
    #[error("enlarging the root file system")]
    Grow(#[source] Error),
}

impl BakeError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| BakeError::Io { doing, path, source }
    }
}
