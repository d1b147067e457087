//! The file with the cluster's keys. It is made once, never overwritten, and refused when other
//! users can read it. It may be encrypted with age (age-encryption.org/v1), for a passphrase or for
//! recipients; `age` itself reads and writes the same file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{Decryptor, Encryptor, x25519};
use zeroize::Zeroizing;

use super::error::WorkspaceError;
use super::keys::write_new;
use kraken_swarm_state::ClusterKeys;

/// The largest size of a key file, in bytes.
const LARGEST: u64 = 64 * 1024;
/// The longest passphrase, in bytes. No user types a longer one.
const LONGEST_SECRET: usize = 4096;
/// The permission bits of all users but the owner (inode(7)).
const OTHERS: u32 = 0o077;
/// The beginning of an age file, and of an armoured one.
const AGE: [&str; 2] = ["age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----"];

/// How a new key file is encrypted.
#[derive(Clone)]
pub enum Encrypt {
    /// It is not encrypted: the file's mode protects it.
    Plain,
    /// For a passphrase.
    Passphrase(SecretString),
    /// For these recipients (`age1…`).
    Recipients(Vec<x25519::Recipient>),
}

impl Encrypt {
    /// Reads recipients as `age-keygen` prints them.
    ///
    /// # Errors
    /// The text that is not a recipient.
    pub fn recipients(texts: &[String]) -> Result<Self, String> {
        let parse = |text: &String| x25519::Recipient::from_str(text).map_err(|_| text.clone());
        texts
            .iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Encrypt::Recipients)
    }
}

/// Opens an encrypted key file.
pub trait Unlock {
    /// Returns the passphrase of this file; `None` when there is no user to ask.
    ///
    /// # Errors
    /// Why the passphrase is not available.
    fn passphrase(&self, file: &Path) -> Result<Option<SecretString>, String>;

    /// Returns files with age identities (`AGE-SECRET-KEY-1…`), to be tried in order.
    fn identities(&self) -> Vec<PathBuf>;
}

/// Reads the keys; returns `None` when there is no such file.
///
/// # Errors
/// [`WorkspaceError::ClusterKeys`] when other users can read the file, it is not a key file, or it
/// cannot be opened.
pub fn read_cluster_keys(path: &Path, unlock: &dyn Unlock) -> Result<Option<ClusterKeys>, WorkspaceError> {
    let bad = |why: String, help: &'static str| WorkspaceError::ClusterKeys {
        path: path.to_owned(),
        why,
        help,
    };
    let bytes = match read_own(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(bad(error.to_string(), "make it yours alone: chmod 600, chown"));
        }
        Err(error) => return Err(bad(error.to_string(), "put the cluster's key file there")),
    };
    let text = if AGE.iter().any(|begin| bytes.starts_with(begin.as_bytes())) {
        decrypt(path, &bytes, unlock).map_err(|why| {
            bad(
                why,
                "give its passphrase with --passphrase-file or at the prompt, or its identity with --identity",
            )
        })?
    } else {
        bytes
    };
    let text = std::str::from_utf8(&text).map_err(|_| bad("it is not UTF-8 text".to_owned(), RESTORE))?;
    let keys = ClusterKeys::parse(text).map_err(|error| bad(error.to_string(), RESTORE))?;
    Ok(Some(keys))
}

const RESTORE: &str =
    "put the copy back that you kept; with other keys, cards that were written do not know each other";

/// Makes keys and writes them, never over another file.
///
/// # Errors
/// [`WorkspaceError`] when there is a file already, or it cannot be written.
pub fn make_cluster_keys(path: &Path, cluster: &str, encrypt: &Encrypt) -> Result<ClusterKeys, WorkspaceError> {
    let failed = |why: String| WorkspaceError::ClusterKeys {
        path: path.to_owned(),
        why,
        help: "try again; if it goes on, the system lacks randomness or memory",
    };
    let keys = ClusterKeys::generate().map_err(|error| failed(error.to_string()))?;
    let text = keys.to_text(cluster);
    let bytes = seal(&text, encrypt).map_err(|error| failed(format!("encrypting it: {error}")))?;
    write_new(path, &bytes, 0o600)?;
    Ok(keys)
}

