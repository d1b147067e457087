//! Container images for tests: layers, images, layouts and archives, made with other code than
//! reads them. `crates/oci` includes this file, too, so it uses nothing of testkit.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use kraken_foundation::Sha256Hash;
use serde_json::{Value, json};

/// Media types, as Docker and OCI name them.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Files by their name in a layout or an archive.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A layer, plain and packed.
#[derive(Clone)]
pub struct MadeLayer {
    pub plain: Vec<u8>,
    pub packed: Vec<u8>,
}

/// An image for one platform.
#[derive(Clone)]
pub struct MadeImage {
    pub platform: String,
    pub layers: Vec<MadeLayer>,
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
}

/// Returns a digest as documents write it.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256Hash::of(bytes))
}

/// Returns a tar archive with one file for each name.
pub fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, body) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *body).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

impl MadeLayer {
    /// A layer of one file, packed with gzip.
    pub fn new(name: &str, body: &[u8]) -> Self {
        let plain = tar_of(&[(name, body)]);
        let packed = gzip(&plain);
        Self { plain, packed }
    }

    /// The same layer, packed as zstd.
    pub fn into_zstd(self) -> Self {
        let packed = zstd(&self.plain);
        Self { packed, ..self }
    }

    /// The same layer, not packed.
    pub fn into_plain(self) -> Self {
        let packed = self.plain.clone();
        Self { packed, ..self }
    }
}

/// Returns a descriptor of these bytes.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

/// Returns a platform as documents write it, of a text such as `linux/arm/v6`.
pub fn platform(text: &str) -> Value {
    let mut parts = text.split('/');
    let mut platform = json!({"os": parts.next(), "architecture": parts.next()});
    if let Some(variant) = parts.next() {
        platform["variant"] = variant.into();
    }
    platform
}

impl MadeImage {
    pub fn new(platform: &str, layers: Vec<MadeLayer>) -> Self {
        let mut config = self::platform(platform);
        let ids: Vec<String> = layers.iter().map(|layer| digest(&layer.plain)).collect();
        config["config"] = json!({"Cmd": ["/bin/true"]});
        config["rootfs"] = json!({"type": "layers", "diff_ids": ids});
        Self::with_config(platform, layers, config.to_string().into_bytes())
    }

    /// As [`MadeImage::new`], with a configuration that may say what it likes.
    pub fn with_config(platform: &str, layers: Vec<MadeLayer>, config: Vec<u8>) -> Self {
        let described: Vec<Value> = layers.iter().map(|layer| descriptor(LAYER, &layer.packed)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": described,
        });
        Self {
            platform: platform.to_owned(),
            layers,
            config,
            manifest: manifest.to_string().into_bytes(),
        }
    }

    /// Returns its entry in an index.
    pub fn entry(&self) -> Value {
        let mut entry = descriptor(MANIFEST, &self.manifest);
        entry["platform"] = platform(&self.platform);
        entry
    }

    /// Returns configuration and packed layers.
    pub fn blobs(&self) -> Vec<&[u8]> {
        let layers = self.layers.iter().map(|layer| layer.packed.as_slice());
        std::iter::once(self.config.as_slice()).chain(layers).collect()
    }
}

/// Returns an index of these entries.
pub fn index(entries: &[Value]) -> Vec<u8> {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    index.to_string().into_bytes()
}

/// Returns the entry with a name: an annotation of it.
pub fn named(mut entry: Value, key: &str, name: &str) -> Value {
    entry["annotations"] = json!({key: name});
    entry
}

/// Returns the files of a layout with these entries and blobs (documents are blobs, too).
pub fn layout(entries: &[Value], blobs: &[&[u8]]) -> Files {
    let mut files = Files::new();
    files.insert("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    files.insert("index.json".into(), index(entries));
    for blob in blobs {
        files.insert(format!("blobs/sha256/{}", Sha256Hash::of(blob)), blob.to_vec());
    }
    files
}

/// Returns the layout of one image.
pub fn layout_of(image: &MadeImage, entry: Value) -> Files {
    let mut blobs = image.blobs();
    blobs.push(&image.manifest);
    layout(&[entry], &blobs)
}

/// Returns files as a tar archive.
pub fn archive(files: &Files) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, body)| (name.as_str(), body.as_slice()))
        .collect();
    tar_of(&files)
}

/// Writes files into a folder.
pub fn write_folder(files: &Files, folder: &Path) {
    for (name, body) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
}
