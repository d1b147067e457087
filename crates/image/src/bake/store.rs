//! The cache of golden images. An image is taken from it only with its record, and only while it is
//! the file that was measured.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::extents::{self, HashedExtent};
use super::inspect::{open_read, used_by};
use super::key::format;
use super::{cache_lock, hold};
use kraken_disk::{ReadAt, UsedMap};
use kraken_foundation::Job;
use kraken_foundation::atomic;
use kraken_foundation::interrupt::Interrupted;
use kraken_foundation::{Context as _, Result};

/// How many golden images the cache keeps: the one in use and earlier ones, for users who switch
/// between configurations.
const KEEP: usize = 3;

/// The record beside a cached golden image, so that the image need not be measured again.
#[derive(Serialize, Deserialize)]
struct Record {
    format: String,
    size: u64,
    stamp: Stamp,
    used: Vec<(u64, u64)>,
    #[serde(rename = "pieces")]
    extents: Vec<HashedExtent>,
}

/// The file system's data by which a file is recognised as the one that was measured.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    inode: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The used ranges of an image, and their extents with hashes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) used: UsedMap,
    pub(super) extents: Vec<HashedExtent>,
}

/// Finds the used ranges of the image at `path`, and hashes them; `what` is its name in progress
/// messages.
pub(super) fn measure(path: &Path, what: &str, job: Job<'_>) -> Result<Measured> {
    let file = open_read(path)?;
    let bytes = used_by(&file, path)?;
    let used = UsedMap::from_ranges(
        bytes
            .ranges()
            .iter()
            .map(|range| extents::whole_blocks(range, file.size())),
    );
    let task = job.task(&format!("hashing {what}"), Some(used.bytes()));
    match extents::hash_all(&*file, &used, &*task, job.interrupt) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Interrupted.into()),
        result => Ok(Measured {
            extents: result.doing("hashing", path)?,
            used,
        }),
    }
}

/// Makes an unfinished file, which `cache_lock` removes if this run does not.
pub(super) fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(cache_lock::PREFIX)
        .suffix(cache_lock::SUFFIX)
        .tempfile_in(folder)
}

/// Returns the measurements of the cached image, if the image is still the one that was measured.
pub(super) fn cached(path: &Path, record_path: &Path) -> Option<Measured> {
    let record: Record = serde_json::from_slice(&fs::read(record_path).ok()?).ok()?;
    let metadata = fs::metadata(path).ok()?;
    let same = record.format == format() && record.size == metadata.len() && record.stamp == Stamp::of(&metadata);
    same.then(|| {
        // `prune` goes by the time of the last use, kept as the record's time because the image's
        // own times are its stamp. A cache that cannot be written is still usable.
        let _ = File::open(record_path)
            .and_then(|file| file.set_times(fs::FileTimes::new().set_modified(std::time::SystemTime::now())));
        Measured {
            used: UsedMap::from_ranges(record.used.into_iter().map(|(start, end)| start..end)),
            extents: record.extents,
        }
    })
}

/// Returns whether a cached image still holds the bytes that were measured: a disk can lose data
/// without the file system noticing. If not, the image is dropped from the cache with a note, and
/// must be made again.
pub(super) fn is_sound(path: &Path, record_path: &Path, known: &Measured, job: Job<'_>) -> Result<bool> {
    let file = open_read(path)?;
    let task = job.task("checking what is in the cache", Some(known.used.bytes()));
    let found = match extents::hash_all(&*file, &known.used, &*task, job.interrupt) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(Interrupted.into()),
        // When the disk itself reports an error, the image is no better.
        Err(_) => Vec::new(),
    };
    if found == known.extents {
        return Ok(true);
    }
    job.note(&format!(
        "{} in the cache is not what it was when it was made; it is dropped, and made again (the disk under the cache may be failing)",
        path.display()
    ));
    for path in [record_path, path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).doing("removing", path);
            }
            _ => {}
        }
    }
    Ok(false)
}

/// Gives the finished image its name, then writes its record. An image without a record is baked
/// again.
pub(super) fn keep(temp: tempfile::NamedTempFile, path: &Path, record_path: &Path, known: &Measured) -> Result<()> {
    temp.persist(path).map_err(|error| error.error).doing("naming", path)?;
    let metadata = fs::metadata(path).doing("looking at", path)?;
    let record = Record {
        format: format(),
        size: metadata.len(),
        stamp: Stamp::of(&metadata),
        used: known
            .used
            .ranges()
            .iter()
            .map(|range| (range.start, range.end))
            .collect(),
        extents: known.extents.clone(),
    };
    let json = serde_json::to_vec(&record)
        .map_err(io::Error::from)
        .doing("writing", record_path)?;
    atomic::write(record_path, 0o600, &json).doing("writing", record_path)
}

