//! A small image, and packages that it must not accept.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::path::PathBuf;

use kraken_debian::{Unpacked, deb};
use kraken_disk::MemoryTree;
use kraken_foundation::interrupt::Interrupt;

use testkit::deb::{Item, Package, ar, pack, tar};

/// A small Debian: dpkg itself, one other package, and links as in every current Debian.
pub(crate) fn root() -> MemoryTree {
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

/// A test's folders: packages, and the unpacked files.
pub(crate) struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        Self { folder }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn unpack(&self, debs: &[PathBuf]) -> Result<Unpacked, String> {
        let scratch = self.folder.path().join("scratch");
        let result = kraken_debian::unpack(&root(), debs, &scratch, 1_790_000_000, &Interrupt::new());
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "something is left");
        result.map_err(|error| error.to_string())
    }

    /// Checks that unpacking these bytes is refused, with all of these words.
    pub(crate) fn refuses(&self, what: &str, bytes: &[u8], words: &[&str]) {
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
        // A caller that only asks for sizes sees no panic, either.
        let _ = (deb::measure(&path), deb::control_text(&path));
    }
}

/// Returns a package called `hostile` with these raw entries, without corrections.
pub(crate) fn with_entries(items: &[Item]) -> Vec<u8> {
    let package = Package::new("hostile", "1");
    deb_of(&package.control_tar(), &tar(items))
}

pub(crate) fn deb_of(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", &pack("x.xz", control)),
        ("data.tar.xz", &pack("x.xz", data)),
    ])
}

pub(crate) fn with_control(text: &str) -> Vec<u8> {
    deb_of(&tar(&[Item::file("./control", text)]), &tar(&[Item::folder("./")]))
}

pub(crate) const CONTROL: &str = "Package: hostile\nVersion: 1\nArchitecture: arm64\nMaintainer: x\nDescription: x\n";
