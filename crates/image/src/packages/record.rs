//! An image's record of the packages baked into it: `/var/lib/kraken-flash/packages.json`. It is
//! written when they are unpacked. `check` reads it, and so does `provision`, which makes the node
//! configure the packages on its first boot.

use std::io;

use serde::{Deserialize, Serialize};

use crate::json;
use kraken_disk::FileTree;
use kraken_foundation::{Error, Result, Sha256Hash};
use kraken_overlay::{Entry, Kind, Overlay, Volume};

/// Its path on the root volume; mode 0644, owner root. It holds no secret.
pub const RECORD: &str = "/var/lib/kraken-flash/packages.json";
/// While this file exists, the node configures its packages when it starts; the node then removes
/// it.
pub const MARK: &str = "/var/lib/kraken-flash/configure";
/// The preinst scripts to run first, one line each: name of the script in dpkg's `info`, package,
/// architecture, arguments, separated by tabs.
pub const PREINST: &str = "/var/lib/kraken-flash/preinst";

/// The largest record that is read, in bytes.
const LIMIT: u64 = 256 << 20;

/// The packages of an image, and every file that came with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackagesRecord {
    /// The packages, sorted by name and architecture.
    pub packages: Vec<RecordedPackage>,
    /// Files, links and folders, dpkg's own included, sorted by path.
    pub files: Vec<RecordedFile>,
}

/// A package of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// SHA-256 of the `.deb`.
    pub sha256: Sha256Hash,
}

/// A file, link or folder of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecordedFile {
    /// Absolute path.
    pub path: String,
    /// What is at the path.
    #[serde(flatten)]
    pub what: Recorded,
    /// Permission bits, octal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// Owner and group, numeric.
    #[serde(default, skip_serializing_if = "is_root")]
    pub owner: (u32, u32),
    /// Extended attributes: name and value in hexadecimal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<(String, String)>,
}

fn is_root(owner: &(u32, u32)) -> bool {
    *owner == (0, 0)
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recorded {
    /// A regular file; also under a second name.
    File {
        /// Size in bytes.
        size: u64,
        /// Its SHA-256.
        sha256: Sha256Hash,
    },
    /// A symbolic link to this target.
    Link(String),
    /// A second name (hard link) of the file at this path.
    Name(String),
    /// A folder.
    Folder,
    /// Nothing: it was removed.
    Nothing,
}

impl PackagesRecord {
    /// Makes the record of these packages, with the files in `overlay`.
    pub fn new(packages: Vec<RecordedPackage>, overlay: &Overlay) -> Self {
        let files = overlay
            .iter()
            // Whether a folder that is removed only when empty exists afterwards is not known.
            .filter(|(volume, _, entry)| *volume == Volume::Root && entry.kind != Kind::AbsentIfEmpty)
            .map(|(_, path, entry)| recorded(path.as_str(), entry))
            .collect();
        Self { packages, files }
    }

    /// Returns the file's content: JSON, with one line for each package and file, so that two
    /// records can be compared by eye.
    ///
    /// # Errors
    /// Never for what [`PackagesRecord::new`] made.
    pub fn to_json(&self) -> io::Result<String> {
        let mut text = String::from("{\n\"packages\": [");
        lines(&mut text, &self.packages)?;
        text.push_str("],\n\"files\": [");
        lines(&mut text, &self.files)?;
        text.push_str("]\n}\n");
        Ok(text)
    }

    /// Reads the record from a root volume; `None` when no packages were baked in.
    ///
    /// # Errors
    /// When the file system is damaged, or the file is not a record.
    pub fn read(root: &dyn FileTree) -> Result<Option<Self>> {
        let Some(bytes) = root.read(RECORD, LIMIT)? else {
            return Ok(None);
        };
        json::parse(&bytes).map(Some).map_err(|error| {
            let why = format!("it is not a record of packages ({error}); build the image again");
            Error::new(
                kraken_foundation::Kind::Damaged,
                format!("reading {RECORD} from the ext4 file system: {why}"),
            )
        })
    }
}

fn lines<T: Serialize>(text: &mut String, items: &[T]) -> io::Result<()> {
    for (index, item) in items.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&serde_json::to_string(item)?);
    }
    text.push('\n');
    Ok(())
}

fn recorded(path: &str, entry: &Entry) -> RecordedFile {
    let what = match &entry.kind {
        Kind::File(content) => Recorded::File {
            size: content.len(),
            sha256: content.sha256().into(),
        },
        Kind::Symlink(target) => Recorded::Link(String::from_utf8_lossy(target).into_owned()),
        Kind::HardLink(other) => Recorded::Name(other.as_str().to_owned()),
        Kind::Directory | Kind::DirectoryIfMissing => Recorded::Folder,
        // No package brings a device.
        Kind::Absent | Kind::AbsentIfEmpty | Kind::Node(_) => Recorded::Nothing,
    };
    let mode = match entry.kind {
        Kind::File(_) | Kind::Directory => format!("{:04o}", entry.mode),
        _ => String::new(),
    };
    RecordedFile {
        path: path.to_owned(),
        what,
        mode,
        owner: match entry.kind {
            Kind::DirectoryIfMissing | Kind::HardLink(_) | Kind::Node(_) | Kind::Absent | Kind::AbsentIfEmpty => (0, 0),
            _ => (entry.uid, entry.gid),
        },
        xattrs: entry
            .xattrs
            .iter()
            .map(|(name, value)| (name.clone(), hex::encode(value)))
            .collect(),
    }
}
