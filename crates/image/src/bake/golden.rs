//! The golden image: the base with everything that all nodes share, cached by the hash of its inputs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::hold::{self, Hold};
use super::key::format;
use super::look::{Opened, copy_base, detect, open, open_read, recorded, refuse_used, used_by};
use super::pieces::Piece;
use super::store::{cached, is_sound, keep, measure, prune, temporary};
use super::{Admission, BakeError, Inputs, freed, packaged, turn};
use crate::base::OsImage;
use crate::packages::RecordedPackage;
use crate::provision::{self, Assets, Context, Rejoin};
use kraken_disk::{CleanFat, ImageFile, Layout, ReadAt, UsedMap};
use kraken_foundation::Job;
use kraken_overlay::Overlay;
use kraken_spec::{Cluster, Role, SwarmMode};

/// A golden image on disk, opened.
pub struct GoldenImage {
    path: PathBuf,
    key: String,
    file: Arc<ImageFile>,
    layout: Layout,
    /// The boot volume, looked over once for all nodes. `None` when it has a fault that does no harm, which baking leaves none of: then
    /// each node's writer looks it over, and puts it right.
    clean: Option<CleanFat>,
    os: OsImage,
    described: String,
    clock_floor: i64,
    base_sha256: String,
    /// The packages baked in, and the SHA-256 of their record.
    packages: (Vec<RecordedPackage>, Option<String>),
    used: UsedMap,
    pieces: Vec<Piece>,
    /// Guests run on the file, by its name.
    _stays: Hold,
}

/// A golden image together with the inputs it was made from.
pub struct Golden {
    inputs: Inputs,
    image: GoldenImage,
}

/// Makes the golden image, or takes it from `cache` (a folder).
///
/// # Errors
/// [`BakeError`]; nothing is left in the cache then.
pub fn bake(inputs: Inputs, cache: &Path, job: Job<'_>) -> Result<Golden, BakeError> {
    for _ in 0..2 {
        if let Some(golden) = attempt(&inputs, cache, job)? {
            return Ok(golden);
        }
    }
    Err(BakeError::Rots { cache: cache.into() })
}

