//! dpkg's database after packages are unpacked. Every expectation is what dpkg 1.22 itself writes
//! in the same case: `packages_made.rs` checks it.

use std::path::PathBuf;

use kraken_debian::Unpacked;
use kraken_disk::MemoryTree;
use kraken_foundation::interrupt::Interrupt;
use kraken_overlay::{EntryPath, Kind, Volume};
use testkit::deb::{Item, Package};

const TIME: i64 = 1_790_000_000;

fn stanza(name: &str, more: &str) -> String {
    format!(
        "Package: {name}\nStatus: install ok installed\nMaintainer: x\nArchitecture: arm64\nVersion: 1\n{more}Description: x\n\n"
    )
}

/// A small Debian: dpkg, one package with conffiles, one that waits for triggers.
fn root() -> MemoryTree {
    let conffiles = "Conffiles:\n /etc/kept 11111111111111111111111111111111\n /etc/gone 22222222222222222222222222222222\n \
                     /etc/old 33333333333333333333333333333333\n /etc/older 44444444444444444444444444444444\n \
                     /etc/plain 55555555555555555555555555555555\n /etc/cut 9dd4e461268c8034f5c8564e155c67a6\n";
    let status = stanza("dpkg", "") + &stanza("up", conffiles) + &stanza("waits", "");
    let mut root = MemoryTree::new();
    root.file("/etc/dpkg/dpkg.cfg.d/docs", *b"path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n")
        .file("/etc/passwd", *b"root:x:0:0:root:/root:/bin/sh\n")
        .file("/etc/group", *b"root:x:0:\n")
        .file("/var/lib/dpkg/status", status.into_bytes())
        .file("/var/lib/dpkg/arch", *b"arm64\n")
        .file("/var/lib/dpkg/info/dpkg.list", *b"/.\n")
        .file("/var/lib/dpkg/info/waits.list", *b"/.\n")
        .file(
            "/var/lib/dpkg/info/up.list",
            *b"/.\n/etc\n/etc/kept\n/etc/gone\n/etc/old\n/etc/older\n/etc/plain\n/etc/cut\n/usr\n/usr/lib\n/usr/lib/up\n/usr/lib/up/a\n",
        )
        .file("/var/lib/dpkg/triggers/File", *b"/usr/lib/watched waits\n/usr/lib/quiet waits/noawait\n")
        .file("/var/lib/dpkg/triggers/named", *b"waits\n");
    for path in [
        "/etc/kept",
        "/etc/old",
        "/etc/older",
        "/etc/plain",
        "/etc/cut",
        "/usr/lib/up/a",
    ] {
        root.file(path, *b"x");
    }
    root
}

fn unpack(packages: &[Package]) -> Unpacked {
    let folder = tempfile::tempdir().unwrap();
    let debs: Vec<PathBuf> = packages.iter().map(|package| package.write(folder.path())).collect();
    kraken_debian::unpack(&root(), &debs, folder.path(), TIME, &Interrupt::new())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn kind<'u>(unpacked: &'u Unpacked, path: &str) -> Option<&'u Kind> {
    unpacked
        .overlay
        .get(Volume::Root, &EntryPath::new(path).unwrap())
        .map(|entry| &entry.kind)
}

fn text(unpacked: &Unpacked, path: &str) -> String {
    match kind(unpacked, path) {
        Some(Kind::File(content)) => String::from_utf8(content.read().unwrap().to_vec()).unwrap(),
        other => panic!("{path} is {other:?}"),
    }
}

fn status_of(unpacked: &Unpacked, name: &str) -> String {
    let status = text(unpacked, "/var/lib/dpkg/status");
    let mut stanzas = status.split("\n\n");
    let begin = format!("Package: {name}\n");
    stanzas
        .find(|stanza| stanza.starts_with(&begin))
        .unwrap_or_else(|| panic!("no {name} in:\n{status}"))
        .to_owned()
}

#[test]
fn the_status_is_sorted_and_spelt_as_dpkg_does() {
    let package =
        Package::new("early", "0:2-1").fields("Priority: eXtra\nDepends: a(=0:1)|b,  c (< 1:2)\nTriggers-Pending: x\n");
    let unpacked = unpack(&[Package::new("zz", "1"), package]);
    let status = text(&unpacked, "/var/lib/dpkg/status");
    let names: Vec<&str> = status
        .lines()
        .filter_map(|line| line.strip_prefix("Package: "))
        .collect();
    assert_eq!(names, ["dpkg", "early", "up", "waits", "zz"]);
    assert_eq!(
        status_of(&unpacked, "early"),
        "Package: early\nStatus: install ok unpacked\nPriority: extra\nMaintainer: Kraken <kraken@example.org>\nArchitecture: arm64\nVersion: 2-1\n\
         Depends: a (= 1) | b, c (<= 1:2)\nDescription: a package for tests"
    );
}

