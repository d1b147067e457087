//! The packages that a cluster asks for: from `kraken.toml` and the base to `.deb`s in the cache,
//! pinned by `kraken.lock`, and the record of them in an image.
//!
//! `kraken-debian` verifies archives, chooses packages and unpacks them. This module decides which
//! packages are needed, obtains the files, and maintains the lock file. It never runs anything of a
//! package: the node does that on its first boot.

mod docker;
mod error;
pub mod lock;
mod obtain;
mod package_spec;
mod ready;
mod record;
mod single;
mod store;
mod wanted;

pub use kraken_debian::deb::Need;
pub use obtain::{ObtainRequest, SLACK, locked, obtain};
pub use package_spec::are_asked_for;
pub use ready::ReadyPackages;
pub use record::{MARK, PREINST, PackagesRecord, RECORD, Recorded, RecordedFile, RecordedPackage};
pub use single::{Fetched, Single, singles};
