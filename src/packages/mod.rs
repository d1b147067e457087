//! A signed apt archive → the dependency closure → unpacked files, as an overlay: Docker, or any package, inside an image before its first boot.
//!
//! The image says which archives it trusts, with which keys, and what it has already. This room asks those archives, proves what they
//! answer, chooses, fetches, and lays the packages out as `dpkg --unpack` would. It never runs anything: what a package wants
//! to run, the node runs on its first boot.

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
pub use selection::Selection;
pub use single::{Fetched, Single, singles};
