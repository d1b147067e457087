//! The databases of layers and images beside the layers' files.
//!
//! Source: moby, `daemon/internal/layer/filestore.go`, `daemon/internal/image/fs.go`,
//! `daemon/internal/refstore/store.go`, `daemon/internal/distribution/metadata`.

use std::collections::{BTreeMap, BTreeSet};

use kraken_foundation::{Error, Kind, Result};
use kraken_oci::{Digest, Image, LayerBytes};
use serde::Serialize;

use crate::chain::ChainId;
use crate::diff::LaidLayer;
use crate::places::Places;

/// The database's folder below the data root.
const IMAGE: &str = "image/overlay2";
/// The most repositories that Docker keeps for a layer (`v2_metadata_service.go`).
const MOST_REPOSITORIES: usize = 50;

/// `repositories.json`: image ids by name.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories {
    repositories: BTreeMap<String, BTreeMap<String, Digest>>,
}

/// From which repository a layer came.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct V2Metadata {
    digest: Digest,
    source_repository: String,
    #[serde(rename = "HMAC")]
    hmac: String,
}

/// Makes the folders of the database.
pub(crate) fn folders(places: &mut Places) -> Result<()> {
    places.folder("image", 0o700)?;
    for folder in [
        "",
        "/imagedb",
        "/imagedb/content",
        "/imagedb/content/sha256",
        "/imagedb/metadata",
        "/imagedb/metadata/sha256",
        "/layerdb",
        "/distribution",
    ] {
        places.folder(&format!("{IMAGE}{folder}"), 0o700)?;
    }
    for folder in ["/layerdb/sha256", "/layerdb/tmp"] {
        places.folder(&format!("{IMAGE}{folder}"), 0o755)?;
    }
    Ok(())
}

/// Makes the folders of what is known of registries, which Docker makes with the first entry.
fn folders_of_sources(places: &mut Places) -> Result<()> {
    for kind in ["diffid-by-digest", "v2metadata-by-diffid"] {
        for folder in ["", "/sha256"] {
            places.folder(&format!("{IMAGE}/distribution/{kind}{folder}"), 0o755)?;
        }
    }
    Ok(())
}

/// A layer of the store with what the database says of it.
pub(crate) struct LayerRecord<'a> {
    pub(crate) chain: ChainId,
    pub(crate) parent: Option<ChainId>,
    pub(crate) diff_id: Digest,
    pub(crate) laid: &'a LaidLayer,
}

/// Writes the record of a layer.
pub(crate) fn layer(places: &mut Places, record: &LayerRecord<'_>) -> Result<()> {
    let folder = format!("{IMAGE}/layerdb/sha256/{}", record.chain.hash());
    places.folder(&folder, 0o700)?;
    places.file(&format!("{folder}/diff"), 0o644, record.diff_id.to_string())?;
    places.file(&format!("{folder}/cache-id"), 0o644, record.chain.cache_id())?;
    places.file(&format!("{folder}/size"), 0o644, record.laid.size.to_string())?;
    if let Some(parent) = record.parent {
        places.file(&format!("{folder}/parent"), 0o644, parent.to_string())?;
    }
    places.file(
        &format!("{folder}/tar-split.json.gz"),
        0o644,
        record.laid.tar_split.clone(),
    )
}

/// Writes the configurations and the names of images, and where their layers came from.
///
/// # Errors
/// When two images have one name.
pub(crate) fn images(places: &mut Places, images: &[&Image]) -> Result<()> {
    let mut names = Repositories::default();
    let mut sources: BTreeMap<Digest, BTreeSet<Source>> = BTreeMap::new();
    for image in images {
        let config = format!("{IMAGE}/imagedb/content/sha256/{}", image.config.0);
        places.file(&config, 0o600, image.config_bytes.clone())?;
        for name in &image.names {
            let familiar = name.familiar_name();
            let known = names.repositories.entry(familiar.clone()).or_default();
            let tagged = name.tag().map(|tag| format!("{familiar}:{tag}"));
            for key in tagged.into_iter().chain([format!("{familiar}@{}", image.top)]) {
                if known
                    .insert(key.clone(), image.config)
                    .is_some_and(|other| other != image.config)
                {
                    let text = format!("two images are called {key}");
                    return Err(Error::new(Kind::Conflict, text).with_help("give one of them another tag"));
                }
            }
        }
        for layer in &image.layers {
            if let LayerBytes::Registry(reference) = &layer.bytes {
                sources.entry(layer.diff_id).or_default().insert(Source {
                    digest: layer.blob,
                    repository: reference.canonical_name(),
                });
            }
        }
    }
    let text = serde_json::to_string(&names).map_err(std::io::Error::other)?;
    places.file(&format!("{IMAGE}/repositories.json"), 0o600, text)?;
    if !sources.is_empty() {
        folders_of_sources(places)?;
    }
    for (diff_id, sources) in sources {
        self::sources(places, diff_id, sources)?;
    }
    Ok(())
}

/// The packed form of a layer in a repository.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    digest: Digest,
    repository: String,
}

fn sources(places: &mut Places, diff_id: Digest, sources: BTreeSet<Source>) -> Result<()> {
    let folder = format!("{IMAGE}/distribution");
    for digest in sources.iter().map(|source| source.digest).collect::<BTreeSet<_>>() {
        let place = format!("{folder}/diffid-by-digest/sha256/{}", digest.0);
        places.file(&place, 0o644, diff_id.to_string())?;
    }
    let known: Vec<V2Metadata> = sources
        .into_iter()
        .take(MOST_REPOSITORIES)
        .map(|source| V2Metadata {
            digest: source.digest,
            source_repository: source.repository,
            hmac: String::new(),
        })
        .collect();
    let text = serde_json::to_string(&known).map_err(std::io::Error::other)?;
    places.file(
        &format!("{folder}/v2metadata-by-diffid/sha256/{}", diff_id.0),
        0o644,
        text,
    )
}
