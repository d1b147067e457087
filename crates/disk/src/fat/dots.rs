//! Repairs the `.` and `..` entries of directories that `fatfs` 0.3.6 makes.
//!
//! `fatfs` gives both a long name, which `fsck.fat` refuses, and lets the `..` of a directory in
//! the root name the root's cluster, where the specification requires 0 (Microsoft, "FAT: General
//! Overview of On-Disk Format" 1.03, "FAT Directory Structure").

use std::io;

use super::geometry::{Fat, Geometry, Link};
use crate::io::{WriteAt, in_memory, index};

const ENTRY: usize = 32;
/// The attribute of a part of a long name.
const LONG: u8 = 0x0f;
const DELETED: u8 = 0xe5;

/// Repairs every directory of a volume that was found sound before it was written.
pub(super) fn repair(volume: &dyn WriteAt, geometry: &Geometry) -> io::Result<()> {
    let fat = geometry.read_fat(volume, 0)?;
    let mut queue = match geometry.fs_info {
        Some(_) => children(&chain_bytes(volume, geometry, &fat, geometry.root_cluster)?, geometry),
        None => {
            let mut root = vec![0; in_memory(geometry.root_len)?];
            volume.read_at(geometry.root_start, &mut root)?;
            children(&root, geometry)
        }
    };
    let in_root = queue.len();
    let mut next = 0;
    // Sound directories form a tree, so there cannot be more of them than clusters.
    while let Some(&first) = queue.get(next).filter(|_| next < geometry.clusters as usize) {
        if !geometry.holds(first) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a directory leaves the volume",
            ));
        }
        let mut head = [0; 4 * ENTRY];
        volume.read_at(geometry.cluster_at(first), &mut head)?;
        if has_long_dots(&head) {
            rewrite(&mut head, next < in_root);
            volume.write_at(geometry.cluster_at(first), &head)?;
        }
        queue.extend(children(&chain_bytes(volume, geometry, &fat, first)?, geometry));
        next += 1;
    }
    Ok(())
}

fn has_long_dots(head: &[u8; 4 * ENTRY]) -> bool {
    let name = |n: usize| &head[n * ENTRY..n * ENTRY + 11];
    head[11] == LONG && name(1) == b".          " && head[2 * ENTRY + 11] == LONG && name(3) == b"..         "
}

/// Moves the two short entries to the front, where they belong, and marks the two that are left
/// over as deleted.
fn rewrite(head: &mut [u8; 4 * ENTRY], in_root: bool) {
    head.copy_within(ENTRY..2 * ENTRY, 0);
    head.copy_within(3 * ENTRY..4 * ENTRY, ENTRY);
    for n in [2, 3] {
        head[n * ENTRY..(n + 1) * ENTRY].fill(0);
        head[n * ENTRY] = DELETED;
    }
    if in_root {
        for at in [20, 21, 26, 27] {
            head[ENTRY + at] = 0;
        }
    }
}

fn chain_bytes(volume: &dyn WriteAt, geometry: &Geometry, fat: &Fat, first: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut link = Link::Next(first);
    while let Link::Next(n) = link {
        if !geometry.holds(n) || bytes.len() as u64 > 65536 * ENTRY as u64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a directory leaves the volume",
            ));
        }
        let at = bytes.len();
        bytes.resize(at + index(geometry.cluster), 0);
        volume.read_at(geometry.cluster_at(n), &mut bytes[at..])?;
        link = fat.link(n);
    }
    Ok(bytes)
}

/// Returns the first clusters of the directories in a directory.
fn children(bytes: &[u8], geometry: &Geometry) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in bytes.chunks_exact(ENTRY) {
        match entry[0] {
            0 => break,
            DELETED | b'.' => continue,
            _ if entry[11] & 0x08 != 0 || entry[11] & 0x10 == 0 => continue,
            _ => (),
        }
        let word = |at: usize| u32::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        let high = if geometry.fs_info.is_some() { word(20) } else { 0 };
        found.push(high << 16 | word(26));
    }
    found
}
