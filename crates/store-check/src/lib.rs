//! Reads the store in which Docker keeps container images (overlay2), and checks all of it.
//!
//! dockerd leaves out an image with a damaged layer and says so in one line of its log, so a card
//! with such a store boots, and its services wait for an image for ever. [`check`] is the strict
//! reader: every name leads to a configuration with the right hash, every configuration to its
//! layers, every layer's record to its files, and from the files and `tar-split` each layer's
//! archive is made again: its SHA-256 must be the one that the configuration names, and each file
//! must have the owner, mode, time and attributes that the archive says.
//!
//! It shares no code with the writer (`kraken-docker-store`) but the parser of PAX records.
//! [`StoreFiles`] is how it reads: from a folder, or from the file system of an image.
//!
//! This crate never writes and never talks to a Docker daemon.
//!
//! ```
//! use kraken_foundation::Job;
//! use kraken_foundation::interrupt::Interrupt;
//! use kraken_foundation::progress::Silent;
//! use kraken_store_check::{Folder, check};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let job = Job {
//!     progress: &Silent,
//!     interrupt: &Interrupt::new(),
//! };
//! // A data root without images is sound.
//! let report = check(&Folder(folder.path().to_owned()), job)?;
//! assert!(report.findings.is_empty() && report.images.is_empty());
//! # Ok(())
//! # }
//! ```

mod archive;
mod check;
mod diff;
mod files;
mod folder;
mod layers;
mod names;

pub use check::{CheckedImage, Finding, StoreReport, check};
pub use files::{FileKind, Stat, StoreFiles};
pub use folder::Folder;
