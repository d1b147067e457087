//! Packages that are damaged or made to do harm: each is refused with an error that says which package and what, and leaves nothing behind.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use common::deb::{Item, Package, ar, pack, tar};
use kraken_flash::disk::MemoryTree;
use kraken_flash::interrupt::Interrupt;
use kraken_flash::overlay::{EntryPath, Kind, Volume};
use kraken_flash::packages::{self, Unpacked, deb};
use tar::EntryType;

/// A small Debian: dpkg itself, one other package, links as in every Debian of today.
fn root() -> MemoryTree {
    let stanza = |name: &str, more: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nMaintainer: x\nArchitecture: arm64\nVersion: 1\n{more}Description: x\n\n"
        )
    };
    let status = stanza("dpkg", "")
        + &stanza(
            "victim",
            "Conffiles:\n /etc/victim.conf 0123456789abcdef0123456789abcdef\n",
        );
    let mut root = MemoryTree::new();
    root.symlink("/lib", "usr/lib")
        .file("/etc/passwd", *b"root:x:0:0:root:/root:/bin/sh\n")
        .file("/etc/group", *b"root:x:0:\n")
        .file("/etc/victim.conf", *b"x")
        .file("/usr/bin/victim", *b"x")
        .directory("/usr/share/folder")
        .file("/var/lib/dpkg/status", status.into_bytes())
        .file("/var/lib/dpkg/arch", *b"arm64\n")
        .file(
            "/var/lib/dpkg/info/dpkg.list",
            *b"/.\n/lib\n/usr\n/usr/bin\n/usr/bin/dpkg\n",
        )
        .file(
            "/var/lib/dpkg/info/victim.list",
            *b"/.\n/etc\n/etc/victim.conf\n/usr\n/usr/bin\n/usr/bin/victim\n",
        )
        .file("/usr/bin/dpkg", *b"x");
    root
}

/// Folders of a test: packages, and what is unpacked on the way.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn unpack(&self, debs: &[PathBuf]) -> Result<Unpacked, String> {
        let scratch = self.folder.path().join("scratch");
        let result = packages::unpack(&root(), debs, &scratch, 1_790_000_000, &Interrupt::new());
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "something is left");
        result.map_err(|error| error.to_string())
    }

    /// Unpacking these bytes is refused, with all of these words.
    fn refuses(&self, what: &str, bytes: &[u8], words: &[&str]) {
        let path = self.write("hostile.deb", bytes);
        let said = match self.unpack(std::slice::from_ref(&path)) {
            Ok(_) => panic!("{what}: taken"),
            Err(said) => said,
        };
        assert!(said.contains("hostile"), "{what}: the package is not named: {said}");
        for word in words {
            assert!(said.contains(word), "{what}: {word:?} is not in: {said}");
        }
        assert!(said.len() < 1500 && !said.contains('\0'), "{what}: {said:?}");
        // Whoever only wants to know sizes sees no panic, either.
        let _ = (deb::measure(&path), deb::control_text(&path));
    }
}

/// A package called `hostile` with these raw entries, not made right on the way.
fn with_entries(items: &[Item]) -> Vec<u8> {
    let package = Package::new("hostile", "1");
    deb_of(&package.control_tar(), &tar(items))
}

fn deb_of(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", &pack("x.xz", control)),
        ("data.tar.xz", &pack("x.xz", data)),
    ])
}

fn with_control(text: &str) -> Vec<u8> {
    deb_of(&tar(&[Item::file("./control", text)]), &tar(&[Item::folder("./")]))
}

