//! OCI image layouts: `oci-layout`, `index.json` and `blobs/sha256/…`.
//!
//! Source: OCI image specification 1.1, `image-layout.md`. Docker has written this form since
//! version 25 (`docker save`), and buildx writes it with `--output type=oci`.

use std::collections::BTreeSet;

use kraken_foundation::{Error, Kind, Result, text};
use serde::Deserialize;

use crate::digest::Digest;
use crate::document::{Descriptor, Document, Index, MOST_DOCUMENT};
use crate::files::Files;
use crate::layer::LayerBytes;
use crate::platform::Processor;
use crate::range::FileRange;
use crate::reference::Reference;
use crate::walk::{Chosen, Found, Store};

/// The file that says that a folder or archive is a layout.
const MARK: &str = "oci-layout";
/// The annotation with the name of an image, or only its tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Docker's and containerd's annotation with the full name of an image.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// A layout.
pub(crate) struct Layout<'a> {
    files: &'a Files,
    index: Index,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    image_layout_version: String,
}

impl<'a> Layout<'a> {
    /// Opens a layout; `None` when the files are not one.
    pub(crate) fn open(files: &'a Files) -> Result<Option<Self>> {
        let Some(mark) = files.get(MARK)? else {
            return Ok(None);
        };
        let wrong = |why: String| {
            let text = format!("reading {}: {}", files.path().display(), text::line(&why));
            Error::new(Kind::Unsupported, text)
        };
        let mark: Mark =
            serde_json::from_slice(&mark.read(MOST_DOCUMENT)?).map_err(|error| wrong(format!("{MARK}: {error}")))?;
        if !mark.image_layout_version.starts_with("1.") {
            return Err(wrong(format!(
                "it is a layout of version {}",
                mark.image_layout_version
            )));
        }
        let index = files.need("index.json")?.read(MOST_DOCUMENT)?;
        match Document::parse(&index, None) {
            Ok(Document::Index(index)) => Ok(Some(Self { files, index })),
            Ok(Document::Manifest(_)) => Err(wrong("its index.json is a manifest".into())),
            Err(error) => Err(wrong(format!("its index.json: {error}"))),
        }
    }

    /// Returns the image with this name; without one, the only image that there is. Where no image
    /// has a name, the list is one image for several platforms.
    pub(crate) fn choose(&self, name: Option<&str>, processor: Processor) -> Result<Chosen> {
        let entries: Vec<&Descriptor> = self.index.images().collect();
        let wanted: Vec<&Descriptor> = match name {
            Some(name) => entries.iter().copied().filter(|entry| is_named(entry, name)).collect(),
            None => entries.clone(),
        };
        let digests: BTreeSet<Digest> = wanted.iter().map(|entry| entry.digest).collect();
        let unnamed = || name.is_none() && entries.iter().all(|entry| names_of(entry).is_empty());
        let entry = match (digests.len(), wanted.first()) {
            (1, Some(entry)) => *entry,
            (0, _) | (_, None) => {
                return Err(self.which(&format!("no image in it is called {:?}", name.unwrap_or_default())));
            }
            _ if unnamed() => self.index.choose(processor)?,
            _ => return Err(self.which("several images are in it")),
        };
        let names = entries.iter().filter(|other| other.digest == entry.digest);
        Ok(Chosen {
            found: Found {
                bytes: self.document(entry)?,
                media_type: Some(entry.media_type.clone()),
                platform: entry.platform.clone(),
            },
            names: names.filter_map(|entry| reference(entry)).collect(),
        })
    }

    fn which(&self, why: &str) -> Error {
        let path = self.files.path().display();
        let names: BTreeSet<String> = self
            .index
            .images()
            .flat_map(|entry| names_of(entry))
            .map(text::line)
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        let error = Error::new(Kind::Usage, format!("reading {path}: {}", text::line(why)));
        match names.is_empty() {
            true => error.with_help("give images a name when you save them, and save one alone"),
            false => error.with_help(format!("write {path}#NAME with one of: {}", names.join(", "))),
        }
    }

    fn file(&self, wanted: &Descriptor) -> Result<FileRange> {
        let range = self.files.need(&format!("blobs/sha256/{}", wanted.digest.0))?;
        if range.length == wanted.size {
            return Ok(range);
        }
        let text = format!(
            "reading {}: {} in it has {} bytes, {} were announced",
            self.files.path().display(),
            wanted.digest,
            range.length,
            wanted.size
        );
        Err(Error::new(Kind::Damaged, text).with_help("save or copy the image again"))
    }
}

impl Store for Layout<'_> {
    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        let bytes = self.file(wanted)?.read(MOST_DOCUMENT)?;
        match Digest::of(&bytes) == wanted.digest {
            true => Ok(bytes),
            false => {
                let path = self.files.path().display();
                let text = format!("reading {path}: the bytes of {} in it are other ones", wanted.digest);
                Err(Error::new(Kind::Damaged, text).with_help("save or copy the image again"))
            }
        }
    }

    fn config(&self, wanted: &Descriptor) -> Result<Vec<u8>> {
        self.document(wanted)
    }

    fn layer(&self, wanted: &Descriptor) -> Result<LayerBytes> {
        self.file(wanted).map(LayerBytes::File)
    }
}

fn names_of(entry: &Descriptor) -> Vec<&str> {
    [IMAGE_NAME, REF_NAME]
        .iter()
        .filter_map(|key| entry.annotation(key))
        .collect()
}

/// Whether an entry has this name, in full or as Docker shows it.
fn is_named(entry: &Descriptor, name: &str) -> bool {
    let wanted = name.parse::<Reference>().ok();
    let same = |known: &str| wanted.is_some() && known.parse().ok() == wanted;
    names_of(entry).into_iter().any(|known| known == name) || entry.annotation(IMAGE_NAME).is_some_and(same)
}

/// Returns the name of an entry for a registry. A tag alone is not one.
fn reference(entry: &Descriptor) -> Option<Reference> {
    let full = entry.annotation(IMAGE_NAME);
    let name = full.or_else(|| entry.annotation(REF_NAME).filter(|name| name.contains([':', '/'])));
    name?.parse().ok()
}
