//! Writes a rendering to a file that the user named, completely or not at all.

use std::io::Write;
use std::path::Path;
use std::{fs, io};

use kraken_foundation::atomic;
use kraken_foundation::{Context as _, Result};

/// Writes `text` to `path` under a temporary name beside it, and renames it when all of it is on
/// the disk. A link is followed. A pipe or a terminal (`/dev/stdout`) is written to directly. The
/// permissions are those of any new file.
///
/// # Errors
/// If the folder is missing or not writable, or if the disk is full.
pub fn save(path: &Path, text: &str) -> Result<()> {
    match fs::metadata(path) {
        Ok(known) if known.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(known) if !known.is_file() => fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes())),
        Ok(_) => fs::canonicalize(path).and_then(|path| atomic::write_plain(&path, text.as_bytes())),
        Err(_) => atomic::write_plain(path, text.as_bytes()),
    }
    .doing("writing the report", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_report_is_replaced_whole_and_links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("report.xml"), folder.path().join("link.xml"));
        fs::write(&file, "old and longer").unwrap();
        std::os::unix::fs::symlink("report.xml", &link).unwrap();
        save(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something was left");
        // The file has the permissions of any new file here.
        fs::write(folder.path().join("other"), "").unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("report.xml"), mode("other"));
    }

    #[test]
    fn what_cannot_be_written_says_where() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing/report.xml")] {
            let error = save(&path, "text").unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("writing the report {}", path.display())),
                "{error}"
            );
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was left");
    }

    #[test]
    fn a_pipe_is_written_to_and_stays_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        save(&pipe, "text").unwrap();
        assert_eq!(reader.join().unwrap(), "text");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
    }
}
