//! An image as digests.

use crate::digest::Digest;
use crate::layer::Layer;
use crate::reference::Reference;

/// An image that a processor runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it is called: the name that the user wrote, or those in the user's file, possibly none.
    pub names: Vec<Reference>,
    /// What `name@…` names: the digest of the index where there is one, else of the manifest.
    pub top: Digest,
    /// The digest of the manifest for the processor.
    pub manifest: Digest,
    /// The digest of the configuration: the image's id in Docker's older store.
    pub config: Digest,
    /// The configuration, byte by byte.
    pub config_bytes: Vec<u8>,
    /// The layers, the lowest one first.
    pub layers: Vec<Layer>,
}
