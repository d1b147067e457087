//! What a disk image is found to be: its used blocks, its faults, and its size after growth, against the file systems' own tools.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::lay::{TIME, bake, check, open, overlay, patched, path, root_is_right};
use common::{PI_GEN, TestImage, run};
use kraken_flash::disk::{
    CowView, FileTree, ImageFile, Layout, ReadAt, Slice, TableKind, UsedMap, WriteAt, apply, check_fat, grow_root,
    shortfall,
};
use kraken_flash::overlay::{Entry, Overlay, Volume};

#[test]
fn growth_is_asked_for_done_and_the_same_every_time() {
    for (name, builder) in [
        ("MBR, pi-gen", TestImage::builder().ext4_features(PI_GEN)),
        ("GPT, Debian", TestImage::builder().gpt()),
        ("1 KiB blocks", TestImage::builder().ext4_features(&["-b", "1024"])),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let image = builder.build(dir.path());
        let mut o = Overlay::new();
        o.insert(
            Volume::Root,
            path("/usr/huge"),
            Entry::file(vec![3; 120 << 20], 0o644, TIME),
        );
        let layout = Layout::detect(open(&image)).unwrap();
        let growth = shortfall(open(&image), &layout, &o).unwrap().expect("it does not fit");
        let twin = image.with_extension("twin.img");
        run(Command::new("cp").arg(&image).arg(&twin));
        grow_root(&image, growth).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        grow_root(&twin, growth).unwrap();
        run(Command::new("cmp").arg(&image).arg(&twin));
        let layout = Layout::detect(open(&image)).unwrap();
        assert_eq!(shortfall(open(&image), &layout, &o).unwrap(), None, "{name}");
        let out = patched(&image, &bake(&image, &o));
        check(&out, &layout);
        if matches!(layout.table.kind, TableKind::Gpt { .. }) {
            let said = run(Command::new("sgdisk").arg("-v").arg(&out));
            assert!(said.contains("No problems found"), "{said}");
        }
    }
}

#[test]
fn the_used_map_has_exactly_the_blocks_that_dumpe2fs_calls_used() {
    for features in [
        &[][..],
        PI_GEN,
        &["-b", "1024"],
        &["-O", "^flex_bg"],
        &["-O", "^sparse_super,^resize_inode"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let image = TestImage::builder()
            .root_mib(300)
            .ext4_features(features)
            .build(dir.path());
        let layout = Layout::detect(open(&image)).unwrap();
        let map = UsedMap::of(open(&image)).unwrap();
        let root = dir.path().join("root");
        common::extract(&image, layout.root.start, layout.root.len, &root);
        let (block, free) = free_blocks(&root);
        let blocks = layout.root.len / block;
        for n in 0..blocks {
            let used = map.contains(layout.root.start + n * block);
            // The boot block of a 1 KiB file system belongs to no group.
            let want = !free.contains(&n) || (n == 0 && block == 1024);
            assert_eq!(used, want, "{features:?}: block {n}");
        }
    }
}

/// The block size and the free blocks of a volume as dumpe2fs lists them.
fn free_blocks(volume: &Path) -> (u64, std::collections::BTreeSet<u64>) {
    let text = run(Command::new("dumpe2fs").arg(volume));
    let mut free = std::collections::BTreeSet::new();
    let mut block = 0;
    for line in text.lines() {
        if let Some(size) = line.strip_prefix("Block size:") {
            block = size.trim().parse().unwrap();
        }
        let Some(list) = line.trim().strip_prefix("Free blocks: ") else {
            continue;
        };
        for range in list.split(", ").filter(|r| !r.is_empty()) {
            let mut ends = range.split('-').map(|n| n.trim().parse::<u64>());
            let Some(Ok(first)) = ends.next() else { continue };
            let last = ends.next().map_or(first, |n| n.unwrap());
            free.extend(first..=last);
        }
    }
    assert!(!free.is_empty());
    (block, free)
}

#[test]
fn a_disk_written_from_the_used_map_alone_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().gpt().build(dir.path());
    let out = patched(&image, &bake(&image, &overlay()));
    let source = open(&out);
    let map = UsedMap::of(source.clone()).unwrap();
    assert!(
        map.bytes() < source.size() / 4,
        "{} of {} bytes",
        map.bytes(),
        source.size()
    );
    let copy = dir.path().join("copy.img");
    std::fs::File::create(&copy).unwrap().set_len(source.size()).unwrap();
    let target = ImageFile::open_write(&copy).unwrap();
    for range in map.ranges() {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        source.read_at(range.start, &mut bytes).unwrap();
        target.write_at(range.start, &bytes).unwrap();
    }
    let layout = Layout::detect(open(&copy)).unwrap();
    check(&copy, &layout);
    root_is_right("copy", &layout.root_tree(open(&copy)).unwrap());
}

#[test]
fn each_fault_of_a_fat_volume_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let layout = Layout::detect(open(&image)).unwrap();
    let start = layout.boot.start;
    let fat = start + 32 * 512;
    let faults: BTreeMap<&str, (u64, Vec<u8>)> = BTreeMap::from([
        ("marked dirty", (start + 65, vec![1])),
        ("differ", (fat + 4 * 5000, vec![0xff, 0xff, 0xff, 0x0f])),
        ("in use by no file", (fat + 4 * 5000, vec![0xff, 0xff, 0xff, 0x0f])),
        ("FSInfo says", (start + 512 + 488, vec![1, 2, 3, 0])),
        ("leaves the volume", (fat + 4 * 3, vec![0xf0, 0xff, 0xff, 0x0e])),
        ("meets another one or itself", (fat + 4 * 2, vec![2, 0, 0, 0])),
        ("free or bad cluster", (fat + 4 * 3, vec![0, 0, 0, 0])),
    ]);
    for (want, (at, bytes)) in faults {
        let view = CowView::new(open(&image));
        view.write_at(at, &bytes).unwrap();
        let findings = check_fat(&Slice::new(view, start, layout.boot.len).unwrap()).unwrap();
        assert!(findings.iter().any(|f| f.contains(want)), "{want}: {findings:?}");
    }
}

#[test]
fn a_stale_dirty_bit_is_read_past_and_cleared_by_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let layout = Layout::detect(open(&image)).unwrap();
    let disk = ImageFile::open_write(&image).unwrap();
    disk.write_at(layout.boot.start + 65, &[1]).unwrap();
    disk.write_at(layout.boot.start + 512 + 488, &[1, 2, 3, 0]).unwrap();
    assert!(
        layout
            .boot_tree(open(&image))
            .unwrap()
            .read("/config.txt", 100)
            .unwrap()
            .is_some()
    );
    let out = patched(&image, &bake(&image, &overlay()));
    check(&out, &layout);
}

#[test]
fn an_ext4_volume_that_needs_recovery_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let layout = Layout::detect(open(&image)).unwrap();
    let root = dir.path().join("root");
    common::extract(&image, layout.root.start, layout.root.len, &root);
    run(Command::new("debugfs")
        .args(["-w", "-R", "feature needs_recovery"])
        .arg(&root));
    let mut superblock = vec![0; 1024];
    ImageFile::open_read(&root)
        .unwrap()
        .read_at(1024, &mut superblock)
        .unwrap();
    let view = Arc::new(CowView::new(open(&image)));
    view.write_at(layout.root.start + 1024, &superblock).unwrap();
    let error = apply(view, &layout, &overlay()).unwrap_err().to_string();
    assert!(error.contains("e2fsck"), "{error}");
}
