//! Access to the files that a spec names. The caller reads them: apart from `workspace`, this crate
//! touches no disk.

use std::io;
use std::path::{Path, PathBuf};

/// The files that a spec names, read by the caller.
pub trait Files {
    /// Returns the path of a file that the spec names: relative names start at the folder of
    /// `kraken.toml`, `~/` is the user's home.
    fn locate(&self, written: &str) -> PathBuf;

    /// Reads a small file at a path that [`Files::locate`] returned.
    ///
    /// # Errors
    /// When it cannot be read, is not a regular file, or is larger than a key file can be.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Returns whether there is a regular file at a path that [`Files::locate`] returned.
    fn is_file(&self, path: &Path) -> bool;

    /// Reads a small file that must be the user's own secret.
    ///
    /// # Errors
    /// As [`Files::read`]; also when all users can read the file.
    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Returns whether there is a folder at a path that [`Files::locate`] returned.
    fn is_folder(&self, path: &Path) -> bool;

    /// Returns the public keys that may log in when the spec names none, with the content of each
    /// file.
    fn default_ssh_keys(&self) -> DefaultKeys;
}

/// A file with public keys.
#[derive(Debug)]
pub struct FoundKey {
    /// Its path, as it is shown to the user.
    pub path: PathBuf,
    /// What reading it gave.
    pub read: io::Result<Vec<u8>>,
}

/// The keys to log in with when the spec names no SSH key.
#[derive(Debug)]
pub enum DefaultKeys {
    /// These files; an empty list is an error, since no user could log in.
    Found(Vec<FoundKey>),
    /// There are none; the caller makes a pair, or does not build. [`super::User::ssh_keys`] is
    /// left empty.
    ToBeMade,
}
