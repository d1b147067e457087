//! What is said when packages cannot be obtained.

use std::fmt::Display;

use kraken_debian::ResolveError;
use kraken_foundation::{Error, Kind};

/// Stands before the error of an image's lists of packages and archives.
pub(super) const LISTS: &str = "reading which packages and archives the base image has";

/// A name or an address is not valid, or no archive has the package.
pub(super) fn choosing(why: impl Display) -> Error {
    Error::new(Kind::Usage, format!("choosing packages: {why}"))
}

/// The packages that were requested are not available.
pub(super) fn unresolved(error: ResolveError) -> Error {
    let text = format!("choosing packages: {error}");
    Error::typed(Kind::Usage, error).context(text)
}

/// A `.deb` cannot be used; `package` is its name and version, or its file.
pub(super) fn unusable(package: &str, error: Error) -> Error {
    let text = format!("{package} cannot be used: {error}");
    error.context(text)
}
