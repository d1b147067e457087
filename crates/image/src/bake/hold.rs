//! Locks on cached images that are in use: another run does not drop them.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kraken_fetch::CACHE_VARIABLE;
use kraken_foundation::lock;
use kraken_foundation::{Context as _, Result};

/// As long as it lives, its image stays in the cache.
pub(super) struct Hold(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

/// Keeps the image at `path` in the cache; `None` when another run has just dropped it.
pub(super) fn take(path: &Path) -> Result<Option<Hold>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing("opening", path),
    };
    // A run that holds the exclusive lock is about to drop the image, which takes no time.
    lock::shared(&file, CACHE_VARIABLE).doing("locking", path)?;
    let metadata = file.metadata().doing("looking at", path)?;
    Ok((metadata.nlink() > 0).then_some(Hold(file)))
}

/// Takes the image at `path` exclusively in order to drop it; `None` while another run uses it. On
/// a file system without locks, uses cannot be detected.
pub(super) fn alone(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    let is_free = lock::try_exclusive(&file, CACHE_VARIABLE).unwrap_or(true);
    is_free.then_some(file)
}
