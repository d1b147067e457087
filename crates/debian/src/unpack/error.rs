//! Why packages cannot be unpacked.

use crate::control::ControlError;
use crate::deb::DebError;
use kraken_foundation::interrupt::Interrupted;
use kraken_overlay::BadPath;

/// Why packages cannot be unpacked. Nothing is baked then.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A `.deb` cannot be used.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// The image's file system cannot be read.
    #[error(transparent)]
    Tree(#[from] kraken_foundation::Error),
    /// A name cannot be a path in an image.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// One of dpkg's own files in the image is wrong.
    #[error("reading {path} of the image: {why}; take a base as it was published")]
    Database {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The temporary file for the unpacked files failed.
    #[error("unpacking into a temporary file: {0}; there may be too little room in the cache's file system")]
    Scratch(std::io::Error),
    /// The package is for another architecture.
    #[error("unpacking {package}: it is for {architecture}, and the image is for {image}")]
    Architecture {
        /// The package.
        package: String,
        /// The package's architecture.
        architecture: String,
        /// The image's architecture.
        image: String,
    },
    /// The same package was given twice.
    #[error("unpacking {package}: it is there twice; name each package once")]
    Twice {
        /// The package.
        package: String,
    },
    /// The file belongs to another package.
    #[error(
        "unpacking {package}: it would overwrite {path}, which belongs to {owner}; leave one of the two out, or take versions that fit together"
    )]
    Overwrites {
        /// The package.
        package: String,
        /// The file.
        path: String,
        /// The package that it belongs to.
        owner: String,
    },
    /// A file where a folder should be, or the other way round.
    #[error("unpacking {package}: {path} {why}; take another version of the package, or another base")]
    Shape {
        /// The package.
        package: String,
        /// The file or folder.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// All files of a package would pass to others.
    #[error(
        "unpacking {package}: it replaces all files of {other}, which would vanish; leave {package} out, or take a base without {other}"
    )]
    Vanishes {
        /// The package.
        package: String,
        /// The package that would disappear.
        other: String,
    },
    /// Its script moves other packages' files out of the way before it is unpacked.
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
    #[error("interrupted")]
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
