//! A partition table that was read: its kind, and its partitions.

use super::error::damaged;
use kraken_foundation::Result;

/// Bytes in a sector of every card and image.
pub const SECTOR: u64 = SECTOR_LEN as u64;
/// The same, as a size in memory.
pub(super) const SECTOR_LEN: usize = 512;

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

/// A partition table that passed all checks: partitions inside the disk, not empty, not
/// overlapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionTable {
    /// MBR or GPT.
    pub kind: TableKind,
    /// The partitions in use, by number.
    pub partitions: Vec<Partition>,
}

impl PartitionTable {
    /// The partition with this number.
    pub fn get(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.number == number)
    }

    /// The partition that ends last on the disk.
    pub fn last(&self) -> Option<&Partition> {
        self.partitions.iter().max_by_key(|p| p.start)
    }

    /// Returns how many bytes at the end of the disk the table itself needs (the backup GPT).
    pub fn tail(&self) -> u64 {
        match self.kind {
            TableKind::Mbr { .. } => 0,
            // The backup array of 128 entries of 128 bytes, and the backup header.
            TableKind::Gpt { .. } => 33 * SECTOR,
        }
    }

    /// Checks that all partitions are inside the disk of this size, not empty, and do not overlap.
    pub(super) fn check(&self, size: u64) -> Result<()> {
        let mut sorted: Vec<&Partition> = self.partitions.iter().collect();
        sorted.sort_by_key(|p| p.start);
        for p in &sorted {
            if p.len == 0 {
                return Err(damaged(format_args!("partition {} is empty", p.number)));
            }
            if p.start < SECTOR {
                return Err(damaged(format_args!(
                    "partition {} begins on the table itself",
                    p.number
                )));
            }
            if p.start.checked_add(p.len).is_none_or(|end| end > size) {
                return Err(damaged(format_args!(
                    "partition {} reaches past the end of the disk ({} bytes at {}, disk of {size} bytes)",
                    p.number, p.len, p.start
                )));
            }
        }
        for pair in sorted.windows(2) {
            if pair[0].end() > pair[1].start {
                return Err(damaged(format_args!(
                    "partitions {} and {} overlap",
                    pair[0].number, pair[1].number
                )));
            }
        }
        Ok(())
    }
}
