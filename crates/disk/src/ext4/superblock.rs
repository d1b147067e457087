//! Our own reader of the ext4 superblock and group descriptors (Linux,
//! Documentation/filesystems/ext4/super.rst and group_descr.rst).

use std::io;
use std::sync::Arc;

use super::features;
use crate::io::{ReadAt, in_memory, index};
use crate::slice::Slice;
use crate::table::Partition;
use kraken_foundation::{Context, Error, Kind, Result};

/// Where the superblock begins, in bytes from the start of the volume.
pub(crate) const SUPERBLOCK_AT: u64 = 1024;
/// Where the magic number is.
pub(crate) const MAGIC_AT: u64 = SUPERBLOCK_AT + 0x38;
const MAGIC: u16 = 0xef53;

// s_feature_incompat
const RECOVER: u32 = 0x4;
const JOURNAL_DEV: u32 = 0x8;
const META_BG: u32 = 0x10;
const SIXTY_FOUR: u32 = 0x80;
// s_feature_ro_compat
const GDT_CSUM: u32 = 0x10;
const BIGALLOC: u32 = 0x200;
const METADATA_CSUM: u32 = 0x400;
const ORPHAN_PRESENT: u32 = 0x1_0000;
// s_state
const VALID: u16 = 1;
const ERRORS: u16 = 2;

/// Groups of one file system at most: 16 TiB of 128 MiB groups, far beyond any card.
const MAX_GROUPS: u64 = 1 << 17;

/// The fields of the superblock of an ext4 volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ext4Info {
    /// The file system's UUID, lower-case with hyphens.
    pub uuid: String,
    /// Its label; empty when it has none.
    pub label: String,
    /// Bytes in a block.
    pub block_size: u64,
    /// Blocks in the file system.
    pub blocks: u64,
    /// Blocks that are free, including those reserved for root.
    pub free_blocks: u64,
    /// Blocks reserved for root.
    pub reserved_blocks: u64,
    /// Inodes in the file system.
    pub inodes: u32,
    /// Inodes that are free.
    pub free_inodes: u32,
    /// Inodes in one group.
    pub inodes_per_group: u32,
    /// Blocks in one group.
    pub blocks_per_group: u32,
    /// Bytes of one inode.
    pub inode_size: u16,
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub made_at: i64,
    /// When it was written last, in seconds since 1970-01-01 UTC.
    pub written_at: i64,
    pub(crate) first_block: u64,
    descriptor_size: u64,
    compat: u32,
    incompat: u32,
    ro_compat: u32,
    state: u16,
    last_orphan: u32,
    reserved_gdt_blocks: u64,
    backup_groups: [u32; 2],
    first_meta_group: u64,
}

/// Before the cause when the superblock cannot be read.
const READING: &str = "reading the ext4 superblock";

fn bad(why: &str) -> Error {
    Error::new(Kind::Damaged, format!("{READING}: {why}"))
}

fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from(u16_at(b, at)) | u32::from(u16_at(b, at + 2)) << 16
}

impl Ext4Info {
    /// Reads and checks the superblock of a volume.
    ///
    /// # Errors
    /// When there is none, or its numbers are impossible.
    pub fn read(volume: &dyn ReadAt) -> Result<Self> {
        let mut raw = [0; 1024];
        volume.read_at(SUPERBLOCK_AT, &mut raw).quoted(|| READING)?;
        let info = Self::parse(&raw)?;
        let bytes = info.blocks.checked_mul(info.block_size);
        if bytes.is_none_or(|bytes| bytes > volume.size()) {
            return Err(bad(
                "the file system is larger than its partition; the image is cut short",
            ));
        }
        Ok(info)
    }

    /// As [`Self::read`], of the volume in a partition of a disk.
    pub(crate) fn of(disk: Arc<dyn ReadAt>, partition: &Partition) -> Result<Self> {
        let slice = Slice::new(disk, partition.start, partition.len).quoted(|| READING)?;
        Self::read(&slice)
    }

