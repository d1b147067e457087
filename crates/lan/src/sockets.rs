//! The folder with one unix socket per guest: private, and removed at the end.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use kraken_foundation::{Context, Error, Kind, Result};

/// The maximum length of a socket's path, in bytes: `sun_path` has 108, the last of them zero
/// (unix(7)).
const LONGEST: usize = 107;

/// The sockets' paths. Dropping it removes the sockets, and the folder if it was made here.
pub(crate) struct Sockets {
    paths: Vec<PathBuf>,
    made: Option<PathBuf>,
}

/// Sockets that are listened on.
pub(crate) struct Listening {
    pub sockets: Sockets,
    /// By guest.
    pub listeners: Vec<UnixListener>,
}

impl Sockets {
    /// Makes the folder if it does not exist, and listens on one socket for each guest.
    pub(crate) fn listen(folder: &Path, guests: usize) -> Result<Listening> {
        let mut sockets = Self {
            paths: Vec::new(),
            made: private(folder)?.then(|| folder.to_owned()),
        };
        let mut listeners = Vec::new();
        for guest in 0..guests {
            let path = folder.join(format!("guest-{guest}.sock"));
            listeners.push(listen(&path)?);
            sockets.paths.push(path);
        }
        Ok(Listening { sockets, listeners })
    }

    /// The socket of a guest.
    pub(crate) fn path(&self, guest: usize) -> Option<&Path> {
        self.paths.get(guest).map(PathBuf::as_path)
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
        if let Some(folder) = &self.made {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Makes sure that the folder is private; returns whether it had to be made.
fn private(folder: &Path) -> Result<bool> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).doing("making the folder", folder),
    }
    let facts = fs::symlink_metadata(folder).doing("looking at the folder", folder)?;
    let ours = facts.uid() == rustix::process::geteuid().as_raw();
    if !facts.is_dir() || !ours || facts.mode() & 0o077 != 0 {
        let text = format!(
            "{} is open to other users; give a folder of your own with mode 0700, or one that does not exist yet",
            folder.display()
        );
        return Err(Error::new(Kind::Permission, text));
    }
    Ok(false)
}

fn listen(path: &Path) -> Result<UnixListener> {
    let length = path.as_os_str().as_bytes().len();
    if length > LONGEST {
        let text = format!(
            "{} is too long for a socket ({length} bytes, at most {LONGEST}); give a folder with a shorter path",
            path.display()
        );
        return Err(Error::new(Kind::Unsupported, text));
    }
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(taken(path)),
        bound => bound.doing("listening on the socket", path)?,
    };
    listener.set_nonblocking(true).doing("preparing the socket", path)?;
    Ok(listener)
}

fn taken(path: &Path) -> Error {
    let text = format!(
        "{} is there already, perhaps of a run that goes on; give a folder of its own to every run",
        path.display()
    );
    Error::new(Kind::Conflict, text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn private_folder() -> tempfile::TempDir {
        let mode = fs::Permissions::from_mode(0o700);
        tempfile::Builder::new().permissions(mode).tempdir().unwrap()
    }

    fn refused(folder: &Path) -> String {
        match Sockets::listen(folder, 1) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{} was taken", folder.display()),
        }
    }

    #[test]
    fn the_folder_is_private_and_goes_with_its_sockets() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("lan");
        let Listening { sockets, .. } = Sockets::listen(&folder, 2).unwrap();
        assert_eq!(mode(&folder), 0o700);
        assert!(sockets.path(0).unwrap().exists() && sockets.path(1).unwrap().exists());
        assert!(sockets.path(2).is_none());
        drop(sockets);
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_that_was_there_stays() {
        let folder = private_folder();
        drop(Sockets::listen(folder.path(), 3).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let folder = private_folder();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        assert!(refused(folder.path()).contains("is open to other users"));
        let link = folder.path().join("link");
        let own = private_folder();
        std::os::unix::fs::symlink(own.path(), &link).unwrap();
        assert!(refused(&link).contains("is open to other users"));
    }

    #[test]
    fn a_socket_of_another_run_is_not_taken_over() {
        let folder = private_folder();
        let _listening = Sockets::listen(folder.path(), 1).unwrap();
        assert!(refused(folder.path()).contains("guest-0.sock is there already"));
        assert!(folder.path().join("guest-0.sock").exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_its_length() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("x".repeat(100));
        let said = refused(&folder);
        assert!(
            said.contains("is too long for a socket") && said.contains("at most 107"),
            "{said}"
        );
        assert!(!folder.exists());
    }
}
