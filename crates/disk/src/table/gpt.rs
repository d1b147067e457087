//! The GUID partition table (UEFI specification 2.10, chapter 5): read through `gpt`, grown by
//! patching its bytes.
//!
//! The crate writes partitions back in a row from entry 1, so a table with a gap would be
//! renumbered; but a root file system is found by its number. Growing therefore changes the few
//! fields that must change and keeps all other bytes.

use std::fmt::Display;
use std::io::Cursor;

use gpt::disk::LogicalBlockSize;
use gpt::{header, partition};

use super::error::{READING, WRITING, cannot_grow, damaged, unsupported};
use super::mbr;
use super::partition::{Partition, PartitionTable, SECTOR, SECTOR_LEN, TableKind};
use crate::io::{ReadAt, WriteAt, index};
use kraken_foundation::{Context, Kind, Result};

/// The maximum number of entries of a partition array. Every tool makes the specification's 128;
/// 1024 leaves a reserve for unusual tables.
const MAX_ENTRIES: u64 = 1024;
/// Bytes of an entry. The specification allows other sizes; no tool uses them.
const ENTRY: u64 = 128;
const SIGNATURE: &[u8; 8] = b"EFI PART";

/// The two parts of a table, as bytes: the header's sector, and the array.
struct Raw {
    header: Vec<u8>,
    array: Vec<u8>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Reads the primary table and checks what the crate trusts: it panics on entries that are not 128
/// bytes, and has no limit to their number.
fn read_raw(disk: &dyn ReadAt) -> Result<Raw> {
    let bad = |why: &str| damaged(format_args!("the primary GPT {why}"));
    if disk.size() < 6 * SECTOR {
        return Err(bad("does not fit on the disk"));
    }
    let mut header = vec![0; SECTOR_LEN];
    disk.read_at(SECTOR, &mut header).quoted(|| READING)?;
    if header[..8] != *SIGNATURE {
        let mut other = [0; 8];
        if disk.size() >= 8192 && disk.read_at(4096, &mut other).is_ok() && other == *SIGNATURE {
            return Err(unsupported(
                "it is a GPT of 4096-byte sectors; SD cards have 512-byte sectors - use an image made for them",
            ));
        }
        return Err(bad("has no signature"));
    }
    let (start, entries) = (u64_at(&header, 72), u64::from(u32_at(&header, 80)));
    if u64::from(u32_at(&header, 84)) != ENTRY || entries == 0 || entries > MAX_ENTRIES {
        return Err(bad("has an array of unusual shape"));
    }
    if u64_at(&header, 24) != 1 || start < 2 {
        return Err(bad("says it is somewhere else"));
    }
    let mut array = vec![0; index(entries * ENTRY)];
    let at = start
        .checked_mul(SECTOR)
        .ok_or_else(|| bad("has its array past the end"))?;
    disk.read_at(at, &mut array)
        .map_err(|_| bad("has its array past the end"))?;
    if crc(&array) != u32_at(&header, 88) {
        return Err(bad("has an array with a wrong checksum"));
    }
    Ok(Raw { header, array })
}

pub(super) fn read(disk: &dyn ReadAt) -> Result<PartitionTable> {
    let raw = read_raw(disk)?;
    let wrong = |e: &dyn Display| damaged(format_args!("the primary GPT is wrong: {e}"));
    // The crate gets a small disk of its own: sector 0 unused, the header, then the array where the
    // header says.
    let start = u64_at(&raw.header, 72);
    let mut head = Cursor::new([vec![0; SECTOR_LEN], raw.header.clone()].concat());
    let mut parsed =
        header::read_header_from_arbitrary_device(&mut head, LogicalBlockSize::Lb512).map_err(|e| wrong(&e))?;
    parsed.part_start = 0;
    let entries = partition::file_read_partitions(&mut Cursor::new(&raw.array), &parsed, LogicalBlockSize::Lb512)
        .map_err(|e| wrong(&e))?;
    let array_end = start * SECTOR + raw.array.len() as u64;
    let mut partitions = Vec::new();
    for (number, entry) in entries {
        if !entry.is_used() {
            continue;
        }
        let start = entry.bytes_start(LogicalBlockSize::Lb512);
        let len = entry.bytes_len(LogicalBlockSize::Lb512);
        let (Ok(start), Ok(len)) = (start, len) else {
            return Err(damaged(format_args!(
                "partition {number} ends before it begins or is absurdly large"
            )));
        };
        if start < array_end || entry.last_lba > parsed.last_usable {
            return Err(damaged(format_args!("partition {number} lies on the table itself")));
        }
        partitions.push(Partition {
            number,
            start,
            len,
            kind: entry.part_type_guid.guid.as_hyphenated().to_string().to_lowercase(),
            partuuid: entry.part_guid.as_hyphenated().to_string().to_lowercase(),
        });
    }
    Ok(PartitionTable {
        kind: TableKind::Gpt {
            guid: parsed.disk_guid.as_hyphenated().to_string().to_lowercase(),
        },
        partitions,
    })
}

pub(super) fn grow(disk: &dyn WriteAt, part: &Partition, new_len: u64) -> Result<()> {
    let fail = |kind: Kind, why: &str| cannot_grow(kind, part.number, why);
    let mut raw = read_raw(disk)?;
    let array_sectors = (raw.array.len() as u64).div_ceil(SECTOR);
    let backup = (disk.size() / SECTOR)
        .checked_sub(1)
        .ok_or_else(|| fail(Kind::Full, "the disk is too small"))?;
    let last_usable = backup
        .checked_sub(array_sectors + 1)
        .ok_or_else(|| fail(Kind::Full, "the disk is too small"))?;
    let last = (part.start + new_len) / SECTOR - 1;
    if last > last_usable {
        return Err(fail(
            Kind::Full,
            "the backup table needs the room at the end of the disk",
        ));
    }
    let old_backup = u64_at(&raw.header, 32);
    let entry = index(u64::from(part.number - 1) * ENTRY);
    let field = raw
        .array
        .get_mut(entry + 40..entry + 48)
        .ok_or_else(|| fail(Kind::NotFound, "there is no such partition"))?;
    field.copy_from_slice(&last.to_le_bytes());

    // The old backup is wiped first, so that the disk never has two. The new backup follows, and
    // the primary comes last.
    wipe_backup(disk, old_backup, backup, array_sectors)?;
    let array_at = backup - array_sectors;
    let shape = |current: u64, other: u64, array: u64| Shape {
        current,
        other,
        last_usable,
        array,
    };
    let own_array = u64_at(&raw.header, 72);
    disk.write_at(array_at * SECTOR, &raw.array).quoted(|| WRITING)?;
    disk.write_at(backup * SECTOR, &raw.header_for(shape(backup, 1, array_at)))
        .quoted(|| WRITING)?;
    disk.write_at(own_array * SECTOR, &raw.array).quoted(|| WRITING)?;
    disk.write_at(SECTOR, &raw.header_for(shape(1, backup, own_array)))
        .quoted(|| WRITING)?;
    let growth = mbr::Growth {
        start: part.start / SECTOR,
        sectors: (part.len / SECTOR, new_len / SECTOR),
        last: backup,
    };
    mbr::follow_gpt(disk, &growth)
}

/// The fields of a header that locate the parts of the table, in sectors.
struct Shape {
    current: u64,
    other: u64,
    last_usable: u64,
    array: u64,
}

impl Raw {
    /// Returns the header's sector with new places and checksums; all other bytes stay.
    fn header_for(&self, shape: Shape) -> Vec<u8> {
        let mut header = self.header.clone();
        for (at, value) in [
            (24, shape.current),
            (32, shape.other),
            (48, shape.last_usable),
            (72, shape.array),
        ] {
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        header[88..92].copy_from_slice(&crc(&self.array).to_le_bytes());
        header[16..20].fill(0);
        let sum = crc(&header[..92]);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        header
    }
}

/// Clears the backup that is in the middle of the disk after the disk has grown, when it is one and
/// no partition can be there.
fn wipe_backup(disk: &dyn WriteAt, old: u64, new: u64, array_sectors: u64) -> Result<()> {
    let (Some(array_at), Some(at)) = (old.checked_sub(array_sectors), old.checked_mul(SECTOR)) else {
        return Ok(());
    };
    let mut signature = [0; 8];
    if old >= new || disk.read_at(at, &mut signature).is_err() || signature != *SIGNATURE {
        return Ok(());
    }
    let table = read(disk)?;
    let array_at = array_at * SECTOR;
    if table.partitions.iter().any(|p| p.end() > array_at) {
        return Ok(());
    }
    let zeros = vec![0; index((array_sectors + 1) * SECTOR)];
    disk.write_at(array_at, &zeros).quoted(|| WRITING)
}

/// The type of a partition with plain data that Windows and most tools give a FAT. The firmware
/// reads such a partition, and an EFI one.
const BASIC_DATA: &str = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";
const EFI_SYSTEM: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// [`BASIC_DATA`] as it is on the disk: the first three fields little-endian (UEFI specification,
/// appendix A).
const BASIC_DATA_BYTES: [u8; 16] = [
    0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7,
];

/// Whether the firmware reads a partition of this type.
pub(super) fn firmware_reads(kind: &str) -> bool {
    [BASIC_DATA, EFI_SYSTEM].contains(&kind)
}

/// Sets the type of a partition to plain data, in both tables.
pub(super) fn mark_boot(disk: &dyn WriteAt, part: &Partition) -> Result<()> {
    let mut raw = read_raw(disk)?;
    let entry = index(u64::from(part.number.saturating_sub(1)) * ENTRY);
    let Some(field) = raw.array.get_mut(entry..entry + 16) else {
        return Ok(());
    };
    field.copy_from_slice(&BASIC_DATA_BYTES);
    let primary = Shape {
        current: 1,
        other: u64_at(&raw.header, 32),
        last_usable: u64_at(&raw.header, 48),
        array: u64_at(&raw.header, 72),
    };
    // The backup keeps its place. Where there is none that belongs to this table, none is made.
    let mut backup = vec![0; SECTOR_LEN];
    let at = primary.other.checked_mul(SECTOR);
    let found = at.is_some_and(|at| disk.read_at(at, &mut backup).is_ok()) && backup[..8] == *SIGNATURE;
    if found && backup[56..72] == raw.header[56..72] && u64_at(&backup, 24) == primary.other {
        let shape = Shape {
            current: primary.other,
            other: 1,
            last_usable: u64_at(&backup, 48),
            array: u64_at(&backup, 72),
        };
        let end = shape
            .array
            .checked_mul(SECTOR)
            .and_then(|at| at.checked_add(raw.array.len() as u64));
        if shape.array > primary.last_usable && end.is_some_and(|end| end <= disk.size()) {
            disk.write_at(shape.array * SECTOR, &raw.array).quoted(|| WRITING)?;
            disk.write_at(primary.other * SECTOR, &raw.header_for(shape))
                .quoted(|| WRITING)?;
        }
    }
    disk.write_at(primary.array * SECTOR, &raw.array).quoted(|| WRITING)?;
    disk.write_at(SECTOR, &raw.header_for(primary)).quoted(|| WRITING)
}
