//! Where the parts of a FAT volume are: reads and checks its BIOS parameter block (Microsoft, "FAT:
//! General Overview of On-Disk Format" 1.03).

use std::io;

use super::error::{damaged, not_fat, on_fat};
use crate::io::{ReadAt, in_memory};
use kraken_foundation::{Context, Kind, Result};

/// Bytes of one FAT that we hold in memory at most: 16 Mi clusters of FAT32, far more than a boot
/// volume has.
const MAX_FAT: u64 = 64 << 20;

/// The width of a FAT entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// The checked shape of a volume; all offsets and lengths are bytes from its start and lie inside
/// it.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub width: Width,
    pub cluster: u64,
    /// Number of data clusters; they are numbered from 2.
    pub clusters: u32,
    pub fat_start: u64,
    pub fat_len: u64,
    pub fats: u64,
    /// The fixed root directory of FAT12 and FAT16.
    pub root_start: u64,
    pub root_len: u64,
    pub data_start: u64,
    /// Where the volume ends according to its own fields.
    pub end: u64,
    /// The root directory's first cluster (FAT32).
    pub root_cluster: u32,
    /// Offset of FSInfo (FAT32).
    pub fs_info: Option<u64>,
    /// Offset of the byte with the dirty bits.
    pub flags_at: u64,
}

fn u16_at(b: &[u8], at: usize) -> u64 {
    u64::from(u16::from_le_bytes([b[at], b[at + 1]]))
}

fn u32_at(b: &[u8], at: usize) -> u64 {
    u16_at(b, at) | u16_at(b, at + 2) << 16
}

impl Geometry {
    /// Reads and checks the parameter block.
    pub(crate) fn read(volume: &dyn ReadAt) -> Result<Self> {
        let mut boot = [0; 512];
        volume
            .read_at(0, &mut boot)
            .quoted(|| on_fat("reading the boot sector"))?;
        Self::parse(&boot, volume.size())
    }

    fn parse(boot: &[u8; 512], size: u64) -> Result<Self> {
        if boot[510..] != [0x55, 0xaa] || !matches!(boot[0], 0xeb | 0xe9) {
            return Err(not_fat(Kind::NotFound, "there is no FAT boot sector"));
        }
        let sector = u16_at(boot, 11);
        let per_cluster = u64::from(boot[13]);
        if !(512..=4096).contains(&sector) || !sector.is_power_of_two() || !per_cluster.is_power_of_two() {
            return Err(not_fat(
                Kind::Damaged,
                "its sectors or clusters have an impossible size",
            ));
        }
        let (reserved, fats) = (u16_at(boot, 14), u64::from(boot[16]));
        let root_len = (u16_at(boot, 17) * 32).next_multiple_of(sector);
        let total = Some(u16_at(boot, 19)).filter(|n| *n != 0).unwrap_or(u32_at(boot, 32));
        let short_fat = u16_at(boot, 22);
        let fat_sectors = if short_fat == 0 { u32_at(boot, 36) } else { short_fat };
        if reserved == 0 || !(1..=2).contains(&fats) || fat_sectors == 0 || total == 0 {
            return Err(not_fat(Kind::Damaged, "its boot sector has impossible numbers"));
        }
        if total * sector > size {
            return Err(damaged(format_args!(
                "it says it has {} bytes, the partition has {size}",
                total * sector
            )));
        }
        let fat_start = reserved * sector;
        let fat_len = fat_sectors * sector;
        let root_start = fat_start + fats * fat_len;
        let data_start = root_start + root_len;
        let cluster = sector * per_cluster;
        let data = (total * sector)
            .checked_sub(data_start)
            .ok_or_else(|| not_fat(Kind::Damaged, "its tables are larger than itself"))?;
        let clusters = data / cluster;
        let width = width(clusters);
        if (width == Width::ThirtyTwo) != (short_fat == 0) {
            return Err(not_fat(Kind::Damaged, "its cluster count does not fit its type"));
        }
        let bits = match width {
            Width::Twelve => 12,
            Width::Sixteen => 16,
            Width::ThirtyTwo => 32,
        };
        if fat_len > MAX_FAT || (clusters + 2) * bits > fat_len * 8 {
            return Err(not_fat(Kind::Damaged, "its allocation table has an impossible size"));
        }
        let clusters = u32::try_from(clusters)
            .map_err(|_| not_fat(Kind::Damaged, "it has more clusters than a FAT can number"))?;
        let mut geometry = Self {
            width,
            cluster,
            clusters,
            fat_start,
            fat_len,
            fats,
            root_start,
            root_len,
            data_start,
            end: total * sector,
            root_cluster: 0,
            fs_info: None,
            flags_at: 37,
        };
        if width == Width::ThirtyTwo {
            geometry.extend(boot, sector, reserved, root_len)?;
        }
        Ok(geometry)
    }

