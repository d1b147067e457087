//! The library behind `kraken-flash`: from `kraken.toml` to images that boot as a cluster.
//!
//! The rooms are listed, floor by floor, in `docs/architecture.md`; a `use` goes down a floor, never up.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod bake;
pub mod base;
pub mod card;
pub mod check;
pub mod clean;
pub mod disk;
pub mod interrupt;
pub mod output;
pub mod overlay;
pub mod packages;
pub mod progress;
pub mod provision;
pub mod spec;
pub mod swarm;
pub mod workspace;
