//! Has the library compiled anew when a template or overlay comes or goes (they are inside the program), and tells it which code
//! writes images, so that a golden image baked by other code is not taken from a cache.

use std::fs;
use std::path::{Path, PathBuf};

/// Everything whose change can change the bytes of a golden image for the same overlay.
/// `packages` unpacks what is laid over the base; Cargo.toml chooses features of the libraries that Cargo.lock names. Of the other
/// rooms, what they make is itself hashed: `provision` by the overlay it gives, `base` by the hash of the raw image.
const WRITERS: &[&str] = &[
    "crates/debian/src",
    "crates/disk/src",
    "crates/overlay/src",
    "src/bake",
    "src/packages",
    "Cargo.lock",
    "Cargo.toml",
];

fn main() {
    for watched in ["templates", "overlays", "build.rs"].iter().chain(WRITERS) {
        println!("cargo:rerun-if-changed={watched}");
    }
    let mut files = Vec::new();
    for writer in WRITERS {
        collect(Path::new(writer), &mut files);
    }
    files.sort();
    // FNV-1a: it tells versions apart; nobody has a reason to forge one.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for file in files {
        for byte in fs::read(&file).unwrap_or_default() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    println!("cargo:rustc-env=KRAKEN_FLASH_WRITERS={hash:016x}");
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) => files.push(path.to_owned()),
    }
}
