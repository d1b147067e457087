//! Tests of the partition tables: hostile ones, and growth. `tests/it/disk.rs` compares them with
//! the verdict of the usual tools.

use super::*;
use crate::RamDisk;
use proptest::prelude::*;

const MIB: usize = 1 << 20;

/// An MBR disk of 16 MiB with these entries: type, first sector, sectors.
fn mbr(entries: &[(u8, u32, u32)]) -> RamDisk {
    let mut bytes = vec![0; 16 * MIB];
    bytes[440..444].copy_from_slice(&0xa1b2_c3d4u32.to_le_bytes());
    for (n, (kind, start, len)) in entries.iter().enumerate() {
        let at = 446 + 16 * n;
        bytes[at + 4] = *kind;
        bytes[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        bytes[at + 12..at + 16].copy_from_slice(&len.to_le_bytes());
    }
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    RamDisk::from_bytes(bytes)
}

/// A GPT disk of 16 MiB with these entries, by number: first and last sector.
fn gpt(entries: &[(u32, u64, u64)]) -> RamDisk {
    let disk = mbr(&[(0xee, 1, 32767)]);
    let mut array = vec![0; 128 * 128];
    for (number, first, last) in entries {
        let at = (*number as usize - 1) * 128;
        array[at..at + 16].fill(0xaf);
        array[at + 16..at + 32].fill(*number as u8);
        array[at + 32..at + 40].copy_from_slice(&first.to_le_bytes());
        array[at + 40..at + 48].copy_from_slice(&last.to_le_bytes());
    }
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    };
    for (here, other, at) in [(1u64, 32767u64, 2u64), (32767, 1, 32735)] {
        let mut h = vec![0; 512];
        h[..16].copy_from_slice(b"EFI PART\0\0\x01\0\x5c\0\0\0");
        for (field, value) in [(24, here), (32, other), (40, 34), (48, 32734), (72, at)] {
            h[field..field + 8].copy_from_slice(&value.to_le_bytes());
        }
        h[80] = 128;
        h[84] = 128;
        h[88..92].copy_from_slice(&crc(&array).to_le_bytes());
        let sum = crc(&h[..92]);
        h[16..20].copy_from_slice(&sum.to_le_bytes());
        disk.write_at(here * SECTOR, &h).unwrap();
        disk.write_at(at * SECTOR, &array).unwrap();
    }
    disk
}

#[test]
fn tables_that_cannot_be_trusted_are_refused_with_the_reason() {
    for (disk, why) in [
        (
            mbr(&[(12, 2048, 4096), (131, 4096, 4096)]),
            "partitions 1 and 2 overlap",
        ),
        (mbr(&[(12, 2048, 0)]), "partition 1 is empty"),
        (mbr(&[(12, 2048, 40_000)]), "reaches past the end"),
        (mbr(&[(12, u32::MAX, u32::MAX)]), "reaches past the end"),
        (mbr(&[(12, 0, 100)]), "begins on the table"),
        (mbr(&[(5, 2048, 4096)]), "extended"),
        (gpt(&[(1, 2048, 4095), (2, 4095, 8191)]), "partitions 1 and 2 overlap"),
        (gpt(&[(1, 4096, 2048)]), "ends before it begins"),
        (gpt(&[(1, 2048, 32_740)]), "lies on the table"),
        (gpt(&[(1, 2048, u64::MAX)]), "absurdly large"),
        (gpt(&[(1, 20, 2048)]), "lies on the table"),
        (mbr(&[(0xee, 1, 32767)]), "has no signature"),
        (RamDisk::new(MIB), "there is none"),
        (RamDisk::new(100), "there is none"),
    ] {
        let error = PartitionTable::read(&disk).unwrap_err().to_string();
        assert!(error.contains(why), "{why:?} is not in {error:?}");
    }
}

#[test]
fn a_gpt_of_large_sectors_is_named_as_such() {
    let disk = mbr(&[(0xee, 1, 4095)]);
    disk.write_at(4096, b"EFI PART").unwrap();
    let error = PartitionTable::read(&disk).unwrap_err().to_string();
    assert!(error.contains("4096-byte sectors"), "{error}");
}

