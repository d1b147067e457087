//! Container images without Docker: from a registry, an OCI layout or a `docker save` archive.
//!
//! [`Source`] is what a user writes. [`Registries`] asks registries, with the logins of `docker
//! login`, and keeps what it gets in the cache. [`resolve`] returns an [`Image`]: the one that a
//! board can run ([`Processor`]), as digests, with the place of each layer's bytes. A [`Pin`] is
//! what a lock file keeps of it; with one, the same image comes from the cache without the network.
//! [`Layer::unpacked`] unpacks a layer into the cache, and [`Entries`] reads what is in it.
//!
//! Every document and every blob is checked against its digest, and every unpacked layer against
//! the image's configuration. Sizes, depths and numbers are limited, so that no image can fill a
//! disk or the memory.
//!
//! This crate never talks to a Docker daemon, never runs anything of an image, and never writes a
//! file of a layer to its place. Logins are in no message, argument or log.
//!
//! ```
//! use kraken_oci::{Entries, EntryKind, Processor, Reference, Source};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let Source::Registry(reference) = "wordpress:6".parse()? else {
//!     return Err("not the name of an image".into());
//! };
//! assert_eq!(reference.canonical_name(), "docker.io/library/wordpress");
//! assert_eq!(Processor::ArmV6.to_string(), "arm/v6");
//!
//! // A layer deletes a file of the layers below it by a whiteout.
//! let mut header = tar::Header::new_ustar();
//! header.set_size(0);
//! let mut layer = tar::Builder::new(Vec::new());
//! layer.append_data(&mut header, "etc/.wh.motd", &b""[..])?;
//! let mut entries = Entries::new(std::io::Cursor::new(layer.into_inner()?))?;
//! let entry = entries.next().ok_or("no entry")??;
//! assert_eq!((entry.path.as_slice(), entry.kind), (&b"etc/motd"[..], EntryKind::Whiteout));
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

mod archive;
pub mod challenge;
mod credentials;
mod digest;
mod docker_save;
mod document;
mod entries;
mod files;
mod image;
mod layer;
mod layout;
mod local;
mod media;
mod pin;
mod place;
mod platform;
mod range;
mod reference;
mod registry;
mod resolve;
mod source;
#[cfg(test)]
mod test_desk;
#[cfg(test)]
#[path = "../../testkit/src/oci.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "it is testkit's, which these tests need not wait for"
)]
mod test_images;
mod walk;

pub use credentials::{Credentials, Login};
pub use digest::{Digest, NotADigest};
pub use document::{Descriptor, Document, ImageConfig, Index, MOST_DOCUMENT, MOST_LAYERS, Manifest};
pub use entries::{Entries, Entry, EntryKind};
pub use image::Image;
pub use layer::{Layer, LayerBytes};
pub use pin::{Pin, PinnedLayer};
pub use platform::{Platform, Processor};
pub use range::FileRange;
pub use reference::{NotAReference, Reference};
pub use registry::{Received, Registries};
pub use resolve::resolve;
pub use source::{LocalSource, NotASource, Source};
