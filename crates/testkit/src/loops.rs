//! Loop devices as cards: real block devices, whose content is a file.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraken_image::output::{BMAP_BLOCK, Bmap};

use super::run;

/// The options with which a loop device passes the guard.
pub const LOOP: [&str; 2] = ["--i-know-this-is-not-removable", "--yes"];

/// A loop device, until it is dropped.
pub struct LoopDevice {
    /// `/dev/loop3`.
    pub path: PathBuf,
    /// The file with its content.
    pub file: PathBuf,
}

impl LoopDevice {
    /// Makes a card of `size` bytes, filled with typical contents of an old card: no zeros, a boot
    /// sector, the copy of a GPT at its end.
    pub fn used(file: &Path, size: u64) -> Self {
        let bytes = File::create(file).unwrap();
        bytes.set_len(size).unwrap();
        for mib in 0..size >> 20 {
            // Some of it; filling all of it would only cost time.
            if mib < 8 || mib % 16 == 0 {
                bytes.write_all_at(&[0xa5; 1 << 20], mib << 20).unwrap();
            }
        }
        bytes.write_all_at(&[0x55, 0xaa], 510).unwrap();
        bytes.write_all_at(b"EFI PART", 512).unwrap();
        bytes.write_all_at(b"EFI PART", size - 512).unwrap();
        Self::of(file)
    }

    /// Makes a loop device of an existing file.
    pub fn of(file: &Path) -> Self {
        let said = run(Command::new("losetup").args(["--find", "--show"]).arg(file));
        Self {
            path: said.trim().into(),
            file: file.to_owned(),
        }
    }

    /// The device's name, `loop3`.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Takes the "card" out; the device stays, empty.
    pub fn take_out(&self) {
        run(Command::new("losetup").arg("--detach").arg(&self.path));
    }

    /// Puts another "card" into the same device.
    pub fn put_in(&self, file: &Path) {
        run(Command::new("losetup").arg(&self.path).arg(file));
    }

    /// Checks that every block in the block map of an image is on the card, and that nothing of the
    /// card's old contents is where a table or signature could be.
    pub fn holds(&self, image: &Path) {
        let map = Bmap::parse(&fs::read_to_string(image.with_extension("img.bmap")).unwrap()).unwrap();
        let (mut card, image) = (File::open(&self.path).unwrap(), File::open(image).unwrap());
        for range in &map.ranges {
            let start = range.first * BMAP_BLOCK;
            let end = ((range.last + 1) * BMAP_BLOCK).min(map.image_size);
            let mut bytes = [vec![0; (end - start) as usize], vec![0; (end - start) as usize]];
            card.read_exact_at(&mut bytes[0], start).unwrap();
            image.read_exact_at(&mut bytes[1], start).unwrap();
            assert!(bytes[0] == bytes[1], "bytes {start} to {end} differ");
        }
        let size = card.seek(SeekFrom::End(0)).unwrap();
        let mut tail = vec![0; 1 << 20];
        card.read_exact_at(&mut tail, size - (1 << 20)).unwrap();
        assert!(
            tail.iter().all(|byte| *byte == 0),
            "the end of the card was not emptied"
        );
    }

    /// Whether a machine that searches for something to boot would find it.
    pub fn is_bootable(&self) -> bool {
        let card = fs::read(&self.file).unwrap();
        let end = card.len() - 512;
        card[510..512] == [0x55, 0xaa] || &card[512..520] == b"EFI PART" || &card[end..end + 8] == b"EFI PART"
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).output();
    }
}
