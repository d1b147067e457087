//! A signed apt archive → the dependency closure → unpacked files, as an overlay: Docker, or any package, inside an image before its first boot.
//!
//! The image says which archives it trusts, with which keys, and what it has already. This room asks those archives, proves what they
//! answer, chooses, fetches, and lays the packages out as `dpkg --unpack` would. It never runs anything: what a package wants
//! to run, the node runs on its first boot.

pub mod control;
pub mod deb;
pub mod lock;
mod record;
mod relation;
mod selection;
mod unpack;
pub mod version;

pub use record::{MARK, PREINST, PackagesRecord, RECORD, Recorded, RecordedFile, RecordedPackage};
pub use selection::Selection;
pub use unpack::{Preinst, UnpackError, Unpacked, unpack};
