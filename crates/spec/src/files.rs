//! The files that a spec names, which the caller reads: `spec` does not touch a disk.

use std::io;
use std::path::{Path, PathBuf};

/// The files that a spec names, read by the caller.
pub trait Files {
    /// The place of a file as the spec writes it: relative names start at the folder of `kraken.toml`, `~/` is the user's home.
    fn locate(&self, written: &str) -> PathBuf;

    /// Reads a small file at a place that [`Files::locate`] gave.
    ///
    /// # Errors
    /// When it cannot be read, is not a regular file, or is larger than a key file can be.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether there is a regular file at a place that [`Files::locate`] gave.
    fn is_file(&self, path: &Path) -> bool;

    /// Reads a small file that must be the user's own secret.
    ///
    /// # Errors
    /// As [`Files::read`]; also when everybody can read the file.
    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether there is a folder at a place that [`Files::locate`] gave.
    fn is_folder(&self, path: &Path) -> bool;

    /// The public keys that may log in when the spec names none, with what is in each file.
    fn default_ssh_keys(&self) -> DefaultKeys;
}

/// What there is to log in with when the spec names no SSH key.
#[derive(Debug)]
pub enum DefaultKeys {
    /// These files; an empty list is an error, since no user could log in.
    Found(Vec<(PathBuf, io::Result<Vec<u8>>)>),
    /// None; the caller makes a pair, or does not build. [`super::User::ssh_keys`] is left empty.
    ToBeMade,
}