const CONTROL: &str = "Package: hostile\nVersion: 1\nArchitecture: arm64\nMaintainer: x\nDescription: x\n";

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
fn control_files_that_say_too_little_or_too_much() {
    let place = Place::new();
    let without = |field: &str| -> String {
        CONTROL
            .lines()
            .filter(|line| !line.starts_with(field))
            .map(|line| format!("{line}\n"))
            .collect()
    };
    let with = |field: &str, value: &str| without(field) + &format!("{field} {value}\n");
    let long = "a".repeat(300);
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("no name", without("Package:"), &["Package"]),
        ("no version", without("Version:"), &["Version"]),
        ("no architecture", without("Architecture:"), &["Architecture"]),
        ("an empty control file", String::new(), &["control"]),
        ("a name with a slash", with("Package:", "../x"), &["name"]),
        ("a name that is an option", with("Package:", "-x"), &["name"]),
        ("a name in capitals", with("Package:", "Hostile"), &["name"]),
        ("an endless name", with("Package:", &long), &["Package"]),
        ("a version with a blank", with("Version:", "1 2"), &["version"]),
        ("a version with a slash", with("Version:", "1/../2"), &["version"]),
        (
            "an architecture with a slash",
            with("Architecture:", "../x"),
            &["architecture"],
        ),
        (
            "another architecture",
            with("Architecture:", "riscv64"),
            &["riscv64", "arm64"],
        ),
        (
            "two paragraphs",
            format!("{CONTROL}\nPackage: dpkg\nStatus: x\n"),
            &["paragraph"],
        ),
        ("a field twice", format!("{CONTROL}Version: 2\n"), &["twice"]),
        ("what is no field", format!("{CONTROL}nothing\n"), &["line"]),
        ("a NUL byte", format!("{CONTROL}X-Nul: a\0b\n"), &[]),
    ];
    for (what, text, words) in cases {
        place.refuses(what, &with_control(&text), words);
    }
    // The status is dpkg's: what a package says of its own state does not get in.
    let path = place.write("hostile.deb", &with_control(&format!("{CONTROL}Status: install ok installed\nConfig-Version: 9\nConffiles:\n /etc/passwd 0\nTriggers-Pending: x\nTriggers-Awaited: dpkg\n")));
    if let Ok(unpacked) = place.unpack(&[path]) {
        let status = text(&unpacked, "/var/lib/dpkg/status");
        let own = status
            .split("\n\n")
            .find(|stanza| stanza.starts_with("Package: hostile\n"))
            .unwrap();
        assert!(own.contains("Status: install ok unpacked\n"), "{own}");
        for field in ["Config-Version", "Conffiles", "Triggers-", "installed"] {
            assert!(!own.contains(field), "{own}");
        }
    }
}

fn text(unpacked: &Unpacked, path: &str) -> String {
    match unpacked
        .overlay
        .get(Volume::Root, &EntryPath::new(path).unwrap())
        .map(|entry| &entry.kind)
    {
        Some(Kind::File(content)) => String::from_utf8(content.read().unwrap().to_vec()).unwrap(),
        other => panic!("{path} is {other:?}"),
    }
}

#[test]
fn control_tars_with_more_than_control_files() {
    let place = Place::new();
    let control = || Item::file("./control", CONTROL);
    let long = format!("./{}", "x".repeat(200));
    let cases: Vec<(&str, Vec<Item>, &[&str])> = vec![
        ("no control file", vec![Item::file("./md5sums", "")], &["control"]),
        ("two control files", vec![control(), control()], &["control"]),
        (
            "a path that climbs",
            vec![control(), Item::file("./../dpkg.postinst", "x")],
            &["dpkg.postinst"],
        ),
        ("a folder", vec![control(), Item::folder("./x/")], &["x"]),
        (
            "a file in a folder",
            vec![control(), Item::file("./x/y", "x")],
            &["x/y"],
        ),
        (
            "an absolute path",
            vec![control(), Item::file("/etc/passwd", "x")],
            &["passwd"],
        ),
        (
            "a link",
            vec![control(), Item::symlink("./postinst", "/bin/sh")],
            &["postinst"],
        ),
        (
            "a hard link",
            vec![control(), Item::hard_link("./postinst", "./control")],
            &["postinst"],
        ),
        (
            "a device",
            vec![control(), Item::new("./postinst", EntryType::Char, 0o666)],
            &["postinst"],
        ),
        (
            "a script twice",
            vec![control(), Item::file("./postinst", "a"), Item::file("./postinst", "b")],
            &["postinst"],
        ),
        (
            "a name that is not UTF-8",
            vec![control(), Item::file(b"./\xff", "x")],
            &["UTF-8"],
        ),
        ("a long name", vec![control(), Item::file(&long, "x")], &["name"]),
        (
            "a list of its own",
            vec![control(), Item::file("./list", "/etc/passwd\n")],
            &["list"],
        ),
        (
            "a control file that is no text",
            vec![Item::file("./control", b"\xff\xfe")],
            &["UTF-8"],
        ),
        (
            "conffiles that are no text",
            vec![control(), Item::file("./conffiles", b"/\xff\n")],
            &["conffiles"],
        ),
        (
            "a conffile that it has not",
            vec![control(), Item::file("./conffiles", "/etc/none\n")],
            &["/etc/none"],
        ),
        (
            "a conffile that climbs",
            vec![control(), Item::file("./conffiles", "/etc/../../x\n")],
            &["/etc/../../x"],
        ),
        (
            "a conffile without a slash",
            vec![control(), Item::file("./conffiles", "etc/x\n")],
            &["etc/x"],
        ),
        (
            "a conffile twice",
            vec![control(), Item::file("./conffiles", "/usr/x\n/usr/x\n")],
            &["/usr/x"],
        ),
        (
            "a conffile that is a folder",
            vec![control(), Item::file("./conffiles", "/usr\n")],
            &["/usr"],
        ),
        (
            "a conffile that is a link",
            vec![control(), Item::file("./conffiles", "/usr/link\n")],
            &["/usr/link"],
        ),
        (
            "a trigger with a slash",
            vec![control(), Item::file("./triggers", "interest ../x\n")],
            &["triggers"],
        ),
        (
            "a trigger that is dpkg's",
            vec![control(), Item::file("./triggers", "interest File\n")],
            &["triggers"],
        ),
        (
            "an unknown directive",
            vec![control(), Item::file("./triggers", "run x\n")],
            &["triggers"],
        ),
        (
            "triggers that are no text",
            vec![control(), Item::file("./triggers", b"\xff\n")],
            &["triggers"],
        ),
    ];
    let data = tar(&[
        Item::folder("./usr/"),
        Item::file("./usr/x", "x"),
        Item::symlink("./usr/link", "x"),
    ]);
    for (what, items, words) in cases {
        place.refuses(what, &deb_of(&tar(&items), &data), words);
    }
    // Checksums of files that it has not are only ever read by who asks for a check.
    let sums = Item::file("./md5sums", "0123456789abcdef0123456789abcdef  ../../etc/passwd\n");
    let path = place.write("hostile.deb", &deb_of(&tar(&[control(), sums]), &data));
    assert!(place.unpack(&[path]).is_ok());
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
            "data that is no tar",
            ar(&[
                ("debian-binary", b"2.0\n"),
                ("control.tar.xz", &control),
                ("data.tar", &[b'x'; 2000]),
            ]),
        ),
    ] {
        place.refuses(what, &bytes, &[]);
    }
    // Cut off anywhere, and one byte changed anywhere: an error or a package, never a panic. Cut off inside: always an error.
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

