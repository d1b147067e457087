//! Which bytes of a disk are in use: tables, everything outside the partitions, FAT clusters and
//! ext4 blocks. The rest need not be written to a card, whatever it holds; bytes in use are
//! written, even when they are zeros.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::ext4::{Belief, Ext4Info, Groups, MAGIC_AT};
use super::fat::Survey;
use super::io::{ReadAt, in_memory, index};
use super::slice::Slice;
use super::table::{Partition, PartitionTable};
use kraken_foundation::{Context, Result};

/// Sorted, non-overlapping, non-touching ranges of bytes that are in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedMap {
    ranges: Vec<Range<u64>>,
}

impl UsedMap {
    /// Maps a whole disk. A partition whose file system is not understood, seems damaged, or was
    /// not unmounted (its journal holds changes of its bitmaps) is in use as a whole. So is the
    /// space behind the file system inside its partition, which holds hash trees of dm-verity,
    /// superblocks of RAIDs and footers, and everything outside the partitions: boot loaders,
    /// chains of logical partitions and copies of tables.
    ///
    /// # Errors
    /// When the disk or its table cannot be read.
    pub fn of(disk: Arc<dyn ReadAt>) -> Result<Self> {
        let table = PartitionTable::read(&*disk)?;
        let size = disk.size();
        let mut partitions: Vec<&Partition> = table.partitions.iter().collect();
        partitions.sort_by_key(|p| p.start);
        let mut map = Self::default();
        let mut reached = 0;
        for partition in &partitions {
            map.add(reached..partition.start);
            map.partition(&disk, partition).quoted(|| "mapping the blocks in use")?;
            reached = reached.max(partition.end());
        }
        map.add(reached..size);
        map.settle();
        Ok(map)
    }

    /// Makes a map of these ranges, in any order, overlapping or not.
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut map = Self {
            ranges: ranges.into_iter().collect(),
        };
        map.settle();
        map
    }

    /// Returns the ranges, in order, in bytes from the start of the disk.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Returns how many bytes are in use.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|r| r.end - r.start).sum()
    }

    /// Whether a byte is in use.
    pub fn contains(&self, offset: u64) -> bool {
        let after = self.ranges.partition_point(|r| r.end <= offset);
        self.ranges.get(after).is_some_and(|r| r.start <= offset)
    }

    fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    fn settle(&mut self) {
        self.ranges.retain(|r| r.start < r.end);
        self.ranges.sort_by_key(|r| r.start);
        let mut merged: Vec<Range<u64>> = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.drain(..) {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        self.ranges = merged;
    }

    fn partition(&mut self, disk: &Arc<dyn ReadAt>, partition: &Partition) -> io::Result<()> {
        let slice = Slice::new(disk.clone(), partition.start, partition.len)?;
        let mut magic = [0; 2];
        let found = if slice.read_at(MAGIC_AT, &mut magic).is_ok() && magic == [0x53, 0xef] {
            ext4(&slice)?
        } else {
            fat(&slice)?
        };
        match found {
            None => self.add(partition.start..partition.end()),
            Some(Volume { ranges, end }) => {
                for range in ranges {
                    // A volume may be smaller than its partition, never larger: its reader has
                    // checked that.
                    let end = range.end.min(partition.len);
                    self.add(partition.start + range.start.min(end)..partition.start + end);
                }
                self.add(partition.start + end.min(partition.len)..partition.end());
            }
        }
        Ok(())
    }
}

/// What a file system uses of its partition, in bytes from the partition's start.
struct Volume {
    /// The ranges in use, in any order.
    ranges: Vec<Range<u64>>,
    /// Where the file system ends, and foreign data begins.
    end: u64,
}

/// Returns the bytes in use of a FAT volume; `None` when it is not one, or its allocation table
/// cannot be trusted. A dirty bit alone does not make the table untrustworthy: there is no journal,
/// and every reader relies on the table alone. But after an unplugging directories can name
/// clusters that the table calls free, and its two copies can differ.
fn fat(volume: &dyn ReadAt) -> io::Result<Option<Volume>> {
    let Ok(survey) = Survey::take(volume) else {
        return Ok(None);
    };
    let geometry = &survey.geometry;
    let fat = geometry.read_fat(volume, 0)?;
    if survey.sound().is_err() || (geometry.fats == 2 && geometry.read_fat(volume, 1)? != fat) {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    push(&mut ranges, 0..geometry.data_start);
    for n in fat.in_use(geometry.clusters) {
        let at = geometry.cluster_at(n);
        push(&mut ranges, at..at + geometry.cluster);
    }
    Ok(Some(Volume {
        ranges,
        end: geometry.end,
    }))
}

/// Returns the bytes in use of an ext4 volume; `None` when it has a shape that is not mapped, its
/// descriptors point outside it, or its bitmaps cannot be trusted as they are ([`Belief`]).
fn ext4(volume: &dyn ReadAt) -> io::Result<Option<Volume>> {
    let Ok(info) = Ext4Info::read(volume) else {
        return Ok(None);
    };
    let Some(groups) = Groups::read(volume, &info)? else {
        return Ok(None);
    };
    let Some(belief) = Belief::read(volume)? else {
        return Ok(None);
    };
    let block = info.block_size;
    // The boot block, and with 1 KiB blocks the block that no bitmap covers.
    let mut ranges = Vec::new();
    push(&mut ranges, 0..(info.first_block + 1) * block);
    let mut bitmap = vec![0; in_memory(block)?];
    for n in 0..groups.len() {
        let group = groups.get(n);
        if group.metadata.iter().any(|r| r.end > info.blocks) || !belief.descriptor(n, groups.raw(n)) {
            return Ok(None);
        }
        for range in &group.metadata {
            push(&mut ranges, range.start * block..range.end * block);
        }
        let head = group.head.min(group.len);
        push(&mut ranges, group.first * block..(group.first + head) * block);
        // A group without a bitmap holds nothing beyond this.
        let Some(at) = group.bitmap else { continue };
        volume.read_at(at * block, &mut bitmap)?;
        if !belief.bitmap(groups.raw(n), &bitmap, group.len) {
            return Ok(None);
        }
        for bit in 0..group.len {
            if bitmap[index(bit / 8)] & (1 << (bit % 8)) != 0 {
                let start = (group.first + bit) * block;
                push(&mut ranges, start..start + block);
            }
        }
    }
    Ok(Some(Volume {
        ranges,
        end: info.blocks * block,
    }))
}

fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}
