//! Packages: no panic, no hang; what is laid out stays inside the image and leaves dpkg's own files
//! to dpkg.
#![cfg_attr(fuzzing, no_main)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kraken_debian::deb;
use kraken_disk::MemoryTree;
use kraken_foundation::interrupt::Interrupt;
use kraken_overlay::{Kind, Volume};
use libfuzzer_sys::fuzz_target;

/// The folder of the package and of what is unpacked on the way.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a temporary folder"));

/// A small Debian with a conffile, a diversion, a trigger, a path filter and a link.
static ROOT: LazyLock<MemoryTree> = LazyLock::new(|| {
    let status = "Package: dpkg\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\nDescription: x\n\n\
                  Package: x\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1\nConffiles:\n /etc/x 0123\nDescription: x\n\n";
    let mut root = MemoryTree::new();
    root.symlink("/lib", "usr/lib")
        .file("/etc/x", *b"x")
        .file("/usr/lib/x", *b"x")
        .file(
            "/etc/dpkg/dpkg.cfg",
            *b"path-exclude=/usr/share/*\npath-include=/usr/share/[!a-c]?/\\*\n",
        )
        .file("/var/lib/dpkg/status", status.as_bytes())
        .file("/var/lib/dpkg/arch", *b"arm64\n")
        .file(
            "/var/lib/dpkg/info/dpkg.list",
            *b"/.\n/lib\n/usr\n/usr/bin\n/usr/bin/dpkg\n",
        )
        .file(
            "/var/lib/dpkg/info/x.list",
            *b"/.\n/etc\n/etc/x\n/usr\n/usr/lib\n/usr/lib/x\n",
        )
        .file("/var/lib/dpkg/diversions", *b"/usr/bin/d\n/usr/bin/d.real\ndpkg\n")
        .file("/var/lib/dpkg/triggers/File", *b"/usr/lib dpkg/noawait\n/usr/bin x\n");
    root
});

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, member) in members {
        writeln!(
            bytes,
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
            0,
            0,
            0,
            100_644,
            member.len()
        )
        .expect("memory");
        bytes.extend_from_slice(member);
        bytes.extend_from_slice(&b"\n"[..member.len() % 2]);
    }
    bytes
}

/// Returns the headers with right checksums: a wrong one is refused at once.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut tar = bytes.to_vec();
    tar.resize(tar.len().next_multiple_of(512), 0);
    for block in tar.chunks_mut(512) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// A tar with one plain file for each line of the form `NAME<TAB>BYTES`, or a link, folder or
/// second name where a sign comes first.
fn described(text: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    for line in text.split('\u{1}').take(64) {
        let (name, body) = line.split_once('\t').unwrap_or((line, ""));
        let (kind, name) = match name.split_at_checked(1) {
            Some(("@", name)) => (b'2', name),
            Some(("=", name)) => (b'1', name),
            Some(("/", name)) => (b'5', name),
            _ => (b'0', name),
        };
        let mut header = [0_u8; 512];
        let copy = |to: &mut [u8], from: &[u8]| {
            let count = from.len().min(to.len());
            to[..count].copy_from_slice(&from[..count]);
        };
        copy(&mut header[..100], name.as_bytes());
        copy(&mut header[100..108], b"0000755\0");
        copy(&mut header[108..116], b"0000000\0");
        copy(&mut header[116..124], b"0000000\0");
        let size = if kind == b'0' { body.len() } else { 0 };
        copy(&mut header[124..136], format!("{size:011o}\0").as_bytes());
        copy(&mut header[136..148], b"00000000000\0");
        header[156] = kind;
        if kind != b'0' {
            copy(&mut header[157..257], body.as_bytes());
        }
        copy(&mut header[257..265], b"ustar  \0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(&body.as_bytes()[..size]);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// The package that `input` describes: its first byte says which part of it is the input.
fn package(input: &[u8]) -> Vec<u8> {
    const CONTROL: &str = "./control\tPackage: x\nVersion: 2\nArchitecture: arm64\nReplaces: dpkg\nDescription: x\n";
    let (choice, rest) = input.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(rest);
    let (control, data) = match choice % 6 {
        0 => return rest.to_vec(),
        1 => (described(CONTROL), with_checksums(rest)),
        2 => (with_checksums(rest), described("/./")),
        3 => (described(CONTROL), described(&text)),
        // Control files by their names, with a few files that they can speak of.
        4 => (
            described(&format!("{CONTROL}\u{1}{text}")),
            described("./etc/x\tx\u{1}./etc/y\ty\u{1}@./usr/lib/y\tx"),
        ),
        _ => (described(&format!("./control\t{text}")), described("./usr/lib/x\tx")),
    };
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control),
        ("data.tar", &data),
    ])
}

fn unpacked(path: &Path) {
    let paths = [PathBuf::from(path)];
    let Ok(unpacked) = kraken_debian::unpack(&*ROOT, &paths, FOLDER.path(), 7, &Interrupt::new()) else {
        return;
    };
    assert!(
        deb::control_text(path).is_ok() && deb::measure(path).is_ok(),
        "what is laid out can be measured"
    );
    for (volume, path, entry) in unpacked.overlay.iter() {
        assert_eq!(volume, Volume::Root);
        assert!(!path.as_str().contains("/../"), "{path} leads out");
        if let Kind::File(content) = &entry.kind {
            content.read().expect("the bytes are those that were hashed");
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let path = FOLDER.path().join("x.deb");
    fs::write(&path, package(input)).expect("a temporary file");
    let _ = (deb::measure(&path), deb::control_text(&path));
    unpacked(&path);
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}
