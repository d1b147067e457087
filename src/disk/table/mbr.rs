//! The master boot record: four primary partitions, through `mbrman`.

use std::io::Cursor;

use mbrman::{CHS, MBRHeader};

use super::{Partition, PartitionTable, SECTOR, TableError, TableKind, reading, writing};
use crate::disk::io::{ReadAt, WriteAt};

/// The type of the one partition that protects a GPT disk from tools that know only MBR (UEFI specification, 5.2.3).
const PROTECTIVE: u8 = 0xee;

/// Heads and sectors of the translated geometry that every tool assumes for disks beyond 500 MB.
const HEADS: u8 = 255;
const SECTORS_PER_TRACK: u8 = 63;

pub(super) fn read_header(disk: &dyn ReadAt) -> Result<MBRHeader, TableError> {
    let mut sector = vec![0; SECTOR as usize];
    disk.read_at(0, &mut sector).map_err(reading)?;
    if sector[510..] != [0x55, 0xaa] {
        return Err(TableError::None("the first sector has no 55 AA signature"));
    }
    if sector[446] & 0x7f != 0 || sector[3..8] == *b"mkfs." || sector[3..11] == *b"MSDOS5.0" {
        return Err(TableError::None("the first sector is the boot sector of a file system"));
    }
    MBRHeader::read_from(&mut Cursor::new(sector)).map_err(|e| TableError::Damaged(e.to_string()))
}

pub(super) fn is_protective(header: &MBRHeader) -> bool {
    header.iter().any(|(_, p)| p.sys == PROTECTIVE)
}

pub(super) fn table(header: &MBRHeader) -> Result<PartitionTable, TableError> {
    let disk_id = u32::from_le_bytes(header.disk_signature);
    let mut partitions = Vec::new();
    for (number, entry) in header.iter() {
        if entry.is_unused() {
            continue;
        }
        if entry.is_extended() {
            return Err(TableError::Unsupported(format!(
                "partition {number} is an extended one; only primary partitions are supported - use an image with at most four"
            )));
        }
        partitions.push(Partition {
            number: number as u32,
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

pub(super) fn grow(disk: &dyn WriteAt, part: &Partition, new_len: u64) -> Result<(), TableError> {
    let fail = |why: String| TableError::Grow {
        number: part.number,
        why,
    };
    let mut header = read_header(disk)?;
    let sectors =
        u32::try_from(new_len / SECTOR).map_err(|_| fail("an MBR partition cannot be larger than 2 TiB".into()))?;
    let entry = header
        .get_mut(part.number as usize)
        .ok_or_else(|| fail("there is no such partition".into()))?;
    entry.sectors = sectors;
    let last = entry
        .starting_lba
        .checked_add(sectors - 1)
        .ok_or_else(|| fail("an MBR partition cannot end beyond 2 TiB".into()))?;
    // Beyond 8 GB the field holds the largest value, as sfdisk writes it.
    entry.last_chs =
        CHS::from_lba_exact(last, 1023, HEADS, SECTORS_PER_TRACK).unwrap_or_else(|_| CHS::new(1023, 254, 63));
    let mut sector = Cursor::new(vec![0; SECTOR as usize]);
    header
        .write_into(&mut sector)
        .map_err(|e| fail(format!("the table cannot be written: {e}")))?;
    disk.write_at(0, sector.get_ref()).map_err(writing)
}
