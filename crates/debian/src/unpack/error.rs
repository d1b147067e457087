//! Why packages cannot be laid out.

use crate::control::ControlError;
use crate::deb::DebError;
use kraken_disk::TreeError;
use kraken_foundation::interrupt::Interrupted;
use kraken_overlay::BadPath;

/// Why packages cannot be laid out. Nothing is baked in then.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A `.deb`.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// The image's file system.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A name that cannot be a path in an image.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// One of dpkg's own files in the image.
    #[error("reading {path} of the image: {why}; take a base as it was published")]
    Database {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The temporary file for what is unpacked.
    #[error("unpacking into a temporary file: {0}; there may be too little room in the cache's file system")]
    Scratch(std::io::Error),
    /// The package is for other machines.
    #[error("unpacking {package}: it is for {architecture}, and the image is for {image}")]
    Architecture {
        /// The package.
        package: String,
        /// Its architecture.
        architecture: String,
        /// The image's.
        image: String,
    },
    /// The same package twice.
    #[error("unpacking {package}: it is there twice; name each package once")]
    Twice {
        /// The package.
        package: String,
    },
    /// Another package has the file.
    #[error(
        "unpacking {package}: it would overwrite {path}, which belongs to {owner}; leave one of the two out, or take versions that fit together"
    )]
    Overwrites {
        /// The package.
        package: String,
        /// The file.
        path: String,
        /// Whose it is.
        owner: String,
    },
    /// A file where a folder should be, or the other way round.
    #[error("unpacking {package}: {path} {why}; take another version of the package, or another base")]
    Shape {
        /// The package.
        package: String,
        /// The file or folder.
        path: String,
        /// What is the matter.
        why: &'static str,
    },
    /// All files of a package would go to others.
    #[error(
        "unpacking {package}: it replaces all files of {other}, which would vanish; leave {package} out, or take a base without {other}"
    )]
    Vanishes {
        /// The package.
        package: String,
        /// The one that would vanish.
        other: String,
    },
    /// Its script moves files of others out of the way before it is unpacked.
    #[error(
        "unpacking {package}: its preinst script diverts files (dpkg-divert) before they are unpacked, which cannot be done without running it; \
         install it on the node instead ([system] packages-on-first-boot)"
    )]
    Diverts {
        /// The package.
        package: String,
    },
    /// Its script turns a folder into a link, or a link into a folder, before it is unpacked.
    #[error(
        "unpacking {package}: its preinst script turns {path} into something else before it is unpacked, which cannot be done without running it; \
         upgrade it on the node instead, or take a newer base"
    )]
    Switches {
        /// The package.
        package: String,
        /// The folder or link.
        path: String,
    },
    /// Stopped on request.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UnpackError {
    pub(super) fn database(path: &str, error: &ControlError) -> Self {
        Self::Database {
            path: path.to_owned(),
            why: error.to_string(),
        }
    }
}