    fn parse(raw: &[u8; 1024]) -> Result<Self> {
        if u16_at(raw, 0x38) != MAGIC {
            return Err(bad("there is no ext4 file system").with_kind(Kind::NotFound));
        }
        let log = u32_at(raw, 0x18);
        if log > 6 {
            return Err(bad("its block size is impossible"));
        }
        let block_size = 1024u64 << log;
        let incompat = u32_at(raw, 0x60);
        let wide = incompat & SIXTY_FOUR != 0;
        let high = |at: usize| if wide { u64::from(u32_at(raw, at)) << 32 } else { 0 };
        let descriptor_size = if wide { u64::from(u16_at(raw, 0xfe)) } else { 32 };
        let info = Self {
            uuid: uuid(&raw[0x68..0x78]),
            label: label(&raw[0x78..0x88]),
            block_size,
            blocks: u64::from(u32_at(raw, 4)) | high(0x150),
            reserved_blocks: u64::from(u32_at(raw, 8)) | high(0x154),
            free_blocks: u64::from(u32_at(raw, 0xc)) | high(0x158),
            inodes: u32_at(raw, 0),
            free_inodes: u32_at(raw, 0x10),
            inodes_per_group: u32_at(raw, 0x28),
            blocks_per_group: u32_at(raw, 0x20),
            // Revision 0 does not use the field, and has inodes of 128 bytes.
            inode_size: if u32_at(raw, 0x4c) == 0 { 128 } else { u16_at(raw, 0x58) },
            // The high bytes of the times, 0x274 and on, are zero until 2106.
            made_at: i64::from(u32_at(raw, 0x108)),
            written_at: i64::from(u32_at(raw, 0x30)),
            first_block: u64::from(u32_at(raw, 0x14)),
            descriptor_size,
            compat: u32_at(raw, 0x5c),
            incompat,
            ro_compat: u32_at(raw, 0x64),
            state: u16_at(raw, 0x3a),
            last_orphan: u32_at(raw, 0xe8),
            reserved_gdt_blocks: u64::from(u16_at(raw, 0xce)),
            backup_groups: [u32_at(raw, 0x24c), u32_at(raw, 0x250)],
            first_meta_group: u64::from(u32_at(raw, 0x104)),
        };
        // With bigalloc a bit stands for a cluster of blocks. Such a volume is refused by the
        // feature's name, so it must not be reported as damaged first.
        let cluster_log = u32_at(raw, 0x1c).saturating_sub(log);
        let bigalloc = info.ro_compat & BIGALLOC != 0;
        let cluster = if bigalloc { 1 << cluster_log.min(20) } else { 1 };
        let sound = info.blocks_per_group >= 8
            && u64::from(info.blocks_per_group) <= 8 * block_size * cluster
            && info.inodes_per_group > 0
            && info.inode_size >= 128
            && info.first_block < info.blocks
            && info.first_block == u64::from(block_size == 1024 && !bigalloc)
            && info.free_blocks <= info.blocks
            && info.free_inodes <= info.inodes
            && (32..=1024).contains(&descriptor_size)
            && descriptor_size.is_power_of_two()
            && info.groups() <= MAX_GROUPS;
        if sound {
            Ok(info)
        } else {
            Err(bad("its numbers contradict each other; it is damaged"))
        }
    }

    /// Returns why the volume must not be written as it is, and what to do; `None` when it may be.
    pub fn refusal(&self) -> Option<&'static str> {
        self.unsupported().or_else(|| self.unclean())
    }

    /// Returns the kind of fault that [`Self::refusal`] describes.
    pub(crate) fn refusal_kind(&self) -> Kind {
        match self.unsupported() {
            Some(_) => Kind::Unsupported,
            None => Kind::Damaged,
        }
    }

    /// Returns why volumes of this shape are neither read nor written, whatever their state; `None`
    /// when the shape is supported.
    pub fn unsupported(&self) -> Option<&'static str> {
        features::unsupported(&features::Shape {
            incompat: self.incompat,
            ro_compat: self.ro_compat,
            block_size: self.block_size,
            inode_size: self.inode_size,
        })
    }

    fn unclean(&self) -> Option<&'static str> {
        let unclean = self.incompat & RECOVER != 0
            || self.ro_compat & ORPHAN_PRESENT != 0
            || self.last_orphan != 0
            || self.state & VALID == 0
            || self.state & ERRORS != 0;
        unclean.then_some("it was not unmounted cleanly or has errors; repair it first: `sudo losetup -fP --show IMAGE` names a loop device, \
             `sudo e2fsck -fy` its root partition (/dev/loopNp2), and `sudo losetup -d` lets go of it")
    }

    fn groups(&self) -> u64 {
        (self.blocks - self.first_block).div_ceil(u64::from(self.blocks_per_group))
    }
}

fn label(raw: &[u8]) -> String {
    let end = raw.iter().position(|b| *b == 0).unwrap_or(raw.len());
    String::from_utf8_lossy(&raw[..end]).into_owned()
}

