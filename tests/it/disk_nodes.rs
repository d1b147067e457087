//! What only the layers of container images bring: devices, whiteouts, pipes, names of any bytes,
//! times with nanoseconds. Read back with e2fsprogs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use kraken_disk::Layout;
use kraken_overlay::{Device, Entry, EntryPath, Kind, Node, Overlay, Volume};
use testkit::lay::{TIME, bake, check, open, patched};
use testkit::{TestImage, run};

fn path(bytes: &[u8]) -> EntryPath {
    EntryPath::from_bytes(bytes).unwrap()
}

fn layers() -> Overlay {
    let mut overlay = Overlay::new();
    let mut put = |at: &[u8], entry: Entry| overlay.insert(Volume::Root, path(at), entry);
    put(b"/l", Entry::directory(0o755, TIME));
    put(b"/l/gone", Entry::node(Node::WHITEOUT, 0, TIME));
    let link = |other: &[u8]| {
        let mut entry = Entry::absent();
        entry.kind = Kind::HardLink(path(other));
        entry.mtime = TIME;
        entry
    };
    put(b"/l/gone too", link(b"/l/gone"));
    let tty = Node::Character(Device { major: 4, minor: 64 });
    put(b"/l/tty", Entry::node(tty, 0o620, TIME).owned_by(0, 5));
    let disk = Node::Block(Device { major: 255, minor: 255 });
    put(
        b"/l/disk",
        Entry::node(disk, 0o660, TIME).owned_by(3_000_000, 4_294_967_294),
    );
    put(b"/l/pipe", Entry::node(Node::Pipe, 0o600, TIME));
    put(b"/l/\xff", Entry::directory(0o700, TIME));
    put(b"/l/\xff/\xfe", Entry::file(*b"bytes", 0o644, TIME));
    let mut capable = Entry::file(*b"program", 0o755, TIME);
    capable.xattrs.insert("security.capability".into(), vec![0x0a; 20]);
    put(b"/l/\xff/capable", capable);
    put(b"/l/link", Entry::symlink(*b"\xff/\xfe", TIME));
    put(b"/l/long", Entry::symlink(vec![b'x'; 255], TIME));
    let mut opaque = Entry::directory(0o755, TIME);
    opaque.xattrs.insert("trusted.overlay.opaque".into(), b"y".to_vec());
    put(b"/l/opaque", opaque);
    let mut precise = Entry::file(*b"x", 0o644, TIME);
    precise.mtime_nanoseconds = 123_456_789;
    put(b"/l/precise", precise.clone());
    precise.kind = Kind::Directory;
    put(b"/l/precise folder", precise);
    put(b"/l/precise folder/x", Entry::file(*b"x", 0o644, TIME));
    overlay
}

fn debugfs(volume: &Path, request: &[u8]) -> String {
    run(Command::new("debugfs")
        .arg("-R")
        .arg(OsStr::from_bytes(request))
        .arg(volume))
}

#[test]
fn what_layers_bring_reads_back_through_e2fsprogs() {
    for features in [&[][..], &["-b", "1024"]] {
        let folder = tempfile::tempdir().unwrap();
        let image = TestImage::builder().ext4_features(features).build(folder.path());
        let out = patched(&image, &bake(&image, &layers()));
        assert_eq!(bake(&out, &layers()).blocks(), 0, "applying twice changes something");
        let layout = Layout::detect(open(&out)).unwrap();
        check(&out, &layout);
        let root = folder.path().join("root");
        testkit::extract(&out, layout.root.start, layout.root.len, &root);
        for (at, wanted) in [
            (
                &b"/l/gone"[..],
                &[
                    "Type: character special",
                    "Mode:  0000",
                    "Links: 2",
                    "Device major/minor number: 00:00",
                ][..],
            ),
            (b"\"/l/gone too\"", &["Type: character special", "Links: 2"]),
            (
                b"/l/tty",
                &["Mode:  0620", "Group:     5", "Device major/minor number: 04:64"],
            ),
            (
                b"/l/disk",
                &[
                    "Type: block special",
                    "User: 3000000",
                    "Group:    -2",
                    "Device major/minor number: 255:255",
                ],
            ),
            (b"/l/pipe", &["Type: FIFO", "Mode:  0600"]),
            (b"/l/\xff/\xfe", &["Type: regular", "Size: 5"]),
            (b"/l/link", &["Type: symlink", "Size: 3"]),
            (b"/l/long", &["Type: symlink", "Size: 255"]),
            (b"/l/precise", &["mtime: 0x", ":1d6f3454"]),
            (b"\"/l/precise folder\"", &["Type: directory", ":1d6f3454"]),
        ] {
            let seen = debugfs(&root, &[b"stat ", at].concat());
            for words in wanted {
                assert!(
                    seen.contains(words),
                    "{}: {words:?} is not in {seen}",
                    at.escape_ascii()
                );
            }
        }
        for (at, wanted) in [
            (&b"/l/opaque"[..], "trusted.overlay.opaque (1) = \"y\""),
            (b"/l/\xff/capable", "security.capability (20)"),
        ] {
            let seen = debugfs(&root, &[b"ea_list ", at].concat());
            assert!(seen.contains(wanted), "{}: {seen}", at.escape_ascii());
        }
        assert!(
            !debugfs(&root, b"ls /").contains("kraken-flash"),
            "a helper's name is left"
        );
    }
}

#[test]
fn a_device_number_that_would_be_written_wrongly_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let image = TestImage::builder().build(folder.path());
    for device in [
        Device { major: 256, minor: 0 },
        Device {
            major: 8,
            minor: 70_000,
        },
    ] {
        let mut overlay = Overlay::new();
        let entry = Entry::node(Node::Block(device), 0o600, TIME);
        overlay.insert(Volume::Root, path(b"/disk"), entry);
        let view = std::sync::Arc::new(kraken_disk::CowView::new(open(&image)));
        let layout = Layout::detect(open(&image)).unwrap();
        let error = kraken_disk::apply(view, &layout, &overlay).unwrap_err().to_string();
        assert!(error.contains("/disk") && error.contains("at most 255"), "{error}");
    }
}
