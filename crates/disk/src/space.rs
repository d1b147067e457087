//! What an overlay needs, and what is free: decides whether the root volume must grow before it is
//! written.

use std::sync::Arc;

use super::ext4::Ext4Info;
use super::fat::{Survey, on_fat};
use super::io::ReadAt;
use super::layout::Layout;
use super::slice::Slice;
use kraken_foundation::{Context, Error, Result};
use kraken_overlay::{Kind, Overlay, Volume};

/// Space left on the root volume beyond what the overlay needs. The ext4 writer needs contiguous
/// runs and gives up with some 31 MB free. The rest is for the first boot, which writes logs, keys
/// and package lists before the file system is grown to the card.
pub const ROOT_MARGIN: u64 = 64 << 20;
/// Inodes left over, for the first boot.
const INODE_MARGIN: u64 = 4096;
/// Growth is rounded up to this, so that a few bytes more in an overlay do not change the size of
/// the image.
const GROWTH_STEP: u64 = 16 << 20;
/// Bytes of a directory entry with a name of average length, rounded up generously.
const DIRECTORY_ENTRY: u64 = 64;
/// Bytes of a link's target that fit in the inode.
const FAST_LINK: usize = 59;

/// Returns by how many bytes the root volume must grow so that `overlay` fits with [`ROOT_MARGIN`]
/// to spare; `None` when it need not grow. Space of files that the overlay replaces is not counted
/// as free.
///
/// # Errors
/// When a volume cannot be read, or the boot volume is too small.
pub fn shortfall(disk: Arc<dyn ReadAt>, layout: &Layout, overlay: &Overlay) -> Result<Option<u64>> {
    boot_fits(&disk, layout, overlay)?;
    Ok(root_growth(&Ext4Info::of(disk, &layout.root)?, overlay))
}

/// As [`shortfall`], for a given number of bytes, in whole blocks, and of inodes of the root
/// volume.
///
/// # Errors
/// When the volume cannot be read.
pub fn shortfall_of(disk: Arc<dyn ReadAt>, layout: &Layout, bytes: u64, inodes: u64) -> Result<Option<u64>> {
    Ok(growth_for(&Ext4Info::of(disk, &layout.root)?, bytes, inodes))
}

/// Bytes that are free on the two volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    /// On the boot volume.
    pub boot: u64,
    /// On the root volume, without the blocks that are reserved for root.
    pub root: u64,
}

/// Returns the free space of the volumes of a disk.
///
/// # Errors
/// When a volume cannot be read.
pub fn free_space(disk: Arc<dyn ReadAt>, layout: &Layout) -> Result<FreeSpace> {
    let boot =
        Slice::new(disk.clone(), layout.boot.start, layout.boot.len).quoted(|| on_fat("opening the partition"))?;
    let survey = Survey::take(&boot)?;
    let info = Ext4Info::of(disk, &layout.root)?;
    Ok(FreeSpace {
        boot: u64::from(survey.free) * survey.geometry.cluster,
        root: info
            .free_blocks
            .saturating_sub(info.reserved_blocks)
            .saturating_mul(info.block_size),
    })
}

fn boot_fits(disk: &Arc<dyn ReadAt>, layout: &Layout, overlay: &Overlay) -> Result<()> {
    let mut needed = 0;
    let slice =
        Slice::new(disk.clone(), layout.boot.start, layout.boot.len).quoted(|| on_fat("opening the partition"))?;
    let survey = Survey::take(&slice)?;
    let cluster = survey.geometry.cluster;
    for (volume, _, entry) in overlay.iter() {
        needed += match (&entry.kind, volume) {
            (Kind::File(content), Volume::Boot) => content.len().next_multiple_of(cluster),
            (Kind::Directory | Kind::DirectoryIfMissing, Volume::Boot) => cluster,
            _ => 0,
        };
    }
    let free = u64::from(survey.free) * cluster;
    if needed > free {
        let text = format!(
            "measuring the boot volume: {needed} bytes are needed and {free} are free; remove files from it or use a base with a larger one"
        );
        return Err(Error::new(kraken_foundation::Kind::Full, text));
    }
    Ok(())
}

fn root_growth(info: &Ext4Info, overlay: &Overlay) -> Option<u64> {
    let (mut bytes, mut inodes) = (0, 0);
    for (volume, _, entry) in overlay.iter() {
        if volume != Volume::Root {
            continue;
        }
        let block = info.block_size;
        bytes += match &entry.kind {
            Kind::File(content) => content.len().next_multiple_of(block),
            Kind::Directory | Kind::DirectoryIfMissing => block,
            Kind::HardLink(_) => 0,
            Kind::Symlink(target) if target.len() > FAST_LINK => block,
            Kind::Symlink(_) | Kind::Node(_) => 0,
            Kind::Absent | Kind::AbsentIfEmpty => continue,
        };
        bytes += DIRECTORY_ENTRY + if entry.xattrs.is_empty() { 0 } else { block };
        inodes += 1;
    }
    growth_for(info, bytes, inodes)
}

fn growth_for(info: &Ext4Info, bytes: u64, inodes: u64) -> Option<u64> {
    let free = info.free_blocks.saturating_sub(info.reserved_blocks) * info.block_size;
    let for_bytes = bytes.saturating_add(ROOT_MARGIN).saturating_sub(free);
    let missing = inodes
        .saturating_add(INODE_MARGIN)
        .saturating_sub(u64::from(info.free_inodes));
    // Inodes come with groups, a fixed number in each.
    let groups = missing.div_ceil(u64::from(info.inodes_per_group));
    let for_inodes = groups
        .saturating_mul(u64::from(info.blocks_per_group))
        .saturating_mul(info.block_size);
    let growth = for_bytes.max(for_inodes);
    // New groups bring tables of their own (1.6 % with the usual inode ratio), and root's reserve
    // grows with them (5 %).
    (growth > 0).then(|| {
        let more = growth.saturating_add(growth / 10);
        more.checked_next_multiple_of(GROWTH_STEP).unwrap_or(u64::MAX)
    })
}
