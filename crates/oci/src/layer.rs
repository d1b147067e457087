//! The layers of an image, unpacked into the cache.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kraken_fetch::{Downloads, Format, Incoming, decoded, packing};
use kraken_foundation::{Context, Error, Kind, Result, Sha256Hash};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::document::{Descriptor, MOST_LAYER};
use crate::range::FileRange;
use crate::reference::Reference;
use crate::registry::Registries;

/// How many bytes may come out of any layer, however small it is.
const ALWAYS: u64 = 1 << 30;

/// How many bytes may come out of one packed byte above that: zeros pack a thousandfold, files
/// hardly ever more than twentyfold.
const MOST_RATIO: u64 = 200;

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The digest of its packed bytes.
    pub blob: Digest,
    /// Their number.
    pub size: u64,
    /// The digest of its unpacked bytes, a tar archive, by the image's configuration.
    pub diff_id: Digest,
    /// Where the packed bytes are.
    pub bytes: LayerBytes,
}

/// Where the packed bytes of a layer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerBytes {
    /// In a registry, and perhaps in the cache, under the name of this repository.
    Registry(Reference),
    /// In a file of the user.
    File(FileRange),
}

/// What a configuration says of its layers, before it is compared with anything.
#[derive(Deserialize)]
struct Announced {
    rootfs: AnnouncedLayers,
}

#[derive(Deserialize)]
struct AnnouncedLayers {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

impl Layer {
    /// Returns the path of the unpacked layer: a tar archive in the cache, whose SHA-256 is the
    /// `diff_id`. What the cache lacks is fetched and unpacked.
    ///
    /// # Errors
    /// When the layer cannot be fetched; when its packed or unpacked bytes have another digest, it
    /// is packed in another way than gzip or zstd, or too many bytes come out of it; when there is
    /// no room.
    pub fn unpacked(&self, registries: &Registries<'_>) -> Result<PathBuf> {
        let downloads = registries.downloads();
        if let Some(path) = downloads.cached(&self.diff_id.0)? {
            return Ok(path);
        }
        let _lock = downloads.lock(&format!("layer-{}", self.diff_id.0))?;
        if let Some(path) = downloads.cached(&self.diff_id.0)? {
            return Ok(path);
        }
        let range = match &self.bytes {
            LayerBytes::Registry(reference) => {
                let wanted = Descriptor::of_layer(self.blob, self.size);
                FileRange::whole(&registries.blob(reference, &wanted)?)?
            }
            LayerBytes::File(range) => range.clone(),
        };
        let unpacked = self.unpack(&range, most(self.size), downloads);
        unpacked.context(|| format!("unpacking the layer {self}"))
    }

    /// Unpacks a layer, out of which at most `most` bytes may come.
    fn unpack(&self, range: &FileRange, most: u64, downloads: &Downloads<'_>) -> Result<PathBuf> {
        let format = supported(&range.head(6)?)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let packed = Hashed {
            inner: range.open()?,
            seen: Arc::clone(&seen),
        };
        let mut bytes = decoded(format, BufReader::with_capacity(1 << 20, packed));
        let kept = downloads.keep_stream(Incoming {
            bytes: &mut bytes,
            from: &range.path,
            sha256: Some(self.diff_id.0),
            most,
        })?;
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let blob = Digest(Sha256Hash::from(seen.hasher.finalize()));
        if blob != self.blob || seen.count != self.size {
            let text = format!(
                "reading {}: its packed bytes have the digest {blob}, {} was announced",
                range.path.display(),
                self.blob
            );
            return Err(Error::new(Kind::Damaged, text).with_help("save, copy or push the image again"));
        }
        Ok(kept.path)
    }
}

/// What a user sees of a layer.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (unpacked {}, by the image's configuration)",
            self.blob, self.diff_id
        )
    }
}

/// Returns how a layer is packed; `None` for a plain tar.
fn supported(head: &[u8]) -> Result<Option<Format>> {
    let other = match packing(head) {
        Some(Format::Xz) => "xz",
        _ if head.starts_with(b"BZh") => "bzip2",
        format => return Ok(format),
    };
    let text = format!("it is packed with {other}; layers are packed with gzip or zstd, or not at all");
    Err(Error::new(Kind::Unsupported, text).with_help("build or push the image again with a Docker of this decade"))
}

/// Returns how many bytes may come out of a layer of this size.
fn most(size: u64) -> u64 {
    size.saturating_mul(MOST_RATIO).clamp(ALWAYS, MOST_LAYER)
}

/// Returns the diff ids that a configuration names; none when it is not one.
pub(crate) fn announced(config: &[u8]) -> Vec<Digest> {
    let announced = serde_json::from_slice::<Announced>(config);
    announced.map_or_else(|_| Vec::new(), |announced| announced.rootfs.diff_ids)
}

/// Returns the digest of the bytes of a range.
pub(crate) fn digest_of(range: &FileRange) -> Result<Digest> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut reader = Hashed {
        inner: range.open()?,
        seen: Arc::clone(&seen),
    };
    io::copy(&mut reader, &mut io::sink()).doing("reading", &range.path)?;
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Digest(Sha256Hash::from(seen.hasher.finalize())))
}

/// What has been read so far.
#[derive(Default)]
struct Seen {
    hasher: Sha256,
    count: u64,
}

/// A reader that hashes what goes through it.
struct Hashed<R> {
    inner: R,
    seen: Arc<Mutex<Seen>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.hasher.update(&buffer[..count]);
        seen.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
