//! Receipts: what was written to which card, for which node, when, with which hashes. They are kept
//! in the user's state folder. With a receipt a card can be verified before its first boot without
//! the files that it was made from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Device, WriteReport};
use kraken_foundation::{Sha256Hash, atomic};
use kraken_image::bake::HashedExtent;
use kraken_image::json;
use kraken_image::provision::Membership;
use kraken_spec::Role;

/// The version of the receipt format.
const VERSION: u32 = 1;
/// The environment variable that names the folder of receipts in place of the XDG state folder.
pub const STATE_VARIABLE: &str = "KRAKEN_FLASH_STATE";
/// Stands in a receipt's file name when no node was written.
const NO_NODE: &str = "image";
/// A larger file, in bytes, is not a receipt: a terabyte in extents of 256 KiB has some 400 MB of
/// them.
const LARGEST: u64 = 512 << 20;

/// What was written to a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// The version of the receipt format.
    pub receipt_version: u32,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// When the card was written: RFC 3339, UTC.
    pub written: String,
    /// What was written.
    #[serde(flatten)]
    pub what: Contents,
    /// The device that was written.
    pub device: CardFacts,
    /// The size of the image in bytes.
    pub image_size: u64,
    /// The number of bytes that were written.
    pub bytes: u64,
    /// Whether all of it was read back and compared.
    pub verified: bool,
    /// Whether the card accepted the request to discard its old contents.
    pub discarded: bool,
    /// Seconds that writing and flushing took.
    pub seconds_writing: f64,
    /// Seconds that reading back took; `None` when nothing was read back.
    pub seconds_reading: Option<f64>,
    /// Every range that was written, with its SHA-256.
    #[serde(rename = "pieces")]
    pub extents: Vec<HashedExtent>,
}

/// What was to be written to the card.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Contents {
    /// The cluster's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The node's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// The node's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The node's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// SHA-256 of the base image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_sha256: Option<Sha256Hash>,
    /// SHA-256 of `kraken.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_sha256: Option<Sha256Hash>,
    /// The file that was written, for `flash-image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The card's place in a swarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<SwarmFacts>,
}

/// A card's place in a swarm. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SwarmFacts {
    /// The swarm's id, which follows from its keys; `None` when the card was made without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The path of the cluster's key file.
    pub keys: PathBuf,
    /// How many times a new cluster was begun with these keys.
    pub life: u32,
    /// How the card makes its node a member.
    pub membership: Membership,
    /// Whether it holds the log with which the swarm begins.
    pub begins: bool,
    /// The nodes of the cluster when the card was written.
    pub members: Vec<MemberFacts>,
}

/// A node of the cluster when a card was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MemberFacts {
    /// The node's number.
    pub number: u32,
    /// The node's role.
    pub role: Role,
}

/// What a receipt contains about a card of a swarm, without the hashes.
#[derive(Clone, Debug, Deserialize)]
pub struct Written {
    /// When the card was written: RFC 3339, UTC.
    pub written: String,
    /// The node's number.
    pub node: u32,
    /// The card's place in the swarm.
    pub swarm: SwarmFacts,
}

/// Facts that identify a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CardFacts {
    /// Its device file when it was written.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The model. For a card in a reader, this is the reader's model.
    pub model: Option<String>,
    /// The vendor. For a card in a reader, this is the reader's vendor.
    pub vendor: Option<String>,
    /// The serial number. For a card in a reader, this is the reader's number.
    pub serial: Option<String>,
    /// The identification register (CID) of an SD card that was in an SD slot.
    pub cid: Option<String>,
    /// The World Wide Name.
    pub wwn: Option<String>,
}

impl CardFacts {
    /// Returns the facts of a device.
    pub fn of(device: &Device) -> Self {
        Self {
            path: device.path.clone(),
            size: device.size,
            model: device.model.clone(),
            vendor: device.vendor.clone(),
            serial: device.serial.clone(),
            cid: device.cid.clone(),
            wwn: device.wwn.clone(),
        }
    }

    /// Returns whether the device can be the same card, perhaps in another reader.
    pub fn may_be(&self, device: &Device) -> bool {
        let differs = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        self.size == device.size && !differs(&self.cid, &device.cid)
    }
}

impl Contents {
    /// Returns whether it is of this node, and of a cluster of this name if a name was kept.
    fn is_of(&self, cluster: &str, hostname: Option<&str>) -> bool {
        self.hostname.as_deref() == hostname && self.cluster.as_deref().is_none_or(|name| name == cluster)
    }
}

