//! Files whose names can be foreseen, never opened through a link: a user who may write to their
//! folder could lead them elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The flag of open(2) with which a link is an error (`ELOOP`).
const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Options that create the file where it is missing and never follow a link; what else is wanted is
/// up to the caller.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = File::options();
    #[expect(clippy::disallowed_methods, reason = "this is the place: no link is followed")]
    options.create(true).write(true).custom_flags(NO_FOLLOW);
    options
}

/// Opens a file to be written from its beginning.
///
/// # Errors
/// What the system says; `ELOOP` where a link has the name.
pub fn create(path: &Path) -> io::Result<File> {
    options().truncate(true).open(path)
}

/// Opens a file that keeps what it holds: a lock, or the part of a download.
///
/// # Errors
/// Those of [`create()`].
pub fn open(path: &Path) -> io::Result<File> {
    options().truncate(false).read(true).open(path)
}

/// Opens a file to be written at its end.
///
/// # Errors
/// Those of [`create()`].
pub fn append(path: &Path) -> io::Result<File> {
    options().append(true).open(path)
}

/// Writes a small file.
///
/// # Errors
/// Those of [`create()`], and those of writing.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "other").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        for result in [create(&link), open(&link), append(&link)] {
            assert_eq!(
                result.unwrap_err().raw_os_error(),
                Some(rustix::io::Errno::LOOP.raw_os_error())
            );
        }
        assert_eq!(fs::read(&other).unwrap(), b"other");
    }

    #[test]
    fn each_way_of_opening_keeps_or_drops_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"some").unwrap();
        append(&path).unwrap().write_all(b" more").unwrap();
        drop(open(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"some more");
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
