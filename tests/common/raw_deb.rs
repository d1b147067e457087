//! A `.deb` byte by byte: with what dpkg-deb would refuse to put into one.

use std::fs;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

/// `data.tar` of a package, being written.
pub struct Data(Builder<Vec<u8>>);

impl Data {
    /// An entry of any kind, under any name: of root, and of a day in 2023.
    pub fn entry(&mut self, name: &str, kind: EntryType, mode: u32, link: &str, bytes: &[u8]) -> &mut Self {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_size(bytes.len() as u64);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    /// A folder.
    pub fn folder(&mut self, name: &str) -> &mut Self {
        self.entry(name, EntryType::Directory, 0o755, "", b"")
    }

    /// A regular file.
    pub fn file(&mut self, name: &str, mode: u32, bytes: &[u8]) -> &mut Self {
        self.entry(name, EntryType::Regular, mode, "", bytes)
    }

    /// A symbolic link.
    pub fn link(&mut self, name: &str, target: &str) -> &mut Self {
        self.entry(name, EntryType::Symlink, 0o777, target, b"")
    }

    /// An extended attribute of the entry that comes next.
    pub fn xattr(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let key = format!("SCHILY.xattr.{name}");
        self.0.append_pax_extensions([(key.as_str(), value)]).unwrap();
        self
    }
}

/// The package `name` 1.0-1 for arm64 with more control fields (each line with its end) and what `fill` puts into its data.
pub fn raw_deb(folder: &Path, name: &str, more: &str, fill: impl FnOnce(&mut Data)) -> PathBuf {
    let control = format!(
        "Package: {name}\nVersion: 1.0-1\nArchitecture: arm64\nMaintainer: Test <test@example.org>\n{more}Description: a test\n"
    );
    let mut first = Data(Builder::new(Vec::new()));
    first.file("./control", 0o644, control.as_bytes());
    let mut data = Data(Builder::new(Vec::new()));
    fill(&mut data);
    let mut bytes = b"!<arch>\n".to_vec();
    for (member, content) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", first.0.into_inner().unwrap()),
        ("data.tar", data.0.into_inner().unwrap()),
    ] {
        // ar(5): name, time, owner, group, mode, size.
        bytes.extend(
            format!(
                "{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                100_644,
                content.len()
            )
            .bytes(),
        );
        bytes.extend(&content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    let path = folder.join(format!("{name}_1.0-1_arm64.deb"));
    fs::write(&path, bytes).unwrap();
    path
}
