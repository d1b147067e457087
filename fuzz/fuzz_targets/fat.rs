//! The check of a FAT volume: no panic, no hang.
#![no_main]

use kraken_disk::{RamDisk, check_fat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = check_fat(&RamDisk::from_bytes(kraken_flash_fuzz::fat_volume(input)));
});
