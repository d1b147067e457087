//! The documents of an image: index, manifest and configuration.
//!
//! Sources: OCI image specification 1.1 (`image-index.md`, `manifest.md`, `config.md`,
//! `descriptor.md`), Docker's image manifest, version 2, schema 2. A document is kept as the bytes
//! that its digest is of; nothing here writes one again.

use std::collections::BTreeMap;

use kraken_foundation::{Error, Kind, Result, text};
use serde::Deserialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::media::{self, Media};
use crate::platform::{Platform, Processor};

/// The maximum size of a document in bytes: what Docker and registries accept.
pub const MOST_DOCUMENT: u64 = 4 << 20;

/// The maximum number of manifests in an index.
const MOST_MANIFESTS: usize = 1000;

/// The maximum number of layers: more than 125 cannot be mounted (overlay2).
pub const MOST_LAYERS: usize = 125;

/// The maximum size of a layer, packed or unpacked, in bytes: more than a card holds is an attack.
pub(crate) const MOST_LAYER: u64 = 64 << 30;

/// What a document says of another one, or of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// In an index: what runs it.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// In an index: `vnd.docker.reference.type` says that it is an attestation and not an image.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// What a name, or an entry of an index, leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A list of manifests.
    Index(Index),
    /// The manifest of one image.
    Manifest(Manifest),
}

/// A list of manifests, one for each platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Index {
    manifests: Vec<Descriptor>,
}

/// The manifest of one image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest one first.
    pub layers: Vec<Descriptor>,
}

/// What of an image's configuration matters here; a container engine reads the rest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ImageConfig {
    /// What runs it.
    #[serde(flatten)]
    pub platform: Platform,
    rootfs: RootFs,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<Digest>,
}

impl Document {
    /// Parses a document. `announced` is the media type of the descriptor or of the answer that led
    /// to it.
    ///
    /// # Errors
    /// When it is neither an index nor the manifest of an image, or could be taken for both.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| bad(&format!("it is not JSON: {error}")))?;
        let own = value.get("mediaType").and_then(Value::as_str);
        let own_meaning = own.map(media::meaning);
        let meaning = match (own_meaning, announced.map(media::meaning)) {
            // Two clients must not see two images in one document (OCI, GHSA-mc8v-mgrf-8f4m).
            (Some(own), Some(announced)) if announced != Media::Unknown && own != announced => {
                return Err(bad("its own media type is not the announced one"));
            }
            (Some(own), _) => own,
            (None, Some(announced @ (Media::Index | Media::Manifest))) => announced,
            (None, Some(Media::Schema1)) => Media::Schema1,
            // OCI's documents need not say what they are.
            (None, _) => match (value.get("manifests").is_some(), value.get("config").is_some()) {
                (true, false) => Media::Index,
                (false, true) => Media::Manifest,
                _ if value.get("fsLayers").is_some() => Media::Schema1,
                _ => Media::Unknown,
            },
        };
        let both = value.get("manifests").is_some() && value.get("layers").is_some();
        if both {
            return Err(bad("it is an index and a manifest at once"));
        }
        match meaning {
            Media::Index => Index::of(value).map(Document::Index),
            Media::Manifest => Manifest::of(value).map(Document::Manifest),
            Media::Schema1 => Err(Error::new(
                Kind::Unsupported,
                "it is a manifest of Docker's old form (schema 1), which names no layers by digest",
            )
            .with_help("push the image again with a Docker of this decade, or use another tag")),
            _ => {
                let name = text::line(own.or(announced).unwrap_or("nothing"));
                Err(Error::new(
                    Kind::Unsupported,
                    format!("it is not a container image: its media type is {name}"),
                ))
            }
        }
    }
}

