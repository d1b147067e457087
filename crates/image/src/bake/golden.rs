//! The golden image: the base with everything that all nodes share, cached by the hash of its
//! inputs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::extents::HashedExtent;
use super::hold::{self, Hold};
use super::inspect::{
    OpenBase, Opened, RecordedPackages, copy_base, detect, open, open_read, recorded, refuse_used, used_by,
};
use super::key::format;
use super::packaged::PackagedBase;
use super::store::{Measured, cached, is_sound, keep, measure, prune, temporary};
use super::{Admission, Inputs, cache_lock, freed, packaged};
use crate::base::OsImage;
use crate::packages::RecordedPackage;
use crate::provision::{self, Assets, Context, Rejoin};
use kraken_disk::{CleanFat, ImageFile, Layout, ReadAt, UsedMap};
use kraken_foundation::{Context as _, Error, Job, Kind, Result, Sha256Hash};
use kraken_overlay::Overlay;
use kraken_spec::{Cluster, Role, SwarmMode};

/// Stands before an error of provisioning.
pub(super) const PREPARING: &str = "preparing what goes onto the cards";

/// A golden image on disk, opened.
pub struct GoldenImage {
    path: PathBuf,
    key: Sha256Hash,
    file: Arc<ImageFile>,
    layout: Layout,
    /// The boot volume, checked once for all nodes. `None` when it has a harmless fault, which
    /// baking should not leave: then each node's writer checks and repairs it.
    clean: Option<CleanFat>,
    os: OsImage,
    described: String,
    clock_floor: i64,
    base_sha256: Sha256Hash,
    packages: RecordedPackages,
    measured: Measured,
    /// QEMU guests use the file by its name.
    _stays: Hold,
}

/// A golden image together with the inputs that it was made from.
pub struct Golden {
    inputs: Inputs,
    image: GoldenImage,
}

/// Makes the golden image, or takes it from `cache` (a folder).
///
/// # Errors
/// When the base cannot be used or the files cannot be written; then nothing is left in the cache.
pub fn bake(inputs: Inputs, cache: &Path, job: Job<'_>) -> Result<Golden> {
    for _ in 0..2 {
        if let Some(golden) = attempt(&inputs, cache, job)? {
            return Ok(golden);
        }
    }
    Err(Error::new(
        Kind::Damaged,
        format!(
            "what was baked into {} is not what it was when it was made, twice in a row: the disk or the memory of this machine is failing; \
             check them, or set another cache folder (KRAKEN_FLASH_CACHE)",
            cache.display()
        ),
    ))
}

