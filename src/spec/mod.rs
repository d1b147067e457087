//! `kraken.toml` → a resolved, validated [`Cluster`]; every error names the line and the mend.
//!
//! This room parses text and checks it. It never touches a disk or the network: whoever calls it hands in the bytes of
//! the files that the spec names.

mod cluster;

pub use cluster::{
    BaseRef, Board, Cluster, Image, InterfaceChoice, Keyboard, Mac, Network, Node, Role, SecretText, Sudo, System, User,
};
