//! A signed apt archive → the dependency closure → unpacked files, as an overlay.
//!
//! The state of a Debian root file system contains the installed packages, and the archives that it
//! trusts with their keys ([`ImageState`]). This crate reads those archives ([`load`]), verifies
//! their files, chooses packages ([`resolve`]), and unpacks them as `dpkg --unpack` would
//! ([`unpack()`]).
//!
//! It does not know clusters or `kraken.toml`, never opens a connection (the caller fetches the
//! files, see [`Fetch`]), and never runs anything of a package.
//!
//! ```
//! use kraken_debian::version::Version;
//!
//! assert!(Version::new("26.1.5+dfsg1-9") > Version::new("26.1.5~rc1"));
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
pub mod control;
pub mod deb;
mod entry;
mod fetch;
mod image;
pub mod index;
mod load;
mod md5sum;
pub mod openpgp;
mod pick;
mod pins;
mod record;
pub mod relation;
pub mod release;
mod resolve;
mod sources;
mod unpack;
pub mod version;

pub use archive::{Architectures, Archive, Part};
pub use fetch::Fetch;
pub use image::ImageState;
pub use load::{FailedArchive, Loaded, load, load_available};
pub use md5sum::md5sum;
pub use pick::{LocalDeb, Pick, PickFrom, Request, RequestedPackage, Resolution};
pub use resolve::{ResolveError, resolve};
pub use sources::{KeyFile, SignedBy, Source};
pub use unpack::{DryRun, PathFilter, Preinst, Unpacked, unpack};
