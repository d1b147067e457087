//! A receipt: what was written to which card, for which node, when, with which hashes. With it a
//! card can be verified before its first boot without the files that it was made from.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Device, WriteReport};
use kraken_foundation::{Context as _, Error, Kind, Result, Sha256Hash};
use kraken_image::bake::{Golden, HashedExtent};
use kraken_image::json;
use kraken_image::provision::Membership;
use kraken_spec::{Node, Role};

/// The version of the receipt format.
const VERSION: u32 = 1;
/// The environment variable that names the state folder in place of the XDG state folder.
pub const STATE_VARIABLE: &str = "KRAKEN_FLASH_STATE";
/// A larger file, in bytes, is not a receipt: a terabyte in extents of 256 KiB has some 400 MB of
/// them.
pub(super) const LARGEST: u64 = 512 << 20;

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
    /// Returns what the card of a node is made from. `swarm` is its place in a swarm.
    pub fn of_node(golden: &Golden, node: &Node, config_sha256: Option<Sha256Hash>, swarm: Option<SwarmFacts>) -> Self {
        Self {
            cluster: Some(golden.inputs().cluster.name.clone()),
            node: Some(node.number),
            hostname: Some(node.hostname.clone()),
            address: Some(node.address.to_string()),
            base_sha256: Some(golden.image().base_sha256()),
            config_sha256,
            file: None,
            swarm,
        }
    }

    /// Returns whether it is of this node, and of a cluster of this name if a name was kept.
    pub(super) fn is_of(&self, cluster: &str, hostname: Option<&str>) -> bool {
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
    /// When it cannot be read; [`Kind::Damaged`] when it is not a receipt of this version.
    pub fn read(path: &Path) -> Result<Self> {
        let damaged = |why: &str| Error::new(Kind::Damaged, format!("reading {}: {why}", path.display()));
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LARGEST) {
            return Err(damaged("it is too large to be a receipt"));
        }
        let bytes = fs::read(path).doing("reading", path)?;
        let receipt: Self = json::parse(&bytes).map_err(|error| damaged(&error.to_string()))?;
        let sound = receipt.receipt_version == VERSION
            && receipt.extents.windows(2).all(|pair| pair[0].end <= pair[1].start)
            && receipt
                .extents
                .iter()
                .all(|extent| extent.start < extent.end && extent.end <= receipt.device.size.next_multiple_of(4096));
        match sound {
            true => Ok(receipt),
            false => Err(damaged("it is not a receipt of this version of the program")),
        }
    }
}
