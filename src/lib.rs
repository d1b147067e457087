//! The library behind `kraken-flash`: from `kraken.toml` to images that boot as a cluster.
//!
//! Its modules and the crates beneath it are listed, layer by layer, in `docs/architecture.md`.

pub mod bake;
pub mod base;
pub mod card;
pub mod check;
pub mod output;
pub mod packages;
pub mod provision;
