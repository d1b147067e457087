//! The sentences of why packages cannot be unpacked.

use std::fmt::Display;

use kraken_foundation::{Error, Kind, Result};
use kraken_overlay::EntryPath;

/// Makes a path in the image.
pub(super) fn entry_path(path: &str) -> Result<EntryPath> {
    EntryPath::new(path).map_err(|error| Error::typed(Kind::Unsupported, error))
}

/// One of dpkg's own files in the image is wrong.
pub(super) fn database(path: &str, why: impl Display) -> Error {
    let text = format!("reading {path} of the image: {why}; take a base as it was published");
    Error::new(Kind::Damaged, text)
}

/// The package is for another architecture than the image.
pub(super) fn other_architecture(package: &str, architecture: &str, image: &str) -> Error {
    let text = format!("unpacking {package}: it is for {architecture}, and the image is for {image}");
    Error::new(Kind::Unsupported, text)
}

/// The same package was given twice.
pub(super) fn twice(package: &str) -> Error {
    let text = format!("unpacking {package}: it is there twice; name each package once");
    Error::new(Kind::Conflict, text)
}

/// The file at `path` belongs to another package.
pub(super) fn overwrites(package: &str, path: &str, owner: impl Display) -> Error {
    let text = format!(
        "unpacking {package}: it would overwrite {path}, which belongs to {owner}; leave one of the two out, or take versions that fit together"
    );
    Error::new(Kind::Conflict, text)
}

/// A file where a folder should be, or the other way round.
pub(super) fn shape(package: &str, path: &EntryPath, why: &str) -> Error {
    let text = format!("unpacking {package}: {path} {why}; take another version of the package, or another base");
    Error::new(Kind::Conflict, text)
}

/// All files of the package `other` would pass to others, and it would disappear.
pub(super) fn vanishes(package: &str, other: &str) -> Error {
    let text = format!(
        "unpacking {package}: it replaces all files of {other}, which would vanish; leave {package} out, or take a base without {other}"
    );
    Error::new(Kind::Conflict, text)
}

/// Its script moves other packages' files out of the way before it is unpacked.
pub(super) fn diverts(package: &str) -> Error {
    let text = format!(
        "unpacking {package}: its preinst script diverts files (dpkg-divert) before they are unpacked, which cannot be done without running it; \
         install it on the node instead ([system] packages-on-first-boot)"
    );
    Error::new(Kind::Unsupported, text)
}

/// Its script turns the folder at `path` into a link, or a link into a folder, before it is
/// unpacked.
pub(super) fn switches(package: &str, path: &str) -> Error {
    let text = format!(
        "unpacking {package}: its preinst script turns {path} into something else before it is unpacked, which cannot be done without running it; \
         upgrade it on the node instead, or take a newer base"
    );
    Error::new(Kind::Unsupported, text)
}
