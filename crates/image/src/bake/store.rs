//! The cache of golden images: an image is taken from it only with its record, and only while it is the file that was measured.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::key::format;
use super::look::{open_read, used_by};
use super::pieces::{self, Piece};
use super::{BakeError, hold, turn};
use kraken_disk::{ReadAt, UsedMap};
use kraken_foundation::Job;
use kraken_foundation::atomic;
use kraken_foundation::interrupt::Interrupted;

/// How many golden images the cache keeps: the one in use and the ones before it, for who goes back and forth.
const KEEP: usize = 3;

/// What lies beside a cached golden image, so that it need not be measured again.
#[derive(Serialize, Deserialize)]
struct Record {
    format: String,
    size: u64,
    stamp: Stamp,
    used: Vec<(u64, u64)>,
    pieces: Vec<Piece>,
}

/// By what an image is known to be the file that was measured, as far as the file system tells.
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

/// The used ranges of an image, and their pieces with hashes.
pub(super) type Measured = (UsedMap, Vec<Piece>);

/// Finds the used ranges of the image at `path`, and hashes them; `what` is its name for people.
pub(super) fn measure(path: &Path, what: &str, job: Job<'_>) -> Result<Measured, BakeError> {
    let file = open_read(path)?;
    let bytes = used_by(&file, path)?;
    let used = UsedMap::from_ranges(
        bytes
            .ranges()
            .iter()
            .map(|range| pieces::whole_blocks(range, file.size())),
    );
    let task = job.task(&format!("hashing {what}"), Some(used.bytes()));
    match pieces::hash_all(&*file, &used, &*task, job.interrupt) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Interrupted.into()),
        result => Ok((used, result.map_err(BakeError::io("hashing", path))?)),
    }
}

/// A file with the name of something unfinished, which `turn` clears away when nobody does.
pub(super) fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(turn::PREFIX)
        .suffix(turn::SUFFIX)
        .tempfile_in(folder)
}

/// The cached image's measurements, if the image is still the one that was measured.
pub(super) fn cached(path: &Path, record_path: &Path) -> Option<Measured> {
    let record: Record = serde_json::from_slice(&fs::read(record_path).ok()?).ok()?;
    let metadata = fs::metadata(path).ok()?;
    let same = record.format == format() && record.size == metadata.len() && record.stamp == Stamp::of(&metadata);
    same.then(|| {
        // Newest use last, for `prune`; a cache that cannot be touched is still a cache. The record's time: the image's are its stamp.
        let _ = File::open(record_path)
            .and_then(|file| file.set_times(fs::FileTimes::new().set_modified(std::time::SystemTime::now())));
        (
            UsedMap::from_ranges(record.used.into_iter().map(|(start, end)| start..end)),
            record.pieces,
        )
    })
}

/// Whether a cached image still holds the bytes that were measured: a disk can rot without the file system noticing. One that does not
/// is dropped from the cache, with a note, and is to be made anew.
pub(super) fn is_sound(path: &Path, record_path: &Path, known: &Measured, job: Job<'_>) -> Result<bool, BakeError> {
    let file = open_read(path)?;
    let task = job.task("checking what is in the cache", Some(known.0.bytes()));
    let found = match pieces::hash_all(&*file, &known.0, &*task, job.interrupt) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(Interrupted.into()),
        // Where the disk itself reports the error, the image is no better.
        Err(_) => Vec::new(),
    };
    if found == known.1 {
        return Ok(true);
    }
    job.note(&format!(
        "{} in the cache is not what it was when it was made; it is dropped, and made anew (the disk under the cache may be failing)",
        path.display()
    ));
    for path in [record_path, path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BakeError::io("removing", path)(error));
            }
            _ => {}
        }
    }
    Ok(false)
}

/// Gives the finished image its name, then writes its record. An image without a record is baked again.
pub(super) fn keep(
    temp: tempfile::NamedTempFile,
    path: &Path,
    record_path: &Path,
    known: &Measured,
) -> Result<(), BakeError> {
    temp.persist(path)
        .map_err(|error| error.error)
        .map_err(BakeError::io("naming", path))?;
    let metadata = fs::metadata(path).map_err(BakeError::io("looking at", path))?;
    let record = Record {
        format: format(),
        size: metadata.len(),
        stamp: Stamp::of(&metadata),
        used: known.0.ranges().iter().map(|range| (range.start, range.end)).collect(),
        pieces: known.1.clone(),
    };
    let json = serde_json::to_vec(&record)
        .map_err(io::Error::from)
        .map_err(BakeError::io("writing", record_path))?;
    atomic::write(record_path, 0o600, &json).map_err(BakeError::io("writing", record_path))
}

/// Drops the golden images that were not used for the longest time, but for those that are in use now. Failing to is no failure of the bake.
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
        // Guests may run on it, or cards be written from it.
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

    /// An image of a MiB in a cache folder, measured.
    fn kept(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf, Measured) {
        let (path, record) = (folder.join("k.img"), folder.join("k.json"));
        let temp = temporary(folder).unwrap();
        fs::write(temp.path(), vec![7; 1 << 20]).unwrap();
        let used = UsedMap::from_ranges([4096..8192, 500_000..600_000]);
        let file = open_read(temp.path()).unwrap();
        let task = Silent.task("", None);
        let pieces = pieces::hash_all(&*file, &used, &*task, &Interrupt::new()).unwrap();
        keep(temp, &path, &record, &(used.clone(), pieces.clone())).unwrap();
        (path, record, (used, pieces))
    }

    /// Changes a byte of a file and puts its time of change back, as a disk that rots would.
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
        assert_eq!(cached(&path, &record), Some(known), "the first look was a change");
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
