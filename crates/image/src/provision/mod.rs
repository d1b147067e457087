//! Templates and overlays → what a node needs on its first boot, as overlays: one that all nodes
//! share, and one for each node.
//!
//! This module renders files. It never writes a byte to a disk.

mod accounts;
mod assets;
mod common;
mod context;
mod covered;
mod docker;
mod error;
mod fat_names;
mod firmware;
mod home;
mod image;
mod keyboard;
mod locale;
mod membership;
mod network;
mod node;
mod packages;
mod pi_account;
mod pristine;
mod record;
mod render;
mod status;
mod sudo;
mod swarm;

pub use assets::Assets;
pub use common::common;
pub use context::Context;
pub use covered::{covers, covers_swarm};
pub use docker::docker_refuses;
pub use keyboard::keyboard_refuses;
pub use membership::{Membership, Rejoin};
pub use node::node;
pub use pristine::pristine;
pub use record::NodeRecord;
pub use swarm::{JOIN_TOKEN, NODE_ID, state_folder};
