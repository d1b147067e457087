//! What is on an image, for `inspect`: nothing is compared, nothing is judged.

use std::path::Path;

use serde::Serialize;

use super::CheckError;
use crate::base::OsImage;
use crate::disk::{self, Ext4Tree, FatTree, ImageFile, Layout, PartitionTable, ReadAt, UsedMap};
use crate::provision::NodeRecord;

/// What an image says of itself. What could not be read is `None`, and `problems` says why.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    /// Size in bytes.
    pub size: u64,
    /// `mbr` or `gpt`, with the disk's identifier.
    pub table: Option<String>,
    /// The partitions.
    pub partitions: Vec<PartitionFacts>,
    /// Bytes in use on the whole disk.
    pub used_bytes: Option<u64>,
    /// The system.
    pub system: Option<OsImage>,
    /// The node it was made for.
    pub node: Option<NodeRecord>,
    /// What could not be read, one line each.
    pub problems: Vec<String>,
}

/// One partition.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartitionFacts {
    /// Its number in the table.
    pub number: u32,
    /// Where it begins, in bytes.
    pub start: u64,
    /// Its length in bytes.
    pub size: u64,
    /// `boot`, `root`, or empty.
    pub purpose: &'static str,
    /// Its PARTUUID, where it is the boot or root partition.
    pub partuuid: Option<String>,
    /// Free bytes of its file system.
    pub free: Option<u64>,
}

/// Reads what there is to know of a raw image.
///
/// # Errors
/// [`CheckError`] when the file cannot be opened.
pub fn inspect(path: &Path) -> Result<Facts, CheckError> {
    let file = ImageFile::open(path).map_err(CheckError::io("opening", path))?;
    let mut facts = Facts { size: file.size(), ..Facts::default() };
    match PartitionTable::read(&file) {
        Ok(table) => {
            facts.table = Some(table.describe());
            facts.partitions = table
                .partitions
                .iter()
                .map(|partition| PartitionFacts {
                    number: partition.number,
                    start: partition.start,
                    size: partition.len,
                    purpose: "",
                    partuuid: None,
                    free: None,
                })
                .collect();
        }
        Err(error) => {
            facts.problems.push(error.to_string());
            return Ok(facts);
        }
    }
    match UsedMap::read(&file) {
        Ok(used) => facts.used_bytes = Some(used.bytes()),
        Err(error) => facts.problems.push(error.to_string()),
    }
    match Layout::detect(&file) {
        Ok(layout) => inspect_volumes(&file, &layout, &mut facts),
        Err(error) => facts.problems.push(error.to_string()),
    }
    Ok(facts)
}

fn inspect_volumes(file: &ImageFile, layout: &Layout, facts: &mut Facts) {
    let free = disk::free_space(file, layout).map_err(|error| facts.problems.push(error.to_string())).ok();
    for partition in &mut facts.partitions {
        if partition.start == layout.boot.start {
            partition.purpose = "boot";
            partition.partuuid = Some(layout.boot_partuuid.clone());
            partition.free = free.as_ref().map(|free| free.boot);
        } else if partition.start == layout.root.start {
            partition.purpose = "root";
            partition.partuuid = Some(layout.root_partuuid.clone());
            partition.free = free.as_ref().map(|free| free.root);
        }
    }
    let made_at = disk::ext4_made_at(&layout.root.slice(file.clone())).unwrap_or(0);
    let trees = FatTree::open(layout.boot.slice(file.clone()))
        .and_then(|boot| Ok((boot, Ext4Tree::open(layout.root.slice(file.clone()))?)));
    match trees {
        Err(error) => facts.problems.push(error.to_string()),
        Ok((boot, root)) => {
            match OsImage::read(&boot, &root, made_at) {
                Ok(os) => facts.system = Some(os),
                Err(error) => facts.problems.push(error.to_string()),
            }
            match NodeRecord::read(&root) {
                Ok(record) => facts.node = record,
                Err(error) => facts.problems.push(error.to_string()),
            }
        }
    }
}
