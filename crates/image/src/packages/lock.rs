//! `kraken.lock`: which packages, in which versions, with which hashes. It lies beside
//! `kraken.toml`, so that the same cluster can be baked again next year, byte for byte, from the
//! cache.
//!
//! The file is TOML. It has one `[[bake]]` for each base image: the request, the archives that were
//! used, and the resulting packages. It holds no secret, and nothing about the machine that made
//! it.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use kraken_debian::deb::Need;
use kraken_foundation::{Context as _, Error, Kind, Result, Sha256Hash, atomic};
use kraken_spec::DockerSource;
use kraken_spec::daemon::ENGINES;

/// The lock file's name.
pub const LOCK: &str = "kraken.lock";

/// The version of the format.
const FORMAT: u32 = 1;
/// A lock file larger than this (bytes) is not one of kraken-flash.
const LIMIT: u64 = 64 << 20;
/// The largest package, in bytes; Debian's largest has about 1 GiB.
const LARGEST: u64 = 4 << 30;

const HEADER: &str = "\
# Made by kraken-flash: the packages that are baked into the images, with their hashes. Keep it beside kraken.toml, and under version
# control with it. `kraken-flash fetch --update` moves it on to what the archives have now.

";

/// The contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    format: u32,
    /// One set for each base image.
    #[serde(default, rename = "bake")]
    sets: Vec<LockedSet>,
}

/// The packages that are baked into one base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedSet {
    /// SHA-256 of the raw base image.
    pub base: Sha256Hash,
    /// The request that the packages were chosen for.
    pub request: PackageSpec,
    /// The archives that were used.
    #[serde(default, rename = "archive")]
    pub archives: Vec<LockedArchive>,
    /// The packages, sorted by name and architecture.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// What a cluster asks for. When this changes, the packages are chosen again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackageSpec {
    /// Where Docker comes from.
    pub docker: DockerSource,
    /// The address of Docker's own archive, if it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_archive: Option<String>,
    /// The fingerprint of the key of Docker's own archive, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_key: Option<String>,
    /// Packages by name. A `?` at the end makes a package optional: it is left out when no archive
    /// has it.
    pub packages: Vec<String>,
    /// Whether recommended packages are included.
    pub recommends: bool,
    /// The user's own package files.
    #[serde(default, rename = "deb", skip_serializing_if = "Vec::is_empty")]
    pub debs: Vec<LockedDeb>,
}

/// A package file of the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedDeb {
    /// The path as it stands in `kraken.toml`.
    pub file: String,
    /// Its SHA-256.
    pub sha256: Sha256Hash,
}

/// An archive as it was when the packages were chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedArchive {
    /// Its address, as the image names it.
    pub uri: String,
    /// The suite that was requested.
    pub suite: String,
    /// When the archive was made: the `Date` of its Release, in RFC 3339.
    pub date: String,
    /// The fingerprint of the key that signed it, in hexadecimal.
    pub signed_by: String,
}

/// A locked package.
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
    /// The `.deb`'s SHA-256.
    pub sha256: Sha256Hash,
    /// Its address in the archive; `None` for a package file of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The version in the base image that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<String>,
    /// The package that needs it; `None` for a package that was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
    /// Bytes that it takes in the root file system, in whole blocks of 4096.
    pub unpacked: u64,
    /// The number of its files, folders and links.
    pub inodes: u64,
}

impl LockedSet {
    /// Returns the bytes and inodes that the root file system needs for all packages.
    pub fn need(&self) -> Need {
        self.packages.iter().fold(Need::default(), |sum, package| Need {
            bytes: sum.bytes.saturating_add(package.unpacked),
            inodes: sum.inodes.saturating_add(package.inodes),
        })
    }

    /// Returns the package with dockerd; `None` when there is none, or the base image already has
    /// one.
    pub fn engine(&self) -> Option<&LockedPackage> {
        self.packages
            .iter()
            .find(|package| ENGINES.contains(&package.name.as_str()))
    }

    /// Returns the number of bytes to download.
    pub fn download_size(&self) -> u64 {
        self.packages
            .iter()
            .fold(0, |sum, package| sum.saturating_add(package.size))
    }

