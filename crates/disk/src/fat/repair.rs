//! Repairs the faults that a FAT volume of a card has that was pulled out: as `fsck.fat -a` does,
//! and only where no byte of a file is lost.

use super::Survey;
use super::error::{damaged, on_fat};
use super::geometry::{Fat, Geometry, Width};
use crate::io::{ReadAt, WriteAt};
use crate::slice::Slice;
use crate::table::Partition;
use kraken_foundation::{Context, Result};

/// Repairs the boot volume in a partition: the first copy of the allocation table wins, clusters
/// that no file uses are freed, FSInfo is written again, dirty bits are cleared. Returns the faults
/// that were found.
///
/// # Errors
/// When it is unsafe to walk, or a file is longer than its clusters. Then
/// nothing is changed.
pub fn repair_fat(disk: &dyn WriteAt, partition: &Partition) -> Result<Vec<String>> {
    let slice = Slice::new(disk, partition.start, partition.len).quoted(|| on_fat("opening the partition"))?;
    let survey = Survey::take(&slice)?;
    settle(&slice, &survey)?;
    Ok(survey.findings)
}

/// As [`repair_fat`], for a volume that was surveyed.
pub(super) fn settle(volume: &dyn WriteAt, survey: &Survey) -> Result<()> {
    survey.sound()?;
    if let Some(finding) = &survey.beyond_repair {
        return Err(damaged(finding));
    }
    if survey.has_faults() {
        put_right(volume, survey).quoted(|| on_fat("putting small faults right"))?;
    }
    Ok(())
}

fn put_right(volume: &dyn WriteAt, survey: &Survey) -> std::io::Result<()> {
    let geometry = &survey.geometry;
    if survey.copies_differ || !survey.lost.is_empty() {
        let mut fat = geometry.read_fat(volume, 0)?;
        survey.lost.iter().for_each(|n| fat.free(*n));
        write_table(volume, geometry, &fat)?;
    }
    if survey.dirty {
        let mut flags = [0];
        volume.read_at(geometry.flags_at, &mut flags)?;
        volume.write_at(geometry.flags_at, &[flags[0] & !3])?;
        mark_clean(volume, geometry)?;
    }
    let Some(at) = geometry.fs_info else {
        return Ok(());
    };
    if survey.info_lost {
        volume.write_at(at, &empty_info())?;
    }
    if survey.info_stale || survey.info_lost || !survey.lost.is_empty() {
        let free = survey
            .free
            .saturating_add(u32::try_from(survey.lost.len()).unwrap_or(u32::MAX));
        volume.write_at(at + 488, &free.to_le_bytes())?;
    }
    Ok(())
}

/// Returns an FSInfo sector without information: neither the number of free clusters nor where to
/// start the search for one.
fn empty_info() -> [u8; 512] {
    let mut info = [0; 512];
    info[..4].copy_from_slice(b"RRaA");
    info[484..488].copy_from_slice(b"rrAa");
    info[488..496].fill(0xff);
    info[510..].copy_from_slice(&[0x55, 0xaa]);
    info
}

/// Shows a volume whose FSInfo lost its signature as if it had one: `fatfs` refuses such a volume,
/// and Linux accepts it.
pub(super) struct WithInfo<V> {
    pub volume: V,
    /// Where FSInfo is.
    pub at: u64,
}

impl<V: ReadAt> ReadAt for WithInfo<V> {
    fn size(&self) -> u64 {
        self.volume.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.volume.read_at(offset, buf)?;
        let info = empty_info();
        for (n, byte) in buf.iter_mut().enumerate() {
            let place = (offset + n as u64).checked_sub(self.at);
            if let Some(new) = place.and_then(|place| info.get(usize::try_from(place).ok()?)) {
                *byte = *new;
            }
        }
        Ok(())
    }
}

/// Writes both copies of the allocation table, a page at a time and only where they differ: a view
/// of an image keeps everything that is written to it.
fn write_table(volume: &dyn WriteAt, geometry: &Geometry, fat: &Fat) -> std::io::Result<()> {
    const PAGE: usize = 4096;
    for copy in 0..geometry.fats {
        let old = geometry.read_fat(volume, copy)?;
        let pages = fat.bytes().chunks(PAGE).zip(old.bytes().chunks(PAGE));
        for (n, (new, _)) in pages.enumerate().filter(|(_, (new, old))| new != old) {
            let at = geometry.fat_start + copy * geometry.fat_len + (n * PAGE) as u64;
            volume.write_at(at, new)?;
        }
    }
    Ok(())
}

/// Sets the "cleanly unmounted" and "no errors" bits of entry 1 in every copy of the table.
fn mark_clean(volume: &dyn WriteAt, geometry: &Geometry) -> std::io::Result<()> {
    // The two bits are the top ones of the entry's meaningful width.
    let (at, bits) = match geometry.width {
        Width::Twelve => return Ok(()),
        Width::Sixteen => (3, 0xc0),
        Width::ThirtyTwo => (7, 0x0c),
    };
    for copy in 0..geometry.fats {
        let at = geometry.fat_start + copy * geometry.fat_len + at;
        let mut byte = [0];
        volume.read_at(at, &mut byte)?;
        volume.write_at(at, &[byte[0] | bits])?;
    }
    Ok(())
}