/// As [`bake`]; `None` when something in the cache was damaged and has been dropped.
fn attempt(inputs: &Inputs, cache: &Path, job: Job<'_>) -> Result<Option<Golden>> {
    let base = &inputs.base;
    if inputs.cluster.swarm.mode != SwarmMode::None && matches!(inputs.admission, Admission::None) {
        return Err(Error::new(
            Kind::NotFound,
            "the cluster is to be a swarm, and its keys are missing; `kraken-flash init` makes them",
        ));
    }
    let file = open_read(&base.raw)?;
    let opened = open(&file, &base.raw)?;
    refuse_wrong_architecture(&inputs.cluster, &opened.os)?;
    refuse_used(&inputs.cluster, &base.raw, &opened.os)?;
    let described = opened.os.in_words();
    let clock_floor = inputs
        .cluster
        .system
        .clock_floor
        .unwrap_or(i64::MIN)
        .max(opened.os.made_at);
    let packaged_base = |packages| PackagedBase {
        base: base.as_ref(),
        packages,
        time: clock_floor,
    };
    // With packages in it, it is another base; its name for the user stays the same.
    let (start, file, opened, _start_stays) = match inputs
        .packages
        .as_deref()
        .filter(|ready| !ready.locked.packages.is_empty())
    {
        None => (base.raw.clone(), file, opened, None),
        Some(packages) => {
            let folder = cache.join("packaged");
            let path = packaged_base(packages).obtain(&folder, job)?;
            let Some(stays) = hold::take(&path)? else {
                return Ok(None);
            };
            let file = open_read(&path)?;
            let opened = open(&file, &path)?;
            (path, file, opened, Some(stays))
        }
    };
    let start_key = match inputs.packages.as_deref() {
        None => base.raw_sha256,
        Some(packages) => packaged_base(packages).key(),
    };
    let context = Context {
        cluster: &inputs.cluster,
        os: &opened.os,
        boot: &opened.boot,
        root: &opened.root,
        clock_floor,
        base_sha256: base.raw_sha256,
        keys: inputs.admission.keys(),
        rejoin: inputs.admission.rejoin(),
    };
    let mut common = provision::pristine(&context, &inputs.assets).context(|| PREPARING)?;
    common.merge(provision::common(&context, &inputs.assets).context(|| PREPARING)?);
    let growth = growth(&file, &opened.layout, &context, &inputs.assets, &common)?;
    let key = key(start_key, &common, growth);
    fs::create_dir_all(cache).doing("making the folder", cache)?;
    let path = cache.join(format!("{key}.img"));
    let record_path = cache.join(format!("{key}.json"));
    let measured = match cached(&path, &record_path) {
        Some(known) => {
            if !is_sound(&path, &record_path, &known, job)? {
                return Ok(None);
            }
            job.detail(&format!("golden image from the cache: {}", path.display()));
            known
        }
        None => {
            let _lock = cache_lock::take(cache, job)?;
            // The run that held the lock may have made the same image.
            match cached(&path, &record_path) {
                Some(known) => known,
                None => {
                    // Only now the whole file is read. Its hashes were computed when it was made.
                    if inputs.packages.is_some() && !packaged::is_sound(&start, job)? {
                        return Ok(None);
                    }
                    let temp = temporary(cache).doing("making a file in", cache)?;
                    let base = OpenBase {
                        file: &file,
                        path: &start,
                    };
                    make(base, &common, growth, temp.path(), job)?;
                    let known = measure(temp.path(), "the golden image", job)?;
                    keep(temp, &path, &record_path, &known)?;
                    prune(cache, &path);
                    known
                }
            }
        }
    };
    let Some(stays) = hold::take(&path)? else {
        return Ok(None);
    };
    let file = open_read(&path)?;
    // Read again: an overlay may have changed how the system is configured on its first boot.
    let Opened { layout, os, root, .. } = open(&file, &path)?;
    let packages = recorded(&root).context(|| format!("reading the file systems of {}", path.display()))?;
    let clean = CleanFat::of(&*file, &layout.boot).ok();
    let image = GoldenImage {
        path,
        key,
        file,
        layout,
        clean,
        os,
        described,
        clock_floor,
        base_sha256: base.raw_sha256,
        packages,
        measured,
        _stays: stays,
    };
    Ok(Some(Golden {
        inputs: inputs.clone(),
        image,
    }))
}

/// Refuses an image that a board of the cluster cannot run.
fn refuse_wrong_architecture(cluster: &Cluster, os: &OsImage) -> Result<()> {
    let architecture = os.architecture.as_str();
    if !["arm64", "armhf", "armel"].contains(&architecture) {
        return Err(Error::new(
            Kind::Unsupported,
            format!("the base is for {architecture}, which no Raspberry Pi runs; choose one for arm64 or armhf"),
        ));
    }
    match cluster
        .nodes
        .iter()
        .find(|node| architecture == "arm64" && !node.board.is_64_bit())
    {
        None => Ok(()),
        Some(node) => Err(Error::new(
            Kind::Usage,
            format!(
                "{} is a {}, which runs only 32-bit systems, and the base is {architecture}; choose an armhf base, or correct its `board`",
                node.hostname, node.board
            ),
        )),
    }
}

/// Returns by how many bytes the root file system must grow so that the shared files and those of
/// any one node fit; `None` when they fit already. Nodes of one role differ in a few lines, so the
/// first node of each role stands for the others; the margin is far larger than the difference.
fn growth(
    base: &Arc<ImageFile>,
    layout: &Layout,
    context: &Context<'_>,
    assets: &Assets,
    common: &Overlay,
) -> Result<Option<u64>> {
    // Cards that join need less space. Here the only manager of a cluster stands for managers, and
    // it cannot join.
    let context = &Context {
        rejoin: Rejoin::No,
        ..*context
    };
    let mut most = None;
    for role in [Role::Manager, Role::Worker] {
        let Some(node) = context.cluster.nodes.iter().find(|node| node.role == role) else {
            continue;
        };
        let mut all = common.clone();
        all.merge(provision::node(context, assets, node).context(|| PREPARING)?);
        most = most
            .max(kraken_disk::shortfall(base.clone(), layout, &all).context(|| "looking for free space in the image")?);
    }
    Ok(most)
}

