//! What is written to a disk image, read back through other libraries and the file systems' own checkers.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use common::{PI_GEN, TestImage, fsck, run};
use kraken_flash::disk::{
    CowView, Ext4Tree, FileTree, ImageFile, Layout, NodeType, Patch, ReadAt, TableKind, UsedMap, apply, check_fat,
    grow_root, shortfall,
};
use kraken_flash::disk::{Slice, WriteAt};
use kraken_flash::overlay::{Entry, EntryPath, Overlay, Volume};

const TIME: i64 = 1_750_000_000;

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

fn open(image: &Path) -> Arc<ImageFile> {
    Arc::new(ImageFile::open_read(image).unwrap())
}

/// Overlay with everything a node's might have.
fn overlay() -> Overlay {
    let mut o = Overlay::new();
    let mut capable = Entry::file(*b"ping", 0o755, TIME);
    capable.xattrs.insert(
        "security.capability".into(),
        vec![1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    for (at, entry) in [
        ("/etc/hostname", Entry::file(*b"kraken-3\n", 0o644, TIME)),
        (
            "/etc/deep/er/still/file",
            Entry::file(vec![7; 9000], 0o600, TIME).owned_by(1000, 70_000),
        ),
        ("/lib/linked.so", Entry::file(*b"through a link", 0o644, TIME)),
        ("/etc-absolute/via-absolute", Entry::file(*b"x", 0o644, TIME)),
        ("/etc/hosts.link", Entry::file(*b"no link any more", 0o644, TIME)),
        ("/usr/bin/ping", capable),
        ("/usr/bin/su", Entry::file(*b"suid", 0o4755, TIME)),
        ("/etc/empty", Entry::file(*b"", 0o644, TIME)),
        ("/etc/short", Entry::symlink("hosts", TIME)),
        ("/etc/long", Entry::symlink("x".repeat(200), TIME)),
        ("/srv/data", Entry::directory(0o2770, TIME).owned_by(0, 27)),
        ("/srv/data/in", Entry::file(*b"in", 0o644, TIME + 5)),
        ("/etc/shadow", Entry::absent()),
        ("/etc/never-was", Entry::absent()),
        (
            "/usr/big",
            Entry::file(
                (0..3_000_000u32).map(|n| (n % 253) as u8).collect::<Vec<_>>(),
                0o644,
                TIME,
            ),
        ),
    ] {
        o.insert(Volume::Root, path(at), entry);
    }
    for (at, entry) in [
        ("/user-data", Entry::file(*b"#cloud-config\n", 0o644, TIME)),
        ("/CONFIG.TXT", Entry::file(*b"arm_64bit=1\n", 0o644, TIME)),
        ("/A long name, with spaces.txt", Entry::file(vec![9; 5000], 0o644, TIME)),
        ("/kraken/sub/state.json", Entry::file(*b"{}", 0o644, TIME)),
        ("/overlays/README", Entry::absent()),
    ] {
        o.insert(Volume::Boot, path(at), entry);
    }
    o
}

fn bake(image: &Path, overlay: &Overlay) -> Patch {
    let view = Arc::new(CowView::new(open(image)));
    let layout = Layout::detect(view.clone()).unwrap();
    apply(view.clone(), &layout, overlay).unwrap();
    view.take_patch().unwrap()
}

/// A copy of the image with the patch on it.
fn patched(image: &Path, patch: &Patch) -> PathBuf {
    let to = image.with_extension("out.img");
    run(Command::new("cp").arg("--sparse=always").arg(image).arg(&to));
    patch.apply_to(&ImageFile::open_write(&to).unwrap()).unwrap();
    to
}

fn check(image: &Path, layout: &Layout) {
    let at = |p: &kraken_flash::disk::Partition| (p.start, p.len);
    fsck(image, at(&layout.boot), at(&layout.root));
    let boot = Slice::new(open(image), layout.boot.start, layout.boot.len).unwrap();
    assert_eq!(check_fat(&boot).unwrap(), Vec::<String>::new());
}

#[test]
fn a_layout_is_told_from_what_the_partitions_hold() {
    for (gpt, boot, root) in [
        (false, "a1b2c3d4-01", "a1b2c3d4-02"),
        (
            true,
            "aaaaaaaa-bbbb-cccc-dddd-000000000001",
            "aaaaaaaa-bbbb-cccc-dddd-000000000002",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let builder = TestImage::builder();
        let image = if gpt { builder.gpt() } else { builder.mbr() }.build(dir.path());
        let layout = Layout::detect(open(&image)).unwrap();
        assert_eq!(
            (layout.boot.partuuid.as_str(), layout.root.partuuid.as_str()),
            (boot, root)
        );
        assert_eq!((layout.boot.start, layout.boot.len), (8 << 20, 256 << 20));
        assert_eq!(matches!(layout.table.kind, TableKind::Gpt { .. }), gpt);
        let etc = layout.root_tree(open(&image)).unwrap();
        assert_eq!(etc.read("/etc/hostname", 100).unwrap().unwrap(), b"raspberrypi\n");
        assert_eq!(etc.read("/lib/os-marker", 100).unwrap().unwrap(), b"here\n");
        let fat = layout.boot_tree(open(&image)).unwrap();
        assert_eq!(
            fat.list("/").unwrap(),
            ["cmdline.txt", "config.txt", "kernel8.img", "overlays"]
        );
        assert!(fat.read("/CONFIG.txt", 100).unwrap().is_some());
    }
}

#[test]
fn an_overlay_reads_back_through_other_libraries_on_every_kind_of_base() {
    for (name, builder) in [
        ("Debian's ext4, MBR", TestImage::builder()),
        (
            "pi-gen's ext4, 512 MiB of FAT",
            TestImage::builder().fat_mib(512).ext4_features(PI_GEN),
        ),
        ("FAT16", TestImage::builder().fat_mib(64).fat16()),
        (
            "1 KiB blocks, GPT",
            TestImage::builder().gpt().ext4_features(&["-b", "1024"]),
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let image = builder.build(dir.path());
        let out = patched(&image, &bake(&image, &overlay()));
        let layout = Layout::detect(open(&out)).unwrap();
        check(&out, &layout);
        root_is_right(name, &layout.root_tree(open(&out)).unwrap());
        let fat = layout.boot_tree(open(&out)).unwrap();
        assert_eq!(
            fat.read("/config.txt", 100).unwrap().unwrap(),
            b"arm_64bit=1\n",
            "{name}"
        );
        assert_eq!(
            fat.read("/A long name, with spaces.txt", 9999).unwrap().unwrap(),
            [9; 5000]
        );
        assert_eq!(fat.metadata("/user-data").unwrap().unwrap().mtime, Some(TIME));
        assert_eq!(fat.list("/overlays").unwrap(), Vec::<String>::new());
        assert_eq!(fat.read("/kraken/sub/state.json", 10).unwrap().unwrap(), b"{}");
        let ea = dir.path().join("root");
        common::extract(&out, layout.root.start, layout.root.len, &ea);
        let seen = run(Command::new("debugfs").args(["-R", "ea_list /usr/bin/ping"]).arg(&ea));
        assert!(seen.contains("security.capability (20)"), "{seen}");
    }
}

fn root_is_right(name: &str, tree: &Ext4Tree) {
    for (at, entry) in overlay()
        .iter()
        .filter(|(v, ..)| *v == Volume::Root)
        .map(|(_, p, e)| (p, e))
    {
        use kraken_flash::overlay::Kind;
        let found = tree.metadata(at.as_str()).unwrap();
        match &entry.kind {
            Kind::Absent => assert_eq!(found, None, "{name}: {at}"),
            kind => {
                let found = found.unwrap_or_else(|| panic!("{name}: {at} is missing"));
                assert_eq!(found.mtime, Some(entry.mtime), "{name}: {at}");
                assert_eq!((found.uid, found.gid), (entry.uid, entry.gid), "{name}: {at}");
                match kind {
                    Kind::File(bytes) => {
                        assert_eq!(found.mode, entry.mode, "{name}: {at}");
                        assert_eq!(
                            tree.read(at.as_str(), 1 << 30).unwrap().unwrap(),
                            **bytes,
                            "{name}: {at}"
                        );
                    }
                    Kind::Directory => assert_eq!((found.node, found.mode), (NodeType::Directory, entry.mode)),
                    Kind::Symlink(target) => assert_eq!(tree.read_link(at.as_str()).unwrap().as_ref(), Some(target)),
                    Kind::Absent => (),
                }
            }
        }
    }
    assert_eq!(
        tree.read("/usr/lib/linked.so", 100).unwrap().unwrap(),
        b"through a link"
    );
    assert_eq!(tree.read("/etc/via-absolute", 100).unwrap().unwrap(), b"x");
    assert_eq!(
        tree.read("/etc/hosts", 100).unwrap().unwrap().len(),
        42,
        "a link's target was changed"
    );
    assert_eq!(tree.metadata("/etc/deep").unwrap().unwrap().mode, 0o755);
}

#[test]
fn the_same_overlay_gives_the_same_patch_and_the_second_time_none() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let first = bake(&image, &overlay());
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(first, bake(&image, &overlay()));
    let out = patched(&image, &first);
    assert_eq!(bake(&out, &overlay()).blocks(), 0, "applying twice changes something");
}

#[test]
fn a_node_of_25_small_files_is_a_small_patch_made_fast() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().fat_mib(512).root_mib(512).build(dir.path());
    let mut o = Overlay::new();
    for n in 0..21 {
        o.insert(
            Volume::Root,
            path(&format!("/etc/kraken/file-{n}")),
            Entry::file(vec![n; 5000], 0o644, TIME),
        );
    }
    for name in ["user-data", "meta-data", "network-config", "cmdline.txt"] {
        o.insert(Volume::Boot, path(name), Entry::file(vec![1; 3000], 0o644, TIME));
    }
    let layout = Layout::detect(open(&image)).unwrap();
    let start = Instant::now();
    let view = Arc::new(CowView::new(open(&image)));
    apply(view.clone(), &layout, &o).unwrap();
    let patch = view.take_patch().unwrap();
    println!("25 files: {:?}, {} bytes of patch", start.elapsed(), patch.size());
    assert!(patch.size() < 512 << 10, "{} bytes", patch.size());
}

#[test]
fn directories_grow_with_what_is_put_into_them() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let mut o = Overlay::new();
    for n in 0..2000 {
        let name = format!("/usr/share/many/a-file-with-a-name-of-some-length-{n}");
        o.insert(
            Volume::Root,
            path(&name),
            Entry::file(n.to_string().into_bytes(), 0o644, TIME),
        );
    }
    for n in 0..150 {
        let name = format!("/many/A file with a long name, number {n}.txt");
        o.insert(
            Volume::Boot,
            path(&name),
            Entry::file(n.to_string().into_bytes(), 0o644, TIME),
        );
    }
    let out = patched(&image, &bake(&image, &o));
    let layout = Layout::detect(open(&out)).unwrap();
    check(&out, &layout);
    let (root, boot) = (
        layout.root_tree(open(&out)).unwrap(),
        layout.boot_tree(open(&out)).unwrap(),
    );
    for (volume, at, entry) in o.iter() {
        let kraken_flash::overlay::Kind::File(bytes) = &entry.kind else {
            unreachable!()
        };
        let tree: &dyn FileTree = if volume == Volume::Root { &root } else { &boot };
        assert_eq!(tree.read(at.as_str(), 100).unwrap().unwrap(), **bytes, "{at}");
    }
}

#[test]
fn replacing_a_hard_linked_file_leaves_its_other_name_alone() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let layout = Layout::detect(open(&image)).unwrap();
    let root = dir.path().join("root");
    common::extract(&image, layout.root.start, layout.root.len, &root);
    run(Command::new("debugfs")
        .args(["-w", "-R", "ln /etc/hosts /etc/other"])
        .arg(&root));
    run(Command::new("debugfs")
        .args(["-w", "-R", "sif /etc/hosts links_count 2"])
        .arg(&root));
    let bytes = std::fs::read(&root).unwrap();
    ImageFile::open_write(&image)
        .unwrap()
        .write_at(layout.root.start, &bytes)
        .unwrap();
    let mut o = Overlay::new();
    o.insert(Volume::Root, path("/etc/hosts"), Entry::file(*b"new", 0o644, TIME));
    let out = patched(&image, &bake(&image, &o));
    check(&out, &layout);
    let tree = layout.root_tree(open(&out)).unwrap();
    assert_eq!(tree.read("/etc/hosts", 100).unwrap().unwrap(), b"new");
    assert_eq!(tree.read("/etc/other", 100).unwrap().unwrap().len(), 42);
}

