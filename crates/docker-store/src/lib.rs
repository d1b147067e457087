//! Container images in Docker's own store on a card: what `docker pull` would have left there,
//! written offline.
//!
//! [`lay`] turns images (`kraken-oci`) into an [`Overlay`](kraken_overlay::Overlay) below Docker's
//! data root: the folders of the graph driver overlay2, the databases of layers and images, and the
//! names. The same images give the same bytes. Docker 20.10 to 29 use this store when it is there
//! already or when `storage-driver` names it.
//!
//! The format is read from moby's sources (`daemon/graphdriver/overlay2`,
//! `daemon/internal/{layer,image,refstore,distribution}`) and compared with what dockerds of three
//! releases write.
//!
//! This crate reads unpacked layers and nothing else; it never runs anything of an image, never
//! talks to a Docker daemon and never writes a file.
//!
//! ```
//! use kraken_docker_store::chain_ids;
//! use kraken_oci::Digest;
//!
//! // A layer's name in the store depends on those below it.
//! let layers = [Digest::of("one"), Digest::of("two")];
//! let chain = chain_ids(&layers);
//! assert_eq!(chain[0].to_string(), layers[0].to_string());
//! assert_ne!(chain[1].to_string(), layers[1].to_string());
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

mod chain;
mod database;
mod diff;
mod places;
mod store;
mod tar_split;

pub use chain::{ChainId, chain_ids};
pub use store::{StoredImage, lay};
