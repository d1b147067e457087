//! The lock of a cache folder: one bake at a time. Two runs do not do the same work, and the files
//! of a killed run can be removed.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::BakeError;
use kraken_fetch::CACHE_VARIABLE;
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupted;
use kraken_foundation::lock;

/// Prefix and suffix of unfinished files.
pub(super) const PREFIX: &str = ".golden-";
pub(super) const SUFFIX: &str = ".part";

/// Waits until no other run bakes in `folder`, and removes what a killed run left there. Dropping
/// the returned file releases the lock.
pub(super) fn take(folder: &Path, job: Job<'_>) -> Result<File, BakeError> {
    let lock = File::open(folder).map_err(BakeError::io("opening the folder", folder))?;
    let waiting = "waiting for another run that bakes a golden image";
    lock::wait_exclusive(&lock, CACHE_VARIABLE, waiting, job).map_err(|error| match error.is_interrupted() {
        true => Interrupted.into(),
        false => BakeError::io("locking the folder", folder)(io::Error::other(error)),
    })?;
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
