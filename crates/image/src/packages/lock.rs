//! `kraken.lock`: which packages, in which versions, with which hashes; beside `kraken.toml`, so that the same cluster can be baked
//! again next year, byte for byte, from the cache.
//!
//! The file is TOML. It has one `[[bake]]` for each base image: what was asked for, which archives answered, and
//! the packages that came of it. It holds no secret, and nothing of the machine that made it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use kraken_foundation::atomic;
use kraken_spec::DockerSource;
use kraken_spec::daemon::ENGINES;

/// The lock file's name.
pub const LOCK: &str = "kraken.lock";

/// The version of the format.
const FORMAT: u32 = 1;
/// A lock file larger than this (bytes) is none of ours.
const LIMIT: u64 = 64 << 20;
/// No package has more bytes than this; Debian's largest has about 1 GiB.
const LARGEST: u64 = 4 << 30;

const HEADER: &str = "\
# Made by kraken-flash: the packages that are baked into the images, with their hashes. Keep it beside kraken.toml, and under version
# control with it. `kraken-flash fetch --update` moves it on to what the archives have now.

";

/// Why the lock file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no lock file.
    #[error("reading {}: {why}; get its last good version back, or delete it and run `kraken-flash fetch`", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    format: u32,
    /// One for each base image.
    #[serde(default, rename = "bake")]
    bakes: Vec<Bake>,
}

/// What is baked into one base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bake {
    /// SHA-256 of the raw base image, in hexadecimal.
    pub base: String,
    /// What was asked for.
    pub request: Asked,
    /// Which archives were asked.
    #[serde(default, rename = "archive")]
    pub archives: Vec<LockedArchive>,
    /// The packages, sorted by name and architecture.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// What was asked for. When this changes, the packages are chosen anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Asked {
    /// Where Docker comes from.
    pub docker: DockerSource,
    /// Docker's own archive, when it is asked, and the fingerprint of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_archive: Option<String>,
    /// The fingerprint of the key of Docker's own archive, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_key: Option<String>,
    /// Packages by name; a `?` at the end: if there is such a package.
    pub packages: Vec<String>,
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// Package files.
    #[serde(default, rename = "deb", skip_serializing_if = "Vec::is_empty")]
    pub debs: Vec<LockedDeb>,
}

/// A package file of the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedDeb {
    /// As `kraken.toml` writes it.
    pub file: String,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// An archive as it was when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedArchive {
    /// Its address, as the image names it.
    pub uri: String,
    /// The suite asked for.
    pub suite: String,
    /// When the archive was made: the `Date` of its Release, in RFC 3339.
    pub date: String,
    /// The fingerprint of the key that signed it, in hexadecimal.
    pub signed_by: String,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture: the image's, or `all`.
    pub architecture: String,
    /// The `.deb`'s size in bytes.
    pub size: u64,
    /// The `.deb`'s SHA-256, in hexadecimal.
    pub sha256: String,
    /// Where the archive has it; not for a package file of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The version in the base image that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<String>,
    /// The package that needs it; `None` for one that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
    /// Bytes of the root file system that it takes, in whole blocks of 4096.
    pub unpacked: u64,
    /// Files, folders and links that it has.
    pub inodes: u64,
}

impl LockedPackage {
    /// The `.deb`'s hash as bytes. Reading a lock file checks that it is one.
    pub fn hash(&self) -> Option<[u8; 32]> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&self.sha256, &mut hash).ok()?;
        Some(hash)
    }
}

impl Bake {
    /// Bytes and inodes that the root file system must have for all packages.
    pub fn need(&self) -> (u64, u64) {
        self.packages.iter().fold((0, 0), |(bytes, inodes), package| {
            (
                bytes.saturating_add(package.unpacked),
                inodes.saturating_add(package.inodes),
            )
        })
    }

    /// The package that holds dockerd; `None` where there is none, or the base image has one already.
    pub fn engine(&self) -> Option<&LockedPackage> {
        self.packages
            .iter()
            .find(|package| ENGINES.contains(&package.name.as_str()))
    }

    /// Bytes to download.
    pub fn download_size(&self) -> u64 {
        self.packages
            .iter()
            .fold(0, |sum, package| sum.saturating_add(package.size))
    }

    fn check(&self) -> Result<(), String> {
        let is_hash = |text: &str| hex::decode(text).is_ok_and(|bytes| bytes.len() == 32);
        if !is_hash(&self.base) {
            return Err(format!("{:?} is no SHA-256 of a base image", self.base));
        }
        for package in &self.packages {
            if package.hash().is_none() || package.size > LARGEST || package.unpacked > LARGEST {
                return Err(format!(
                    "the package {:?} has a hash or size that cannot be",
                    package.name
                ));
            }
        }
        let mut names: Vec<_> = self.packages.iter().map(|p| (&p.name, &p.architecture)).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("the package {:?} is there twice", pair[0].0)),
            None => Ok(()),
        }
    }
}

