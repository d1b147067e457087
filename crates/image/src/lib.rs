//! From a base image and a [`Cluster`](kraken_spec::Cluster) to one image for each node.
//!
//! - [`base`] finds where an OS image comes from (file, URL, catalogue, Debian) and which system is
//!   inside it.
//! - [`packages`] obtains the packages that a cluster asks for, pinned by `kraken.lock`.
//! - [`provision`] renders templates and overlays: what a node needs on its first boot, as
//!   overlays.
//! - [`bake`] makes one golden image of base and overlays, and from it a patch for each node.
//! - [`output`] writes a node's image to files: raw or compressed, with block map, checksums and
//!   manifest.
//! - [`json`] parses the JSON files of all that; an error names the field.
//!
//! This crate never opens a block device, never runs anything of a package and never prints.
//!
//! ```
//! use kraken_image::provision::Assets;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The built-in templates; a folder of the user may replace some of them.
//! let assets = Assets::load(None, None)?;
//! # let _ = assets;
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

pub mod bake;
pub mod base;
pub mod json;
pub mod output;
pub mod packages;
pub mod provision;
