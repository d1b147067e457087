//! Why an image could not be checked at all.

use std::path::PathBuf;

use kraken_foundation::interrupt::Interrupted;

/// Why a check could not be made at all. An image that is wrong is not an error but a [`super::Finding`].
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Stopped on request.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A file could not be read.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder has nothing to check.
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
    /// A tool that does part of the check is missing.
    #[error("running {tool}: {source}; install it (Debian: apt-get install {package})")]
    Tool {
        /// The program.
        tool: &'static str,
        /// Debian's package that has it.
        package: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tool that does part of the check failed by itself; that says nothing of the image.
    #[error("running {tool}: it ended with {status}: {said}")]
    ToolFailed {
        /// The program.
        tool: &'static str,
        /// How it ended.
        status: String,
        /// The last line it wrote.
        said: String,
    },
    /// A report could not be made into a page.
    #[error("making the HTML report: {why}; this is a fault of the program, the other reports have the same findings")]
    Page {
        /// What the template engine said.
        why: String,
    },
    /// What the image should hold could not be worked out.
    #[error("working out what the image should hold")]
    Provision(#[from] kraken_image::provision::ProvisionError),
}

impl CheckError {
    /// Makes an error of what the system says: `doing` is a gerund, such as "reading".
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| CheckError::Io { doing, path, source }
    }
}
