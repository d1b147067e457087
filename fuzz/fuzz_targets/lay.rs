//! Laying files over a damaged disk: an error or a patch, no panic, no hang.
#![cfg_attr(fuzzing, no_main)]

use std::sync::Arc;

use kraken_disk::{CowView, Layout, RamDisk};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let view = Arc::new(CowView::new(RamDisk::from_bytes(fuzz::disk(input))));
    let Ok(layout) = Layout::detect(view.clone()) else {
        return;
    };
    let mut overlay = Overlay::new();
    for (volume, path, entry) in [
        (Volume::Boot, "user-data", Entry::file(*b"#cloud-config\n", 0o644, 0)),
        (Volume::Boot, "cmdline.txt", Entry::file(vec![b'x'; 3000], 0o644, 0)),
        (Volume::Root, "etc/hostname", Entry::file(*b"kraken-1\n", 0o644, 0)),
        (
            Volume::Root,
            "etc/cloud/cloud.cfg.d/kraken.cfg",
            Entry::file(vec![b'y'; 5000], 0o600, 0),
        ),
    ] {
        overlay.insert(volume, EntryPath::new(path).expect("a sound path"), entry);
    }
    if kraken_disk::apply(view.clone(), &layout, &overlay).is_ok() {
        view.take_patch().expect("a disk in memory is readable");
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
