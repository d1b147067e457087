//! Debian packages made from scratch, sound and unsound ones: an `ar` of two tars (deb(5)), written
//! header by header so that no library corrects anything.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use tar::{EntryType, Header};

/// The time of everything in a package.
pub const MADE: u64 = 1_700_000_000;

/// One entry of a tar.
#[derive(Clone)]
pub struct Item {
    pub path: Vec<u8>,
    pub kind: EntryType,
    pub bytes: Vec<u8>,
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub user: &'static str,
    pub group: &'static str,
    pub mtime: u64,
    /// The size in the header, when it differs from the length of `bytes`.
    pub size: Option<u64>,
}

impl Item {
    pub fn new(path: impl AsRef<[u8]>, kind: EntryType, mode: u32) -> Self {
        Self {
            path: path.as_ref().to_vec(),
            kind,
            bytes: Vec::new(),
            link: Vec::new(),
            mode,
            uid: 0,
            gid: 0,
            user: "root",
            group: "root",
            mtime: MADE,
            size: None,
        }
    }

    pub fn file(path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            bytes: bytes.as_ref().to_vec(),
            ..Self::new(path, EntryType::Regular, 0o644)
        }
    }

    pub fn folder(path: impl AsRef<[u8]>) -> Self {
        Self::new(path, EntryType::Directory, 0o755)
    }

    pub fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self {
            link: target.as_ref().to_vec(),
            ..Self::new(path, EntryType::Symlink, 0o777)
        }
    }

    pub fn hard_link(path: impl AsRef<[u8]>, other: impl AsRef<[u8]>) -> Self {
        Self {
            link: other.as_ref().to_vec(),
            ..Self::new(path, EntryType::Link, 0o644)
        }
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn mtime(mut self, mtime: u64) -> Self {
        self.mtime = mtime;
        self
    }

    /// Sets owner and group by name and by number.
    pub fn owned(mut self, (user, uid): (&'static str, u64), (group, gid): (&'static str, u64)) -> Self {
        (self.user, self.uid, self.group, self.gid) = (user, uid, group, gid);
        self
    }

    fn write(&self, to: &mut Vec<u8>) {
        for (text, kind) in [
            (&self.link, EntryType::GNULongLink),
            (&self.path, EntryType::GNULongName),
        ] {
            if text.len() > 100 {
                let mut header = Header::new_gnu();
                header.as_old_mut().name[..13].copy_from_slice(b"././@LongLink");
                header.set_entry_type(kind);
                header.set_size(text.len() as u64 + 1);
                header.set_cksum();
                block(to, &header, &[text, &b"\0"[..]].concat());
            }
        }
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        let short = |text: &[u8]| text.len().min(100);
        old.name[..short(&self.path)].copy_from_slice(&self.path[..short(&self.path)]);
        old.linkname[..short(&self.link)].copy_from_slice(&self.link[..short(&self.link)]);
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(self.uid);
        header.set_gid(self.gid);
        header.set_username(self.user).unwrap();
        header.set_groupname(self.group).unwrap();
        header.set_mtime(self.mtime);
        header.set_size(self.size.unwrap_or(self.bytes.len() as u64));
        header.set_device_major(0).unwrap();
        header.set_device_minor(0).unwrap();
        header.set_cksum();
        block(to, &header, &self.bytes);
    }
}

fn block(to: &mut Vec<u8>, header: &Header, bytes: &[u8]) {
    to.extend_from_slice(header.as_bytes());
    to.extend_from_slice(bytes);
    to.resize(to.len().next_multiple_of(512), 0);
}

/// Makes a tar of these entries, in this order.
pub fn tar(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::new();
    items.iter().for_each(|item| item.write(&mut bytes));
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Makes an `ar` of these members, in this order.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, member) in members {
        writeln!(bytes, "{name:<16}{MADE:<12}0     0     100644  {:<10}`", member.len()).unwrap();
        bytes.extend_from_slice(member);
        if member.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Packs as the ending of a member's name says: `.xz`, `.zst`, `.gz`, or none.
pub fn pack(name: &str, bytes: &[u8]) -> Vec<u8> {
    match name.rsplit('.').next() {
        Some("xz") => {
            let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 1);
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Some("zst") => zstd::encode_all(bytes, 1).unwrap(),
        Some("gz") => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        _ => bytes.to_vec(),
    }
}

/// A package: its control file, the rest of its control tar, and its files.
#[derive(Clone)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub architecture: String,
    fields: String,
    control: Vec<Item>,
    files: Vec<Item>,
    md5sums: bool,
    ending: &'static str,
}

