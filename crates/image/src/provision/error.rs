//! What is said when the files of a node cannot be made: what was being done, to what, and what to
//! do next.

use kraken_foundation::{Error, Kind};
use kraken_overlay::BadPath;

/// Stands before the error of a damaged file system.
pub(super) const READING: &str = "reading the image to provision it; it may be damaged, fetch it again";

/// A name in an overlay cannot be a path in an image.
pub(super) fn bad_path(error: BadPath) -> Error {
    let text = format!("laying out the files of a node: {error}; rename it in the overlay");
    Error::of(error).with_kind(Kind::Usage).context(text)
}

/// A template could not be rendered; `why` is the error of the template engine, with its causes.
pub(super) fn template(name: &str, why: &str) -> Error {
    Error::new(Kind::Usage, format!("rendering the template `{name}`: {why}"))
}

/// The value at `place` has a line break or a control character, and the file format cannot quote
/// it.
pub(super) fn control(template: &str, place: &str) -> Error {
    let text = format!(
        "rendering the template `{template}`: the value of `{place}` has a line break or control character, \
         which that file cannot hold; take it out of kraken.toml"
    );
    Error::new(Kind::Usage, text)
}

/// A file of the image contains something that cannot be edited safely; `why` says what, and what
/// to do.
pub(super) fn image(path: &str, why: &str) -> Error {
    Error::new(Kind::Unsupported, format!("editing {path} of the image: {why}"))
}

/// The image lacks something that the cluster's settings need; `help` says what to do.
pub(super) fn missing(what: &str, help: &str) -> Error {
    let text = format!("provisioning the image: it has no {what}; {help}");
    Error::new(Kind::NotFound, text)
}
