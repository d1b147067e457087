//! The folder where downloads and raw images are kept by their hash, with locks, and with records
//! of what was learnt about them.
//!
//! - `downloads/<sha256>`: files as they were downloaded; `downloads/<key>.part`: incomplete, to be
//!   resumed.
//! - `raw/<sha256>.img`: raw images, sparse; `raw/<key>.tmp`: being written. The last few stay, and
//!   recently used ones.
//! - `index/<kind>-<key>.json`: records; losing one costs time, never correctness.
//! - `locks/<key>`: held (flock(2)) by the run that works on that key.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::download;
use super::hash;
use kraken_foundation::{Context, Error, Job, Kind, Result, Sha256Hash, atomic, lock, named};

/// The variable that names the cache folder; it has precedence over XDG's.
pub const CACHE_VARIABLE: &str = "KRAKEN_FLASH_CACHE";

/// The maximum size of a record (bytes); a larger one is not ours.
const RECORD_LIMIT: u64 = 1 << 20;

/// A file that was changed within this time could change again without a change of its times.
const SETTLED: Duration = Duration::from_secs(2);

/// The cache folder.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// Held while a run works on one key; released when dropped, or when the process ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

/// Identifies a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    inode: u64,
    device: u64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            size: metadata.len(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    fn is_settled(&self) -> bool {
        let changed = self.mtime.0.max(self.ctime.0);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.is_ok_and(|now| now.as_secs().saturating_sub(SETTLED.as_secs()) as i64 > changed)
    }
}

/// What is known about the content of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    sha256: Sha256Hash,
}

/// What a file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashedFile {
    /// Its SHA-256.
    pub sha256: Sha256Hash,
    /// Its size in bytes.
    pub size: u64,
}