/// Drops the golden images that were unused for the longest time, except those in use. A failure
/// here does not fail the bake.
pub(super) fn prune(cache: &Path, current: &Path) {
    let Ok(entries) = fs::read_dir(cache) else { return };
    let mut old: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path != current && path.extension().is_some_and(|ext| ext == "img"))
        .filter_map(|path| {
            let record = fs::metadata(path.with_extension("json"));
            let used = record.or_else(|_| fs::metadata(&path)).ok()?.modified().ok()?;
            Some((used, path))
        })
        .collect();
    old.sort();
    old.reverse();
    for (_, path) in old.into_iter().skip(KEEP - 1) {
        // A QEMU guest may run on it, or a card may be written from it.
        let Some(_alone) = hold::alone(&path) else { continue };
        let _ = fs::remove_file(path.with_extension("json"));
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::interrupt::Interrupt;
    use kraken_foundation::progress::{Progress as _, Silent};

    /// Makes an image of one MiB in a cache folder, measured.
    fn kept(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf, Measured) {
        let (path, record) = (folder.join("k.img"), folder.join("k.json"));
        let temp = temporary(folder).unwrap();
        fs::write(temp.path(), vec![7; 1 << 20]).unwrap();
        let used = UsedMap::from_ranges([4096..8192, 500_000..600_000]);
        let file = open_read(temp.path()).unwrap();
        let task = Silent.task("", None);
        let extents = extents::hash_all(&*file, &used, &*task, &Interrupt::new()).unwrap();
        let known = Measured { used, extents };
        keep(temp, &path, &record, &known).unwrap();
        (path, record, known)
    }

    /// Changes a byte of a file and restores its modification time, as a failing disk would.
    fn rot(path: &Path, at: u64) {
        use std::os::unix::fs::FileExt;
        let file = File::options().read(true).write(true).open(path).unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(b"x", at).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(before)).unwrap();
    }

    #[test]
    fn an_image_that_was_changed_is_not_taken_from_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let (path, record, known) = kept(folder.path());
        assert_eq!(cached(&path, &record), Some(known.clone()));
        assert_eq!(cached(&path, &record), Some(known), "reading it was a change");
        rot(&path, 5000);
        assert_eq!(cached(&path, &record), None, "its time of change is the old one");
        let (path, record, _) = kept(folder.path());
        fs::copy(&path, folder.path().join("other")).unwrap();
        fs::rename(folder.path().join("other"), &path).unwrap();
        assert_eq!(cached(&path, &record), None, "another file of that name");
    }

    #[test]
    fn an_image_that_another_run_uses_stays_however_old_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let image = |name: &str| folder.path().join(name);
        let names = ["a.img", "b.img", "c.img", "d.img", "e.img"];
        for (name, age) in names.into_iter().zip([5, 4, 3, 2, 1]) {
            fs::write(image(name), name).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_hours(age);
            let times = fs::FileTimes::new().set_modified(then);
            File::options()
                .write(true)
                .open(image(name))
                .unwrap()
                .set_times(times)
                .unwrap();
        }
        let held = hold::take(&image("a.img")).unwrap();
        assert!(held.is_some());
        prune(folder.path(), &image("e.img"));
        let left = || {
            names
                .into_iter()
                .filter(|name| image(name).exists())
                .collect::<Vec<_>>()
        };
        assert_eq!(left(), ["a.img", "c.img", "d.img", "e.img"]);
        drop(held);
        prune(folder.path(), &image("e.img"));
        assert_eq!(left(), ["c.img", "d.img", "e.img"]);
        assert!(hold::take(&image("a.img")).unwrap().is_none(), "it is gone");
    }

    #[test]
    fn an_image_that_rotted_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (path, record, known) = kept(folder.path());
        let sound = || is_sound(&path, &record, &known, Job::new(&Silent, &Interrupt::new())).unwrap();
        assert!(sound());
        rot(&path, 20_000);
        assert!(sound(), "what is not in use does not matter");
        rot(&path, 550_000);
        assert!(!sound());
        assert!(!path.exists() && !record.exists());
    }
}
