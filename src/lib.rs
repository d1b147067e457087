//! The library behind `kraken-flash`: from `kraken.toml` to images that boot as a cluster.
//!
//! It is made of the crates under `crates/`, which `docs/architecture.md` lists layer by layer.
//! What a user of the library needs of them has one name each here.

pub mod project;

pub use kraken_boot_check as boot_check;
pub use kraken_card as card;
pub use kraken_fetch as fetch;
pub use kraken_image::{bake, base, output, packages, provision};
pub use kraken_spec as spec;
pub use kraken_verify as verify;
