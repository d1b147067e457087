//! The media types of what an image is made of.
//!
//! Sources: OCI image specification 1.1, `media-types.md`; Docker's image manifest, version 2,
//! schema 2.

/// What a registry is asked for when it is asked for an image.
pub(crate) const ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json"
);

/// The types of what is made here, as Docker names them.
pub(crate) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// See [`MANIFEST`].
pub(crate) const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// See [`MANIFEST`]: a layer, whichever way its bytes are packed.
pub(crate) const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// A list of manifests, one for each platform.
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The manifest of one image.
const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// The configuration of an image that a container engine runs.
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// Layers. The bytes decide how a layer is packed, since Docker does not believe these names
/// either.
const LAYERS: [&str; 7] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.diff.tar+zstd",
];

/// Layers that a registry does not have itself: Windows' own.
const FOREIGN: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// What a media type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Index,
    Manifest,
    Config,
    Layer,
    ForeignLayer,
    /// Docker's manifest of before 2016, which names no configuration.
    Schema1,
    Unknown,
}

/// Returns what a media type means; parameters (`; charset=…`) do not count.
pub(crate) fn meaning(media_type: &str) -> Media {
    let name = media_type.split(';').next().unwrap_or_default().trim();
    let is = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    if is(&INDEXES) {
        Media::Index
    } else if is(&MANIFESTS) {
        Media::Manifest
    } else if is(&CONFIGS) {
        Media::Config
    } else if is(&LAYERS) {
        Media::Layer
    } else if is(&FOREIGN) {
        Media::ForeignLayer
    } else if name.starts_with("application/vnd.docker.distribution.manifest.v1+") {
        Media::Schema1
    } else {
        Media::Unknown
    }
}
