//! `manifest.json`: the files in an output folder, and the inputs that they were made from. It
//! holds no secret.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::sums;
use crate::bake::Admission;
use crate::bake::Golden;
use crate::packages::RecordedPackage;
use kraken_foundation::Sha256Hash;
use kraken_spec::{NodeId, Role, SwarmMode};

use serde::{Deserialize, Serialize};

/// The file's name.
pub const MANIFEST: &str = "manifest.json";

/// The version of the format. It changes when a reader of the old form would misread the new one.
pub(super) const VERSION: u32 = 1;

/// The contents of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// The version of the format.
    pub manifest_version: u32,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// The cluster's name.
    pub cluster: String,
    /// What the images were made from.
    pub inputs: ManifestInputs,
    /// The images, by node number.
    pub nodes: Vec<ManifestNode>,
    /// The swarm whose members the images are; absent when they are not members of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm: Option<ManifestSwarm>,
}

/// A swarm as it was when its members' images were built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ManifestSwarm {
    /// Its id, which follows from the cluster's keys.
    pub id: String,
    /// The roles of its nodes, by number.
    pub roles: BTreeMap<u32, Role>,
}

/// What the images were made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ManifestInputs {
    /// The base: a catalogue name, an address, a file name (without its folder), `debian`.
    pub base: String,
    /// SHA-256 of the raw base image.
    pub base_sha256: Sha256Hash,
    /// SHA-256 of the base as downloaded, if it was compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_sha256: Option<Sha256Hash>,
    /// The system in it (`PRETTY_NAME`).
    pub system: String,
    /// Debian's name for its architecture.
    pub architecture: String,
    /// SHA-256 of `kraken.toml`; absent when the built-in default was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_sha256: Option<Sha256Hash>,
    /// SHA-256 over all templates and overlays.
    pub assets_sha256: Sha256Hash,
    /// The packages that are baked in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<RecordedPackage>,
    /// SHA-256 of the record, in every image, of the packages and all their files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages_sha256: Option<Sha256Hash>,
    /// Hash of all inputs of the golden image.
    pub golden: Sha256Hash,
    /// The time before which no node's clock starts (RFC 3339).
    pub clock_floor: String,
}

impl ManifestSwarm {
    /// Returns the swarm that a golden image was made for. A golden image for joining a running
    /// swarm does not describe it, so `before` stays.
    pub(super) fn new(golden: &Golden, before: Option<Self>) -> Option<Self> {
        let inputs = golden.inputs();
        match (&inputs.admission, inputs.cluster.swarm.mode) {
            (_, SwarmMode::None) => None,
            (Admission::New(keys), _) => Some(Self {
                id: kraken_swarm_state::cluster_id(keys),
                roles: inputs
                    .cluster
                    .nodes
                    .iter()
                    .map(|node| (node.number, node.role))
                    .collect(),
            }),
            _ => before,
        }
    }
}

impl Manifest {
    /// Reads the manifest of a folder; `None` when it has none of this version.
    pub fn read(folder: &Path) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(&fs::read(folder.join(MANIFEST)).ok()?).ok()?;
        (manifest.manifest_version == VERSION).then_some(manifest)
    }

    /// Returns the text of `SHA256SUMS` for these images; empty when they were written without.
    pub fn sums(&self) -> String {
        let known = self
            .nodes
            .iter()
            .filter_map(|node| Some((node.file.clone(), node.sha256?)));
        sums::render(&known.collect())
    }
}

impl ManifestInputs {
    /// Returns the inputs of a golden image; `config_sha256` is the hash of `kraken.toml`, if there
    /// is one.
    pub fn new(golden: &Golden, config_sha256: Option<Sha256Hash>) -> Self {
        let (inputs, image) = (golden.inputs(), golden.image());
        Self {
            base: inputs.base.origin.clone(),
            base_sha256: inputs.base.raw_sha256,
            download_sha256: inputs.base.download_sha256,
            system: image.os().pretty_name.clone(),
            architecture: image.os().architecture.clone(),
            config_sha256,
            assets_sha256: inputs.assets.digest(),
            packages: image.packages().to_vec(),
            packages_sha256: image.packages_sha256(),
            golden: image.key(),
            clock_floor: jiff::Timestamp::from_second(image.clock_floor())
                .map_or_else(|_| image.clock_floor().to_string(), |time| time.to_string()),
        }
    }
}

/// One image of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ManifestNode {
    /// The node's number, host name, address and role.
    #[serde(flatten)]
    pub id: NodeId,
    /// Its board.
    pub board: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The name of the image file.
    pub file: String,
    /// Size of the image file in bytes.
    pub size: u64,
    /// SHA-256 of the image file; absent when checksums were not requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hash>,
    /// SHA-256 of the raw image, if the file is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_sha256: Option<Sha256Hash>,
    /// Size of the raw image in bytes: the card must be at least as large.
    pub raw_size: u64,
    /// Bytes of the raw image that are in use.
    pub used_bytes: u64,
}
