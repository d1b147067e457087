//! The master boot record: four primary partitions, through `mbrman`.

use std::io::Cursor;

use mbrman::{CHS, MBRHeader};

use super::error::{READING, WRITING, cannot_grow, damaged, none, unsupported};
use super::partition::{Partition, PartitionTable, SECTOR, SECTOR_LEN, TableKind};
use crate::io::{ReadAt, WriteAt};
use kraken_foundation::{Context, Kind, Result};

/// The type of the one partition that protects a GPT disk from tools that know only MBR (UEFI
/// specification, 5.2.3).
const PROTECTIVE: u8 = 0xee;

/// The type that every image for a Raspberry Pi gives its boot partition: FAT32, addressed by
/// sectors.
const FAT32_LBA: u8 = 0x0c;
/// Types of partitions that the firmware reads (FAT12, FAT16, FAT32), and the EFI system partition,
/// with which no problem is known.
const FIRMWARE: &[u8] = &[0x01, 0x04, 0x06, 0x0b, FAT32_LBA, 0x0e, 0xef];

/// The offsets of the four entries in the sector, and of the fields in an entry.
const ENTRIES: [usize; 4] = [446, 462, 478, 494];
const KIND: usize = 4;
const LAST_CHS: usize = 5;
const START: usize = 8;
const SECTORS: usize = 12;

/// Heads and sectors of the translated geometry that every tool assumes for disks beyond 500 MB.
const HEADS: u8 = 255;
const SECTORS_PER_TRACK: u8 = 63;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Whether the four entries of a first sector are a partition table, whatever stands before them. A
/// disk that once was a file system keeps that one's boot sector in the bytes up to 440, and the
/// kernel goes by the entries. An empty table does not count.
pub fn has_mbr_entries(sector: &[u8]) -> bool {
    let Some(entries) = sector.get(446..510) else {
        return false;
    };
    let used = |entry: &&[u8]| entry[KIND] != 0 && u32_at(entry, SECTORS) != 0;
    sector.get(510..512) == Some(&[0x55, 0xaa])
        && entries.chunks(16).all(|entry| entry[0] & 0x7f == 0)
        && entries.chunks(16).filter(used).all(|entry| u32_at(entry, START) != 0)
        && entries.chunks(16).filter(used).count() > 0
}

/// Whether the first sector says that the disk has a GPT: an entry of type ee that begins with
/// sector 1, as in the kernel (block/partitions/efi.c). A GPT header without one is a leftover.
pub fn is_gpt(sector: &[u8]) -> bool {
    sector.get(446..510).is_some_and(|entries| {
        entries
            .chunks(16)
            .any(|entry| entry[KIND] == PROTECTIVE && u32_at(entry, START) == 1)
    })
}

fn first_sector(disk: &dyn ReadAt) -> Result<Vec<u8>> {
    let mut sector = vec![0; SECTOR_LEN];
    disk.read_at(0, &mut sector).quoted(|| READING)?;
    Ok(sector)
}

pub(super) fn read_header(disk: &dyn ReadAt) -> Result<MBRHeader> {
    let sector = first_sector(disk)?;
    if sector[510..] != [0x55, 0xaa] {
        return Err(none("the first sector has no 55 AA signature"));
    }
    let boot_sector = sector[446] & 0x7f != 0 || sector[3..8] == *b"mkfs." || sector[3..11] == *b"MSDOS5.0";
    if boot_sector && !has_mbr_entries(&sector) {
        return Err(none("the first sector is the boot sector of a file system"));
    }
    MBRHeader::read_from(&mut Cursor::new(sector)).map_err(damaged)
}

/// Whether the only purpose of the table is to protect a GPT.
pub(super) fn is_protective(header: &MBRHeader) -> Result<bool> {
    let starts: Vec<u32> = header
        .iter()
        .filter(|(_, p)| p.sys == PROTECTIVE)
        .map(|(_, p)| p.starting_lba)
        .collect();
    match starts.as_slice() {
        [] => Ok(false),
        starts if starts.contains(&1) => Ok(true),
        // The kernel reads neither table of such a disk.
        _ => Err(damaged(
            "it has an entry that protects a GPT (type ee) and does not begin with sector 1, as it must",
        )),
    }
}

pub(super) fn table(header: &MBRHeader) -> Result<PartitionTable> {
    let disk_id = u32::from_le_bytes(header.disk_signature);
    let mut partitions = Vec::new();
    for (number, entry) in header.iter() {
        if entry.is_unused() {
            continue;
        }
        if entry.is_extended() {
            return Err(unsupported(format_args!(
                "partition {number} is an extended one; only primary partitions are supported - use an image with at most four"
            )));
        }
        partitions.push(Partition {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            start: u64::from(entry.starting_lba) * SECTOR,
            len: u64::from(entry.sectors) * SECTOR,
            kind: format!("{:02x}", entry.sys),
            partuuid: format!("{disk_id:08x}-{number:02x}"),
        });
    }
    Ok(PartitionTable {
        kind: TableKind::Mbr { disk_id },
        partitions,
    })
}

