//! The SSH key pair beside `kraken.toml`: made once when there is no other key, and used by every
//! later run.

use std::io;
use std::path::Path;

use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey};

use super::error::WorkspaceError;
use super::files::{PublicHalf, beside, read_small};
use kraken_foundation::atomic;

/// The private key, in OpenSSH's format, mode 0600.
pub const PRIVATE_KEY: &str = "kraken_ed25519";
/// The public key, in OpenSSH's one-line format.
pub const PUBLIC_KEY: &str = "kraken_ed25519.pub";

/// Returns the public key of the pair in `folder`, and the file it is from; `None` when there is no
/// pair. When the public half is missing it is derived from the private one.
pub(super) fn existing(folder: &Path) -> Result<Option<PublicHalf>, WorkspaceError> {
    let public = beside(folder, PUBLIC_KEY);
    let bad = |path: &Path, why: String| WorkspaceError::BadKey {
        path: path.to_owned(),
        why,
    };
    match read_small(&public) {
        Ok(file) => {
            let keys = crate::public_keys(&file.bytes).map_err(|error| bad(&public, error.to_string()))?;
            return Ok(Some(PublicHalf {
                path: public,
                key: keys.join("\n"),
            }));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(bad(&public, error.to_string())),
    }
    let private = beside(folder, PRIVATE_KEY);
    match read_small(&private) {
        Ok(file) => {
            let key = PrivateKey::from_openssh(&file.bytes).and_then(|key| key.public_key().to_openssh());
            let line = key.map_err(|_| bad(&private, "it is not a private key in OpenSSH's format".to_owned()))?;
            Ok(Some(PublicHalf {
                path: private,
                key: line,
            }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(&private, error.to_string())),
    }
}

/// Makes an ed25519 pair in `folder` and returns its public key. Each file appears only when it is
/// complete, and neither overwrites another. The private key is written first: a public key alone
/// would let no user log in.
pub(super) fn make(folder: &Path, cluster: &str) -> Result<String, WorkspaceError> {
    let made = |source| WorkspaceError::MakeKey { source };
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(made)?;
    key.set_comment(format!("{cluster} kraken-flash"));
    let private = key.to_openssh(LineEnding::LF).map_err(made)?;
    let public = key.public_key().to_openssh().map_err(made)?;
    write_new(&beside(folder, PRIVATE_KEY), private.as_bytes(), 0o600)?;
    write_new(&beside(folder, PUBLIC_KEY), format!("{public}\n").as_bytes(), 0o644)?;
    Ok(public)
}

/// Writes a new file with exactly this mode, whole or not at all, never over another.
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), WorkspaceError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => WorkspaceError::Exists { path: path.to_owned() },
        _ => WorkspaceError::Write {
            path: path.to_owned(),
            source,
        },
    };
    // The temporary file that it is written to is made with O_EXCL and mode 0600: other users can
    // never read its bytes.
    atomic::write_new(path, mode, bytes).map_err(failed)
}
