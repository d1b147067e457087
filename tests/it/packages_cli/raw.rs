//! A `.deb` entry by entry, with entries that dpkg-deb would refuse to write.

use std::fs;
use std::path::{Path, PathBuf};

use tar::EntryType;

use testkit::deb::{Item, ar, tar};

/// The `data.tar` of a package while it is written.
#[derive(Default)]
pub(crate) struct Data(Vec<Item>);

impl Data {
    /// Adds an entry of any kind, under any name.
    pub(crate) fn entry(&mut self, name: &str, kind: EntryType, link: &str) -> &mut Self {
        let link = link.as_bytes().to_vec();
        let item = Item::new(name, kind, 0o644);
        self.0.push(Item { link, ..item });
        self
    }

    /// Adds a folder.
    pub(crate) fn folder(&mut self, name: &str) -> &mut Self {
        self.0.push(Item::folder(name));
        self
    }

    /// Adds a regular file.
    pub(crate) fn file(&mut self, name: &str, mode: u32, bytes: &[u8]) -> &mut Self {
        self.0.push(Item::file(name, bytes).mode(mode));
        self
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, name: &str, target: &str) -> &mut Self {
        self.0.push(Item::symlink(name, target));
        self
    }

    /// Adds an extended attribute of the next entry (pax(1): a record begins with its own length).
    pub(crate) fn xattr(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let text = format!(" SCHILY.xattr.{name}=");
        let rest = text.len() + value.len() + 1;
        let whole = (rest..).find(|whole| whole - rest == whole.to_string().len()).unwrap();
        let record = [whole.to_string().as_bytes(), text.as_bytes(), value, b"\n"].concat();
        let item = Item::new("./PaxHeaders/next", EntryType::XHeader, 0o644);
        self.0.push(Item { bytes: record, ..item });
        self
    }
}

/// Returns the package `name` 1.0-1 for arm64 with the data that `fill` adds.
pub(crate) fn raw_deb(folder: &Path, name: &str, fill: impl FnOnce(&mut Data)) -> PathBuf {
    let control = format!(
        "Package: {name}\nVersion: 1.0-1\nArchitecture: arm64\nMaintainer: Test <test@example.org>\nDescription: a test\n"
    );
    let mut data = Data::default();
    fill(&mut data);
    let path = folder.join(format!("{name}_1.0-1_arm64.deb"));
    let bytes = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &tar(&[Item::file("./control", control)])),
        ("data.tar", &tar(&data.0)),
    ]);
    fs::write(&path, bytes).unwrap();
    path
}
