//! Writes the state of a Docker swarm without Docker: root CA, node certificates, join tokens, the
//! raft log of the first manager.
//!
//! [`ClusterKeys`] and a [`Spec`] determine, byte for byte, the contents of `/var/lib/docker/swarm`
//! on each node ([`StateWriter`]). With them dockerd starts as a member of a swarm for which
//! `docker swarm init` was never run. The crate `kraken-swarm-check` reads such a folder with other
//! libraries than those that write it here.
//!
//! This crate never talks to a Docker daemon, and uses no disk, no network and no clock; only
//! [`ClusterKeys::generate`] asks the system for random bytes. Docker does not promise its format:
//! `docs/compatibility.md` lists the versions that were tested.
//!
//! ```
//! use kraken_swarm_state::{ClusterKeys, Role, Token, cluster_id, token};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = ClusterKeys::from_seed([7; 32]);
//! // The same seed gives the same swarm.
//! assert_eq!(cluster_id(&keys), cluster_id(&ClusterKeys::from_seed([7; 32])));
//! let worker = token(&keys, Role::Worker)?;
//! assert!(Token::parse(worker.reveal()).is_ok());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

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

pub use authority::{NOT_AFTER, NOT_BEFORE};
pub use docker_state::MANAGER_PORT;
pub use forge::{StateEntry, StateKind, StateWriter, cluster_id, token};
pub use keys::ClusterKeys;
pub use spec::{Availability, Member, Role, Spec};
pub use token::Token;

/// The folder on a node in which Docker keeps the state of its swarm: all paths of this crate are
/// relative to it.
pub const FOLDER: &str = "/var/lib/docker/swarm";