    fn check(&self) -> Result<(), String> {
        for package in &self.packages {
            if package.size > LARGEST || package.unpacked > LARGEST {
                return Err(format!("the package {:?} has a size that cannot be", package.name));
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
    /// Reads a lock file; a missing file counts as empty.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is not a lock file; otherwise when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = |why: String| {
            let text = format!(
                "reading {}: {why}; get its last good version back, or delete it and run `kraken-flash fetch`",
                path.display()
            );
            Error::new(Kind::Damaged, text)
        };
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).doing("reading", path),
            Ok(metadata) if !metadata.is_file() => return Err(bad("it is not a regular file".into())),
            Ok(metadata) if metadata.len() > LIMIT => return Err(bad("it is too large to be a lock file".into())),
            Ok(_) => {}
        }
        let text = fs::read_to_string(path).doing("reading", path)?;
        Self::parse(&text).map_err(bad)
    }

    /// Parses the text of a lock file.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().replace('\n', " "))?;
        if lock.format != FORMAT {
            return Err(format!(
                "it has format {}, and this program knows format {FORMAT}",
                lock.format
            ));
        }
        lock.sets.iter().try_for_each(LockedSet::check)?;
        Ok(lock)
    }

    /// Returns what is locked for a base image (SHA-256 of the raw image).
    pub fn set_for(&self, base: Sha256Hash) -> Option<&LockedSet> {
        self.sets.iter().find(|set| set.base == base)
    }

    /// Adds a set, in place of an earlier one for the same base image.
    pub fn put(&mut self, set: LockedSet) {
        self.format = FORMAT;
        self.sets.retain(|other| other.base != set.base);
        self.sets.push(set);
        self.sets.sort_by_key(|set| set.base);
    }

    /// Returns the file's text.
    ///
    /// # Errors
    /// When it cannot be written as TOML.
    pub fn to_text(&self) -> Result<String, String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        Ok(format!("{HEADER}{text}"))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self
            .to_text()
            .map_err(|why| Error::new(Kind::Internal, format!("writing {}: {why}", path.display())))?;
        atomic::write(path, 0o644, text.as_bytes()).doing("writing", path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(base: u8) -> LockedSet {
        LockedSet {
            base: Sha256Hash([base; 32]),
            request: PackageSpec {
                docker: DockerSource::Debian,
                docker_archive: None,
                docker_key: None,
                packages: vec!["docker.io".into()],
                recommends: false,
                debs: vec![LockedDeb {
                    file: "my.deb".into(),
                    sha256: Sha256Hash([3; 32]),
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
                sha256: Sha256Hash([2; 32]),
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
        lock.put(set(2));
        lock.put(set(1));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        assert_eq!(Lock::read(&path).unwrap(), Lock::default());
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
        assert_eq!(lock.set_for(Sha256Hash([1; 32])), Some(&set(1)));
        let before = fs::read(&path).unwrap();
        lock.write(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_base_has_one_list_of_packages() {
        let mut lock = Lock::default();
        lock.put(set(1));
        let mut newer = set(1);
        newer.packages.clear();
        lock.put(newer.clone());
        assert_eq!(lock.sets, [newer]);
    }

    #[test]
    fn what_is_no_lock_file_says_why() {
        let mut lock = Lock::default();
        lock.put(set(1));
        let good = lock.to_text().unwrap();
        for (text, why) in [
            ("format = 2\n".to_owned(), "format 2"),
            ("format = 1\nx = 1\n".to_owned(), "unknown field"),
            ("format".to_owned(), "expected"),
            (good.replace(&hex::encode([2; 32]), "12"), "sha256 = \"12\""),
            (good.replace(&hex::encode([2; 32]), "12"), "\"12\" is not a SHA-256"),
            (good.replace(&hex::encode([1; 32]), "12"), "base = \"12\""),
            (
                good.replace(&hex::encode([1; 32]), &"AB".repeat(32)),
                "is not a SHA-256",
            ),
            (good.replace("size = 23000000", "size = 99999999999999"), "size"),
            (good.replace("size = 23000000", "size = -1"), "invalid"),
        ] {
            let error = Lock::parse(&text).unwrap_err();
            assert!(error.contains(why), "{error} lacks {why:?}");
        }
    }
}
