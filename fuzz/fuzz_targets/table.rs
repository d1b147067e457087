//! Partition tables, layouts, used-block maps and what is read from an image: no panic, no hang.
#![cfg_attr(fuzzing, no_main)]

use std::sync::Arc;

use kraken_disk::{Layout, PartitionTable, RamDisk, ReadAt, UsedMap};
use kraken_image::base::OsImage;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Every other input is the disk itself, the rest change a sound one.
    let bytes = match input.split_first() {
        Some((0xff, bytes)) => bytes.to_vec(),
        _ => fuzz::disk(input),
    };
    let disk = Arc::new(RamDisk::from_bytes(bytes));
    if let Ok(table) = PartitionTable::read(&*disk) {
        assert!(table.partitions.iter().all(|partition| partition.end() <= disk.size()));
    }
    if let Ok(map) = UsedMap::of(disk.clone()) {
        assert!(
            map.ranges()
                .iter()
                .all(|range| range.start < range.end && range.end <= disk.size())
        );
    }
    let Ok(layout) = Layout::detect(disk.clone()) else {
        return;
    };
    if let (Ok(boot), Ok(root)) = (layout.boot_tree(disk.clone()), layout.root_tree(disk)) {
        let _ = OsImage::read(&boot, &root, 0);
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
