//! The lock of a cache folder: one bake at a time. Two runs do not do the same work, and the files
//! of a killed run can be removed.

use std::fs::{self, File};
use std::path::Path;

use kraken_fetch::CACHE_VARIABLE;
use kraken_foundation::Job;
use kraken_foundation::lock;
use kraken_foundation::{Context as _, Result};

/// Prefix and suffix of unfinished files.
pub(super) const PREFIX: &str = ".golden-";
pub(super) const SUFFIX: &str = ".part";

/// Waits until no other run bakes in `folder`, and removes what a killed run left there. Dropping
/// the returned file releases the lock.
pub(super) fn take(folder: &Path, job: Job<'_>) -> Result<File> {
    let lock = File::open(folder).doing("opening the folder", folder)?;
    let waiting = "waiting for another run that bakes a golden image";
    match lock::wait_exclusive(&lock, CACHE_VARIABLE, waiting, job) {
        Err(error) if error.is_interrupted() => return Err(error),
        waited => waited.quoted(|| format!("locking the folder {}", folder.display()))?,
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            // The file only takes up space; a run that cannot remove it can still bake.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(lock)
}
