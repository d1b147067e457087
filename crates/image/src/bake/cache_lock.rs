//! The lock of a cache folder: one bake at a time. Two runs do not do the same work, and the files
//! of a killed run can be removed.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::BakeError;
use kraken_fetch::{CACHE_VARIABLE, lock_failed};
use kraken_foundation::Job;

/// Prefix and suffix of unfinished files.
pub(super) const PREFIX: &str = ".golden-";
pub(super) const SUFFIX: &str = ".part";

/// The time between two attempts to get the lock.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until no other run bakes in `folder`, and removes what a killed run left there. Dropping
/// the returned file releases the lock.
pub(super) fn take(folder: &Path, job: Job<'_>) -> Result<File, BakeError> {
    let lock = File::open(folder).map_err(BakeError::io("opening the folder", folder))?;
    let mut said = false;
    loop {
        job.check()?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => {
                let why = lock_failed(error.into(), CACHE_VARIABLE);
                return Err(BakeError::io("locking the folder", folder)(why));
            }
        }
        if !said {
            job.note("waiting for another run that bakes a golden image");
            said = true;
        }
        std::thread::sleep(PAUSE);
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
