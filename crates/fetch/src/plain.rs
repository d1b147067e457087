//! Files with predictable names, never opened through a link.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Names in the cache are predictable: a user who may write there could redirect them by a link
/// (open(2), `O_NOFOLLOW`).
pub const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Opens a file with a predictable name, to be written from its beginning; never through a link.
pub fn create_plain(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true).custom_flags(NO_FOLLOW);
    options.open(path)
}

/// Writes a small file of such a name.
pub fn write_plain(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create_plain(path)?.write_all(bytes)
}
