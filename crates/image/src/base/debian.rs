//! The base `debian`: a Debian that boots on a Pi, composed on this machine from Debian's own
//! signed packages.
//!
//! `mmdebstrap` and the shell scripts beside this file do the work. This module finds out what the
//! host has (mirror, keys, tools), runs the scripts in namespaces of their own, and keeps the
//! result in the cache. A second call needs neither the network nor root.

mod compose;
mod error;
mod host;
mod release;
mod scripts;

use std::fs;
use std::path::{Path, PathBuf};

use kraken_fetch::CACHE_VARIABLE;
use kraken_foundation::{Context as _, Error, Kind, Result};
use kraken_foundation::{Job, named};

pub use error::MIRROR_VARIABLE;
pub use host::Mirror;
pub use release::Release;
pub use scripts::cached_path;

/// Returns the raw image of a Debian release: from the cache, or composed (which takes minutes,
/// root and a Debian mirror).
///
/// The image is sparse: an MBR disk of 2000 MiB with a FAT32 `bootfs` and an ext4 `rootfs`, as in
/// Raspberry Pi OS. Two processes that ask at the same time compose it once. `refresh` composes it
/// again, even when the cache has it.
///
/// # Errors
/// When it cannot be composed; then no file has the final name.
pub fn obtain(cache_dir: &Path, release: &Release, refresh: bool, job: Job<'_>) -> Result<PathBuf> {
    let image = cached_path(cache_dir, release);
    if image.is_file() && !refresh {
        return Ok(image);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Error::new(
            Kind::Permission,
            format!(
                "composing the debian base needs root (it installs packages into a tree of its own), once; after that it is taken from the \
                 cache. Run as root with the same cache: sudo env KRAKEN_FLASH_CACHE={} kraken-flash fetch --base debian",
                cache_dir.display()
            ),
        ));
    }
    let missing = host::Missing::find();
    if !missing.is_empty() {
        return Err(missing.error());
    }
    let folder = cache_dir.join("debian");
    fs::create_dir_all(&folder).doing("creating", &folder)?;
    let _lock = take_lock(&folder.join("lock"), job)?;
    if image.is_file() && !refresh {
        return Ok(image);
    }
    compose::run(release, &folder, &image, job)?;
    Ok(image)
}

/// Waits for the lock, which the returned file holds.
fn take_lock(path: &Path, job: Job<'_>) -> Result<fs::File> {
    let file = named::open(path).doing("creating", path)?;
    let waiting = "another process is composing the debian base; waiting for it";
    match kraken_foundation::lock::wait_exclusive(&file, CACHE_VARIABLE, waiting, job) {
        Ok(()) => Ok(file),
        Err(error) if error.is_interrupted() => Err(error),
        error => error.map(|()| file).quoted(|| format!("locking {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::interrupt::Interrupt;
    use kraken_foundation::progress::Silent;

    #[test]
    fn a_cached_image_is_used_without_root_or_network() {
        let cache = tempfile::tempdir().unwrap();
        let path = cached_path(cache.path(), &Release::TRIXIE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"image").unwrap();
        let found = obtain(
            cache.path(),
            &Release::TRIXIE,
            false,
            Job::new(&Silent, &Interrupt::new()),
        );
        assert_eq!(found.unwrap(), path);
    }

    #[test]
    fn the_lock_gives_way_to_an_interrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _held = take_lock(&path, Job::new(&Silent, &Interrupt::new())).unwrap();
        let interrupt = Interrupt::new();
        interrupt.set();
        let error = take_lock(&path, Job::new(&Silent, &interrupt)).unwrap_err();
        assert!(error.is_interrupted(), "{error:?}");
    }
}