/// As [`bake`]; `None` when something in the cache was found damaged, and dropped.
fn attempt(inputs: &Inputs, cache: &Path, job: Job<'_>) -> Result<Option<Golden>, BakeError> {
    let base = &inputs.base;
    if inputs.cluster.swarm.mode != SwarmMode::None && matches!(inputs.admission, Admission::None) {
        return Err(BakeError::NoKeys);
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
    // With packages in it, it is another base; what it is called stays.
    let (start, file, opened, _start_stays) = match inputs
        .packages
        .as_deref()
        .filter(|selection| !selection.bake.packages.is_empty())
    {
        None => (base.raw.clone(), file, opened, None),
        Some(selection) => {
            let folder = cache.join("packaged");
            let from = (base.raw.as_path(), base.raw_sha256.as_str());
            let path = packaged::obtain(from, (selection, clock_floor), &folder, job)?;
            let Some(stays) = hold::take(&path)? else {
                return Ok(None);
            };
            let file = open_read(&path)?;
            let opened = open(&file, &path)?;
            (path, file, opened, Some(stays))
        }
    };
    let start_key = match inputs.packages.as_deref() {
        None => base.raw_sha256.clone(),
        Some(selection) => packaged::key(&base.raw_sha256, selection, clock_floor),
    };
    let context = Context {
        cluster: &inputs.cluster,
        os: &opened.os,
        boot: &opened.boot,
        root: &opened.root,
        clock_floor,
        base_sha256: &base.raw_sha256,
        keys: inputs.admission.keys(),
        rejoin: inputs.admission.rejoin(),
    };
    let mut common = provision::pristine(&context, &inputs.assets)?;
    common.merge(provision::common(&context, &inputs.assets)?);
    let growth = growth(&file, &opened.layout, &context, &inputs.assets, &common)?;
    let key = key(&start_key, &common, growth);
    fs::create_dir_all(cache).map_err(BakeError::io("making the folder", cache))?;
    let path = cache.join(format!("{key}.img"));
    let record_path = cache.join(format!("{key}.json"));
    let (used, pieces) = match cached(&path, &record_path) {
        Some(known) => {
            if !is_sound(&path, &record_path, &known, job)? {
                return Ok(None);
            }
            job.detail(&format!("golden image from the cache: {}", path.display()));
            known
        }
        None => {
            let _turn = turn::take(cache, job)?;
            // The run that was waited for may have made the same one.
            match cached(&path, &record_path) {
                Some(known) => known,
                None => {
                    // Only now is all of it read; what it was made from has been hashed when it was made.
                    if inputs.packages.is_some() && !packaged::is_sound(&start, job)? {
                        return Ok(None);
                    }
                    let temp = temporary(cache).map_err(BakeError::io("making a file in", cache))?;
                    make((&file, &start), (&common, growth), temp.path(), job)?;
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
    // Looked at anew: an overlay may have changed what configures the system on its first boot.
    let Opened { layout, os, root, .. } = open(&file, &path)?;
    let packages = recorded(&root).map_err(|source| BakeError::Tree {
        path: path.clone(),
        source,
    })?;
    let clean = CleanFat::of(&*file, &layout.boot).ok();
    let base_sha256 = base.raw_sha256.clone();
    let image = GoldenImage {
        path,
        key,
        file,
        layout,
        clean,
        os,
        described,
        clock_floor,
        base_sha256,
        packages,
        used,
        pieces,
        _stays: stays,
    };
    Ok(Some(Golden {
        inputs: inputs.clone(),
        image,
    }))
}

/// Refuses an image that a board of the cluster cannot run.
fn refuse_wrong_architecture(cluster: &Cluster, os: &OsImage) -> Result<(), BakeError> {
    let architecture = os.architecture.as_str();
    if !["arm64", "armhf", "armel"].contains(&architecture) {
        return Err(BakeError::NotForPi {
            architecture: architecture.into(),
        });
    }
    match cluster
        .nodes
        .iter()
        .find(|node| architecture == "arm64" && !node.board.is_64_bit())
    {
        None => Ok(()),
        Some(node) => Err(BakeError::WrongArchitecture {
            hostname: node.hostname.clone(),
            board: node.board.to_string(),
            architecture: architecture.into(),
        }),
    }
}

/// By how many bytes the root file system must grow so that what all nodes share fits, and what any one node has besides.
/// Nodes of one role differ in a few lines, so the first of each role speaks for the rest; the margin is far larger than that.
fn growth(
    base: &Arc<ImageFile>,
    layout: &Layout,
    context: &Context<'_>,
    assets: &Assets,
    common: &Overlay,
) -> Result<Option<u64>, BakeError> {
    // Cards that join are smaller; and the only manager of a cluster, which speaks for managers here, is none that could.
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
        all.merge(provision::node(context, assets, node)?);
        most = most.max(kraken_disk::shortfall(base.clone(), layout, &all)?);
    }
    Ok(most)
}

fn key(base_sha256: &str, common: &Overlay, growth: Option<u64>) -> String {
    let mut hash = Sha256::new();
    let growth = growth.unwrap_or(0).to_le_bytes();
    for part in [format().as_bytes(), base_sha256.as_bytes(), &common.digest(), &growth] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// Copies the base's used blocks to `to`, grows the root file system when what is baked needs room, and lays `common` over it.
fn make(
    (base, base_path): (&Arc<ImageFile>, &Path),
    (common, growth): (&Overlay, Option<u64>),
    to: &Path,
    job: Job<'_>,
) -> Result<(), BakeError> {
    let before = copy_base((base, base_path), to, job)?;
    let task = job.task("baking what all nodes share", None);
    if let Some(more) = growth {
        job.detail(&format!("the root file system grows by {} MiB", more >> 20));
        kraken_disk::grow_root(to, more).map_err(|error| error.of(base_path))?;
    }
    job.check()?;
    let file = Arc::new(ImageFile::open_write(to).map_err(BakeError::io("opening", to))?);
    let layout = detect(&file, to)?;
    for fault in kraken_disk::mend_fat(&*file, &layout.boot).map_err(|source| BakeError::Boot {
        path: base_path.into(),
        source,
    })? {
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
        .map_err(kraken_disk::LayoutError::from)
        .map_err(|source| BakeError::Layout {
            path: base_path.into(),
            source,
        })?;
    // Read anew: the type is part of it.
    let layout = detect(&file, to)?;
    kraken_disk::apply(file.clone(), &layout, common)?;
    let after = used_by(&file, to)?;
    freed::clear(&file, &before, &after).map_err(BakeError::io("clearing what was freed in", to))?;
    file.sync().map_err(BakeError::io("writing", to))?;
    drop(task);
    Ok(())
}

impl GoldenImage {
    /// The file, opened: it can be read even after the cache dropped it.
    pub(crate) fn file(&self) -> &Arc<ImageFile> {
        &self.file
    }
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The hash of its inputs, in hexadecimal.
    pub fn key(&self) -> &str {
        &self.key
    }
    /// The boot volume, looked over once for all nodes; `None` when each node's writer has to look it over.
    pub(super) fn clean(&self) -> Option<&CleanFat> {
        self.clean.as_ref()
    }
    /// Its partitions.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
    /// The system inside.
    pub fn os(&self) -> &OsImage {
        &self.os
    }
    /// What system the base was and whether it had been in use, in words.
    pub fn described(&self) -> &str {
        &self.described
    }
    /// No node's clock starts before this, in seconds since 1970-01-01 UTC.
    pub fn clock_floor(&self) -> i64 {
        self.clock_floor
    }
    /// SHA-256 of the raw base image, in hexadecimal.
    pub fn base_sha256(&self) -> &str {
        &self.base_sha256
    }
    /// The packages baked in.
    pub fn packages(&self) -> &[RecordedPackage] {
        &self.packages.0
    }
    /// SHA-256 of the record of the packages, in hexadecimal; `None` when there are none.
    pub fn packages_sha256(&self) -> Option<&str> {
        self.packages.1.as_deref()
    }
    /// The ranges in use; everything else reads as zeros.
    pub fn used(&self) -> &UsedMap {
        &self.used
    }
    /// The ranges in use, cut into pieces, with their hashes.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
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
    /// The image.
    pub fn image(&self) -> &GoldenImage {
        &self.image
    }

    /// What it was made from.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }
}
