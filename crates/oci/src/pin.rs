//! What a lock file keeps of an image, so that the same one is used each time.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::image::Image;
use crate::platform::Processor;
use crate::source::Source;

/// An image for one processor, pinned by its digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pin {
    /// Where it comes from, as the user wrote it.
    pub reference: String,
    /// The processor that it was chosen for.
    pub platform: Processor,
    /// The digest of the index; none where the name leads to a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// The digest of the manifest.
    pub manifest: Digest,
    /// The digest of the configuration.
    pub config: Digest,
    /// The layers, the lowest one first.
    pub layers: Vec<PinnedLayer>,
}

/// A layer of a pinned image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinnedLayer {
    /// The digest of the packed bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// The digest of the unpacked bytes.
    pub diff_id: Digest,
}

impl Pin {
    /// Returns what is to be kept of an image.
    pub fn new(source: &Source, processor: Processor, image: &Image) -> Self {
        Self {
            reference: source.to_string(),
            platform: processor,
            index: (image.top != image.manifest).then_some(image.top),
            manifest: image.manifest,
            config: image.config,
            layers: layers(image).collect(),
        }
    }

    /// Whether an image is the pinned one. An index counts only where it is known: with a pin, a
    /// registry is asked for the manifest at once.
    pub(crate) fn is_of(&self, image: &Image) -> bool {
        let same_top = self.index.unwrap_or(self.manifest) == image.top;
        same_top
            && self.manifest == image.manifest
            && self.config == image.config
            && self.layers.iter().copied().eq(layers(image))
    }
}

fn layers(image: &Image) -> impl Iterator<Item = PinnedLayer> + '_ {
    image.layers.iter().map(|layer| PinnedLayer {
        digest: layer.blob,
        size: layer.size,
        diff_id: layer.diff_id,
    })
}
