//! The card as it is now: the image, and over it what guests have written into the overlay. It is
//! read while no guest runs, as a Pi's firmware reads its card at each start.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::programs::{self, run, text};
use kraken_disk::{FatTree, FileTree, ImageFile, Partition, PartitionTable, ReadAt};
use kraken_foundation::{Context as _, Error, Kind, Result};
use serde::Deserialize;

/// A run of bytes, as `qemu-img map --output=json` (qemu-img(1)) lists it. There are no gaps
/// between runs.
#[derive(Debug, Deserialize)]
struct Extent {
    start: u64,
    length: u64,
    /// 0 if the bytes are in the overlay, 1 if they are in the image under it.
    depth: u32,
    /// Whether the bytes are all zero.
    zero: bool,
    /// The position of the bytes in that file. It is missing for zeros and for compressed data,
    /// which no guest writes.
    offset: Option<u64>,
}

/// An overlay and the image under it, for reading.
pub struct Written {
    files: [ImageFile; 2],
    extents: Vec<Extent>,
}

impl Written {
    /// Opens the overlay at `overlay`, which lies over `image`.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn open(overlay: &Path, image: &Path) -> Result<Self> {
        let map = run(
            "qemu-img",
            &["map", "--output=json", "-f", "qcow2", text(overlay)?],
            b"",
        )?;
        let extents = extents(&map).map_err(|said| programs::failed("qemu-img", &said))?;
        let open = |path: &Path| ImageFile::open_read(path).doing("opening", path);
        Ok(Self {
            files: [open(overlay)?, open(image)?],
            extents,
        })
    }
}

/// Parses the runs of a map. They begin at 0 and have no gaps.
fn extents(map: &[u8]) -> Result<Vec<Extent>, String> {
    let extents: Vec<Extent> =
        serde_json::from_slice(map).map_err(|error| format!("its map of an overlay cannot be read: {error}"))?;
    let mut end = 0_u64;
    for extent in &extents {
        let Some(next) = end.checked_add(extent.length).filter(|_| extent.start == end) else {
            return Err(format!("its map of an overlay has a gap before {}", extent.start));
        };
        if extent.depth > 1 || (!extent.zero && extent.offset.is_none()) {
            return Err(format!("its map of an overlay does not say where {} is", extent.start));
        }
        end = next;
    }
    Ok(extents)
}

impl ReadAt for Written {
    fn size(&self) -> u64 {
        self.extents.last().map_or(0, |last| last.start + last.length)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let next = self
                .extents
                .partition_point(|extent| extent.start + extent.length <= at);
            let extent = self.extents.get(next).ok_or(io::ErrorKind::UnexpectedEof)?;
            let into = at - extent.start;
            let left = usize::try_from(extent.length - into).unwrap_or(usize::MAX);
            let (here, after) = rest.split_at_mut(left.min(rest.len()));
            match extent.offset.filter(|_| !extent.zero) {
                Some(place) => self.files[usize::from(extent.depth == 1)].read_at(place + into, here)?,
                None => here.fill(0),
            }
            at += here.len() as u64;
            rest = after;
        }
        Ok(())
    }
}

/// Returns the partitions that a kernel finds on a disk; none if the disk has no readable table.
pub fn partitions(disk: &Arc<dyn ReadAt>) -> Vec<Partition> {
    PartitionTable::read(disk)
        .map(|table| table.partitions)
        .unwrap_or_default()
}

/// Opens the partition that the firmware starts from: the first FAT volume with a `config.txt` or a
/// `cmdline.txt`. The firmware ignores the content of the others, and whether they were unmounted.
pub fn boot_tree(disk: &Arc<dyn ReadAt>) -> Result<FatTree> {
    let mut fault = None;
    for partition in partitions(disk) {
        match FatTree::open(disk.clone(), &partition) {
            Ok(tree) => {
                let has = |name: &str| matches!(tree.metadata(name), Ok(Some(_)));
                if has("/config.txt") || has("/cmdline.txt") {
                    return Ok(tree);
                }
            }
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    Err(match fault {
        Some(error) => {
            let text = format!("opening the boot partition: {error}");
            Error::of(error).context(text)
        }
        None => Error::new(
            Kind::NotFound,
            "there is no FAT partition with a config.txt or cmdline.txt on the card",
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(disk: &Written, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0xee; len];
        disk.read_at(at, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_card_is_the_image_with_what_a_guest_wrote_over_it() {
        let folder = tempfile::tempdir().unwrap();
        let [image, overlay] = ["image", "overlay"].map(|name| folder.path().join(name));
        fs::write(&image, [1; 8192]).unwrap();
        // As qemu-img 10.0 prints it for a card of 16 KiB over an image of half that size. Older
        // releases leave out some keys.
        fs::write(&overlay, [[2; 4096], [3; 4096]].concat()).unwrap();
        let map = br#"[{ "start": 0, "length": 2048, "depth": 1, "present": true, "zero": false, "data": true, "compressed": false, "offset": 0},
            { "start": 2048, "length": 2048, "depth": 0, "zero": false, "data": true, "offset": 4096},
            { "start": 4096, "length": 2048, "depth": 0, "present": true, "zero": true, "data": false, "compressed": false},
            { "start": 6144, "length": 2048, "depth": 1, "present": true, "zero": false, "data": true, "compressed": false, "offset": 6144},
            { "start": 8192, "length": 8192, "depth": 0, "present": false, "zero": true, "data": false, "compressed": false}]"#;
        let disk = Written {
            files: [&overlay, &image].map(|path| ImageFile::open_read(path).unwrap()),
            extents: extents(map).unwrap(),
        };
        assert_eq!(disk.size(), 16384);
        assert_eq!(read(&disk, 2046, 4), [1, 1, 3, 3]);
        assert_eq!(read(&disk, 4094, 4), [3, 3, 0, 0]);
        assert_eq!(read(&disk, 6143, 2), [0, 1]);
        assert_eq!(read(&disk, 8190, 4), [1, 1, 0, 0]);
        assert_eq!(read(&disk, 16383, 1), [0]);
        let past = disk.read_at(16383, &mut [0; 2]).unwrap_err();
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_map_that_does_not_say_all_is_refused() {
        for map in [
            "",
            "{}",
            r#"[{"start": 4096, "length": 4096, "depth": 0, "zero": true}]"#,
            r#"[{"start": 0, "length": 4096, "depth": 0, "zero": false}]"#,
            r#"[{"start": 0, "length": 4096, "depth": 2, "zero": false, "offset": 0}]"#,
            r#"[{"start": 0, "length": 18446744073709551615, "depth": 0, "zero": true},
                {"start": 18446744073709551615, "length": 4096, "depth": 0, "zero": true}]"#,
        ] {
            assert!(extents(map.as_bytes()).is_err(), "{map}");
        }
    }
}