/// A member whose header says that it is longer than the file, or longer than any file.
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

/// Zeros without end, packed in every way: in the control tar, and behind the end of the data tar.
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

fn fails(place: &Place, packages: &[Package], words: &[&str]) {
    let debs: Vec<PathBuf> = packages
        .iter()
        .map(|package| package.write(Path::new(place.folder.path())))
        .collect();
    let said = match place.unpack(&debs) {
        Ok(_) => panic!("taken, though: {words:?}"),
        Err(said) => said,
    };
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

/// What packages do to one another.
#[test]
fn packages_against_packages() {
    let place = Place::new();
    let one = Package::new("one", "1")
        .file("/usr/lib/shared", "1")
        .file("/usr/lib/one", "1");
    let two = Package::new("two", "1").file("/usr/lib/shared", "2");
    fails(&place, &[one.clone(), two], &["two", "/usr/lib/shared", "one"]);
    fails(&place, &[one.clone(), one.clone()], &["one", "twice"]);
    let later = Package::new("one", "2").file("/usr/lib/one", "2");
    fails(&place, &[one.clone(), later], &["one", "twice"]);
    let eater = Package::new("eater", "1")
        .fields("Replaces: victim\n")
        .control("conffiles", "/etc/victim.conf\n")
        .file("/etc/victim.conf", "x")
        .file("/usr/bin/victim", "x");
    fails(&place, &[eater], &["eater", "victim"]);
    let links = Package::new("links", "1").symlink("/usr/lib/planted", "/etc");
    let below = Package::new("below", "1").file("/usr/lib/planted/passwd", "x");
    fails(&place, &[links.clone(), below.clone()], &["below", "/usr/lib/planted"]);
    // The other way round, the folder is there first, and stays.
    let debs = [below, links].map(|package| package.write(place.folder.path()));
    let unpacked = place.unpack(&debs).unwrap();
    let planted = EntryPath::new("/usr/lib/planted").unwrap();
    let kind = &unpacked.overlay.get(Volume::Root, &planted).unwrap().kind;
    assert_eq!(*kind, Kind::DirectoryIfMissing);
    let folder = Package::new("folder", "1").folder("/usr/lib/x");
    let file = Package::new("file", "1").file("/usr/lib/x", "x");
    fails(&place, &[folder.clone(), file.clone()], &["file", "/usr/lib/x"]);
    fails(&place, &[file, folder], &["folder", "/usr/lib/x"]);
    let foreign = Package::new("foreign", "1").architecture("armhf");
    fails(&place, &[foreign], &["foreign", "armhf"]);
    // The same library of two architectures may share a file only when it is one file.
    let mut with_foreign = Vec::new();
    for (architecture, bytes) in [("arm64", "1"), ("armhf", "2")] {
        let package = Package::new("lib", "1")
            .architecture(architecture)
            .fields("Multi-Arch: same\n");
        with_foreign.push(package.file("/usr/share/lib/shared", bytes).write(place.folder.path()));
    }
    let mut root = root();
    root.file("/var/lib/dpkg/arch", *b"arm64\narmhf\n");
    let scratch = place.folder.path().join("scratch");
    let result = packages::unpack(&root, &with_foreign, &scratch, 0, &Interrupt::new());
    let said = result
        .err()
        .map(|error| error.to_string())
        .unwrap_or_else(|| panic!("taken"));
    assert!(said.contains("/usr/share/lib/shared"), "{said}");
}
