//! Partition tables, read strictly and grown. This module knows where the partitions are, and does
//! not read their contents.
//!
//! A table that the Linux kernel might read differently from us is refused. Sectors are 512 bytes,
//! as SD cards and the images for them have them.

mod error;
mod gpt;
mod mbr;
mod partition;

pub use mbr::{has_mbr_entries, is_gpt};
pub use partition::{Partition, PartitionTable, SECTOR, TableKind};

use super::io::{ReadAt, WriteAt};
use error::{cannot_grow, none};
use kraken_foundation::{Kind, Result};

impl PartitionTable {
    /// Reads and checks the table of a whole disk.
    ///
    /// # Errors
    /// When there is no table, or it is damaged, unsupported, or names partitions
    /// that overlap or leave the disk.
    pub fn read(disk: &dyn ReadAt) -> Result<Self> {
        if disk.size() < SECTOR {
            return Err(none("it is smaller than one sector"));
        }
        let header = mbr::read_header(disk)?;
        let table = match mbr::is_protective(&header)? {
            true => gpt::read(disk)?,
            false => mbr::table(&header)?,
        };
        table.check(disk.size())?;
        Ok(table)
    }

    /// Whether the firmware searches for its files in a partition of this type. The answer depends
    /// on the table alone, not on the contents of the partition.
    pub fn firmware_reads(&self, part: &Partition) -> bool {
        match self.kind {
            TableKind::Mbr { .. } => mbr::firmware_reads(&part.kind),
            TableKind::Gpt { .. } => gpt::firmware_reads(&part.kind),
        }
    }
}

/// Makes partition `number` end at `new_len` bytes from its start (rounded down to a sector). The
/// disk must be large enough already; on a GPT disk the backup table moves to the disk's present
/// end. The file system inside is not touched.
///
/// # Errors
/// When it would shrink, overlap its neighbour or leave the disk; otherwise as
/// [`PartitionTable::read`].
pub fn grow_partition(disk: &dyn WriteAt, number: u32, new_len: u64) -> Result<()> {
    let table = PartitionTable::read(disk)?;
    let fail = |kind: Kind, why: &str| cannot_grow(kind, number, why);
    let new_len = new_len / SECTOR * SECTOR;
    let part = table
        .get(number)
        .ok_or_else(|| fail(Kind::NotFound, "there is no such partition"))?;
    if new_len < part.len {
        let why = format!("it has {} bytes already, more than the {new_len} asked for", part.len);
        return Err(fail(Kind::Unsupported, &why));
    }
    let limit = table
        .partitions
        .iter()
        .filter(|p| p.start > part.start)
        .map(|p| p.start)
        .min()
        .unwrap_or(disk.size() - table.tail());
    match part.start.checked_add(new_len) {
        Some(end) if end <= limit => (),
        _ => {
            let room = limit.saturating_sub(part.start);
            return Err(fail(Kind::Full, &format!("there is room for {room} bytes only")));
        }
    }
    match table.kind {
        TableKind::Mbr { .. } => mbr::grow(disk, part, new_len),
        TableKind::Gpt { .. } => gpt::grow(disk, part, new_len),
    }
}

/// Sets the type of the boot partition to one that the firmware reads, when it has another: 0c in
/// an MBR, plain data in a GPT.
///
/// # Errors
/// As [`PartitionTable::read`].
pub fn mark_boot(disk: &dyn WriteAt, boot: &Partition) -> Result<()> {
    let table = PartitionTable::read(disk)?;
    if matches!(table.kind, TableKind::Gpt { .. }) && !table.firmware_reads(boot) {
        gpt::mark_boot(disk, boot)?;
    }
    mbr::mark_boot(disk, boot.start / SECTOR)
}

/// Grows the last partition of the disk to end at `new_end` (bytes from the start of the disk,
/// rounded down to a sector).
///
/// # Errors
/// As [`grow_partition`].
pub fn grow_last(disk: &dyn WriteAt, new_end: u64) -> Result<()> {
    let table = PartitionTable::read(disk)?;
    let Some(last) = table.last() else {
        return Err(cannot_grow(Kind::NotFound, 0, "the table has no partitions"));
    };
    grow_partition(disk, last.number, new_end.saturating_sub(last.start))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
