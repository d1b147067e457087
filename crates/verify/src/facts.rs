//! Reads what is on an image, for `inspect`. Nothing is compared with kraken.toml.

use std::path::Path;
use std::sync::Arc;

use super::packages::{self, Against};
use super::report::ImageReport;
use super::volumes::ImageVolume;
use kraken_disk::{Ext4Info, Ext4Tree, ImageFile, Layout, PartitionTable, ReadAt, Slice, TableKind, UsedMap};
use kraken_fetch::{Format, recognise};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::{Context as _, Error, Kind, Result};
use kraken_image::base::OsImage;
use kraken_image::packages::RecordedPackage;
use kraken_image::provision::NodeRecord;
use serde::Serialize;

/// What is known of an image. What could not be read is `None`, and `problems` says why.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    /// Size in bytes.
    pub size: u64,
    /// The kind of the partition table (`mbr` or `gpt`) with the disk's identifier.
    pub table: Option<String>,
    /// The partitions.
    pub partitions: Vec<PartitionFacts>,
    /// Bytes in use on the whole disk.
    pub used_bytes: Option<u64>,
    /// The system.
    pub system: Option<OsImage>,
    /// The packages that were baked in.
    pub packages: Vec<RecordedPackage>,
    /// The node that the image was made for.
    pub node: Option<NodeRecord>,
    /// What could not be read, one line each.
    pub problems: Vec<String>,
}

/// One partition.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartitionFacts {
    /// The number in the table.
    pub number: u32,
    /// The start in bytes.
    pub start: u64,
    /// The length in bytes.
    pub size: u64,
    /// The type: two hexadecimal digits (MBR) or a GUID (GPT).
    pub kind: String,
    /// `boot`, `root`, or empty.
    pub purpose: &'static str,
    /// The PARTUUID.
    pub partuuid: String,
    /// The free bytes of the file system.
    pub free: Option<u64>,
}

/// Reads everything that is known of a raw image.
///
/// # Errors
/// If the file cannot be opened, or is packed.
pub fn inspect(path: &Path, interrupt: &Interrupt) -> Result<Facts> {
    // A file of unknown format is shown as far as it can be read.
    if recognise(path).is_ok_and(|format| format != Format::Raw) {
        let text = format!(
            "{} is not a raw image; unpack it first, or verify the raw one",
            path.display()
        );
        return Err(Error::new(Kind::Unsupported, text));
    }
    let file = Arc::new(ImageFile::open_read(path).doing("opening", path)?);
    let mut facts = Facts {
        size: file.size(),
        ..Facts::default()
    };
    match PartitionTable::read(&*file) {
        Ok(table) => {
            facts.table = Some(match &table.kind {
                TableKind::Mbr { disk_id } => format!("MBR, disk id {disk_id:08x}"),
                TableKind::Gpt { guid } => format!("GPT, disk GUID {guid}"),
            });
            facts.partitions = table
                .partitions
                .iter()
                .map(|partition| PartitionFacts {
                    number: partition.number,
                    start: partition.start,
                    size: partition.len,
                    kind: partition.kind.clone(),
                    purpose: "",
                    partuuid: partition.partuuid.clone(),
                    free: None,
                })
                .collect();
        }
        Err(error) => {
            facts.problems.push(error.to_string());
            return Ok(facts);
        }
    }
    match UsedMap::of(file.clone()) {
        Ok(used) => facts.used_bytes = Some(used.bytes()),
        Err(error) => facts.problems.push(error.to_string()),
    }
    match Layout::detect(file.clone()) {
        Ok(layout) => {
            if let Some(root) = inspect_volumes(&file, &layout, &mut facts) {
                inspect_packages(path, &layout, &root, &mut facts, interrupt)?;
            }
        }
        Err(error) => facts.problems.push(error.to_string()),
    }
    Ok(facts)
}

fn inspect_volumes(file: &Arc<ImageFile>, layout: &Layout, facts: &mut Facts) -> Option<Ext4Tree> {
    let free = kraken_disk::free_space(file.clone(), layout)
        .map_err(|error| facts.problems.push(error.to_string()))
        .ok();
    for partition in &mut facts.partitions {
        if partition.number == layout.boot.number {
            partition.purpose = "boot";
            partition.free = free.as_ref().map(|free| free.boot);
        } else if partition.number == layout.root.number {
            partition.purpose = "root";
            partition.free = free.as_ref().map(|free| free.root);
        }
    }
    match Slice::new(file.clone(), layout.boot.start, layout.boot.len).map(|slice| kraken_disk::check_fat(&slice)) {
        Ok(Ok(findings)) => {
            let shown = findings
                .iter()
                .map(|finding| format!("the boot file system: {finding}"));
            facts.problems.extend(shown);
        }
        Ok(Err(error)) => facts.problems.push(error.to_string()),
        Err(error) => facts.problems.push(error.to_string()),
    }
    if !layout.table.firmware_reads(&layout.boot) {
        facts.problems.push(format!(
            "the boot partition has the type {}, in which the firmware does not look for its files; `build` gives it the usual one",
            layout.boot.kind
        ));
    }
    let boot = layout
        .boot_tree(file.clone())
        .map_err(|error| facts.problems.push(error.to_string()));
    let root = layout
        .root_tree(file.clone())
        .map_err(|error| facts.problems.push(error.to_string()));
    let (Ok(boot), Ok(root)) = (boot, root) else {
        return None;
    };
    let info = Slice::new(file.clone(), layout.root.start, layout.root.len)
        .ok()
        .and_then(|slice| Ext4Info::read(&slice).ok());
    if let Some(why) = info.as_ref().and_then(Ext4Info::refusal) {
        facts
            .problems
            .push(format!("the root file system cannot be written as it is: {why}"));
    }
    let made_at = info.map_or(0, |info| info.made_at.max(info.written_at));
    match OsImage::read(&boot, &root, made_at) {
        Ok(os) => facts.system = Some(os),
        Err(error) => facts.problems.push(error.to_string()),
    }
    match NodeRecord::read(&root) {
        Ok(record) => facts.node = record,
        Err(error) => facts.problems.push(error.to_string()),
    }
    Some(root)
}

/// Reads the packages and compares their files with dpkg's sums and with the record. Files that a
/// cluster laid over them count as faults, since the cluster is not known here.
fn inspect_packages(
    path: &Path,
    layout: &Layout,
    root: &Ext4Tree,
    facts: &mut Facts,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut report = ImageReport::default();
    let volume = ImageVolume {
        image: path,
        offset: layout.root.start,
    };
    facts.packages = packages::verify(volume, root, Against::default(), &mut report, interrupt)?;
    facts.problems.extend(
        report
            .findings
            .into_iter()
            .map(|finding| format!("{} {}", finding.place, finding.message).trim().to_owned()),
    );
    Ok(())
}
