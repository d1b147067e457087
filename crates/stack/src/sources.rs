//! What a compose file needs from outside: variables, files, passwords. The caller has them; this
//! crate touches no disk.

use std::io;

use zeroize::Zeroizing;

/// What the caller gives for the translation of a compose file.
pub struct Sources<'a> {
    /// Returns the value of a variable, when it is set.
    pub variables: &'a dyn Fn(&str) -> Option<String>,
    /// The files that the compose file names.
    pub files: &'a dyn Files,
    /// Returns the password of a secret with `x-kraken-generate`: the same one for the same
    /// request, whenever it is asked for.
    pub passwords: &'a dyn Fn(&PasswordRequest<'_>) -> Zeroizing<String>,
}

/// The files that a compose file names, read by the caller.
pub trait Files {
    /// Reads a file, of which the path is as it is written: relative ones begin at the folder of
    /// kraken.toml.
    ///
    /// # Errors
    /// When it cannot be read, is not a regular file, or has more than `most` bytes; also when it
    /// holds a secret that all users can read.
    fn read(&self, path: &str, kind: FileKind, most: usize) -> io::Result<Zeroizing<Vec<u8>>>;
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Environment variables.
    Environment,
    /// A config.
    Config,
    /// A secret.
    Secret,
}

impl FileKind {
    /// How a message names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FileKind::Environment => "file of environment variables",
            FileKind::Config => "config",
            FileKind::Secret => "secret",
        }
    }
}

/// A password that a compose file asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRequest<'a> {
    /// The stack's name.
    pub stack: &'a str,
    /// The secret's key in the compose file.
    pub secret: &'a str,
    /// How many characters it has.
    pub length: usize,
}
