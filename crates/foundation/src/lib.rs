//! What every crate of the workspace needs: the one [`Error`], the [`Job`] that long work is a part
//! of, files that are written whole ([`atomic`]) and never through a link ([`named`]), advisory
//! locks ([`lock`]), work on several threads ([`parallel`]), SHA-256 hashes, MAC addresses, and
//! foreign text made safe to show.
//!
//! This crate knows nothing of images, nodes or clusters, and touches only the files that it is
//! given.
//!
//! ```
//! use kraken_foundation::{interrupt::Interrupt, text};
//!
//! let interrupt = Interrupt::new();
//! assert!(interrupt.check().is_ok());
//! interrupt.set();
//! assert!(interrupt.check().is_err());
//! assert_eq!(text::line("\u{1b}[31mred\u{1b}[0m"), "red");
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

pub mod atomic;
pub mod error;
pub mod interrupt;
mod job;
pub mod lock;
pub mod mac;
pub mod named;
pub mod parallel;
pub mod progress;
mod sha256;
pub mod text;

pub use error::{Context, Error, Kind, Result};
pub use job::Job;
pub use sha256::{NotASha256, Sha256Hash};
