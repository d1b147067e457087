//! What is said when the files of images cannot be written.

use std::io;
use std::path::Path;

use kraken_foundation::Error;

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
