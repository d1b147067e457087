//! Reads text files of an image.

use kraken_disk::{FileTree, real_path};
use kraken_foundation::Result;

/// The largest text file that is read from an image, in bytes: dpkg's status of a full desktop has
/// about 3 MiB.
pub(super) const MAX_TEXT: u64 = 64 << 20;

/// Reads a text file, following links; bytes that are not UTF-8 are replaced.
pub(super) fn text(tree: &dyn FileTree, path: &str) -> Result<Option<String>> {
    let real = real_path(tree, path)?;
    Ok(tree
        .read(&real, MAX_TEXT)?
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
