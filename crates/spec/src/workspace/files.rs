//! Reads the files that a spec names: small regular files only, nothing that could block or never
//! end.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{DefaultKeys, Files, FoundKey};

/// The largest size of a file with keys, hashes or a spec, in bytes. A spec of ten thousand nodes
/// is smaller.
pub(super) const LARGEST: u64 = 8 * 1024 * 1024;
/// The permission bit that lets all users read (`S_IROTH`, inode(7)).
const EVERYBODY_READS: u32 = 0o004;
/// The public halves of the identities that ssh(1) tries by itself.
const DEFAULT_KEYS: &[&str] = &[
    "id_ed25519.pub",
    "id_ecdsa.pub",
    "id_rsa.pub",
    "id_ed25519_sk.pub",
    "id_ecdsa_sk.pub",
];

/// Where the user is: the meaning of relative names and of `~/`.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The folder that names on the command line start at; empty for the current one.
    pub folder: PathBuf,
    /// The user's home, if there is one.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// Returns the current folder and `$HOME`. Under sudo(8), it returns the home of the user who
    /// called it, because the keys are there.
    pub fn here() -> Self {
        let own = || directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        Self {
            folder: PathBuf::new(),
            home: caller_of_sudo().or_else(own),
        }
    }
}

/// Returns the home of the user who called sudo(8), from `SUDO_UID` and passwd(5).
fn caller_of_sudo() -> Option<PathBuf> {
    let uid = std::env::var("SUDO_UID").ok()?;
    if !rustix::process::geteuid().is_root() || uid == "0" {
        return None;
    }
    home_of(&uid, &fs::read_to_string("/etc/passwd").ok()?)
}

/// Returns the home of a user from the text of passwd(5), by numeric user id.
fn home_of(uid: &str, passwd: &str) -> Option<PathBuf> {
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(uid))?;
    let home = line.split(':').nth(5)?;
    home.starts_with('/').then(|| PathBuf::from(home))
}

/// The public key of the pair beside the spec.
pub(super) struct PublicHalf {
    /// The file that it was read from.
    pub(super) path: PathBuf,
    /// The key, in OpenSSH's one-line format.
    pub(super) key: String,
}

/// A file that was read whole.
#[derive(Debug)]
pub(super) struct SmallFile {
    pub(super) bytes: Vec<u8>,
    /// Its type and permission bits (`st_mode`, inode(7)).
    pub(super) mode: u32,
}

/// Reads the files of the spec in one folder.
pub(super) struct DiskFiles<'a> {
    /// The folder of the spec.
    pub(super) folder: &'a Path,
    /// The user's home.
    pub(super) home: Option<&'a Path>,
    /// The public key of the pair beside the spec, when there is one.
    pub(super) pair: Option<PublicHalf>,
}

impl DiskFiles<'_> {
    /// Returns the public keys of `~/.ssh` that ssh(1) would use, with their content.
    fn home_keys(&self) -> Vec<FoundKey> {
        let Some(home) = self.home else { return Vec::new() };
        DEFAULT_KEYS
            .iter()
            .map(|name| home.join(".ssh").join(name))
            .map(|path| {
                let read = read_small(&path).map(|file| file.bytes);
                FoundKey { path, read }
            })
            .filter(|key| !matches!(&key.read, Err(error) if error.kind() == io::ErrorKind::NotFound))
            .collect()
    }

    /// Returns the files with the keys that may log in when the spec names no key.
    pub(super) fn default_key_files(&self) -> Vec<PathBuf> {
        let pair = self.pair.iter().map(|pair| pair.path.clone());
        pair.chain(self.home_keys().into_iter().map(|key| key.path)).collect()
    }
}

impl Files for DiskFiles<'_> {
    fn locate(&self, written: &str) -> PathBuf {
        match (written.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => beside(self.folder, written.strip_prefix("./").unwrap_or(written)),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read_small(path).map(|file| file.bytes)
    }

    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        let SmallFile { bytes, mode } = read_small(path)?;
        if mode & EVERYBODY_READS != 0 {
            let why = format!("everybody can read it (mode {:04o})", mode & 0o7777);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(bytes)
    }

    fn is_file(&self, path: &Path) -> bool {
        path.is_file()
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn default_ssh_keys(&self) -> DefaultKeys {
        let mut found = Vec::new();
        if let Some(pair) = &self.pair {
            found.push(FoundKey {
                path: pair.path.clone(),
                read: Ok(pair.key.clone().into_bytes()),
            });
        }
        found.extend(self.home_keys());
        if found.is_empty() {
            DefaultKeys::ToBeMade
        } else {
            DefaultKeys::Found(found)
        }
    }
}

/// Returns the path of a file in the folder of the spec, without a `./` that the user did not
/// write.
pub(super) fn beside(folder: &Path, name: &str) -> PathBuf {
    if folder == Path::new(".") {
        PathBuf::from(name)
    } else {
        folder.join(name)
    }
}

/// Returns the content and the mode of a regular file of at most [`LARGEST`] bytes. Opening never
/// waits for a pipe's writer.
pub(super) fn read_small(path: &Path) -> io::Result<SmallFile> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 8 MiB"));
    }
    Ok(SmallFile {
        bytes,
        mode: metadata.mode(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        for (path, why) in [
            (Path::new("/dev/zero"), "not a regular file"),
            (folder.path(), "not a regular file"),
            (&large, "larger than"),
        ] {
            let error = read_small(path).unwrap_err().to_string();
            assert!(error.contains(why), "{}: {error}", path.display());
        }
    }

    #[test]
    fn the_home_of_a_user_is_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000:,,,:/home/me:/bin/bash\nodd:x:7\n";
        assert_eq!(home_of("1000", passwd), Some("/home/me".into()));
        for uid in ["7", "8", ""] {
            assert_eq!(home_of(uid, passwd), None, "{uid}");
        }
    }
}
