//! Archives of `docker save`, as Docker before version 25 and other programs write them:
//! `manifest.json`, a configuration, and layers as tar files, some of them links to others.
//!
//! Source: Docker image specification 1.2 ("Combined Image JSON + Filesystem Changeset Format").
//! Such an archive has no manifest with digests, so one is made here: the same archive has the same
//! one each time.

use kraken_fetch::packing;
use kraken_foundation::{Error, Kind, Result, text};
use serde::Deserialize;
use serde_json::json;

use crate::digest::Digest;
use crate::document::{Descriptor, MOST_DOCUMENT, MOST_LAYERS};
use crate::files::Files;
use crate::layer::{self, LayerBytes};
use crate::media;
use crate::range::FileRange;
use crate::reference::Reference;
use crate::walk::{Chosen, Found, Store};

/// The file that lists the images.
const MANIFEST: &str = "manifest.json";

/// One image of an archive.
pub(crate) struct Saved<'a> {
    files: &'a Files,
    config: Vec<u8>,
    layers: Vec<SavedLayer>,
    names: Vec<Reference>,
}

struct SavedLayer {
    blob: Digest,
    range: FileRange,
}

/// An image in the list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    /// `null` where the image has no name.
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl<'a> Saved<'a> {
    /// Opens the image with this name, or the only one; `None` when the files are not such an
    /// archive.
    pub(crate) fn open(files: &'a Files, name: Option<&str>) -> Result<Option<Self>> {
        let Some(manifest) = files.get(MANIFEST)? else {
            return Ok(None);
        };
        let entries: Vec<Entry> = serde_json::from_slice(&manifest.read(MOST_DOCUMENT)?).map_err(|error| {
            let text = format!(
                "reading {}: its {MANIFEST} is not a list of images: {error}",
                files.path().display()
            );
            Error::new(Kind::Damaged, text::line(&text))
        })?;
        let entry = choose(files, &entries, name)?;
        if entry.layers.len() > MOST_LAYERS {
            let text = format!("reading {}: an image has more than 125 layers", files.path().display());
            return Err(Error::new(Kind::Unsupported, text));
        }
        let config = files.need(&entry.config)?.read(MOST_DOCUMENT)?;
        // What the configuration says of its layers is compared later, with their bytes.
        let announced = layer::announced(&config);
        let mut layers = Vec::with_capacity(entry.layers.len());
        for (index, name) in entry.layers.iter().enumerate() {
            let range = files.need(name)?;
            let is_packed = packing(&range.head(6)?).is_some();
            let blob = match announced.get(index) {
                Some(diff_id) if !is_packed => *diff_id,
                _ => layer::digest_of(&range)?,
            };
            layers.push(SavedLayer { blob, range });
        }
        let tags = entry.repo_tags.iter().flatten();
        Ok(Some(Self {
            files,
            config,
            layers,
            names: tags.filter_map(|tag| tag.parse().ok()).collect(),
        }))
    }

    /// Returns the image with the manifest that is made for it.
    pub(crate) fn chosen(&self) -> Chosen {
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| json!({"mediaType": media::LAYER, "size": layer.range.length, "digest": layer.blob}))
            .collect();
        // The keys are sorted, since serde_json's maps are.
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media::MANIFEST,
            "config": {
                "mediaType": media::CONFIG,
                "size": self.config.len(),
                "digest": Digest::of(&self.config),
            },
            "layers": layers,
        });
        Chosen {
            found: Found {
                bytes: manifest.to_string().into_bytes(),
                media_type: None,
                platform: None,
            },
            names: self.names.clone(),
        }
    }

    fn other(&self, wanted: &Descriptor) -> Error {
        let text = format!(
            "reading {}: {} is not in it",
            self.files.path().display(),
            wanted.digest
        );
        Error::new(Kind::Damaged, text)
    }
}

impl Store for Saved<'_> {
    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        Err(self.other(wanted))
    }

    fn config(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        match wanted.digest == Digest::of(&self.config) {
            true => Ok(self.config.clone()),
            false => Err(self.other(wanted)),
        }
    }

    fn layer(&self, wanted: &Descriptor) -> Result<LayerBytes> {
        let layer = self.layers.iter().find(|layer| layer.blob == wanted.digest);
        layer
            .map(|layer| LayerBytes::File(layer.range.clone()))
            .ok_or_else(|| self.other(wanted))
    }
}

fn choose<'e>(files: &Files, entries: &'e [Entry], name: Option<&str>) -> Result<&'e Entry> {
    let tags = |entry: &'e Entry| entry.repo_tags.iter().flatten();
    let found = match (name, entries) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), _) => {
            let wanted = name.parse::<Reference>().ok();
            let same = |tag: &String| tag == name || (wanted.is_some() && tag.parse().ok() == wanted);
            entries.iter().find(|entry| tags(entry).any(same))
        }
    };
    found.ok_or_else(|| {
        let path = files.path().display();
        let why = match (name, entries) {
            (_, []) => "no image is in it".to_owned(),
            (Some(name), _) => format!("no image in it is called {name:?}"),
            (None, _) => "several images are in it".to_owned(),
        };
        let names: Vec<String> = entries.iter().flat_map(tags).map(|tag| text::line(tag)).collect();
        let error = Error::new(Kind::Usage, format!("reading {path}: {}", text::line(&why)));
        match names.is_empty() {
            true => error,
            false => error.with_help(format!("write {path}#NAME with one of: {}", names.join(", "))),
        }
    })
}
