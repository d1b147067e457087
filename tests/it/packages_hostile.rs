//! Packages that are damaged or malicious: each is refused with an error that names the package and
//! the fault, and leaves nothing behind.

use std::io::Write;

use crate::hostile::{Place, with_entries};
use kraken_debian::deb;
use tar::EntryType;
use testkit::deb::{Item, Package, ar, pack, tar};

#[test]
fn a_sound_package_is_taken() {
    let place = Place::new();
    let path = place.write(
        "hostile.deb",
        &with_entries(&[Item::folder("./"), Item::file("./usr/lib/x", "x")]),
    );
    let unpacked = place.unpack(&[path]).unwrap();
    assert!(unpacked.overlay.len() >= 3, "{:?}", unpacked.overlay);
}

#[test]
fn entries_that_lead_out_or_are_no_files() {
    let place = Place::new();
    let long = format!("./usr/{}", "x".repeat(256));
    let deep = format!("./{}x", "long-folder-name/".repeat(260));
    let of_size = |size| Item {
        size: Some(size),
        ..Item::file("./usr/x", "x")
    };
    let cases: Vec<(&str, Vec<Item>, &[&str])> = vec![
        (
            "a path that climbs",
            vec![Item::file("./../etc/passwd", "x")],
            &["../etc/passwd"],
        ),
        (
            "a path that climbs later",
            vec![Item::file("./usr/../../x", "x")],
            &["usr/../../x"],
        ),
        (
            "an absolute path",
            vec![Item::file("/etc/passwd", "x")],
            &["/etc/passwd"],
        ),
        ("an empty component", vec![Item::file("./usr//x", "x")], &["usr//x"]),
        ("a dot inside", vec![Item::file("./usr/./x", "x")], &["usr/./x"]),
        (
            "a link out",
            vec![Item::symlink("./usr/x", "../../../../etc/passwd")],
            &["usr/x", "leads out"],
        ),
        ("a link to nothing", vec![Item::symlink("./usr/x", "")], &["usr/x"]),
        (
            "a planted link",
            vec![Item::symlink("./usr/x", "/etc"), Item::file("./usr/x/passwd", "x")],
            &["usr/x/passwd", "symbolic link"],
        ),
        (
            "a planted link behind its file",
            vec![Item::file("./usr/x/passwd", "x"), Item::symlink("./usr/x", "/etc")],
            &["usr/x"],
        ),
        (
            "a planted link far up",
            vec![
                Item::symlink("./usr/x", "/"),
                Item::file("./usr/x/etc/deep/passwd", "x"),
            ],
            &["usr/x/etc/deep/passwd"],
        ),
        (
            "a block device",
            vec![Item::new("./dev/sda", EntryType::Block, 0o666)],
            &["dev/sda", "device"],
        ),
        (
            "a character device",
            vec![Item::new("./dev/mem", EntryType::Char, 0o666)],
            &["dev/mem", "device"],
        ),
        (
            "a pipe",
            vec![Item::new("./run/pipe", EntryType::Fifo, 0o666)],
            &["run/pipe", "pipe"],
        ),
        (
            "a sparse file",
            vec![Item::new("./usr/x", EntryType::GNUSparse, 0o644)],
            &[],
        ),
        (
            "an unknown kind",
            vec![Item::new("./usr/x", EntryType::new(b'V'), 0o644)],
            &["usr/x"],
        ),
        (
            "the same file twice",
            vec![Item::file("./usr/x", "a"), Item::file("./usr/x", "b")],
            &["usr/x", "twice"],
        ),
        (
            "the same file, written otherwise",
            vec![Item::file("./usr/x", "a"), Item::file("usr/x", "b")],
            &["usr/x", "twice"],
        ),
        (
            "a hard link out",
            vec![Item::hard_link("./usr/x", "/etc/passwd")],
            &["usr/x"],
        ),
        (
            "a hard link that climbs",
            vec![Item::hard_link("./usr/x", "./../etc/passwd")],
            &["usr/x"],
        ),
        (
            "a hard link to the image",
            vec![Item::hard_link("./usr/x", "./etc/passwd")],
            &["usr/x", "hard link"],
        ),
        (
            "a hard link to what comes later",
            vec![Item::hard_link("./usr/x", "./usr/y"), Item::file("./usr/y", "y")],
            &["usr/x", "hard link"],
        ),
        (
            "a hard link to a folder",
            vec![Item::folder("./usr/y/"), Item::hard_link("./usr/x", "./usr/y")],
            &["usr/x", "hard link"],
        ),
        (
            "a name that is not UTF-8",
            vec![Item::file(b"./usr/\xff\xfe", "x")],
            &["UTF-8"],
        ),
        (
            "a target that is not UTF-8",
            vec![Item::symlink("./usr/x", b"\xff")],
            &["usr/x", "UTF-8"],
        ),
        ("a component of 256 bytes", vec![Item::file(&long, "x")], &["255"]),
        ("a path of 4400 bytes", vec![Item::file(&deep, "x")], &["4095"]),
        ("an entry longer than the tar", vec![of_size(1 << 20)], &[]),
        ("an entry longer than any disk", vec![of_size(u64::MAX >> 1)], &[]),
        (
            "a file over a folder",
            vec![Item::file("./usr/share/folder", "x")],
            &["/usr/share/folder", "folder"],
        ),
        (
            "a folder over a file",
            vec![Item::folder("./usr/bin/victim/")],
            &["/usr/bin/victim", "file"],
        ),
        (
            "a folder over a file of its own",
            vec![Item::file("./usr/x", "x"), Item::file("./usr/x/y", "y")],
            &["usr/x"],
        ),
        (
            "a file of another package",
            vec![Item::file("./usr/bin/victim", "x")],
            &["/usr/bin/victim", "victim"],
        ),
        (
            "a link over a file of another package",
            vec![Item::symlink("./usr/bin/victim", "x")],
            &["/usr/bin/victim"],
        ),
        (
            "a conffile of another package",
            vec![Item::file("./etc/victim.conf", "x")],
            &["/etc/victim.conf", "victim"],
        ),
        ("a file by its other name", vec![Item::file("./lib", "x")], &["/lib"]),
    ];
    for (what, items, words) in cases {
        place.refuses(what, &with_entries(&items), words);
    }
}