pub(super) fn grow(disk: &dyn WriteAt, part: &Partition, new_len: u64) -> Result<()> {
    let fail = |kind: Kind, why: &str| cannot_grow(kind, part.number, why);
    let mut header = read_header(disk)?;
    let sectors = u32::try_from(new_len / SECTOR)
        .map_err(|_| fail(Kind::Unsupported, "an MBR partition cannot be larger than 2 TiB"))?;
    let entry = header
        .get_mut(part.number as usize)
        .ok_or_else(|| fail(Kind::NotFound, "there is no such partition"))?;
    entry.sectors = sectors;
    let last = entry
        .starting_lba
        .checked_add(sectors - 1)
        .ok_or_else(|| fail(Kind::Unsupported, "an MBR partition cannot end beyond 2 TiB"))?;
    entry.last_chs = chs(last);
    let mut sector = Cursor::new(vec![0; SECTOR_LEN]);
    header
        .write_into(&mut sector)
        .map_err(|e| fail(Kind::Internal, &format!("the table cannot be written: {e}")))?;
    disk.write_at(0, sector.get_ref()).quoted(|| WRITING)
}

/// Returns a sector's number in the old geometry. Beyond 8 GB the field holds the largest value, as
/// sfdisk writes it.
fn chs(sector: u32) -> CHS {
    CHS::from_lba_exact(sector, 1023, HEADS, SECTORS_PER_TRACK).unwrap_or_else(|_| CHS::new(1023, 254, 63))
}

/// A sector's number as the three bytes of an entry.
fn chs_bytes(sector: u32) -> [u8; 3] {
    let CHS { cylinder, head, sector } = chs(sector);
    let [low, high] = cylinder.to_le_bytes();
    [head, (high & 3) << 6 | (sector & 0x3f), low]
}

/// Whether the firmware reads a partition of this type (two hexadecimal digits).
pub(super) fn firmware_reads(kind: &str) -> bool {
    u8::from_str_radix(kind, 16).is_ok_and(|kind| FIRMWARE.contains(&kind))
}

/// Sets the type of the partition that begins at this sector to one that the firmware reads, when
/// it has another: in an MBR, and in a hybrid one, which has entries beside the one that protects
/// the GPT.
pub(super) fn mark_boot(disk: &dyn WriteAt, start: u64) -> Result<()> {
    let mut sector = first_sector(disk)?;
    for at in ENTRIES {
        let kind = sector[at + KIND];
        let is_it = u64::from(u32_at(&sector, at + START)) == start && ![0, PROTECTIVE].contains(&kind);
        if is_it && !FIRMWARE.contains(&kind) {
            sector[at + KIND] = FAT32_LBA;
            disk.write_at(0, &sector).quoted(|| WRITING)?;
        }
    }
    Ok(())
}

/// What the first sector must know about the growth of a GPT, in sectors.
pub(super) struct Growth {
    /// Where the grown partition begins.
    pub start: u64,
    /// Its number of sectors before and after.
    pub sectors: (u64, u64),
    /// The disk's last sector.
    pub last: u64,
}

/// Adapts the first sector after a GPT has grown: an entry that protects the whole disk covers it
/// again. Where other entries stand beside it (a hybrid MBR), it stays before them, the partition's
/// own entry grows with the partition, and an entry that protects the space behind it is removed.
pub(super) fn follow_gpt(disk: &dyn WriteAt, growth: &Growth) -> Result<()> {
    let mut sector = first_sector(disk)?;
    let word = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let hybrid = ENTRIES.iter().any(|at| ![0, PROTECTIVE].contains(&sector[at + KIND]));
    let end = growth.start + growth.sectors.1;
    for at in ENTRIES {
        let (kind, start) = (sector[at + KIND], u64::from(u32_at(&sector, at + START)));
        if kind == PROTECTIVE && start == 1 && !hybrid {
            put_u32(&mut sector, at + SECTORS, word(growth.last));
        } else if kind == PROTECTIVE && start > growth.start {
            match growth.last.checked_sub(end) {
                Some(left) => {
                    put_u32(&mut sector, at + START, word(end));
                    put_u32(&mut sector, at + SECTORS, word(left + 1));
                }
                None => sector[at..at + 16].fill(0),
            }
        } else if ![0, PROTECTIVE].contains(&kind)
            && start == growth.start
            && u64::from(u32_at(&sector, at + SECTORS)) == growth.sectors.0
        {
            let sectors = u32::try_from(growth.sectors.1).map_err(|_| {
                let why = "the hybrid MBR beside the GPT cannot hold more than 2 TiB";
                cannot_grow(Kind::Unsupported, 0, why)
            })?;
            put_u32(&mut sector, at + SECTORS, sectors);
            let bytes = chs_bytes(word(end - 1));
            sector[at + LAST_CHS..at + LAST_CHS + 3].copy_from_slice(&bytes);
        }
    }
    disk.write_at(0, &sector).quoted(|| WRITING)
}
