//! Images as the whole store.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kraken_foundation::{Error, Job, Kind, Result};
use kraken_oci::{Digest, Image};
use kraken_overlay::{EntryPath, Overlay};

use crate::chain::{ChainId, chain_ids};
use crate::database::{self, LayerRecord};
use crate::diff;
use crate::places::Places;

/// An image with its layers unpacked.
#[derive(Clone, Debug)]
pub struct StoredImage {
    /// The image.
    pub image: Image,
    /// The archives of its layers, unpacked ([`Layer::unpacked`](kraken_oci::Layer::unpacked)), the
    /// lowest one first.
    pub layers: Vec<PathBuf>,
}

/// Returns the store with these images, below Docker's data root (`/var/lib/docker`). Files of the
/// store's own have the time `time`, in seconds since 1970-01-01 UTC. Layers that images share are
/// there once.
///
/// # Errors
/// When a layer cannot be read or has what no layer may have, or two images have one name.
pub fn lay(root: &EntryPath, images: &[StoredImage], time: i64, job: Job<'_>) -> Result<Overlay> {
    let mut places = Places::new(root, time);
    places.folder_if_missing("", 0o710)?;
    places.folder("overlay2", 0o710)?;
    places.folder("overlay2/l", 0o700)?;
    database::folders(&mut places)?;
    let mut laid = BTreeSet::new();
    for stored in images {
        let diff_ids: Vec<Digest> = stored.image.layers.iter().map(|layer| layer.diff_id).collect();
        if stored.layers.len() != diff_ids.len() {
            let text = format!(
                "an image has {} layers, and {} archives of layers are given",
                diff_ids.len(),
                stored.layers.len()
            );
            return Err(Error::new(Kind::Internal, text));
        }
        let chain = chain_ids(&diff_ids);
        for (at, tar) in stored.layers.iter().enumerate() {
            if !laid.insert(chain[at]) {
                continue;
            }
            let layer = StoreLayer {
                chain: &chain[..=at],
                diff_id: diff_ids[at],
                tar,
            };
            layer.lay(&mut places, job)?;
        }
    }
    let images: Vec<&Image> = images.iter().map(|stored| &stored.image).collect();
    database::images(&mut places, &images)?;
    Ok(places.finish())
}

/// A layer of the store, with those below it.
struct StoreLayer<'a> {
    /// From the lowest layer to this one.
    chain: &'a [ChainId],
    diff_id: Digest,
    tar: &'a PathBuf,
}

impl StoreLayer<'_> {
    fn lay(&self, places: &mut Places, job: Job<'_>) -> Result<()> {
        let [below @ .., chain] = self.chain else {
            return Ok(());
        };
        let (cache_id, link) = (chain.cache_id(), chain.link());
        let folder = format!("overlay2/{cache_id}");
        places.folder(&folder, 0o710)?;
        let laid = diff::lay(places, &format!("{folder}/diff"), self.tar, job)?;
        places.link(&format!("overlay2/l/{link}"), &format!("../{cache_id}/diff"))?;
        places.file(&format!("{folder}/link"), 0o644, link)?;
        // On every layer: without it, `docker save` mounts the top one to be written.
        places.file(&format!("{folder}/committed"), 0o600, "")?;
        if !below.is_empty() {
            let lower: Vec<String> = below.iter().rev().map(|chain| format!("l/{}", chain.link())).collect();
            places.file(&format!("{folder}/lower"), 0o644, lower.join(":"))?;
            places.folder(&format!("{folder}/work"), 0o700)?;
        }
        let record = LayerRecord {
            chain: *chain,
            parent: below.last().copied(),
            diff_id: self.diff_id,
            laid: &laid,
        };
        database::layer(places, &record)
    }
}
