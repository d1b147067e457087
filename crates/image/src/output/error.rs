//! What is said when the files of images cannot be written.

use std::io;
use std::path::Path;

use kraken_foundation::{Error, Kind};

/// Says what was being done (a gerund) to which file, and what to do when the disk is full.
pub(super) fn io(doing: &str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Error {
    let doing = format!("{doing} {}", path.as_ref().display());
    move |error| {
        let full = match error.kind() {
            io::ErrorKind::StorageFull => {
                "; free some space, build fewer nodes at a time (--node), or choose another folder (--output)"
            }
            _ => "",
        };
        let text = format!("{doing}: {error}{full}");
        Error::of(error).context(text)
    }
}

/// The existing manifest is not one of kraken-flash.
pub(super) fn manifest(path: &Path, why: &str) -> Error {
    let text = format!(
        "reading {}: {why}; remove it, or choose another folder with --output",
        path.display()
    );
    Error::new(Kind::Unsupported, text)
}
