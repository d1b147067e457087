//! Where an OS image comes from (file, URL, catalogue, Debian), how it is checked, decompressed and cached, and what system is inside it.
//!
//! This room never changes an image.

pub mod system;

pub use system::{CloudInit, NetworkStack, OsImage, SystemError};
