//! The cluster's identity, written offline: root CA, node certificates, join tokens, the raft log of the first manager.
//!
//! From a [`ClusterKeys`] and a [`Spec`] follows, byte for byte, what lies under `/var/lib/docker/swarm` on each node, so that
//! dockerd starts straight into a swarm that nobody ever initialised. [`read`] reads such a folder back, with other libraries
//! than those that wrote it.
//!
//! This room never talks to a Docker daemon, and touches neither disk, network nor clock. Docker promises its format to nobody:
//! `docs/compatibility.md` says which versions were tried.

mod authority;
mod docker_state;
mod forge;
mod id;
mod key_pem;
mod keys;
mod objects;
mod proto;
mod sealed;
mod spec;
mod token;
mod wal;

pub mod read;

pub use authority::{NOT_AFTER, NOT_BEFORE};
pub use forge::{Forge, ForgeError, StateEntry, StateKind, cluster_id, token};
pub use keys::{ClusterKeys, KeysError};
pub use read::TokenError;
pub use spec::{Availability, Member, Role, Spec};
pub use token::Token;

/// Where Docker keeps the state of its swarm, on a node: all paths of this room are relative to it.
pub const FOLDER: &str = "/var/lib/docker/swarm";
/// The port of a manager's API (swarmkit's default; nothing else is baked).
pub const MANAGER_PORT: u16 = 2377;