impl Lock {
    /// Reads a lock file; one that is not there is empty.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io {
            doing: "reading",
            path: path.to_owned(),
            source,
        };
        let bad = |why: String| LockError::Bad {
            path: path.to_owned(),
            why,
        };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(io(error)),
            Ok(metadata) if !metadata.is_file() => return Err(bad("it is no regular file".into())),
            Ok(metadata) if metadata.len() > LIMIT => return Err(bad("it is too large to be a lock file".into())),
            Ok(_) => {}
        }
        let text = fs::read_to_string(path).map_err(io)?;
        Self::parse(&text).map_err(bad)
    }

    /// Reads the text of a lock file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().replace('\n', " "))?;
        if lock.format != FORMAT {
            return Err(format!(
                "it has format {}, and this program knows format {FORMAT}",
                lock.format
            ));
        }
        lock.bakes.iter().try_for_each(Bake::check)?;
        Ok(lock)
    }

    /// What is locked for a base image (SHA-256 of the raw image, in hexadecimal).
    pub fn bake(&self, base: &str) -> Option<&Bake> {
        self.bakes.iter().find(|bake| bake.base == base)
    }

    /// Puts a base image's packages in, in place of those that were there for it.
    pub fn put(&mut self, bake: Bake) {
        self.format = FORMAT;
        self.bakes.retain(|other| other.base != bake.base);
        self.bakes.push(bake);
        self.bakes.sort_by(|a, b| a.base.cmp(&b.base));
    }

    /// The file's text.
    pub fn to_text(&self) -> Result<String, String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        Ok(format!("{HEADER}{text}"))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`LockError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let io = |source| LockError::Io {
            doing: "writing",
            path: path.to_owned(),
            source,
        };
        let text = self.to_text().map_err(|why| io(io::Error::other(why)))?;
        atomic::write(path, 0o644, text.as_bytes()).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bake(base: u8) -> Bake {
        Bake {
            base: hex::encode([base; 32]),
            request: Asked {
                docker: DockerSource::Debian,
                docker_archive: None,
                docker_key: None,
                packages: vec!["docker.io".into()],
                recommends: false,
                debs: vec![LockedDeb {
                    file: "my.deb".into(),
                    sha256: hex::encode([3; 32]),
                }],
            },
            archives: vec![LockedArchive {
                uri: "http://archive.example.org/debian".into(),
                suite: "trixie".into(),
                date: "2026-11-21T09:15:44Z".into(),
                signed_by: hex::encode([5; 20]),
            }],
            packages: vec![LockedPackage {
                name: "docker.io".into(),
                version: "26.1.5+dfsg1-9+b10".into(),
                architecture: "arm64".into(),
                size: 23_000_000,
                sha256: hex::encode([2; 32]),
                url: Some("http://archive.example.org/debian/pool/d.deb".into()),
                upgrades: None,
                needed_by: None,
                unpacked: 90 << 20,
                inodes: 200,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut lock = Lock::default();
        lock.put(bake(2));
        lock.put(bake(1));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        assert_eq!(Lock::read(&path).unwrap(), Lock::default());
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
        assert_eq!(lock.bake(&hex::encode([1; 32])), Some(&bake(1)));
        let before = fs::read(&path).unwrap();
        lock.write(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_base_has_one_list_of_packages() {
        let mut lock = Lock::default();
        lock.put(bake(1));
        let mut newer = bake(1);
        newer.packages.clear();
        lock.put(newer.clone());
        assert_eq!(lock.bakes, [newer]);
    }

    #[test]
    fn what_is_no_lock_file_says_why() {
        let mut lock = Lock::default();
        lock.put(bake(1));
        let good = lock.to_text().unwrap();
        for (text, why) in [
            ("format = 2\n".to_owned(), "format 2"),
            ("format = 1\nx = 1\n".to_owned(), "unknown field"),
            ("format".to_owned(), "expected"),
            (good.replace(&hex::encode([2; 32]), "12"), "hash"),
            (good.replace(&hex::encode([1; 32]), "12"), "base image"),
            (good.replace("size = 23000000", "size = 99999999999999"), "size"),
            (good.replace("size = 23000000", "size = -1"), "invalid"),
        ] {
            let error = Lock::parse(&text).unwrap_err();
            assert!(error.contains(why), "{error} lacks {why:?}");
        }
    }
}