impl Receipt {
    /// Makes the receipt of what has just been written.
    pub fn new(what: Contents, device: &Device, report: &WriteReport) -> Self {
        Self {
            receipt_version: VERSION,
            tool: concat!("kraken-flash ", env!("CARGO_PKG_VERSION")).into(),
            written: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            what,
            device: CardFacts::of(device),
            image_size: report.image_size,
            bytes: report.bytes(),
            verified: report.reading.is_some(),
            discarded: report.discarded,
            seconds_writing: report.writing.as_secs_f64(),
            seconds_reading: report.reading.map(|time| time.as_secs_f64()),
            extents: report.extents.clone(),
        }
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// [`ReceiptError`] when it cannot be read or is not a receipt of this version.
    pub fn read(path: &Path) -> Result<Self, ReceiptError> {
        let failed = ReceiptError::io("reading", path);
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LARGEST) {
            return Err(failed(io::Error::other("it is too large to be a receipt")));
        }
        let bytes = fs::read(path).map_err(ReceiptError::io("reading", path))?;
        let receipt: Self =
            json::parse(&bytes).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let sound = receipt.receipt_version == VERSION
            && receipt.extents.windows(2).all(|pair| pair[0].end <= pair[1].start)
            && receipt
                .extents
                .iter()
                .all(|extent| extent.start < extent.end && extent.end <= receipt.device.size.next_multiple_of(4096));
        match sound {
            true => Ok(receipt),
            false => Err(ReceiptError::io("reading", path)(io::Error::other(
                "it is not a receipt of this version of the program",
            ))),
        }
    }
}

/// Why a receipt could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// There is no home folder to keep receipts in.
    #[error("there is no home folder to keep receipts in; name a folder in ${STATE_VARIABLE}")]
    NoFolder,
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl ReceiptError {
    fn io(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path: path.clone(),
            source,
        }
    }
}

/// Returns a name as it stands in a receipt's file name.
fn plain(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.chars().filter(|c| fits(*c)).take(64).collect()
}

/// The folder of receipts.
#[derive(Clone, Debug)]
pub struct Receipts {
    folder: PathBuf,
}

impl Receipts {
    /// Opens the folder in `$KRAKEN_FLASH_STATE`, else in the XDG state folder
    /// (`~/.local/state/kraken-flash`). The folder is made when the first receipt is stored.
    ///
    /// # Errors
    /// [`ReceiptError::NoFolder`].
    pub fn open() -> Result<Self, ReceiptError> {
        let state = Self::state().ok_or(ReceiptError::NoFolder)?;
        Ok(Self {
            folder: state.join("receipts"),
        })
    }

