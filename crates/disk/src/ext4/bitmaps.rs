//! Decides whether the block bitmaps of an ext4 volume can be trusted as they are on the medium
//! (Linux, Documentation/filesystems/ext4: super.rst, group_descr.rst, checksums.rst;
//! `fs/ext4/bitmap.c`).
//!
//! A journal that was not replayed, an unclean state or an orphan means that the next mount changes
//! the bitmaps: a block that they call free then may hold data. The bitmaps are not trusted either
//! when a checksum is wrong, a count contradicts them, or the volume has an unknown feature.

use std::io;

use super::superblock::SUPERBLOCK_AT;
use crate::io::ReadAt;

// s_feature_incompat
const RECOVER: u32 = 0x4;
const SIXTY_FOUR: u32 = 0x80;
const CSUM_SEED: u32 = 0x2000;
/// filetype, extents, 64bit, mmp, flex_bg, ea_inode, dirdata, metadata_csum_seed, large_dir,
/// inline_data, encrypt, casefold: none of them changes the meaning of a block bitmap.
const KNOWN_INCOMPAT: u32 = 0x2 | 0x40 | SIXTY_FOUR | 0x100 | 0x200 | 0x400 | 0x1000 | CSUM_SEED | 0x3_c000;
// s_feature_ro_compat
const GDT_CSUM: u32 = 0x10;
const METADATA_CSUM: u32 = 0x400;
/// sparse_super, large_file, btree_dir, huge_file, uninit_bg, dir_nlink, extra_isize, quota,
/// metadata_csum, read-only, project, verity.
const KNOWN_RO_COMPAT: u32 = 0x7 | 0x8 | GDT_CSUM | 0x60 | 0x100 | METADATA_CSUM | 0x1000 | 0x2000 | 0x8000;
/// `s_state` of a volume that was unmounted without errors, and whose orphans are not being
/// processed.
const CLEAN: u16 = 1;
/// The offset of a descriptor's own checksum.
const DESCRIPTOR_SUM_AT: usize = 0x1e;

/// The data of the superblock against which descriptors and bitmaps are checked.
pub(crate) struct Belief {
    sums: Sums,
    wide: bool,
    /// The seed of the checksums: computed from the UUID, or stored in the superblock.
    seed: u32,
    uuid: [u8; 16],
    blocks_per_group: usize,
}

enum Sums {
    None,
    /// uninit_bg: CRC-16 of descriptors.
    Descriptors,
    /// metadata_csum: CRC-32C of descriptors and bitmaps.
    All,
}

impl Belief {
    /// Reads the superblock of a volume; `None` when its bitmaps cannot be trusted, whatever they
    /// contain.
    pub(crate) fn read(volume: &dyn ReadAt) -> io::Result<Option<Self>> {
        let mut raw = [0; 1024];
        volume.read_at(SUPERBLOCK_AT, &mut raw)?;
        let (incompat, ro_compat) = (u32_at(&raw, 0x60), u32_at(&raw, 0x64));
        // RECOVER and ORPHAN_PRESENT are not in the known sets.
        let as_it_lies = incompat & !KNOWN_INCOMPAT == 0
            && incompat & RECOVER == 0
            && ro_compat & !KNOWN_RO_COMPAT == 0
            && u16_at(&raw, 0x3a) == CLEAN
            && u32_at(&raw, 0xe8) == 0;
        let all = ro_compat & METADATA_CSUM != 0;
        // Type 1 is CRC-32C, the only type that exists.
        let right = !all || (raw[0x175] == 1 && crc32c(!0, &raw[..0x3fc]) == u32_at(&raw, 0x3fc));
        if !as_it_lies || !right {
            return Ok(None);
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&raw[0x68..0x78]);
        Ok(Some(Self {
            sums: match (all, ro_compat & GDT_CSUM != 0) {
                (true, _) => Sums::All,
                (false, true) => Sums::Descriptors,
                (false, false) => Sums::None,
            },
            wide: incompat & SIXTY_FOUR != 0,
            seed: match incompat & CSUM_SEED {
                0 => crc32c(!0, &uuid),
                _ => u32_at(&raw, 0x270),
            },
            uuid,
            blocks_per_group: u32_at(&raw, 0x20) as usize,
        }))
    }

    /// Whether the descriptor of group `n` has the right checksum.
    pub(crate) fn descriptor(&self, n: u64, raw: &[u8]) -> bool {
        let Ok(number) = u32::try_from(n).map(u32::to_le_bytes) else {
            return false;
        };
        let (before, after) = (&raw[..DESCRIPTOR_SUM_AT], &raw[DESCRIPTOR_SUM_AT + 2..]);
        let sum = match self.sums {
            Sums::None => return true,
            Sums::All => {
                let parts = [&number[..], before, &[0, 0], after];
                let [low, high, ..] = parts
                    .iter()
                    .fold(self.seed, |sum, part| crc32c(sum, part))
                    .to_le_bytes();
                u16::from_le_bytes([low, high])
            }
            Sums::Descriptors => {
                let after = if self.wide { after } else { &[] };
                [&self.uuid[..], &number, before, after]
                    .iter()
                    .fold(!0, |sum, part| crc16(sum, part))
            }
        };
        sum == u16_at(raw, DESCRIPTOR_SUM_AT)
    }

    /// Whether a bitmap of `len` blocks has the checksum and the number of free blocks that its
    /// descriptor states.
    pub(crate) fn bitmap(&self, descriptor: &[u8], bitmap: &[u8], len: u64) -> bool {
        let high = |at: usize| {
            if descriptor.len() >= 64 {
                u16_at(descriptor, at)
            } else {
                0
            }
        };
        let said = |low: usize, top: usize| u32::from(u16_at(descriptor, low)) | u32::from(high(top)) << 16;
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= bitmap.len() * 8) else {
            return false;
        };
        let free = (0..len).filter(|bit| bitmap[bit / 8] & (1 << (bit % 8)) == 0);
        if said(0xc, 0x2c) as usize != free.count() {
            return false;
        }
        if !matches!(self.sums, Sums::All) {
            return true;
        }
        let covered = (self.blocks_per_group / 8).min(bitmap.len());
        let sum = crc32c(self.seed, &bitmap[..covered]);
        let kept = if descriptor.len() >= 64 { sum } else { sum & 0xffff };
        kept == said(0x18, 0x38)
    }
}

/// CRC-32C as ext4 uses it: without the final inversion, so that it can be continued.
fn crc32c(from: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!from, bytes)
}

/// CRC-16 with the polynomial 0x8005, bits reversed.
fn crc16(from: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(from, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| match sum & 1 {
            0 => sum >> 1,
            _ => sum >> 1 ^ 0xa001,
        })
    })
}

fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from(u16_at(b, at)) | u32::from(u16_at(b, at + 2)) << 16
}
