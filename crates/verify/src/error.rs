//! The reasons why an image could not be checked at all.

use std::path::PathBuf;

use kraken_foundation::interrupt::Interrupted;

/// Why a check could not be made at all. A fault of an image is not an error but a
/// [`super::Finding`].
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The user stopped the run.
    #[error("interrupted")]
    Interrupted(#[from] Interrupted),
    /// A file could not be read.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund such as `reading`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The folder contains no image of the cluster.
    #[error("{} has no images of this cluster ({expected}); make them with `kraken-flash build`, or name another folder", path.display())]
    NoImages {
        /// The folder.
        path: PathBuf,
        /// A name that was looked for.
        expected: String,
    },
    /// The file is packed.
    #[error("{} is not a raw image; unpack it first, or verify the raw one", path.display())]
    Packed {
        /// The file.
        path: PathBuf,
    },
    /// A program that does a part of the check is not installed.
    #[error("running {tool}: {source}; install it (Debian: apt-get install {package})")]
    Tool {
        /// The program.
        tool: &'static str,
        /// The Debian package that contains it.
        package: &'static str,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A program that does a part of the check failed. This does not say anything about the image.
    #[error("running {tool}: it ended with {status}: {said}")]
    ToolFailed {
        /// The program.
        tool: &'static str,
        /// How the program ended.
        status: String,
        /// The last line that it printed.
        said: String,
    },
    /// The HTML page of a report could not be made.
    #[error("making the HTML report: {why}; this is a fault of the program, the other reports have the same findings")]
    Page {
        /// The message of the template engine.
        why: String,
    },
    /// The intended content of the image could not be worked out.
    #[error("working out what the image should hold")]
    Provision(#[from] kraken_image::provision::ProvisionError),
}

impl CheckError {
    /// Returns a function that makes an error out of one of the operating system. `doing` is a
    /// gerund, such as `reading`.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| CheckError::Io { doing, path, source }
    }
}
