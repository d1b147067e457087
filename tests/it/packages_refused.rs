//! Packages that contain too few or too many fields, and those that do not fit together: each is
//! refused, with the reason.

use std::path::{Path, PathBuf};

use crate::hostile::{CONTROL, Place, deb_of, root, with_control};
use kraken_debian::Unpacked;
use kraken_foundation::interrupt::Interrupt;
use kraken_overlay::{EntryPath, Kind, Volume};
use tar::EntryType;
use testkit::deb::{Item, Package, tar};

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
        ("a line that is not a field", format!("{CONTROL}nothing\n"), &["line"]),
        ("a NUL byte", format!("{CONTROL}X-Nul: a\0b\n"), &[]),
    ];
    for (what, text, words) in cases {
        place.refuses(what, &with_control(&text), words);
    }
    // Only dpkg writes the status: a package's own statement about its state is ignored.
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
            "a control file that is not text",
            vec![Item::file("./control", b"\xff\xfe")],
            &["UTF-8"],
        ),
        (
            "conffiles that are not text",
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
            "triggers that are not text",
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
    // Checksums of files that the package does not have are read only when the user asks for a
    // check.
    let sums = Item::file("./md5sums", "0123456789abcdef0123456789abcdef  ../../etc/passwd\n");
    let path = place.write("hostile.deb", &deb_of(&tar(&[control(), sums]), &data));
    assert!(place.unpack(&[path]).is_ok());
}

/// Conflicts between packages.
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
    // The other way round, the folder exists first, and stays.
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
    // Two architectures of the same library may share a file only when it is the same file.
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
    let result = kraken_debian::unpack(&root, &with_foreign, &scratch, 0, &Interrupt::new());
    let said = result
        .err()
        .map(|error| error.to_string())
        .unwrap_or_else(|| panic!("taken"));
    assert!(said.contains("/usr/share/lib/shared"), "{said}");
}