impl Cache {
    /// Opens the cache in `folder`; else in `$KRAKEN_FLASH_CACHE`; else in the XDG cache folder
    /// (`~/.cache/kraken-flash`). Makes the folder when it is missing.
    ///
    /// # Errors
    /// When there is no such folder or it cannot be made.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        let root = match folder {
            Some(folder) => std::path::absolute(folder).doing("finding", folder)?,
            None => Self::place()?,
        };
        for name in ["downloads", "raw", "index", "locks"] {
            let folder = root.join(name);
            fs::create_dir_all(&folder).doing("creating", &folder)?;
        }
        Ok(Self { root })
    }

    /// Returns the place of the cache that [`Self::open`] opens when no folder is named; it need
    /// not exist.
    ///
    /// # Errors
    /// When there is no home folder, or when it is relative and the current folder cannot be found.
    pub fn place() -> Result<PathBuf> {
        let root = match std::env::var_os(CACHE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) => PathBuf::from(value),
            None => directories::ProjectDirs::from("", "", "kraken-flash")
                .ok_or_else(no_folder)?
                .cache_dir()
                .to_owned(),
        };
        std::path::absolute(&root).doing("finding", &root)
    }

    /// Returns the folder itself, so that other kinds of bases can keep theirs in a folder of their
    /// own.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where the raw image with this hash is, or would be.
    pub fn raw_path(&self, sha256: &Sha256Hash) -> PathBuf {
        self.root.join("raw").join(format!("{sha256}.img"))
    }

    /// Returns where the download with this hash is, or would be.
    pub fn download_path(&self, sha256: &Sha256Hash) -> PathBuf {
        self.root.join("downloads").join(sha256.to_string())
    }

    /// Gives a finished download its name: the hash that was computed while it arrived.
    pub fn keep_download(&self, part: &Path, sha256: &Sha256Hash) -> Result<PathBuf> {
        let path = self.download_path(sha256);
        fs::rename(part, &path).doing("naming", &path)?;
        download::discard(part);
        self.remember_hash(&path, sha256)?;
        Ok(path)
    }

    /// Returns where an incomplete download is written; `key` is that of its address ([`key`]).
    pub fn part_path(&self, key: &str) -> PathBuf {
        self.root.join("downloads").join(format!("{key}.part"))
    }

    /// Returns where the raw image is written that is made under the lock `key`.
    pub fn raw_temporary(&self, key: &str) -> PathBuf {
        self.root.join("raw").join(format!("{key}.tmp"))
    }

    /// Waits until no other run works on `key`, and keeps others out until the lock is dropped.
    ///
    /// # Errors
    /// When locking fails or the interrupt was set.
    pub fn lock(&self, key: &str, job: Job<'_>) -> Result<Lock> {
        let path = self.root.join("locks").join(key);
        let file = named::open(&path).doing("opening", &path)?;
        let waiting = "waiting for another run that prepares the same file";
        lock::wait_exclusive(&file, CACHE_VARIABLE, waiting, job).doing("locking", &path)?;
        Ok(Lock(file))
    }

    /// Returns the raw image with this hash, if it exists and is unchanged.
    pub fn raw(&self, sha256: &Sha256Hash, job: Job<'_>) -> Result<Option<PathBuf>> {
        self.checked(self.raw_path(sha256), sha256, job)
    }

    /// Returns the download with this hash, if it exists and is unchanged.
    pub fn download(&self, sha256: &Sha256Hash, job: Job<'_>) -> Result<Option<PathBuf>> {
        self.checked(self.download_path(sha256), sha256, job)
    }

    fn checked(&self, path: PathBuf, sha256: &Sha256Hash, job: Job<'_>) -> Result<Option<PathBuf>> {
        // Only a regular file of ours: a link could lead anywhere.
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        if self.hash_of(&path, job)?.sha256 == *sha256 {
            return Ok(Some(path));
        }
        job.note(&format!("{} is damaged; it is removed and made again", path.display()));
        fs::remove_file(&path).doing("removing", &path)?;
        Ok(None)
    }

    /// Returns hash and size of a file, from the record when the file is unchanged since it was
    /// hashed.
    ///
    /// # Errors
    /// When the file cannot be read, changes while it is read, or the interrupt was
    /// set.
    pub fn hash_of(&self, path: &Path, job: Job<'_>) -> Result<HashedFile> {
        let file = File::open(path).doing("opening", path)?;
        let stamp = stamp(&file, path)?;
        if let Some(known) = self.record::<Known>("file", &key_of_path(path))
            && known.stamp == stamp
        {
            return Ok(HashedFile {
                sha256: known.sha256,
                size: stamp.size,
            });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let task = job.task(&format!("hashing {name}"), Some(stamp.size));
        let sha256 = hash::of_file(&file, stamp.size, &*task, job.interrupt).doing("reading", path)?;
        if self::stamp(&file, path)? != stamp {
            return Err(changing(path));
        }
        if stamp.is_settled() {
            self.remember_stamp(path, stamp.clone(), &sha256);
        }
        Ok(HashedFile {
            sha256,
            size: stamp.size,
        })
    }

    /// Records the hash of a file that this run itself has written to the end.
    pub fn remember_hash(&self, path: &Path, hash: &Sha256Hash) -> Result<()> {
        let file = File::open(path).doing("opening", path)?;
        self.remember_stamp(path, stamp(&file, path)?, hash);
        Ok(())
    }

    fn remember_stamp(&self, path: &Path, stamp: Stamp, hash: &Sha256Hash) {
        let known = Known { stamp, sha256: *hash };
        self.remember("file", &key_of_path(path), &known);
    }

    /// Returns a record; `None` when there is none, or it cannot be understood.
    pub fn record<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        let path = self.record_path(kind, key);
        let metadata = fs::metadata(&path).ok()?;
        if metadata.len() > RECORD_LIMIT {
            return None;
        }
        serde_json::from_slice(&fs::read(&path).ok()?).ok()
    }

    /// Writes a record. A failure costs time in a later run; it is not an error.
    pub fn remember<T: Serialize>(&self, kind: &str, key: &str, value: &T) {
        let path = self.record_path(kind, key);
        let written = serde_json::to_vec_pretty(value)
            .ok()
            .and_then(|bytes| atomic::write(&path, 0o600, &bytes).ok());
        if written.is_none() {
            // An old record must not outlive its replacement.
            let _ = fs::remove_file(&path);
        }
    }

    /// Removes what [`Cache::remember`] recorded; a missing record is not an error.
    pub fn forget(&self, kind: &str, key: &str) {
        let _ = fs::remove_file(self.record_path(kind, key));
    }

    fn record_path(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join("index").join(format!("{kind}-{key}.json"))
    }
}

fn no_folder() -> Error {
    let text = format!("finding the cache folder: there is no home folder; set {CACHE_VARIABLE} to a folder");
    Error::new(Kind::NotFound, text)
}

/// A file changed while it was read.
pub(crate) fn changing(path: &Path) -> Error {
    let text = format!(
        "hashing {}: it changed meanwhile; wait until nothing writes to it and run again",
        path.display()
    );
    Error::new(Kind::Conflict, text)
}

/// Makes a key of texts: hex, safe in a file name, the same in every run.
pub fn key(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..16])
}

fn key_of_path(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    key(&[path.as_os_str().as_encoded_bytes()])
}

fn stamp(file: &File, path: &Path) -> Result<Stamp> {
    let metadata = file.metadata().doing("examining", path)?;
    Ok(Stamp::of(&metadata))
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
