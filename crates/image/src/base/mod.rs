//! Where an OS image comes from (file, URL, catalogue, Debian), and which system is inside it.
//!
//! This module never changes an image.

mod base_error;
pub mod catalogue;
pub mod debian;
mod found;
mod lived;
mod product;
mod resolve;
pub mod system;
mod text;

pub use found::Base;
pub(crate) use found::BaseTrees;
pub use lived::{Customised, Leftover, Lived, Place, Stay};
pub use resolve::obtain;
pub use system::{CloudInit, NetworkStack, OsImage};