fn uuid(raw: &[u8]) -> String {
    let text = hex::encode(raw);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// The group descriptors of a volume.
pub(crate) struct Groups {
    info: Ext4Info,
    table: Vec<u8>,
}

/// What the used-block map needs to know of a group.
pub(crate) struct Group {
    /// Its first block.
    pub first: u64,
    /// How many blocks it has.
    pub len: u64,
    /// Where its block bitmap is; `None` when it was never written (`BLOCK_UNINIT`).
    pub bitmap: Option<u64>,
    /// Blocks that hold its own metadata, wherever they are: bitmaps and inode table.
    pub metadata: [std::ops::Range<u64>; 3],
    /// Blocks at its start that hold a copy of the superblock and the descriptors (with the space
    /// reserved for growth).
    pub head: u64,
}

impl Groups {
    /// Reads the descriptors; `None` when the layout is one that we do not map (bigalloc,
    /// `meta_bg`).
    pub(crate) fn read(volume: &dyn ReadAt, info: &Ext4Info) -> io::Result<Option<Self>> {
        if info.ro_compat & BIGALLOC != 0 || info.incompat & (META_BG | JOURNAL_DEV) != 0 || info.first_meta_group != 0
        {
            return Ok(None);
        }
        let mut table = vec![0; in_memory(info.groups() * info.descriptor_size)?];
        volume.read_at((info.first_block + 1) * info.block_size, &mut table)?;
        Ok(Some(Self {
            info: info.clone(),
            table,
        }))
    }

    /// Returns the number of groups.
    pub(crate) fn len(&self) -> u64 {
        self.info.groups()
    }

    /// Returns the descriptor of group `n`, which must be below [`Self::len`], as it is on the
    /// volume.
    pub(crate) fn raw(&self, n: u64) -> &[u8] {
        let at = index(n * self.info.descriptor_size);
        &self.table[at..at + index(self.info.descriptor_size)]
    }

    /// Returns group number `n`, which must be below [`Self::len`].
    pub(crate) fn get(&self, n: u64) -> Group {
        const BLOCK_UNINIT: u16 = 2;
        let raw = self.raw(n);
        let block = |low: usize, high: usize| {
            let top = if raw.len() >= 64 {
                u64::from(u32_at(raw, high)) << 32
            } else {
                0
            };
            top | u64::from(u32_at(raw, low))
        };
        let (bitmap, inode_bitmap, inodes) = (block(0, 0x20), block(4, 0x24), block(8, 0x28));
        // As in the kernel, the flag is valid only where descriptors have checksums.
        let flags_hold = self.info.ro_compat & (GDT_CSUM | METADATA_CSUM) != 0;
        let uninit = flags_hold && u16_at(raw, 0x12) & BLOCK_UNINIT != 0;
        let first = self.info.first_block + n * u64::from(self.info.blocks_per_group);
        let table_bytes = u64::from(self.info.inodes_per_group) * u64::from(self.info.inode_size);
        let table_blocks = table_bytes.div_ceil(self.info.block_size);
        let range = |from: u64, len: u64| from..from.saturating_add(len);
        Group {
            first,
            len: u64::from(self.info.blocks_per_group).min(self.info.blocks - first),
            bitmap: (!uninit).then_some(bitmap),
            metadata: [range(bitmap, 1), range(inode_bitmap, 1), range(inodes, table_blocks)],
            head: self.head(n),
        }
    }

    fn head(&self, n: u64) -> u64 {
        if !self.has_copy(n) {
            return 0;
        }
        let table = (self.len() * self.info.descriptor_size).div_ceil(self.info.block_size);
        1 + table + self.info.reserved_gdt_blocks
    }

    /// Whether a group has a copy of the superblock (`sparse_super`, `sparse_super2`).
    fn has_copy(&self, n: u64) -> bool {
        const SPARSE_SUPER: u32 = 1;
        const SPARSE_SUPER2: u32 = 0x200;
        if n == 0 {
            return true;
        }
        if self.info.compat & SPARSE_SUPER2 != 0 {
            return self.info.backup_groups.iter().any(|b| u64::from(*b) == n);
        }
        if self.info.ro_compat & SPARSE_SUPER == 0 || n == 1 {
            return true;
        }
        [3, 5, 7].iter().any(|base| {
            let mut power = *base;
            while power < n {
                power *= base;
            }
            power == n
        })
    }
}
