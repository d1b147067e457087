//! The base with packages in it, cached by the hash of its inputs. Later steps treat it like any
//! other base.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::inspect::{OpenBase, copy_base, detect, open_read};
use super::key::format;
use super::store::{cached, keep, measure, prune, temporary};
use super::{cache_lock, store};
use crate::base::Base;
use crate::packages::{Need, PREINST, PackagesRecord, RECORD, ReadyPackages, RecordedPackage, SLACK};
use kraken_disk::{ImageFile, Layout, ReadAt};
use kraken_foundation::{Context as _, Error, Job, Kind, Result, Sha256Hash};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};

/// Returns by how many bytes the root file system of a base must grow for packages; `None` when
/// they fit.
///
/// # Errors
/// When the base cannot be read.
pub fn growth_for_packages(base: &Arc<ImageFile>, layout: &Layout, need: Need) -> Result<Option<u64>> {
    let bytes = need.bytes.saturating_add(SLACK);
    kraken_disk::shortfall_of(base.clone(), layout, bytes, need.inodes)
        .context(|| "looking for free space in the image")
}

/// Returns the size in bytes of an image made from a base and packages. A card must be at least as
/// large. Large overlays of the user are not included.
///
/// # Errors
/// When the base cannot be read.
pub fn card_size(base: &Base, need: Need) -> Result<u64> {
    let file = open_read(&base.raw)?;
    let layout = detect(&file, &base.raw)?;
    let growth = match need == Need::default() {
        true => None,
        false => growth_for_packages(&file, &layout, need)?,
    };
    Ok(file.size() + growth.unwrap_or(0))
}

/// A base with packages in it, and all that its bytes depend on.
#[derive(Clone, Copy)]
pub(super) struct PackagedBase<'a> {
    pub(super) base: &'a Base,
    pub(super) packages: &'a ReadyPackages,
    /// The time of the files that no package brings, in seconds since 1970-01-01 UTC.
    pub(super) time: i64,
}

impl PackagedBase<'_> {
    /// Returns the hash of the inputs: the image's name in the cache.
    pub(super) fn key(&self) -> Sha256Hash {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for part in [&format(), "packages", &self.base.raw_sha256.to_string()] {
            field(part.as_bytes());
        }
        field(&self.time.to_le_bytes());
        for package in &self.packages.locked.packages {
            for part in [&package.name, &package.version, &package.architecture] {
                field(part.as_bytes());
            }
            field(package.sha256.to_string().as_bytes());
        }
        hash.finalize().into()
    }

    /// Takes the image from `cache` (a folder), or makes it there; returns its path.
    pub(super) fn obtain(&self, cache: &Path, job: Job<'_>) -> Result<PathBuf> {
        fs::create_dir_all(cache).doing("making the folder", cache)?;
        let key = self.key();
        let path = cache.join(format!("{key}.img"));
        let record = cache.join(format!("{key}.json"));
        if cached(&path, &record).is_some() {
            job.detail(&format!("base with packages from the cache: {}", path.display()));
            return Ok(path);
        }
        let _lock = cache_lock::take(cache, job)?;
        // The run that held the lock may have made the same image.
        if cached(&path, &record).is_none() {
            let temp = temporary(cache).doing("making a file in", cache)?;
            make(*self, temp.path(), job)?;
            let known = measure(temp.path(), "the base with packages", job)?;
            keep(temp, &path, &record, &known)?;
            prune(cache, &path);
        }
        Ok(path)
    }
}

/// Returns whether the base with packages at `path` still has the bytes that were written; if not,
/// it is dropped from the cache. A base without packages is not in this cache and always passes.
pub(super) fn is_sound(path: &Path, job: Job<'_>) -> Result<bool> {
    let record = path.with_extension("json");
    match cached(path, &record) {
        Some(known) => store::is_sound(path, &record, &known, job),
        None => Ok(true),
    }
}

fn make(inputs: PackagedBase<'_>, to: &Path, job: Job<'_>) -> Result<()> {
    let PackagedBase { base, packages, time } = inputs;
    let base = base.raw.as_path();
    let file = open_read(base)?;
    let layout = detect(&file, base)?;
    let growth = growth_for_packages(&file, &layout, packages.locked.need())?;
    let count = packages.locked.packages.len();
    let task = job.task(
        &format!("unpacking {count} package{}", if count == 1 { "" } else { "s" }),
        None,
    );
    let root = layout
        .root_tree(file.clone())
        .context(|| format!("reading the file systems of {}", base.display()))?;
    let scratch = to.parent().unwrap_or(Path::new("."));
    let unpacked = kraken_debian::unpack(&root, &packages.debs, scratch, time, job.interrupt)
        .context(|| "laying out the packages")?;
    let overlay = with_record(unpacked, packages, time)?;
    drop(task);
    let open_base = OpenBase {
        file: &file,
        path: base,
    };
    copy_base(open_base, to, job)?;
    if let Some(more) = growth {
        job.detail(&format!(
            "the root file system grows by {} MiB for the packages",
            more >> 20
        ));
        kraken_disk::grow_root(to, base, more).context(|| "enlarging the root file system")?;
    }
    job.check()?;
    let task = job.task("baking the packages", None);
    let file = Arc::new(ImageFile::open_write(to).doing("opening", to)?);
    let layout = detect(&file, to)?;
    kraken_disk::apply(file.clone(), &layout, &overlay).context(|| "writing into the image")?;
    file.sync().doing("writing", to)?;
    drop(task);
    job.check()?;
    Ok(())
}

/// Returns the packages' files, the list of preinst scripts to run before the packages are
/// configured, and the record of all that.
fn with_record(unpacked: kraken_debian::Unpacked, packages: &ReadyPackages, time: i64) -> Result<Overlay> {
    let mut overlay = unpacked.overlay;
    let mut put = |path: &str, bytes: Vec<u8>| -> Result<()> {
        let place = entry_path(path)?;
        overlay.insert(Volume::Root, place, Entry::file(bytes, 0o644, time));
        Ok(())
    };
    if !unpacked.preinsts.is_empty() {
        let lines: String = unpacked.preinsts.iter().map(kraken_debian::Preinst::line).collect();
        put(PREINST, lines.into_bytes())?;
    }
    let recorded = packages.locked.packages.iter().map(|package| RecordedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.sha256,
    });
    let record = PackagesRecord::new(recorded.collect(), &overlay);
    let json = record.to_json().doing("writing", RECORD)?;
    let place = entry_path(RECORD)?;
    overlay.insert(Volume::Root, place, Entry::file(json.into_bytes(), 0o644, time));
    Ok(overlay)
}

/// Makes a path in the image.
fn entry_path(path: &str) -> Result<EntryPath> {
    EntryPath::new(path)
        .map_err(|error| Error::typed(Kind::Unsupported, error))
        .context(|| "laying out the packages")
}
