//! Proves an image: reads it again and compares it with what `kraken.toml` asks for.
//!
//! [`verify_folder`] checks the images of a cluster, each by itself and all of them together.
//! [`verify_image`] checks one image, and [`verify_file`] one that may be packed. [`inspect`]
//! reports what an image is without comparing it. A fault of an image is a [`Finding`] of the
//! [`Report`], not an error.
//!
//! This crate does not trust anything that the writer of an image believes: it finds partitions and
//! file systems by itself, reads ext4 with another library than the one that wrote it, and runs
//! e2fsck. It never changes an image.
//!
//! ```
//! use kraken_verify::{Finding, Report};
//!
//! let mut report = Report::default();
//! assert!(report.is_good());
//! report.findings.push(Finding {
//!     check: "node",
//!     place: String::new(),
//!     message: "no node".into(),
//! });
//! assert!(!report.is_good());
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

mod blocks;
mod boot;
mod daemon;
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
mod volumes;
mod xattrs;

pub use facts::{Facts, PartitionFacts, inspect};
pub use folder::{FolderExpectation, verify_file, verify_folder};
pub use folder_images::FolderImages;
pub use image::{Expectation, verify_image};
pub use pristine::PRISTINE;
pub use report::{Finding, ImageReport, Report};
pub use strangers::node_of;