impl Index {
    /// Returns what it lists, but for attestations.
    pub(crate) fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|entry| !entry.is_attestation())
    }

    fn of(value: Value) -> Result<Self> {
        let index: Self = serde_json::from_value(value).map_err(|error| bad(&error.to_string()))?;
        match index.manifests.len() {
            0 => Err(bad("it is an index without manifests")),
            1..=MOST_MANIFESTS => Ok(index),
            _ => Err(bad("it is an index of more than 1,000 manifests")),
        }
    }

    /// Returns the entry that a processor runs.
    ///
    /// # Errors
    /// When there is none; the error lists what there is.
    pub fn choose(&self, processor: Processor) -> Result<&Descriptor> {
        let images = || self.images();
        let ranked = images().filter_map(|entry| {
            let platform = entry.platform.as_ref()?;
            Some((processor.rank(platform)?, entry))
        });
        // The first of equals, as in Docker.
        if let Some((_, entry)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(entry);
        }
        // An index of one manifest may leave the platform to the configuration, which is compared
        // later.
        if let ([only], None) = (
            &images().collect::<Vec<_>>()[..],
            images().find_map(|entry| entry.platform.as_ref()),
        ) {
            return Ok(only);
        }
        let offered: Vec<String> = images()
            .filter_map(|entry| entry.platform.as_ref())
            .map(|platform| text::line(&platform.to_string()))
            .collect();
        Err(Error::new(
            Kind::Unsupported,
            format!("no image of it runs on {processor}; there are {}", offered.join(", ")),
        )
        .with_help(
            "choose another tag or another image, or keep services of it off such nodes by a placement constraint",
        ))
    }
}

impl Manifest {
    fn of(value: Value) -> Result<Self> {
        let manifest: Self = serde_json::from_value(value).map_err(|error| bad(&error.to_string()))?;
        if media::meaning(&manifest.config.media_type) != Media::Config {
            let name = text::line(&manifest.config.media_type);
            let text = format!("it is not a container image: its configuration is of the type {name}");
            return Err(Error::new(Kind::Unsupported, text));
        }
        if manifest.config.size > MOST_DOCUMENT {
            return Err(bad("its configuration is larger than 4 MiB"));
        }
        if manifest.layers.is_empty() {
            return Err(bad("it has no layers"));
        }
        if manifest.layers.len() > MOST_LAYERS {
            return Err(bad("it has more than 125 layers, and more cannot be mounted"));
        }
        if manifest.layers.iter().any(|layer| layer.size > MOST_LAYER) {
            return Err(bad("it has a layer of more than 64 GiB"));
        }
        for layer in &manifest.layers {
            let name = text::line(&layer.media_type);
            match media::meaning(&layer.media_type) {
                Media::Layer => {}
                Media::ForeignLayer => {
                    let text = format!("a layer of it is not in the registry ({name})");
                    return Err(Error::new(Kind::Unsupported, text));
                }
                _ => {
                    let text = format!("it has a layer of the unknown type {name}");
                    return Err(Error::new(Kind::Unsupported, text));
                }
            }
        }
        Ok(manifest)
    }
}

impl Descriptor {
    /// Returns the descriptor of a layer.
    pub(crate) fn of_layer(digest: Digest, size: u64) -> Self {
        Self {
            media_type: media::LAYER.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Returns an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// Whether it describes how an image was built, and is no image (BuildKit's provenance).
    fn is_attestation(&self) -> bool {
        let unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        self.annotations.contains_key("vnd.docker.reference.type") || self.platform.as_ref().is_some_and(unknown)
    }
}

impl ImageConfig {
    /// Parses a configuration and compares it with what led to it: the number of layers in the
    /// manifest, and the platform that an index announced, which counts where the configuration
    /// names no variant.
    ///
    /// # Errors
    /// When it is not one, has another number of layers than the manifest, or is for another
    /// processor.
    pub fn parse(bytes: &[u8], layers: usize, announced: Option<&Platform>, processor: Processor) -> Result<Self> {
        let config: Self =
            serde_json::from_slice(bytes).map_err(|error| bad(&format!("its configuration: {error}")))?;
        if config.rootfs.kind != "layers" {
            return Err(bad("its configuration knows no layers"));
        }
        let ids = config.rootfs.diff_ids.len();
        if ids != layers {
            let text = format!("its configuration names {ids} layers, its manifest {layers}");
            return Err(bad(&text));
        }
        let own = &config.platform;
        let runs_on = match announced {
            Some(announced) if own.variant.is_none() && announced.is_like(own) => announced,
            _ => own,
        };
        if processor.rank(runs_on).is_none() {
            let platform = text::line(&config.platform.to_string());
            let text = format!("it runs on {platform}, and not on {processor}");
            return Err(Error::new(Kind::Unsupported, text).with_help("choose an image for that processor"));
        }
        Ok(config)
    }

    /// Returns the digests of the layers when they are unpacked, the lowest one first.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.rootfs.diff_ids
    }
}

fn bad(why: &str) -> Error {
    Error::new(
        Kind::Damaged,
        format!("it is not the document of an image: {}", text::line(why)),
    )
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
