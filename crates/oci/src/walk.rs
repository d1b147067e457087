//! From a document to an image: through indexes to the manifest for a processor, and to its
//! configuration.

use kraken_foundation::{Error, Kind, Result};

use crate::digest::Digest;
use crate::document::{Descriptor, Document, ImageConfig, Manifest};
use crate::image::Image;
use crate::layer::{Layer, LayerBytes};
use crate::platform::{Platform, Processor};
use crate::reference::Reference;

/// The most indexes that lead to a manifest. One is usual, and two happen.
const MOST_INDEXES: usize = 4;

/// A document, and what led to it.
pub(crate) struct Found {
    pub(crate) bytes: Vec<u8>,
    /// The media type with which it came, where it came with one.
    pub(crate) media_type: Option<String>,
    /// The platform for which an index has it.
    pub(crate) platform: Option<Platform>,
}

/// An image of a file: its document, and its names there.
pub(crate) struct Chosen {
    pub(crate) found: Found,
    pub(crate) names: Vec<Reference>,
}

/// Where the parts of an image come from.
pub(crate) trait Store {
    /// Returns an index or a manifest, its digest checked.
    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>>;

    /// Returns a configuration, its digest checked.
    fn config(&self, wanted: &Descriptor) -> Result<Vec<u8>>;

    /// Returns where the bytes of a layer are.
    fn layer(&self, wanted: &Descriptor) -> Result<LayerBytes>;
}

/// Follows indexes from a document to the manifest for a processor. The image has no names yet.
pub(crate) fn walk(store: &dyn Store, first: Found, processor: Processor) -> Result<Image> {
    let Found {
        bytes: first,
        mut media_type,
        mut platform,
    } = first;
    let top = Digest::of(&first);
    let mut bytes = first;
    for _ in 0..=MOST_INDEXES {
        match Document::parse(&bytes, media_type.as_deref())? {
            Document::Manifest(manifest) => {
                let whole = Whole {
                    top,
                    bytes: &bytes,
                    manifest: &manifest,
                    platform: platform.as_ref(),
                };
                return whole.image(store, processor);
            }
            Document::Index(index) => {
                let chosen = index.choose(processor)?;
                bytes = store.document(chosen)?;
                media_type = Some(chosen.media_type.clone());
                platform = chosen.platform.clone().or(platform);
            }
        }
    }
    let text = format!("its indexes lead to other ones more than {MOST_INDEXES} deep");
    Err(Error::new(Kind::Damaged, text))
}

/// A manifest, and how it was found.
struct Whole<'a> {
    top: Digest,
    bytes: &'a [u8],
    manifest: &'a Manifest,
    platform: Option<&'a Platform>,
}

impl Whole<'_> {
    fn image(&self, store: &dyn Store, processor: Processor) -> Result<Image> {
        let Manifest { config, layers } = self.manifest;
        let config_bytes = store.config(config)?;
        let parsed = ImageConfig::parse(&config_bytes, layers.len(), self.platform, processor)?;
        let layers = layers.iter().zip(parsed.diff_ids()).map(|(layer, diff_id)| {
            Ok(Layer {
                blob: layer.digest,
                size: layer.size,
                diff_id: *diff_id,
                bytes: store.layer(layer)?,
            })
        });
        Ok(Image {
            names: Vec::new(),
            top: self.top,
            manifest: Digest::of(self.bytes),
            config: config.digest,
            layers: layers.collect::<Result<_>>()?,
            config_bytes,
        })
    }
}