#[test]
fn growth_keeps_numbers_and_everything_else() {
    for (disk, number, kept) in [
        (mbr(&[(12, 2048, 4096), (131, 8192, 4096)]), 2, 1),
        // A gap in the numbers: the root partition stays number 3.
        (gpt(&[(1, 2048, 4095), (3, 8192, 12_287)]), 3, 1),
    ] {
        let before = PartitionTable::read(&disk).unwrap();
        grow_partition(&disk, number, 10 * MIB as u64).unwrap();
        let after = PartitionTable::read(&disk).unwrap();
        assert_eq!(after.get(kept), before.get(kept));
        let (old, new) = (before.get(number).unwrap(), after.get(number).unwrap());
        assert_eq!(new.len, 10 * MIB as u64);
        assert_eq!(
            (new.start, &new.partuuid, &new.kind),
            (old.start, &old.partuuid, &old.kind)
        );
        assert_eq!(after.kind, before.kind);
    }
}

#[test]
fn an_mbr_rules_over_what_older_tables_have_left() {
    let disk = mbr(&[(12, 2048, 4096), (131, 8192, 4096)]);
    let before = PartitionTable::read(&disk).unwrap();
    // A GPT's header without a protective entry, and the boot sector of an old file system.
    disk.write_at(512, &gpt(&[(1, 2048, 4095)]).to_bytes()[512..1024])
        .unwrap();
    disk.write_at(0, b"\xeb\x58\x90mkfs.fat\0\x02").unwrap();
    disk.write_at(82, b"FAT32   ").unwrap();
    assert_eq!(PartitionTable::read(&disk).unwrap(), before);
    // With no entries it is that file system; with an ee entry in the wrong place the kernel reads
    // neither table.
    disk.write_at(446, &[0; 64]).unwrap();
    let error = PartitionTable::read(&disk).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("there is none"), "{error}");
    let error = PartitionTable::read(&mbr(&[(0xee, 2, 32766)])).unwrap_err().to_string();
    assert!(error.contains("sector 1"), "{error}");
}

/// The entries of a first sector: type, first sector, sectors.
fn entries(disk: &RamDisk) -> Vec<(u8, u32, u32)> {
    let bytes = disk.to_bytes();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    [446, 462, 478, 494]
        .map(|at| (bytes[at + 4], word(at + 8), word(at + 12)))
        .into()
}

/// Writes the entries of a first sector.
fn put_entries(disk: &RamDisk, entries: &[(u8, u32, u32)]) {
    disk.write_at(446, &mbr(entries).to_bytes()[446..510]).unwrap();
}

#[test]
fn a_hybrid_mbr_grows_with_its_gpt() {
    let none = (0, 0, 0);
    for (before, after) in [
        // As `sgdisk -h 1:2` makes it.
        (
            [(0xee, 1, 2047), (12, 2048, 2048), (131, 8192, 4096), none],
            [(0xee, 1, 2047), (12, 2048, 2048), (131, 8192, 16384), none],
        ),
        // With an entry that protects the rest, which is removed.
        (
            [
                (0xee, 1, 2047),
                (12, 2048, 2048),
                (131, 8192, 4096),
                (0xee, 12288, 20480),
            ],
            [
                (0xee, 1, 2047),
                (12, 2048, 2048),
                (131, 8192, 16384),
                (0xee, 24576, 8192),
            ],
        ),
        // The root partition has no entry of its own.
        (
            [(0xee, 1, 2047), (12, 2048, 2048), none, none],
            [(0xee, 1, 2047), (12, 2048, 2048), none, none],
        ),
        // No entries at all: the ee entry protects everything again.
        ([(0xee, 1, 100), none, none, none], [(0xee, 1, 32767), none, none, none]),
    ] {
        let disk = gpt(&[(1, 2048, 4095), (2, 8192, 12_287)]);
        put_entries(&disk, &before);
        grow_partition(&disk, 2, 8 * MIB as u64).unwrap();
        assert_eq!(entries(&disk), after);
        assert_eq!(PartitionTable::read(&disk).unwrap().get(2).unwrap().len, 8 * MIB as u64);
    }
}