#[test]
fn what_cannot_stand_where_it_should_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let file = || Entry::file(*b"x", 0o644, TIME);
    for (volume, at, entry, why) in [
        (Volume::Root, "/etc", file(), "a directory stands there"),
        (
            Volume::Root,
            "/etc/hosts",
            Entry::directory(0o755, TIME),
            "a file stands there",
        ),
        (Volume::Root, "/etc/hosts/x", file(), "is a file, not a directory"),
        (Volume::Root, "/etc", Entry::absent(), "it is a directory"),
        (
            Volume::Root,
            "/huge",
            Entry::file(vec![1; 70 << 20], 0o644, TIME),
            "it is full",
        ),
        (Volume::Boot, "/link", Entry::symlink("x", TIME), "symbolic link"),
        (Volume::Boot, "/overlays", file(), "a directory stands there"),
        (Volume::Boot, "/config.txt/x", file(), "is a file"),
        (Volume::Boot, "/a:b", file(), "writing /a:b"),
        (
            Volume::Boot,
            "/huge",
            Entry::file(vec![1; 300 << 20], 0o644, TIME),
            "do not fit",
        ),
    ] {
        let mut o = Overlay::new();
        o.insert(volume, path(at), entry);
        let view = Arc::new(CowView::new(open(&image)));
        let layout = Layout::detect(view.clone()).unwrap();
        let error = apply(view, &layout, &o).unwrap_err().to_string();
        assert!(error.contains(why), "{at}: {error}");
    }
}

#[test]
fn links_that_run_in_a_circle_or_out_of_the_image_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let mut o = Overlay::new();
    o.insert(Volume::Root, path("/a"), Entry::symlink("b", TIME));
    o.insert(Volume::Root, path("/b"), Entry::symlink("a", TIME));
    o.insert(Volume::Root, path("/out"), Entry::symlink("../../../../etc", TIME));
    o.insert(Volume::Root, path("/out/inside"), Entry::file(*b"in", 0o644, TIME));
    let out = patched(&image, &bake(&image, &o));
    let layout = Layout::detect(open(&out)).unwrap();
    let tree = layout.root_tree(open(&out)).unwrap();
    assert_eq!(tree.read("/etc/inside", 9).unwrap().unwrap(), b"in");
    assert_eq!(tree.metadata("/a/x").unwrap(), None);
    let mut circle = Overlay::new();
    circle.insert(Volume::Root, path("/a/x"), Entry::file(*b"x", 0o644, TIME));
    let error = apply(Arc::new(CowView::new(open(&out))), &layout, &circle).unwrap_err();
    assert!(error.to_string().contains("too many symbolic links"), "{error}");
}

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
