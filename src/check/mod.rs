//! Proves an image: reads it afresh and compares it with what `kraken.toml` asks for.
//!
//! This module trusts nothing that `bake` believes: it finds partitions and file systems by itself, reads ext4 with another library
//! than the one that wrote it, and asks e2fsck for its opinion.

mod blocks;
mod boot;
mod daemon;
mod error;
mod facts;
mod folder;
mod folder_images;
mod image;
mod modules;
mod overlay;
mod packages;
mod pristine;
mod report;
mod set;
mod strangers;
mod swarm;
mod tools;
mod xattrs;

pub mod emulate;
pub use error::CheckError;
pub use facts::{Facts, PartitionFacts, inspect};
pub use folder::{verify_file, verify_folder};
pub use folder_images::FolderImages;
pub use image::{Expectation, verify_image};
pub use pristine::PRISTINE;
pub use report::{Finding, ImageReport, Report};
pub use strangers::node_of;
