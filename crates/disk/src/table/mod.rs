//! Partition tables, read strictly and grown: where the partitions are, and nothing of what is in them.
//!
//! A table that the Linux kernel might read differently from us is refused. Sectors are 512 bytes: that is what SD cards and
//! the images for them have.

mod gpt;
mod mbr;

use std::io;

pub use mbr::{has_mbr_entries, is_gpt};

use super::io::{ReadAt, WriteAt};

/// Bytes in a sector of every card and image.
pub const SECTOR: u64 = 512;

/// The kind of a partition table, with what identifies the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A master boot record with its disk signature (`a1b2c3d4` in a PARTUUID).
    Mbr {
        /// The 32-bit disk signature at offset 440.
        disk_id: u32,
    },
    /// A GUID partition table.
    Gpt {
        /// The disk's GUID, lower-case with hyphens.
        guid: String,
    },
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number as Linux counts: the `2` of `/dev/mmcblk0p2`.
    pub number: u32,
    /// Where it begins, in bytes from the start of the disk.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Its type: two hexadecimal digits on an MBR disk (`0c`), a lower-case GUID on a GPT disk.
    pub kind: String,
    /// Its PARTUUID as the kernel and udev spell it: `a1b2c3d4-02`, or a lower-case GUID.
    pub partuuid: String,
}

impl Partition {
    /// The first byte after it.
    pub fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// A partition table that passed all checks: partitions inside the disk, not empty, not overlapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionTable {
    /// MBR or GPT.
    pub kind: TableKind,
    /// The partitions in use, by number.
    pub partitions: Vec<Partition>,
}

/// Why a partition table could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The disk could not be read or written.
    #[error("{doing} the partition table: {source}")]
    Io {
        /// `reading` or `writing`.
        doing: &'static str,
        /// What the disk reported.
        source: io::Error,
    },
    /// There is no table.
    #[error(
        "reading the partition table: there is none ({0}); a base must be a whole-disk image, not a single partition"
    )]
    None(&'static str),
    /// The table is there and cannot be trusted.
    #[error(
        "reading the partition table: {0}; the image is damaged or cut short - fetch it again, or look at it with `sfdisk --verify`"
    )]
    Damaged(String),
    /// The table is of a kind that is not supported.
    #[error("reading the partition table: {0}")]
    Unsupported(String),
    /// A partition cannot be grown as asked.
    #[error("growing partition {number}: {why}")]
    Grow {
        /// The number of the partition.
        number: u32,
        /// Why not.
        why: String,
    },
}

fn reading(source: io::Error) -> TableError {
    TableError::Io {
        doing: "reading",
        source,
    }
}

fn writing(source: io::Error) -> TableError {
    TableError::Io {
        doing: "writing",
        source,
    }
}

impl PartitionTable {
    /// Reads and checks the table of a whole disk.
    ///
    /// # Errors
    /// [`TableError`] when there is no table, or it is damaged, unsupported, or names partitions that overlap or leave the disk.
    pub fn read(disk: &dyn ReadAt) -> Result<Self, TableError> {
        if disk.size() < SECTOR {
            return Err(TableError::None("it is smaller than one sector"));
        }
        let header = mbr::read_header(disk)?;
        let table = match mbr::is_protective(&header)? {
            true => gpt::read(disk)?,
            false => mbr::table(&header)?,
        };
        table.check(disk.size())?;
        Ok(table)
    }

    /// The partition with this number.
    pub fn get(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.number == number)
    }

    /// The partition that ends last on the disk.
    pub fn last(&self) -> Option<&Partition> {
        self.partitions.iter().max_by_key(|p| p.start)
    }

    /// Bytes at the end of the disk that the table itself needs (the backup GPT), in bytes.
    pub fn tail(&self) -> u64 {
        match self.kind {
            TableKind::Mbr { .. } => 0,
            // The backup array of 128 entries of 128 bytes, and the backup header.
            TableKind::Gpt { .. } => 33 * SECTOR,
        }
    }

    /// Whether the firmware looks for its files in a partition of this type. It goes by the table, and not by what is in the partition.
    pub fn firmware_reads(&self, part: &Partition) -> bool {
        match self.kind {
            TableKind::Mbr { .. } => mbr::firmware_reads(&part.kind),
            TableKind::Gpt { .. } => gpt::firmware_reads(&part.kind),
        }
    }

    fn check(&self, size: u64) -> Result<(), TableError> {
        let mut sorted: Vec<&Partition> = self.partitions.iter().collect();
        sorted.sort_by_key(|p| p.start);
        for p in &sorted {
            if p.len == 0 {
                return Err(TableError::Damaged(format!("partition {} is empty", p.number)));
            }
            if p.start < SECTOR {
                return Err(TableError::Damaged(format!(
                    "partition {} begins on the table itself",
                    p.number
                )));
            }
            if p.start.checked_add(p.len).is_none_or(|end| end > size) {
                return Err(TableError::Damaged(format!(
                    "partition {} reaches past the end of the disk ({} bytes at {}, disk of {size} bytes)",
                    p.number, p.len, p.start
                )));
            }
        }
        for pair in sorted.windows(2) {
            if pair[0].end() > pair[1].start {
                return Err(TableError::Damaged(format!(
                    "partitions {} and {} overlap",
                    pair[0].number, pair[1].number
                )));
            }
        }
        Ok(())
    }
}

/// Makes partition `number` end at `new_len` bytes from its start (rounded down to a sector). The disk must be large enough already; on a
/// GPT disk the backup table moves to the disk's present end. The file system inside is not touched.
///
/// # Errors
/// [`TableError::Grow`] when it would shrink, overlap its neighbour or leave the disk; otherwise as [`PartitionTable::read`].
pub fn grow_partition(disk: &dyn WriteAt, number: u32, new_len: u64) -> Result<(), TableError> {
    let table = PartitionTable::read(disk)?;
    let grow = |why: String| TableError::Grow { number, why };
    let new_len = new_len / SECTOR * SECTOR;
    let part = table
        .get(number)
        .ok_or_else(|| grow("there is no such partition".into()))?;
    if new_len < part.len {
        return Err(grow(format!(
            "it has {} bytes already, more than the {new_len} asked for",
            part.len
        )));
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
            return Err(grow(format!(
                "there is room for {} bytes only",
                limit.saturating_sub(part.start)
            )));
        }
    }
    match table.kind {
        TableKind::Mbr { .. } => mbr::grow(disk, part, new_len),
        TableKind::Gpt { .. } => gpt::grow(disk, part, new_len),
    }
}

/// Gives the boot partition a type that the firmware reads, when it has another: 0c in an MBR, plain data in a GPT.
///
/// # Errors
/// As [`PartitionTable::read`].
pub fn mark_boot(disk: &dyn WriteAt, boot: &Partition) -> Result<(), TableError> {
    let table = PartitionTable::read(disk)?;
    if matches!(table.kind, TableKind::Gpt { .. }) && !table.firmware_reads(boot) {
        gpt::mark_boot(disk, boot)?;
    }
    mbr::mark_boot(disk, boot.start / SECTOR)
}

/// Grows the last partition of the disk to end at `new_end` (bytes from the start of the disk, rounded down to a sector).
///
/// # Errors
/// As [`grow_partition`].
pub fn grow_last(disk: &dyn WriteAt, new_end: u64) -> Result<(), TableError> {
    let table = PartitionTable::read(disk)?;
    let Some(last) = table.last() else {
        return Err(TableError::Grow {
            number: 0,
            why: "the table has no partitions".into(),
        });
    };
    grow_partition(disk, last.number, new_end.saturating_sub(last.start))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
