//! Docker's packages, locked, and copied from the user's cache: the same files for both sides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraken_fetch::Cache;
use kraken_flash::packages::lock::{LOCK, Lock, LockedSet};

use super::Result;
use super::setting::{PROGRAM, Setting, run};

/// The packages that are built into an image, and where they are.
pub(crate) struct Debs {
    /// As in `kraken.lock`.
    pub bake: LockedSet,
    /// The packages as files with names, for dpkg.
    pub files: Vec<PathBuf>,
}

/// Runs `kraken-flash fetch`, which writes the lock file of the cluster in `folder` and fills the
/// user's cache with missing packages; only this may need the network. Then copies the packages
/// into `cache` (by their hashes, for `build --offline`) and into `folder/debs` (by their names).
///
/// # Errors
/// When the download fails, or the cache lacks a package.
pub(crate) fn fetch(setting: &Setting, folder: &Path, cache: &Path) -> Result<Debs> {
    let users = Cache::open(None)?.root().join("downloads");
    let mut fetch = Command::new(PROGRAM);
    fetch
        .current_dir(folder)
        .args(["--quiet", "fetch", "--json", "--base"])
        .arg(&setting.base);
    let output = fetch.output()?;
    if !output.status.success() {
        return Err(format!("{fetch:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let base = said["sha256"].as_str().ok_or("`fetch --json` names no base")?.parse()?;
    let lock = Lock::read(&folder.join(LOCK))?;
    let bake = lock
        .set_for(base)
        .ok_or("kraken.lock has nothing for this base")?
        .clone();
    let (kept, named) = (cache.join("downloads"), folder.join("debs"));
    fs::create_dir_all(&kept)?;
    fs::create_dir_all(&named)?;
    let mut files = Vec::new();
    for package in &bake.packages {
        let file = named.join(format!("{}.deb", package.name));
        let from = users.join(package.sha256.to_string());
        fs::copy(&from, &file).map_err(|error| format!("copying {}: {error}", from.display()))?;
        run(Command::new("cp").arg(&file).arg(kept.join(package.sha256.to_string())))?;
        files.push(file);
    }
    Ok(Debs { bake, files })
}
