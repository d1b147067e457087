//! The MD5 sums of dpkg's own lists.

use md5::{Digest, Md5};

/// Returns the MD5 sum of a file in hexadecimal, as dpkg writes it to `PACKAGE.md5sums` and to the
/// conffiles of its status.
///
/// This is a function for one type, so it is compiled here, where it is optimised, and not in each
/// crate that calls it.
pub fn md5sum(contents: &[u8]) -> String {
    hex::encode(Md5::digest(contents))
}
