//! Inspects an image before anything is baked into it, and copies it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::copy::copy_used;
use crate::base::{Base, BaseTrees, OsImage};
use crate::packages::{PackagesRecord, RECORD, RecordedPackage};
use crate::provision::{self, Assets};
use kraken_disk::{Ext4Info, Ext4Tree, FatTree, FileTree, ImageFile, Layout, ReadAt, Slice, UsedMap};
use kraken_foundation::Result;
use kraken_foundation::interrupt::Interrupted;
use kraken_foundation::{Context as _, Error, Job, Kind, Sha256Hash};
use kraken_spec::{Cluster, UsedImage};

/// The file systems of an image and the facts about its system.
pub(super) struct Opened {
    pub(super) layout: Layout,
    pub(super) boot: FatTree,
    pub(super) root: Ext4Tree,
    pub(super) os: OsImage,
}

pub(super) fn open(file: &Arc<ImageFile>, path: &Path) -> Result<Opened> {
    let layout = detect(file, path)?;
    let BaseTrees { boot, root } = trees(file, &layout, path)?;
    let made_at = made_at(file, &layout, path)?;
    let os =
        OsImage::read(&boot, &root, made_at).context(|| format!("looking at the system inside {}", path.display()))?;
    Ok(Opened { layout, boot, root, os })
}

/// Returns which system a base holds, and what is left of earlier use.
///
/// # Errors
/// When the base cannot be read, or is not one that a Raspberry Pi could boot.
pub fn describe(base: &Base) -> Result<OsImage> {
    Ok(open(&open_read(&base.raw)?, &base.raw)?.os)
}

/// Checks, before anything is fetched or made for it, that a base can become that of the cluster.
///
/// # Errors
/// [`Kind::Usage`] when it has something that would be on every node and cannot be removed;
/// other errors when it cannot be read.
pub fn accepts(cluster: &Cluster, base: &Base) -> Result<()> {
    refuse_used(cluster, &base.raw, &describe(base)?)
}

/// Returns why images of this base cannot have the cluster's keyboard, judged by the base alone;
/// `None` when they can.
///
/// # Errors
/// When it cannot be read.
pub fn keyboard_refuses(cluster: &Cluster, assets: &Assets, base: &Base) -> Result<Option<Error>> {
    Ok(provision::keyboard_refuses(cluster, assets, &root_of(base)?))
}

/// Returns which mounts of this base and of the overlays hide a swarm's baked state on its node,
/// one sentence each.
///
/// # Errors
/// When it cannot be read.
pub fn covers_swarm(cluster: &Cluster, assets: &Assets, base: &Base) -> Result<Vec<String>> {
    Ok(provision::covers_swarm(cluster, assets, &root_of(base)?))
}

fn root_of(base: &Base) -> Result<Ext4Tree> {
    let file = open_read(&base.raw)?;
    let layout = detect(&file, &base.raw)?;
    trees(&file, &layout, &base.raw).map(|trees| trees.root)
}

/// Refuses a base with something that would be on every node and cannot be removed, unless the
/// cluster accepts that.
pub(super) fn refuse_used(cluster: &Cluster, base: &Path, os: &OsImage) -> Result<()> {
    let stays: Vec<_> = os.lived.stays_beside(&cluster.user.name).collect();
    if stays.is_empty() || cluster.image.used == UsedImage::Accept {
        return Ok(());
    }
    let accounts = match stays.iter().any(|stay| stay.account.is_some()) {
        true => ", make an account your own by naming it in [user]",
        false => "",
    };
    let stays: Vec<&str> = stays.iter().map(|stay| stay.what.as_str()).collect();
    let text = format!(
        "looking for what belongs to others in {}: it has been in use, and this would be on every node:\n  {}\n\
         use a fresh image{accounts}, or set used = \"accept\" in [image] of kraken.toml where all of this is wanted",
        base.display(),
        stays.join("\n  ")
    );
    Err(Error::new(Kind::Usage, text))
}

pub(super) fn open_read(path: &Path) -> Result<Arc<ImageFile>> {
    ImageFile::open_read(path).map(Arc::new).doing("opening", path)
}

pub(super) fn detect(file: &Arc<ImageFile>, path: &Path) -> Result<Layout> {
    Layout::detect(file.clone()).context(|| format!("looking for the boot and root partitions of {}", path.display()))
}

/// Returns the ranges in use.
pub(super) fn used_by(file: &Arc<ImageFile>, path: &Path) -> Result<UsedMap> {
    UsedMap::of(file.clone()).context(|| format!("mapping the used blocks of {}", path.display()))
}

fn trees(file: &Arc<ImageFile>, layout: &Layout, path: &Path) -> Result<BaseTrees> {
    let boot = layout
        .boot_tree(file.clone())
        .context(|| format!("reading the boot file system of {}", path.display()))?;
    let root = layout
        .root_tree(file.clone())
        .context(|| format!("reading the file systems of {}", path.display()))?;
    Ok(BaseTrees { boot, root })
}

/// Returns when the root file system was made or last written, whichever is later.
fn made_at(file: &Arc<ImageFile>, layout: &Layout, path: &Path) -> Result<i64> {
    let slice = Slice::new(file.clone(), layout.root.start, layout.root.len).doing("reading", path)?;
    let info = Ext4Info::read(&slice).context(|| format!("reading the root file system of {}", path.display()))?;
    Ok(info.made_at.max(info.written_at))
}

/// The packages that an image's own record lists.
#[derive(Default)]
pub(super) struct RecordedPackages {
    pub(super) packages: Vec<RecordedPackage>,
    /// SHA-256 of the record; `None` when the image has no record.
    pub(super) record_sha256: Option<Sha256Hash>,
}

/// Returns the packages that an image's record lists, none when it has no record.
pub(super) fn recorded(root: &Ext4Tree) -> Result<RecordedPackages> {
    let Some(record) = PackagesRecord::read(root)? else {
        return Ok(RecordedPackages::default());
    };
    let bytes = root.read(RECORD, u64::MAX)?.unwrap_or_default();
    Ok(RecordedPackages {
        packages: record.packages,
        record_sha256: Some(Sha256Hash::of(bytes)),
    })
}

/// A base image, opened for reading.
#[derive(Clone, Copy)]
pub(super) struct OpenBase<'a> {
    pub(super) file: &'a Arc<ImageFile>,
    pub(super) path: &'a Path,
}

/// Copies the used blocks of the base into the empty file `to`, and returns these blocks.
pub(super) fn copy_base(base: OpenBase<'_>, to: &Path, job: Job<'_>) -> Result<UsedMap> {
    let used =
        UsedMap::of(base.file.clone()).context(|| format!("mapping the used blocks of {}", base.path.display()))?;
    let task = job.task("copying the base image", Some(used.bytes()));
    let from = File::open(base.path).doing("opening", base.path)?;
    let out = File::options().write(true).open(to).doing("opening", to)?;
    // No reflink: a base may hold old data in its free blocks, a golden image holds zeros there.
    match copy_used(&from, &out, base.file.size(), &used, false, &*task, job.interrupt) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(Interrupted.into()),
        result => result.doing("copying the base to", to)?,
    };
    job.check()?;
    Ok(used)
}