impl Package {
    /// Makes a package for arm64, packed with xz, with md5sums.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            architecture: "arm64".into(),
            fields: String::new(),
            control: Vec::new(),
            files: Vec::new(),
            md5sums: true,
            ending: ".xz",
        }
    }

    pub fn architecture(mut self, architecture: &str) -> Self {
        self.architecture = architecture.into();
        self
    }

    /// Adds lines to the control file.
    pub fn fields(mut self, lines: &str) -> Self {
        self.fields += lines;
        self
    }

    /// Adds a file to the control tar: `preinst`, `conffiles`, …; scripts are executable.
    pub fn control(mut self, name: &str, text: &str) -> Self {
        let script = ["preinst", "postinst", "prerm", "postrm", "config"].contains(&name);
        let mode = if script { 0o755 } else { 0o644 };
        self.control.push(Item::file(format!("./{name}"), text).mode(mode));
        self
    }

    pub fn item(mut self, item: Item) -> Self {
        self.files.push(item);
        self
    }

    pub fn file(self, path: &str, bytes: &str) -> Self {
        self.item(Item::file(path, bytes))
    }

    pub fn folder(self, path: &str) -> Self {
        self.item(Item::folder(path))
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.item(Item::symlink(path, target))
    }

    pub fn without_md5sums(mut self) -> Self {
        self.md5sums = false;
        self
    }

    /// Sets the packing of both tars: `.xz`, `.zst`, `.gz` or none.
    pub fn packed(mut self, ending: &'static str) -> Self {
        self.ending = ending;
        self
    }

    /// Returns the control file.
    pub fn control_text(&self) -> String {
        format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: Kraken <kraken@example.org>\n{}Description: a package for tests\n",
            self.name, self.version, self.architecture, self.fields
        )
    }

    /// Returns the tar of files: each below its folders, as from dpkg-deb(1); a path is written as
    /// `./path`.
    pub fn data_tar(&self) -> Vec<u8> {
        let mut items = vec![Item::folder("./")];
        let mut folders: BTreeSet<String> = BTreeSet::new();
        let explicit: BTreeSet<Vec<u8>> = self.files.iter().map(|item| item.path.clone()).collect();
        for item in &self.files {
            let path = String::from_utf8(item.path.clone()).unwrap();
            for (at, _) in path.match_indices('/').skip(1) {
                let folder = path[..at].to_owned();
                if !explicit.contains(folder.as_bytes()) && folders.insert(folder.clone()) {
                    items.push(Item::folder(format!(".{folder}/")));
                }
            }
            let mut item = item.clone();
            let end = if item.kind == EntryType::Directory { "/" } else { "" };
            item.path = format!(".{path}{end}").into_bytes();
            if item.kind == EntryType::Link {
                item.link = [b".", &item.link[..]].concat();
            }
            items.push(item);
        }
        tar(&items)
    }

    /// Returns the control tar.
    pub fn control_tar(&self) -> Vec<u8> {
        let mut items = vec![Item::folder("./"), Item::file("./control", self.control_text())];
        if self.md5sums {
            let mut sums = String::new();
            for item in self.files.iter().filter(|item| item.kind == EntryType::Regular) {
                let path = String::from_utf8_lossy(&item.path[1..]).into_owned();
                sums += &format!("{}  {path}\n", hex::encode(Md5::digest(&item.bytes)));
            }
            items.push(Item::file("./md5sums", sums));
        }
        items.extend(self.control.iter().cloned());
        tar(&items)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (control, data) = (
            format!("control.tar{}", self.ending),
            format!("data.tar{}", self.ending),
        );
        ar(&[
            ("debian-binary", b"2.0\n"),
            (&control, &pack(&control, &self.control_tar())),
            (&data, &pack(&data, &self.data_tar())),
        ])
    }

    /// Writes it into a folder, under the name that apt would give it.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let version = self.version.replace(':', "%3a");
        let path = folder.join(format!("{}_{version}_{}.deb", self.name, self.architecture));
        fs::write(&path, self.bytes()).unwrap();
        path
    }
}
