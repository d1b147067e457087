//! `manifest.json`: the files in an output folder, and the inputs that they were made from. It
//! holds no secret.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::sums;
use crate::bake::Admission;
use crate::bake::Golden;
use crate::json;
use crate::packages::RecordedPackage;
use kraken_foundation::{Context as _, Error, Kind, Result, Sha256Hash};
use kraken_spec::{NodeId, Role, SwarmMode};

use serde::{Deserialize, Serialize};

/// The file's name.
pub const MANIFEST: &str = "manifest.json";

/// The version of the format. It changes when a reader of the old form would misread the new one.
pub(super) const VERSION: u32 = 1;
/// A larger file, in bytes, was not written by this program.
const LARGEST: u64 = 64 << 20;

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

/// The field that every version of the format has.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Version {
    manifest_version: u32,
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
    /// Reads the manifest of a folder; `None` when there is no such file.
    ///
    /// # Errors
    /// When there is such a file and it cannot be read: [`Kind::Damaged`] for other contents than a
    /// manifest has, [`Kind::Unsupported`] for another version of the format or a file that is too
    /// large, [`Kind::Conflict`] for what is not a file, and the system's errors.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        let fault = |kind, why: String| Err(Error::new(kind, format!("reading {}: {why}", path.display())));
        match fs::metadata(&path) {
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error).doing("reading", &path),
            Ok(metadata) if !metadata.is_file() => return fault(Kind::Conflict, "it is not a regular file".into()),
            Ok(metadata) if metadata.len() > LARGEST => {
                return fault(Kind::Unsupported, "it is too large to be a file of this program".into());
            }
            Ok(_) => {}
        }
        let bytes = match fs::read(&path) {
            // Another run may have removed it since.
            Err(error) if is_missing(&error) => return Ok(None),
            read => read.doing("reading", &path)?,
        };
        // The version first: another one may have other fields.
        let parsed = json::parse::<Version>(&bytes).and_then(|Version { manifest_version }| match manifest_version {
            VERSION => json::parse(&bytes).map(Ok),
            other => Ok(Err(other)),
        });
        match parsed {
            Ok(Ok(manifest)) => Ok(Some(manifest)),
            Ok(Err(other)) => fault(
                Kind::Unsupported,
                format!("its format has version {other}, and this kraken-flash reads version {VERSION}"),
            ),
            Err(error) => fault(
                Kind::Damaged,
                format!("it is damaged, or not a manifest of this program ({error})"),
            ),
        }
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

/// Whether there is no such file; a folder that is not one has no files either.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let hash = Sha256Hash::of("x");
        Manifest {
            manifest_version: VERSION,
            tool: "kraken-flash".into(),
            cluster: "kraken".into(),
            inputs: ManifestInputs {
                base: "x.img".into(),
                base_sha256: hash,
                download_sha256: None,
                system: "Debian".into(),
                architecture: "arm64".into(),
                config_sha256: None,
                assets_sha256: hash,
                packages: Vec::new(),
                packages_sha256: None,
                golden: hash,
                clock_floor: "2026-11-23T00:00:00Z".into(),
            },
            nodes: Vec::new(),
            swarm: Some(ManifestSwarm {
                id: "an id".into(),
                roles: BTreeMap::from([(1, Role::Manager), (2, Role::Worker)]),
            }),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_a_missing_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(MANIFEST);
        assert_eq!(Manifest::read(folder.path()).unwrap(), None);
        assert_eq!(Manifest::read(&folder.path().join("missing")).unwrap(), None);
        fs::write(&file, serde_json::to_vec(&manifest()).unwrap()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), Some(manifest()));
        // Where a file stands in the place of the folder.
        assert_eq!(Manifest::read(&file).unwrap(), None);
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_an_error_that_names_file_and_cause() {
        let whole = serde_json::to_string(&manifest()).unwrap();
        let hash = Sha256Hash::of("x").to_string();
        let of_another_version = whole.replace("\"manifest-version\":1", "\"manifest-version\":2");
        // A newer version may lack the fields of this one.
        let of_a_newer_form = "{\"manifest-version\": 2, \"images\": []}".to_owned();
        for (text, kind, why) in [
            (String::new(), Kind::Damaged, "it is damaged"),
            (whole[..whole.len() / 2].to_owned(), Kind::Damaged, "it is damaged"),
            (
                whole.replace(&hash, "12"),
                Kind::Damaged,
                "base-sha256: \"12\" is not a SHA-256",
            ),
            ("{\"name\": \"a web app\"}".into(), Kind::Damaged, "manifest-version"),
            (of_another_version, Kind::Unsupported, "its format has version 2"),
            (of_a_newer_form, Kind::Unsupported, "its format has version 2"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(MANIFEST);
            fs::write(&file, &text).unwrap();
            let error = Manifest::read(folder.path()).unwrap_err();
            let said = error.to_string();
            assert_eq!(error.kind(), kind, "{said}");
            let begins = format!("reading {}: ", file.display());
            assert!(said.starts_with(&begins) && said.contains(why), "{text:?}: {said}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(MANIFEST)).unwrap();
        let error = Manifest::read(folder.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
    }
}
