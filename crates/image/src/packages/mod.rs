//! The packages that a cluster asks for: from `kraken.toml` and the base to `.deb`s in the cache, pinned by `kraken.lock`, and the record of
//! them that is baked into an image.
//!
//! `kraken-debian` proves archives, chooses and lays out; this module says what is wanted, brings the files, and keeps the lock file. It
//! never runs anything of a package: what a package wants to run, the node runs on its first boot.

mod docker;
pub mod lock;
mod obtain;
mod obtain_error;
mod record;
mod request;
mod selection;
mod single;
mod store;
mod wanted;

pub use obtain::{For, SLACK, locked, obtain};
pub use obtain_error::PackagesError;
pub use record::{MARK, PREINST, PackagesRecord, RECORD, Recorded, RecordedFile, RecordedPackage};
pub use request::are_asked_for;
pub use selection::Selection;
pub use single::{Fetched, Single, singles};
