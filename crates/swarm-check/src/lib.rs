//! Reads the state of a Docker swarm as a Docker daemon would, and verifies that it is consistent.
//! It trusts nothing that it reads.
//!
//! [`read()`] takes the files of one node's `/var/lib/docker/swarm` from a [`StateFiles`] (a
//! folder, an image, memory) and checks them as far as one node's state can be checked;
//! [`check_cluster`] compares the states of several nodes.
//!
//! Sources of the format: moby/swarmkit (`api/*.proto`, `ca/`, `manager/state/raft/`), moby
//! (`daemon/cluster/`), and etcd-io/etcd (`server/storage/wal`, `server/etcdserver/api/snap`). None
//! of them promises it to other programs, so this crate was compared with what real daemons wrote
//! (`tests/it/swarm_read`).
//!
//! This crate shares no code of the format with `kraken-swarm-state`, the writer, never changes
//! anything, and never prints a secret.
//!
//! ```
//! use kraken_swarm_check::JoinToken;
//!
//! let zeros = format!("SWMTKN-1-{}-{}", "0".repeat(50), "0".repeat(25));
//! assert_eq!(JoinToken::parse(&zeros)?.ca_digest, [0; 32]);
//! assert!(JoinToken::parse("SWMTKN-2-0-0").is_err());
//! # Ok::<(), kraken_foundation::Error>(())
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

mod ca;
mod certificate;
mod check;
mod docker_state;
mod error;
mod files;
mod key;
mod kind;
mod member;
mod meta;
mod node;
mod node_object;
mod objects;
mod pem;
mod proto;
mod raft;
mod read;
mod record;
mod remotes;
mod sealed;
mod secret;
mod segments;
mod snapshot;
mod store;
mod together;
mod token;

pub use ca::ClusterObject;
pub use certificate::{Certificate, Window};
pub use docker_state::DockerState;
pub use files::{Mode, StateFiles};
pub use kind::Kind;
pub use member::Member;
pub use node::NodeState;
pub use node_object::{Availability, Issuance, IssuanceState, Membership, NodeObject, Role};
pub use objects::{NetworkObject, Object, OtherObject};
pub use raft::{RaftState, Refused};
pub use read::read;
pub use remotes::Remote;
pub use secret::Secret;
pub use store::{RefusedAction, Store};
pub use together::{NamedState, Problem, check_cluster};
pub use token::JoinToken;
