//! Files that are written to a disk image, read back with other libraries and the file systems' own
//! checkers.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use kraken_disk::{CowView, FileTree, ImageFile, Layout, TableKind, WriteAt, apply};
use kraken_overlay::{Entry, Overlay, Volume};
use testkit::lay::{TIME, bake, check, open, overlay, patched, path, root_is_right};
use testkit::{PI_GEN, TestImage, run};

#[test]
fn a_layout_follows_from_what_the_partitions_hold() {
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
        testkit::extract(&out, layout.root.start, layout.root.len, &ea);
        let seen = run(Command::new("debugfs").args(["-R", "ea_list /usr/bin/ping"]).arg(&ea));
        assert!(seen.contains("security.capability (20)"), "{seen}");
    }
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
        let kraken_overlay::Kind::File(bytes) = &entry.kind else {
            unreachable!()
        };
        let tree: &dyn FileTree = if volume == Volume::Root { &root } else { &boot };
        assert_eq!(
            tree.read(at.as_str(), 100).unwrap().unwrap(),
            *bytes.read().unwrap(),
            "{at}"
        );
    }
}

#[test]
fn replacing_a_hard_linked_file_leaves_its_other_name_alone() {
    let dir = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(dir.path());
    let layout = Layout::detect(open(&image)).unwrap();
    let root = dir.path().join("root");
    testkit::extract(&image, layout.root.start, layout.root.len, &root);
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
        (Volume::Boot, "/link", Entry::symlink("x", TIME), "is a link"),
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