fn seal(text: &str, encrypt: &Encrypt) -> io::Result<Zeroizing<Vec<u8>>> {
    let encryptor = match encrypt {
        Encrypt::Plain => return Ok(Zeroizing::new(text.as_bytes().to_vec())),
        Encrypt::Passphrase(passphrase) => Encryptor::with_user_passphrase(passphrase.clone()),
        Encrypt::Recipients(recipients) => {
            Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))
                .map_err(io::Error::other)?
        }
    };
    let mut sealed = Vec::new();
    let armour = ArmoredWriter::wrap_output(&mut sealed, Format::AsciiArmor)?;
    let mut writer = encryptor.wrap_output(armour)?;
    io::Write::write_all(&mut writer, text.as_bytes())?;
    writer.finish()?.finish()?;
    Ok(Zeroizing::new(sealed))
}

/// Returns the text of an encrypted file.
fn decrypt(path: &Path, bytes: &[u8], unlock: &dyn Unlock) -> Result<Zeroizing<Vec<u8>>, String> {
    let say = |error: age::DecryptError| format!("it is encrypted, and cannot be opened: {error}");
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(bytes)).map_err(say)?;
    let mut text = Zeroizing::new(Vec::new());
    let mut read = |reader: &mut dyn Read| {
        reader
            .take(LARGEST)
            .read_to_end(&mut text)
            .map_err(|error| error.to_string())
    };
    if decryptor.is_scrypt() {
        let passphrase = unlock
            .passphrase(path)?
            .ok_or("it is encrypted with a passphrase, and this run cannot ask for it")?;
        let identity = age::scrypt::Identity::new(passphrase);
        let mut reader = decryptor
            .decrypt(std::iter::once(&identity as &dyn age::Identity))
            .map_err(say)?;
        read(&mut reader)?;
    } else {
        let identities = identities(&unlock.identities())?;
        let mut reader = decryptor
            .decrypt(identities.iter().map(|identity| identity as &dyn age::Identity))
            .map_err(say)?;
        read(&mut reader)?;
    }
    Ok(text)
}

/// Returns the text of a file with a passphrase. The file may be a pipe, as a shell makes one; a
/// regular file must be the user's own.
///
/// # Errors
/// When it cannot be read, other users can read it, or it is larger than any passphrase.
pub fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() {
        check_own(&file)?;
    }
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_SECRET));
    let read = file.take(LONGEST_SECRET as u64).read_to_string(&mut text)?;
    if read == LONGEST_SECRET {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is too large to be what it should be",
        ));
    }
    Ok(text)
}

/// Returns the identities in these files: one a line, comments left out (age(1)).
fn identities(files: &[PathBuf]) -> Result<Vec<x25519::Identity>, String> {
    let mut found = Vec::new();
    for file in files {
        let reading = |error: io::Error| format!("reading the identity {}: {error}", file.display());
        let bytes = read_own(file).map_err(reading)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| reading(io::Error::other(error)))?;
        for line in text.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with('#') {
                let identity = x25519::Identity::from_str(line)
                    .map_err(|_| format!("{} is not a file of age identities", file.display()))?;
                found.push(identity);
            }
        }
    }
    Ok(found)
}

/// Reads a small file that only its owner can read. The file is opened so that nothing can block,
/// and the checks are made on the open file.
pub(super) fn read_own(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    check_own(&file)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or_default()));
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Checks that the file is regular and small, and that only its owner can read or write it.
fn check_own(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        let why = format!("others can read or write it (mode {mode:04o})");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    if metadata.len() > LARGEST {
        let why = format!("it is larger than {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(())
}
