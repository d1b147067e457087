//! The cache of golden images: an image is taken from it only with its record, and only while it is the file that was measured.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::golden::FORMAT;
use super::pieces::Piece;
use super::{BakeError, turn};
use crate::disk::UsedMap;

/// How many golden images the cache keeps: the one in use and the ones before it, for who goes back and forth.
const KEEP: usize = 3;

/// What lies beside a cached golden image, so that it need not be measured again.
#[derive(Serialize, Deserialize)]
struct Record {
    format: String,
    size: u64,
    mtime: (i64, i64),
    used: Vec<(u64, u64)>,
    pieces: Vec<Piece>,
}

/// The used ranges of an image, and their pieces with hashes.
pub(super) type Measured = (UsedMap, Vec<Piece>);

/// A file with the name of something unfinished, which `turn` clears away when nobody does.
pub(super) fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(turn::PREFIX)
        .suffix(turn::SUFFIX)
        .tempfile_in(folder)
}

/// The cached image's measurements, if the image is still the one that was measured.
pub(super) fn cached(path: &Path, record: &Path) -> Option<Measured> {
    let record: Record = serde_json::from_slice(&fs::read(record).ok()?).ok()?;
    let metadata = fs::metadata(path).ok()?;
    let same = record.format == FORMAT
        && record.size == metadata.len()
        && record.mtime == (metadata.mtime(), metadata.mtime_nsec());
    // Newest use last, for `prune`; a cache that cannot be touched is still a cache.
    same.then(|| {
        let _ = File::open(path)
            .and_then(|file| file.set_times(fs::FileTimes::new().set_accessed(std::time::SystemTime::now())));
        (
            UsedMap::from_ranges(record.used.into_iter().map(|(start, end)| start..end)),
            record.pieces,
        )
    })
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
        format: FORMAT.into(),
        size: metadata.len(),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        used: known.0.ranges().iter().map(|range| (range.start, range.end)).collect(),
        pieces: known.1.clone(),
    };
    let json = serde_json::to_vec(&record)
        .map_err(io::Error::from)
        .map_err(BakeError::io("writing", record_path))?;
    let folder = record_path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut out = temporary(folder)?;
        io::Write::write_all(&mut out, &json)?;
        out.persist(record_path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(BakeError::io("writing", record_path))
}

/// Drops the golden images that were not used for the longest time. Failing to is no failure of the bake.
pub(super) fn prune(cache: &Path, current: &Path) {
    let Ok(entries) = fs::read_dir(cache) else { return };
    let mut old: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path != current && path.extension().is_some_and(|ext| ext == "img"))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.accessed().ok()?, path)))
        .collect();
    old.sort();
    old.reverse();
    for (_, path) in old.into_iter().skip(KEEP - 1) {
        let _ = fs::remove_file(path.with_extension("json"));
        let _ = fs::remove_file(path);
    }
}
