//! The findings about a disk image: its used blocks, its faults, and its size after growth, against
//! the file systems' own tools.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kraken_disk::{
    CowView, Ext4Info, FileTree, ImageFile, Layout, ReadAt, Slice, TableKind, UsedMap, WriteAt, apply, check_fat,
    grow_root, repair_fat, shortfall,
};
use kraken_overlay::{Entry, Overlay, Volume};
use testkit::lay::{TIME, bake, check, open, overlay, patched, path, root_is_right};
use testkit::{PI_GEN, TestImage, run};

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
        grow_root(&image, &image, growth).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        grow_root(&twin, &twin, growth).unwrap();
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
        &["-O", "^metadata_csum,uninit_bg"],
        &["-O", "^metadata_csum,^uninit_bg,^64bit"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let image = TestImage::builder()
            .root_mib(300)
            .ext4_features(features)
            .build(dir.path());
        let layout = Layout::detect(open(&image)).unwrap();
        let map = UsedMap::of(open(&image)).unwrap();
        let root = dir.path().join("root");
        testkit::extract(&image, layout.root.start, layout.root.len, &root);
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

/// Returns the block size and the free blocks of a volume as dumpe2fs lists them.
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

/// Bytes, and their place on the disk.
type Writes = Vec<(u64, Vec<u8>)>;

/// Returns where the first copy of the allocation table is, and its length, in bytes from the
/// volume's start.
fn tables(disk: &dyn ReadAt, start: u64) -> (u64, u64) {
    let mut b = [0; 512];
    disk.read_at(start, &mut b).unwrap();
    let word = |at: usize| u64::from(u16::from_le_bytes([b[at], b[at + 1]]));
    let long = word(36) | word(38) << 16;
    let length = if word(22) == 0 { long } else { word(22) };
    (word(14) * 512, length * 512)
}

#[test]
fn small_faults_of_a_fat_volume_are_put_right_as_fsck_does() {
    let dir = tempfile::tempdir().unwrap();
    for (builder, entry) in [
        (TestImage::builder().fat_mib(40), &[0xff, 0xff, 0xff, 0x0f][..]),
        (TestImage::builder().fat_mib(40).fat16(), &[0xff, 0xff][..]),
    ] {
        let image = builder.build(dir.path());
        let layout = Layout::detect(open(&image)).unwrap();
        let start = layout.boot.start;
        let (fat, length) = tables(&*open(&image), start);
        let lost = 9000 * entry.len() as u64;
        let (first, second) = (start + fat + lost, start + fat + length + lost);
        let mut faults: Vec<(&str, Writes)> = vec![
            ("copies", vec![(second, entry.to_vec())]),
            ("lost", vec![(first, entry.to_vec()), (second, entry.to_vec())]),
            ("first copy", vec![(first, entry.to_vec())]),
        ];
        if entry.len() == 4 {
            faults.push(("FSInfo", vec![(start + 512, vec![0; 4])]));
            let all = faults.iter().flat_map(|(_, writes)| writes.clone());
            faults.push(("all", all.chain([(start + 65, vec![1])]).collect()));
        }
        for (name, writes) in faults {
            let broken = dir.path().join("broken.img");
            run(Command::new("cp").arg("--sparse=always").arg(&image).arg(&broken));
            let disk = ImageFile::open_write(&broken).unwrap();
            for (at, bytes) in &writes {
                disk.write_at(*at, bytes).unwrap();
            }
            // By itself, and during a write.
            check(&patched(&broken, &bake(&broken, &overlay())), &layout);
            assert!(!repair_fat(&disk, &layout.boot).unwrap().is_empty(), "{name}");
            check(&broken, &layout);
            assert_eq!(repair_fat(&disk, &layout.boot).unwrap(), Vec::<String>::new(), "{name}");
        }
        // A file longer than its clusters cannot be repaired without a loss.
        let disk = CowView::new(open(&image));
        let (mut sector, mut at) = ([0; 32], start + fat + 2 * length);
        while sector[..11] != *b"CONFIG  TXT" {
            disk.read_at(at, &mut sector).unwrap();
            at += 32;
        }
        disk.write_at(at - 4, &9_000_000u32.to_le_bytes()).unwrap();
        let error = repair_fat(&disk, &layout.boot).unwrap_err().to_string();
        assert!(error.contains("CONFIG.TXT") && error.contains("fsck.fat"), "{error}");
    }
}

/// Real file systems, because the result of an option depends on mkfs.
#[test]
fn forms_of_ext4_that_are_not_supported_are_named_with_a_help() {
    let dir = tempfile::tempdir().unwrap();
    for (options, words) in [
        (&["-I", "128"][..], "-I 256"),
        (&["-O", "bigalloc"], "^bigalloc"),
        (&["-O", "quota"], "^quota"),
        (&["-O", "inline_data"], "^inline_data"),
        (&["-O", "meta_bg,^resize_inode"], "^meta_bg"),
        (&["-O", "mmp"], "^mmp"),
        (&["-O", "ea_inode"], "^ea_inode"),
        (&["-O", "large_dir"], "^large_dir"),
        (&["-O", "casefold"], "^casefold"),
        (&["-O", "^filetype"], "filetype"),
        (&["-O", "project,quota"], "quota"),
        (&["-b", "2048", "-O", "metadata_csum"], "-b 4096"),
    ] {
        let image = TestImage::builder()
            .fat_mib(40)
            .ext4_features(options)
            .build(dir.path());
        let error = Layout::detect(open(&image)).unwrap_err().to_string();
        assert!(
            error.contains(words) && !error.contains("damaged"),
            "{options:?}: {error}"
        );
        assert!(error.contains("partition 2"), "{error}");
    }
    for options in [
        &["-b", "2048", "-O", "^metadata_csum"][..],
        &["-b", "1024"],
        &["-I", "512"],
    ] {
        let image = TestImage::builder()
            .fat_mib(40)
            .ext4_features(options)
            .build(dir.path());
        let layout = Layout::detect(open(&image)).unwrap();
        check(&patched(&image, &bake(&image, &overlay())), &layout);
    }
}

#[test]
fn an_ext4_volume_that_needs_recovery_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let layout = Layout::detect(open(&image)).unwrap();
    let root = dir.path().join("root");
    testkit::extract(&image, layout.root.start, layout.root.len, &root);
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

/// An image, and where the partition of its root is.
fn image_with(dir: &Path, features: &[&str]) -> (PathBuf, Range<u64>) {
    std::fs::create_dir_all(dir).unwrap();
    let image = TestImage::builder().ext4_features(features).build(dir);
    let layout = Layout::detect(open(&image)).unwrap();
    (image, layout.root.start..layout.root.start + layout.root.len)
}

fn is_whole(disk: Arc<dyn ReadAt>, part: &Range<u64>) -> bool {
    let map = UsedMap::of(disk).unwrap();
    map.ranges().iter().any(|r| r.start <= part.start && r.end >= part.end)
}

#[test]
fn a_volume_whose_bitmaps_the_next_mount_changes_is_in_use_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (image, root) = image_with(dir.path(), &["-O", "^metadata_csum,uninit_bg"]);
    let field = |at: u64| {
        let mut bytes = [0; 4];
        open(&image).read_at(root.start + 1024 + at, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    };
    let (state, incompat, ro_compat) = (0x3a, 0x60, 0x64);
    let without = |at: u64, value: u32| (at, field(at) & 0xffff_0000 | value);
    for ((at, value), what) in [
        ((incompat, field(incompat)), ""),
        ((incompat, field(incompat) | 0x4), "its journal was not replayed"),
        (without(state, 0), "it is mounted, or was not unmounted"),
        (without(state, 3), "it has errors"),
        (without(state, 5), "its orphans are being dealt with"),
        ((0xe8, 12), "an orphan"),
        ((ro_compat, field(ro_compat) | 0x1_0000), "orphans in the orphan file"),
        ((incompat, field(incompat) | 0x800_0000), "a feature of the future"),
        ((ro_compat, field(ro_compat) | 0x80), "snapshots"),
        ((ro_compat, field(ro_compat) | 0x8000_0000), "a feature of the future"),
    ] {
        let view = Arc::new(CowView::new(open(&image)));
        view.write_at(root.start + 1024 + at, &value.to_le_bytes()).unwrap();
        assert_eq!(is_whole(view, &root), !what.is_empty(), "{what}");
    }
    // With checksums, whatever else of the superblock was changed.
    let (image, root) = image_with(&dir.path().join("sums"), PI_GEN);
    let view = Arc::new(CowView::new(open(&image)));
    view.write_at(root.start + 1024 + 0x78, b"x").unwrap();
    assert!(!is_whole(open(&image), &root) && is_whole(view, &root));
}

#[test]
fn a_volume_whose_bitmaps_contradict_its_descriptors_is_in_use_as_a_whole() {
    for features in [
        PI_GEN,
        &["-O", "^metadata_csum,uninit_bg"][..],
        &["-O", "^metadata_csum,^uninit_bg"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (image, root) = image_with(dir.path(), features);
        let block = Ext4Info::read(&Slice::new(open(&image), root.start, root.end - root.start).unwrap())
            .unwrap()
            .block_size;
        let table = root.start + if block == 1024 { 2048 } else { block };
        let mut raw = [0; 4];
        open(&image).read_at(table, &mut raw).unwrap();
        let bitmap = root.start + u64::from(u32::from_le_bytes(raw)) * block;
        // Only a checksum shows a block that is free instead of another one.
        let mut bits = [0; 1];
        open(&image).read_at(bitmap, &mut bits).unwrap();
        let view = Arc::new(CowView::new(open(&image)));
        view.write_at(bitmap, &[bits[0] & !1]).unwrap();
        assert!(is_whole(view, &root), "{features:?}: bitmap");
        if features.contains(&"^metadata_csum,^uninit_bg") {
            continue;
        }
        // The count of directories, which no other check here reads.
        let view = Arc::new(CowView::new(open(&image)));
        view.write_at(table + 0x10, &[0xee]).unwrap();
        assert!(is_whole(view, &root), "{features:?}: descriptor");
    }
}

#[test]
fn a_fat_volume_is_in_use_as_a_whole_only_where_its_table_is_not_to_be_believed() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let layout = Layout::detect(open(&image)).unwrap();
    let boot = layout.boot.start..layout.boot.start + layout.boot.len;
    let fat = boot.start + 32 * 512;
    for (at, bytes, whole) in [
        // There is no journal: the table has all information.
        (boot.start + 65, vec![1], false),
        // The copies differ.
        (fat + 4 * 5000, vec![0xff, 0xff, 0xff, 0x0f], true),
        // A directory names a cluster that the table calls free.
        (fat + 4 * 3, vec![0, 0, 0, 0], true),
    ] {
        let view = Arc::new(CowView::new(open(&image)));
        view.write_at(at, &bytes).unwrap();
        assert_eq!(is_whole(view, &boot), whole, "byte {at}");
    }
}

#[test]
fn what_lies_behind_a_file_system_in_its_partition_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (image, root) = image_with(dir.path(), PI_GEN);
    let file = dir.path().join("smaller");
    testkit::extract(&image, root.start, root.end - root.start, &file);
    run(Command::new("resize2fs").args(["-f"]).arg(&file).arg("60M"));
    let view = Arc::new(CowView::new(open(&image)));
    let mut bytes = vec![0; 60 << 20];
    open(&file).read_at(0, &mut bytes).unwrap();
    view.write_at(root.start, &bytes).unwrap();
    let map = UsedMap::of(view).unwrap();
    let behind = root.start + (60 << 20)..root.end;
    assert!(behind.end - behind.start > 1 << 20, "{behind:?}");
    assert!(
        map.ranges()
            .iter()
            .any(|r| r.start <= behind.start && r.end >= behind.end)
    );
    assert!(
        map.bytes() < (behind.end - behind.start) + (40 << 20),
        "the rest is mapped as before"
    );
    // A FAT volume that says it has 2 MiB less.
    let layout = Layout::detect(open(&image)).unwrap();
    let boot = layout.boot.start..layout.boot.start + layout.boot.len;
    let mut total = [0; 4];
    open(&image).read_at(boot.start + 32, &mut total).unwrap();
    let view = Arc::new(CowView::new(open(&image)));
    let less = u32::from_le_bytes(total) - 4096;
    view.write_at(boot.start + 32, &less.to_le_bytes()).unwrap();
    let map = UsedMap::of(view.clone()).unwrap();
    assert!(map.contains(boot.end - 1) && map.contains(boot.end - (2 << 20)) && !is_whole(view, &boot));
}
