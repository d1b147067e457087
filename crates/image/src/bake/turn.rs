//! One bake at a time in a cache folder: so two runs do not do the same work, and what a killed run left can be cleared.

use std::fs::{self, File};
use std::path::Path;

use super::BakeError;
use kraken_fetch::CACHE_VARIABLE;
use kraken_foundation::Job;
use kraken_foundation::lock::{self, LockError};

/// Prefix and suffix of files that are not finished.
pub(super) const PREFIX: &str = ".golden-";
pub(super) const SUFFIX: &str = ".part";

/// Waits until no other run bakes in `folder`, and clears what a killed one left there. The turn ends when the file is dropped.
pub(super) fn take(folder: &Path, job: Job<'_>) -> Result<File, BakeError> {
    let lock = File::open(folder).map_err(BakeError::io("opening the folder", folder))?;
    let waiting = "waiting for another run that bakes a golden image";
    match lock::wait_exclusive(&lock, CACHE_VARIABLE, waiting, job) {
        Ok(()) => {}
        Err(LockError::Interrupted(interrupted)) => return Err(interrupted.into()),
        Err(LockError::Io(source)) => return Err(BakeError::io("locking the folder", folder)(source)),
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            // It only takes up room; a run that cannot remove it can still bake.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(lock)
}