#[test]
fn dpkgs_own_files() {
    let place = Place::new();
    for path in [
        "./var/lib/dpkg/status",
        "./var/lib/dpkg/info/dpkg.list",
        "./var/lib/dpkg/info/victim.postinst",
    ] {
        place.refuses(path, &with_entries(&[Item::file(path, "x")]), &["/var/lib/dpkg"]);
    }
}

#[test]
fn containers_that_are_none() {
    let place = Place::new();
    let (control, data) = (
        pack("x.xz", &Package::new("hostile", "1").control_tar()),
        pack("x.xz", &tar(&[])),
    );
    let three = |version: &[u8], second: &str, third: &str| {
        ar(&[("debian-binary", version), (second, &control), (third, &data)])
    };
    let sound = three(b"2.0\n", "control.tar.xz", "data.tar.xz");
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("no archive", b"#!/bin/sh\n".to_vec()),
        ("an empty archive", b"!<arch>\n".to_vec()),
        ("version 3", three(b"3.0\n", "control.tar.xz", "data.tar.xz")),
        ("no version", three(b"", "control.tar.xz", "data.tar.xz")),
        (
            "a wrong order",
            ar(&[
                ("debian-binary", b"2.0\n"),
                ("data.tar.xz", &data),
                ("control.tar.xz", &control),
            ]),
        ),
        (
            "no debian-binary",
            ar(&[("control.tar.xz", &control), ("data.tar.xz", &data)]),
        ),
        (
            "no data",
            ar(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &control)]),
        ),
        ("an unknown packing", three(b"2.0\n", "control.tar.xz", "data.tar.lz4")),
        (
            "another packing than said",
            three(b"2.0\n", "control.tar.gz", "data.tar.xz"),
        ),
        (
            "control not packed as said",
            three(b"2.0\n", "control.tar", "data.tar.xz"),
        ),
        (
            "data not packed as said",
            three(b"2.0\n", "control.tar.xz", "data.tar.zst"),
        ),
        (
            "data that is not a tar archive",
            ar(&[
                ("debian-binary", b"2.0\n"),
                ("control.tar.xz", &control),
                ("data.tar", &[b'x'; 2000]),
            ]),
        ),
    ] {
        place.refuses(what, &bytes, &[]);
    }
    // Cut off anywhere, and one byte changed anywhere: an error or a package, never a panic. Cut
    // off inside a member: always an error.
    for end in 0..sound.len() - 1 {
        place.refuses(&format!("cut off after {end}"), &sound[..end], &[]);
    }
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        let path = place.write("changed.deb", &bytes);
        let _ = (place.unpack(std::slice::from_ref(&path)), deb::measure(&path));
    }
}

/// A member whose header announces more bytes than the file has, or than any file has.
#[test]
fn sizes_that_are_not_true() {
    let place = Place::new();
    let sound = with_entries(&[Item::file("./usr/x", "x")]);
    for size in ["9999999999", "4294967296", "-1        ", "0x10      ", "          "] {
        for member in 0..3 {
            let mut bytes = sound.clone();
            let headers: Vec<usize> = (0..bytes.len() - 1)
                .filter(|at| bytes[*at..].starts_with(b"`\n"))
                .collect();
            let at = headers[member] - 10;
            bytes[at..at + 10].copy_from_slice(format!("{size:<10}").as_bytes());
            place.refuses(&format!("member {member} of size {size}"), &bytes, &[]);
        }
    }
}

/// Zeros without end, compressed in every way: in the control tar, and after the end of the data
/// tar.
#[test]
fn bombs() {
    let place = Place::new();
    let sound = pack("x.xz", &tar(&[]));
    for ending in ["xz", "zst", "gz"] {
        let name = format!("control.tar.{ending}");
        let bomb = pack(&name, &vec![0; 96 << 20]);
        assert!(bomb.len() < 1 << 20);
        let bytes = ar(&[("debian-binary", b"2.0\n"), (&name, &bomb), ("data.tar.xz", &sound)]);
        place.refuses(&format!("a control tar of zeros, {ending}"), &bytes, &[]);
    }
    let control = pack("x.xz", &Package::new("hostile", "1").control_tar());
    let mut data = zstd::Encoder::new(Vec::new(), 1).unwrap();
    data.write_all(&tar(&[Item::file("./usr/x", "x")])).unwrap();
    // More than any package has.
    let block = vec![0; 1 << 20];
    for _ in 0..6500 {
        data.write_all(&block).unwrap();
    }
    let members: [(&str, &[u8]); 3] = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", &control),
        ("data.tar.zst", &data.finish().unwrap()),
    ];
    let path = place.write("hostile.deb", &ar(&members));
    let said = place.unpack(&[path]).err().unwrap();
    assert!(
        said.contains("hostile.deb") && said.contains("more than any package"),
        "{said}"
    );
}