#[test]
fn what_the_images_dpkg_leaves_out_is_left_out() {
    let package = Package::new("new", "1")
        .symlink("/usr/lib/a-link", "b-file")
        .file("/usr/lib/b-file", "x")
        .item(Item::hard_link("/usr/lib/c-name", "/usr/lib/b-file"))
        .file("/usr/share/doc/new/README", "x")
        .file("/usr/share/doc/new/copyright", "x")
        .without_md5sums();
    let unpacked = unpack(&[package]);
    assert_eq!(kind(&unpacked, "/usr/share/doc/new/README"), None);
    assert!(matches!(
        kind(&unpacked, "/usr/share/doc/new/copyright"),
        Some(Kind::File(_))
    ));
    // Links are last in the list, which also has the files that are left out.
    assert_eq!(
        text(&unpacked, "/var/lib/dpkg/info/new.list"),
        "/.\n/usr\n/usr/lib\n/usr/lib/b-file\n/usr/lib/c-name\n/usr/share\n/usr/share/doc\n/usr/share/doc/new\n\
         /usr/share/doc/new/README\n/usr/share/doc/new/copyright\n/usr/lib/a-link\n"
    );
    let sums = text(&unpacked, "/var/lib/dpkg/info/new.md5sums");
    let paths: Vec<&str> = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(_, path)| path)
        .collect();
    assert_eq!(
        paths,
        ["usr/lib/b-file", "usr/lib/c-name", "usr/share/doc/new/copyright"]
    );
}

#[test]
fn conffiles_of_an_upgrade() {
    let package = Package::new("up", "2")
        .control(
            "conffiles",
            "/etc/new\n/etc/gone\nremove-on-upgrade /etc/cut\n/etc/kept\nremove-on-upgrade /etc/never\n",
        )
        .file("/etc/kept", "2")
        .file("/etc/gone", "2")
        .file("/etc/new", "2")
        .file("/etc/plain", "2");
    let unpacked = unpack(&[package]);
    assert!(
        status_of(&unpacked, "up").contains(
            "Config-Version: 1\nConffiles:\n /etc/new newconffile\n /etc/gone 22222222222222222222222222222222\n \
         /etc/cut 9dd4e461268c8034f5c8564e155c67a6 remove-on-upgrade\n /etc/kept 11111111111111111111111111111111\n \
         /etc/never newconffile remove-on-upgrade\n /etc/older 44444444444444444444444444444444 obsolete\n \
         /etc/old 33333333333333333333333333333333 obsolete\nDescription:"
        ),
        "{}",
        status_of(&unpacked, "up")
    );
    assert_eq!(
        text(&unpacked, "/var/lib/dpkg/info/up.list"),
        "/.\n/etc\n/etc/kept\n/etc/gone\n/etc/new\n/etc/plain\n/etc/older\n/etc/old\n"
    );
    assert_eq!(kind(&unpacked, "/etc/cut"), Some(&Kind::Absent));
    assert_eq!(kind(&unpacked, "/usr/lib/up/a"), Some(&Kind::Absent));
    assert_eq!(kind(&unpacked, "/usr/lib/up"), Some(&Kind::AbsentIfEmpty));
    assert!(matches!(kind(&unpacked, "/etc/plain"), Some(Kind::File(_))));
    assert!(matches!(kind(&unpacked, "/etc/kept.dpkg-new"), Some(Kind::File(_))));
    assert_eq!(kind(&unpacked, "/etc/kept"), None);
}

#[test]
fn triggers_are_pending_newest_first_and_awaited_by_who_set_them_off_by_a_file() {
    let unpacked = unpack(&[
        Package::new("by-name", "1").control("triggers", "activate named\n"),
        Package::new("by-file", "1").file("/usr/lib/watched/x", "x"),
        Package::new("quietly", "1").file("/usr/lib/quiet", "x"),
        Package::new("up", "2").control("triggers", "activate named\n"),
    ]);
    let waits = status_of(&unpacked, "waits");
    assert!(
        waits.starts_with("Package: waits\nStatus: install ok triggers-pending\n"),
        "{waits}"
    );
    assert!(
        waits.ends_with("\nTriggers-Pending: /usr/lib/quiet /usr/lib/watched named"),
        "{waits}"
    );
    for (name, awaits) in [("by-name", false), ("by-file", true), ("quietly", false), ("up", true)] {
        let stanza = status_of(&unpacked, name);
        assert_eq!(stanza.ends_with("\nTriggers-Awaited: waits"), awaits, "{stanza}");
        assert!(stanza.contains("Status: install ok unpacked"), "{stanza}");
    }
}