    /// Adds the fields that only FAT32 has.
    fn extend(&mut self, boot: &[u8; 512], sector: u64, reserved: u64, root_len: u64) -> Result<()> {
        self.root_cluster = u32::from_le_bytes([boot[44], boot[45], boot[46], boot[47]]);
        self.flags_at = 65;
        let info = u16_at(boot, 48);
        if root_len != 0 || info == 0 || info >= reserved {
            return Err(not_fat(Kind::Damaged, "its FAT32 fields have impossible numbers"));
        }
        if u16_at(boot, 40) & 0x80 != 0 {
            return Err(not_fat(
                Kind::Unsupported,
                "its allocation tables are not mirrored, which is not supported",
            ));
        }
        self.fs_info = Some(info * sector);
        Ok(())
    }

    /// Whether `n` is the number of a data cluster.
    pub(crate) fn holds(&self, n: u32) -> bool {
        n >= 2 && n - 2 < self.clusters
    }

    /// Returns where data cluster `n` begins; `n` must be one ([`Self::holds`]).
    pub(crate) fn cluster_at(&self, n: u32) -> u64 {
        self.data_start + u64::from(n.saturating_sub(2)) * self.cluster
    }

    /// Reads allocation table number `copy` (from 0).
    pub(crate) fn read_fat(&self, volume: &dyn ReadAt, copy: u64) -> io::Result<Fat> {
        let mut bytes = vec![0; in_memory(self.fat_len)?];
        volume.read_at(self.fat_start + copy * self.fat_len, &mut bytes)?;
        Ok(Fat {
            width: self.width,
            bytes,
        })
    }
}

/// The type follows from the number of clusters alone.
fn width(clusters: u64) -> Width {
    match clusters {
        ..4085 => Width::Twelve,
        4085..65525 => Width::Sixteen,
        _ => Width::ThirtyTwo,
    }
}

/// One allocation table in memory.
#[derive(PartialEq, Eq)]
pub(crate) struct Fat {
    width: Width,
    bytes: Vec<u8>,
}

/// The meaning of an entry of an allocation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Free,
    Next(u32),
    Bad,
    End,
}

impl Fat {
    /// Returns the raw entry; 0 beyond the table's end.
    pub(crate) fn raw(&self, n: u32) -> u32 {
        let n = n as usize;
        let byte = |at: usize| u32::from(self.bytes.get(at).copied().unwrap_or(0));
        match self.width {
            Width::Twelve => {
                let at = n + n / 2;
                let pair = byte(at) | byte(at + 1) << 8;
                if n.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 }
            }
            Width::Sixteen => byte(2 * n) | byte(2 * n + 1) << 8,
            Width::ThirtyTwo => {
                byte(4 * n) | byte(4 * n + 1) << 8 | byte(4 * n + 2) << 16 | (byte(4 * n + 3) & 0x0f) << 24
            }
        }
    }

    /// Marks cluster `n` as free. The top bits of a FAT32 entry are reserved and stay unchanged.
    pub(crate) fn free(&mut self, n: u32) {
        let n = n as usize;
        let (at, keep) = match self.width {
            Width::Twelve if n.is_multiple_of(2) => (n + n / 2, &[0x00, 0xf0][..]),
            Width::Twelve => (n + n / 2, &[0x0f, 0x00][..]),
            Width::Sixteen => (2 * n, &[0, 0][..]),
            Width::ThirtyTwo => (4 * n, &[0, 0, 0, 0xf0][..]),
        };
        if let Some(entry) = self.bytes.get_mut(at..at + keep.len()) {
            entry.iter_mut().zip(keep).for_each(|(byte, keep)| *byte &= keep);
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the meaning of entry `n`.
    pub(crate) fn link(&self, n: u32) -> Link {
        let bad = match self.width {
            Width::Twelve => 0xff7,
            Width::Sixteen => 0xfff7,
            Width::ThirtyTwo => 0x0fff_fff7,
        };
        match self.raw(n) {
            0 => Link::Free,
            raw if raw == bad => Link::Bad,
            raw if raw > bad => Link::End,
            raw => Link::Next(raw),
        }
    }

    /// Returns the data clusters that are not free, in order; `clusters` is the number of the
    /// volume's data clusters.
    pub(crate) fn in_use(&self, clusters: u32) -> Vec<u32> {
        // Nearly all of a boot volume is free, so runs of zeros are skipped at once.
        const PAGE: usize = 512;
        if self.width != Width::ThirtyTwo {
            return (2..clusters + 2).filter(|n| self.link(*n) != Link::Free).collect();
        }
        let mut used = Vec::new();
        for (page, bytes) in self.bytes.chunks(PAGE).enumerate() {
            if *bytes == [0; PAGE] {
                continue;
            }
            let number = |at: usize| u32::try_from(at / 4).unwrap_or(u32::MAX);
            let numbers = number(page * PAGE).max(2)..number((page + 1) * PAGE).min(clusters + 2);
            used.extend(numbers.filter(|n| self.link(*n) != Link::Free));
        }
        used
    }

    /// Whether entry 1 says that the volume was not unmounted, or that errors occurred.
    pub(crate) fn dirty(&self) -> bool {
        match self.width {
            Width::Twelve => false,
            Width::Sixteen => self.raw(1) & 0xc000 != 0xc000,
            Width::ThirtyTwo => self.raw(1) & 0x0c00_0000 != 0x0c00_0000,
        }
    }
}
