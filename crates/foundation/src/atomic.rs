//! Small files that are written whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Prefix and suffix of a file that is not finished yet.
const PREFIX: &str = ".kraken-flash-";
const SUFFIX: &str = ".part";

/// Writes `bytes` to `path`, with these permission bits.
///
/// The bytes go to a file of a random name in the same folder, are flushed to the disk, and get the
/// name then; the folder is flushed after that. So the name shows the old bytes or the new ones,
/// also after a power cut, and a link at `path` is replaced, never followed. `mode` is exact,
/// whatever the umask is.
///
/// # Errors
/// What the system says: the folder is missing or may not be written, the disk is full. Nothing is
/// left behind then.
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let file = temporary(path, bytes, Some(mode))?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// Like [`write()`], with the permissions that the umask gives to a new file.
///
/// # Errors
/// Those of [`write()`].
pub fn write_plain(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = temporary(path, bytes, None)?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// Like [`write()`], but leaves alone what is at `path` already.
///
/// # Errors
/// Those of [`write()`], and [`io::ErrorKind::AlreadyExists`].
pub fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let file = temporary(path, bytes, Some(mode))?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(path)
}

fn temporary(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    if mode.is_none() {
        builder.permissions(Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// The folder that a file is in: `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A new name is safe once its folder is on the disk (fsync(2)). Some file systems cannot flush a
/// folder: the name is as safe there as it gets.
fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(folder_of(path))?.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_has_its_bytes_and_its_mode_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, 0o640, b"old").unwrap();
        write(&path, 0o600, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);

        let other = folder.path().join("other");
        fs::write(&other, "other").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        write_plain(&link, b"mine").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"other");
        assert_eq!(fs::read(&link).unwrap(), b"mine");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            3,
            "a temporary file is left"
        );
    }

    #[test]
    fn what_is_there_stays_where_a_new_file_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write_new(&path, 0o600, b"first").unwrap();
        let error = write_new(&path, 0o600, b"second").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("missing/file"), 0o600, b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
