//! A signed apt archive → the dependency closure → unpacked files, as an overlay: Docker, or any package, inside an image before its first boot.
//!
//! The image says which archives it trusts, with which keys, and what it has already. This room asks those archives, proves what they
//! answer, chooses, fetches, and lays the packages out as `dpkg --unpack` would. It never runs anything: what a package wants
//! to run, the node runs on its first boot.

mod archive;
mod archive_error;
pub mod control;
pub mod deb;
mod docker;
mod entry;
mod fetch;
mod image;
pub mod index;
mod load;
pub mod lock;
mod obtain;
mod obtain_error;
pub mod openpgp;
mod pick;
mod pins;
mod record;
pub mod relation;
pub mod release;
mod request;
mod resolve;
mod selection;
mod single;
mod sources;
mod store;
mod unpack;
pub mod version;

pub use archive::{Archive, Part};
pub use archive_error::ArchiveError;
pub use fetch::{Fetch, FetchFailed};
pub use image::{ImageError, ImageState};
pub use load::{Architectures, FailedArchive, Loaded, load, load_what_there_is};
pub use obtain::{For, locked, obtain};
pub use obtain_error::PackagesError;
pub use openpgp::OpenPgpError;
pub use pick::{Asked, LocalDeb, Pick, PickFrom, Request, Resolution};
pub use record::{MARK, PREINST, PackagesRecord, RECORD, Recorded, RecordedFile, RecordedPackage};
pub use resolve::{ResolveError, resolve};
pub use selection::Selection;
pub use single::{Fetched, Single, singles};
pub use sources::{KeyFile, SignedBy, Source};
pub use unpack::{PathFilter, Preinst, UnpackError, Unpacked, unpack};

/// Room left beyond what the packages take, in bytes, so that what makes a cluster of a base with packages needs no second growth.
pub const SLACK: u64 = 32 << 20;