    /// Returns the state folder, which contains the folder of receipts; `None` without a home
    /// folder.
    pub fn state() -> Option<PathBuf> {
        match std::env::var_os(STATE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) => std::path::absolute(value).ok(),
            None => directories::ProjectDirs::from("", "", "kraken-flash")?
                .state_dir()
                .map(Path::to_owned),
        }
    }

    /// Stores a receipt, readable by its owner only; returns its path.
    ///
    /// # Errors
    /// [`ReceiptError::Io`].
    pub fn keep(&self, receipt: &Receipt) -> Result<PathBuf, ReceiptError> {
        let folder = &self.folder;
        fs::create_dir_all(folder).map_err(ReceiptError::io("making the folder", folder))?;
        let when: String = receipt.written.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let what = receipt.what.hostname.as_deref().unwrap_or(NO_NODE);
        let device = receipt.device.path.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!("{when}-{}-{}.json", plain(what), plain(&device)));
        let failed = ReceiptError::io("writing", &path);
        let text = serde_json::to_vec(receipt).map_err(|error| failed(io::Error::from(error)))?;
        atomic::write(&path, 0o600, &text).map_err(&failed)?;
        Ok(path)
    }

    /// Returns the newest receipt of a node of a cluster that can be of this card. Files that are
    /// not receipts are skipped.
    pub fn newest(&self, cluster: &str, hostname: Option<&str>, device: &Device) -> Option<(PathBuf, Receipt)> {
        self.files(hostname).find_map(|path| {
            let receipt = Receipt::read(&path).ok()?;
            let same = receipt.what.is_of(cluster, hostname) && receipt.device.may_be(device);
            same.then_some((path, receipt))
        })
    }

    /// Returns all receipts of a node of a cluster, the newest first. Each is read only when the
    /// iterator reaches it.
    pub fn of_node<'a>(&self, cluster: &'a str, hostname: &'a str) -> impl Iterator<Item = Receipt> + use<'a> {
        let receipts = self.files(Some(hostname)).filter_map(|path| Receipt::read(&path).ok());
        receipts.filter(move |receipt| receipt.what.is_of(cluster, Some(hostname)))
    }

    /// Returns what all receipts contain about cards of swarms, the newest first. Other files are
    /// skipped.
    pub fn of_swarms(&self) -> impl Iterator<Item = Written> + use<> {
        let small = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LARGEST);
        self.all()
            .filter(small)
            .filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok())
    }

    /// Returns the files that can be receipts of a node, by their names, the newest first. Names
    /// begin with the time and continue with the host name. A receipt has about a quarter of a
    /// megabyte, so others are not read.
    fn files(&self, hostname: Option<&str>) -> impl Iterator<Item = PathBuf> + use<> {
        let of = format!("-{}-", plain(hostname.unwrap_or(NO_NODE)));
        self.all().filter(move |path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().contains(&of))
        })
    }

    /// Returns all receipts, the newest first.
    fn all(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        files.sort_unstable();
        files.into_iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(cluster: Option<&str>, hostname: &str, written: &str) -> Receipt {
        Receipt {
            receipt_version: VERSION,
            tool: "test".into(),
            written: written.into(),
            what: Contents {
                cluster: cluster.map(str::to_owned),
                hostname: Some(hostname.into()),
                ..Contents::default()
            },
            device: CardFacts {
                path: "/dev/sdb".into(),
                size: 1 << 30,
                model: None,
                vendor: None,
                serial: None,
                cid: None,
                wwn: None,
            },
            image_size: 4096,
            bytes: 4096,
            verified: true,
            discarded: false,
            seconds_writing: 1.0,
            seconds_reading: None,
            extents: Vec::new(),
        }
    }

    fn receipts(folder: &tempfile::TempDir) -> Receipts {
        Receipts {
            folder: folder.path().join("receipts"),
        }
    }

    #[test]
    fn receipts_are_of_a_node_of_one_cluster_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        for (cluster, hostname, written) in [
            (Some("home"), "kraken-1", "2026-11-01T10:00:00Z"),
            (Some("work"), "kraken-1", "2026-11-02T10:00:00Z"),
            (None, "kraken-1", "2026-10-01T10:00:00Z"),
            (Some("home"), "kraken-11", "2026-11-03T10:00:00Z"),
        ] {
            receipts.keep(&receipt(cluster, hostname, written)).unwrap();
        }
        let of = |cluster, hostname| -> Vec<String> {
            let found = receipts.of_node(cluster, hostname);
            found
                .map(|receipt| receipt.written[5..7].to_owned() + &receipt.written[8..10])
                .collect()
        };
        assert_eq!(of("home", "kraken-1"), ["1101", "1001"]);
        assert_eq!(of("work", "kraken-1"), ["1102", "1001"]);
        assert_eq!(of("home", "kraken-11"), ["1103"]);
        // A file whose name belongs to another node is not even read.
        assert_eq!(receipts.files(Some("kraken-11")).count(), 1);
    }

    #[test]
    fn a_receipt_with_a_hash_that_cannot_be_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        let mut receipt = receipt(Some("home"), "kraken-1", "2026-11-01T10:00:00Z");
        receipt.what.base_sha256 = Some(Sha256Hash::of("base"));
        receipt.extents.push(HashedExtent {
            start: 0,
            end: 4096,
            sha256: Sha256Hash::of("extent"),
        });
        let path = receipts.keep(&receipt).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        for (of, field) in [("extent", "sha256: "), ("base", "")] {
            let bad = good.replace(&Sha256Hash::of(of).to_string(), "12");
            fs::write(&path, bad).unwrap();
            let said = Receipt::read(&path).unwrap_err().to_string();
            let wanted = format!("reading {}: {field}\"12\" is not a SHA-256", path.display());
            assert!(said.starts_with(&wanted), "{said}");
            assert_eq!(receipts.of_node("home", "kraken-1").count(), 0);
        }
    }

    #[test]
    fn what_receipts_say_of_swarms_is_found_again_and_the_rest_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let receipts = receipts(&folder);
        assert_eq!(receipts.of_swarms().count(), 0);
        let swarm = SwarmFacts {
            id: Some("an id".into()),
            keys: "/desk/kraken.keys".into(),
            life: 1,
            membership: Membership::Baked,
            begins: true,
            members: vec![MemberFacts {
                number: 1,
                role: Role::Manager,
            }],
        };
        let mut receipt = receipt(Some("home"), "kraken-1", "2026-11-29T20:00:00Z");
        receipt.what.node = Some(1);
        receipt.what.swarm = Some(swarm.clone());
        let path = receipts.keep(&receipt).unwrap();
        assert_eq!(Receipt::read(&path).unwrap(), receipt);
        // Another image, and a receipt of an older version of the program.
        receipt.what = Contents::default();
        receipt.written = "2026-11-29T20:00:01Z".into();
        receipts.keep(&receipt).unwrap();
        fs::write(receipts.folder.join("20261129T200002Z-x.json"), "[]").unwrap();
        let found: Vec<Written> = receipts.of_swarms().collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].node, &found[0].swarm), (1, &swarm));
    }
}
