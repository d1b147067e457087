//! The check of a FAT volume: no panic, no hang.
#![cfg_attr(fuzzing, no_main)]

use kraken_disk::{RamDisk, check_fat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = check_fat(&RamDisk::from_bytes(fuzz::fat_volume(input)));
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