fn key(base_sha256: Sha256Hash, common: &Overlay, growth: Option<u64>) -> Sha256Hash {
    let mut hash = Sha256::new();
    let base = base_sha256.to_string();
    let growth = growth.unwrap_or(0).to_le_bytes();
    for part in [format().as_bytes(), base.as_bytes(), &common.digest(), &growth] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Copies the base's used blocks to `to`, grows the root file system by `growth` bytes if
/// necessary, and writes `common` into it.
fn make(base: OpenBase<'_>, common: &Overlay, growth: Option<u64>, to: &Path, job: Job<'_>) -> Result<()> {
    let before = copy_base(base, to, job)?;
    let task = job.task("baking what all nodes share", None);
    if let Some(more) = growth {
        job.detail(&format!("the root file system grows by {} MiB", more >> 20));
        kraken_disk::grow_root(to, base.path, more).context(|| "enlarging the root file system")?;
    }
    job.check()?;
    let file = Arc::new(ImageFile::open_write(to).doing("opening", to)?);
    let layout = detect(&file, to)?;
    for fault in kraken_disk::repair_fat(&*file, &layout.boot)
        .context(|| format!("repairing the boot file system of {}", base.path.display()))?
    {
        job.note(&format!(
            "the boot volume of the base had a fault that the images do not have: {fault}"
        ));
    }
    if !layout.table.firmware_reads(&layout.boot) {
        job.note(&format!(
            "the boot partition of the base has the type {}, in which the firmware does not look for its files; in the images it has the usual one",
            layout.boot.kind
        ));
    }
    kraken_disk::mark_boot(&*file, &layout.boot)
        .context(|| format!("setting the type of the boot partition of {}", base.path.display()))?;
    // Read again, because the partition type has changed.
    let layout = detect(&file, to)?;
    kraken_disk::apply(file.clone(), &layout, common).context(|| "writing into the image")?;
    let after = used_by(&file, to)?;
    freed::clear(&file, &before, &after).doing("clearing what was freed in", to)?;
    file.sync().doing("writing", to)?;
    drop(task);
    Ok(())
}

impl GoldenImage {
    /// Returns the open file, which stays readable even after the cache dropped it.
    pub(crate) fn file(&self) -> &Arc<ImageFile> {
        &self.file
    }
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Returns the hash of its inputs.
    pub fn key(&self) -> Sha256Hash {
        self.key
    }
    /// Returns the boot volume, checked once for all nodes; `None` when each node's writer has to
    /// check it.
    pub(super) fn clean(&self) -> Option<&CleanFat> {
        self.clean.as_ref()
    }
    /// Returns its partitions.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
    /// Returns the system inside.
    pub fn os(&self) -> &OsImage {
        &self.os
    }
    /// Describes, for the user, the system of the base and whether it had been in use.
    pub fn described(&self) -> &str {
        &self.described
    }
    /// Returns the time before which no node's clock starts, in seconds since 1970-01-01 UTC.
    pub fn clock_floor(&self) -> i64 {
        self.clock_floor
    }
    /// Returns the SHA-256 of the raw base image.
    pub fn base_sha256(&self) -> Sha256Hash {
        self.base_sha256
    }
    /// Returns the packages that are baked in.
    pub fn packages(&self) -> &[RecordedPackage] {
        &self.packages.packages
    }
    /// Returns the SHA-256 of the record of the packages; `None` when there are none.
    pub fn packages_sha256(&self) -> Option<Sha256Hash> {
        self.packages.record_sha256
    }
    /// Returns the ranges in use; everything else reads as zeros.
    pub fn used(&self) -> &UsedMap {
        &self.measured.used
    }
    /// Returns the used extents with their hashes.
    pub fn hashed_extents(&self) -> &[HashedExtent] {
        &self.measured.extents
    }
}

impl ReadAt for GoldenImage {
    fn size(&self) -> u64 {
        self.file.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buf)
    }
}

impl Golden {
    /// Returns the image.
    pub fn image(&self) -> &GoldenImage {
        &self.image
    }

    /// Returns the inputs that it was made from.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }
}