#[test]
fn the_boot_partition_gets_a_type_that_the_firmware_reads() {
    for (kind, after) in [
        (0x83, "0c"),
        (0x1c, "0c"),
        (0x07, "0c"),
        (0x0b, "0b"),
        (0x0e, "0e"),
        (0x06, "06"),
        (0x04, "04"),
        (0x01, "01"),
    ] {
        let disk = mbr(&[(kind, 2048, 4096), (131, 8192, 4096)]);
        let table = PartitionTable::read(&disk).unwrap();
        let boot = table.get(1).unwrap();
        assert_eq!(table.firmware_reads(boot), boot.kind == after);
        mark_boot(&disk, boot).unwrap();
        let marked = PartitionTable::read(&disk).unwrap();
        assert_eq!(marked.get(1).unwrap().kind, after);
        assert_eq!(marked.get(2), table.get(2));
    }
    let disk = gpt(&[(1, 2048, 4095), (3, 8192, 12_287)]);
    put_entries(&disk, &[(0xee, 1, 2047), (0x07, 2048, 2048)]);
    let table = PartitionTable::read(&disk).unwrap();
    let boot = table.get(1).unwrap();
    assert!(!table.firmware_reads(boot));
    mark_boot(&disk, boot).unwrap();
    let marked = PartitionTable::read(&disk).unwrap();
    assert!(marked.firmware_reads(marked.get(1).unwrap()));
    assert_eq!(
        (&marked.get(1).unwrap().partuuid, marked.get(3)),
        (&boot.partuuid, table.get(3))
    );
    assert_eq!(entries(&disk)[..2], [(0xee, 1, 2047), (12, 2048, 2048)]);
    // The backup says the same: moved to the place of the primary, it is read with the same types.
    let bytes = disk.to_bytes();
    assert_eq!(
        bytes[32735 * 512..32735 * 512 + 128 * 128],
        bytes[1024..1024 + 128 * 128]
    );
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[1024..1024 + 128 * 128]);
    assert_eq!(bytes[32767 * 512 + 88..32767 * 512 + 92], sum.sum().to_le_bytes());
    let before = disk.to_bytes();
    mark_boot(&disk, marked.get(1).unwrap()).unwrap();
    assert!(disk.to_bytes() == before, "a right type is written again");
}

#[test]
fn the_backup_gpt_moves_to_the_end_of_a_larger_disk() {
    let mut bytes = gpt(&[(1, 2048, 4095), (2, 8192, 32_734)]).to_bytes();
    bytes.resize(32 * MIB, 0);
    let disk = RamDisk::from_bytes(bytes);
    grow_last(&disk, 31 * MIB as u64).unwrap();
    assert_eq!(
        PartitionTable::read(&disk).unwrap().last().unwrap().end(),
        31 * MIB as u64
    );
    let bytes = disk.to_bytes();
    assert_eq!(&bytes[32 * MIB - 512..32 * MIB - 504], b"EFI PART");
    assert_eq!(
        bytes[16 * MIB - 512..16 * MIB - 504],
        [0; 8],
        "the old backup is still there"
    );
}

#[test]
fn a_partition_cannot_shrink_overlap_or_leave_the_disk() {
    for (number, len, why) in [
        (1, 4096 * 512 - 512, "already"),
        (1, 7000 * 512, "there is room for"),
        (2, 16 << 20, "there is room for"),
        (4, 1 << 20, "no such partition"),
        (2, u64::MAX, "there is room for"),
    ] {
        for disk in [
            mbr(&[(12, 2048, 4096), (131, 8192, 4096)]),
            gpt(&[(1, 2048, 6143), (2, 8192, 12_287)]),
        ] {
            let before = disk.to_bytes();
            let error = grow_partition(&disk, number, len).unwrap_err().to_string();
            assert!(error.contains(why), "{why:?} is not in {error:?}");
            assert!(disk.to_bytes() == before, "a refused growth changed the disk");
        }
    }
}

proptest! {
    #[test]
    fn whatever_the_first_sectors_hold_reading_ends_and_what_is_read_is_sane(
        seed in prop::collection::vec((0usize..20_000, any::<u8>()), 1..30),
        is_gpt in any::<bool>(),
    ) {
        let good = if is_gpt { gpt(&[(1, 2048, 4095), (2, 8192, 12_287)]) } else { mbr(&[(12, 2048, 4096), (131, 8192, 4096)]) };
        for (at, byte) in seed {
            // Half of the hits go where the fields are.
            let at = if at % 2 == 0 { 440 + at % 700 } else { at };
            good.write_at(at as u64, &[byte]).unwrap();
        }
        if let Ok(table) = PartitionTable::read(&good) {
            for p in &table.partitions {
                prop_assert!(p.len > 0 && p.end() <= good.size());
            }
            let _ = grow_last(&good, 15 * MIB as u64);
        }
    }
}
