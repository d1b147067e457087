//! Reads a node's swarm state as a Docker daemon would, and proves that it holds together. Nothing in it is believed.
//!
//! Where the format comes from: moby/swarmkit (`api/*.proto`, `ca/`, `manager/state/raft/`), moby (`daemon/cluster/`), and
//! etcd-io/etcd (`server/storage/wal`, `server/etcdserver/api/snap`). None of them promises it to others, so what is read here was
//! compared with what real daemons wrote (`tests/it/swarm_read.rs`).

mod ca;
mod certificate;
mod check;
mod docker_state;
mod error;
mod files;
mod key;
mod kind;
mod member;
mod node;
mod node_object;
mod objects;
mod pem;
mod proto;
mod raft;
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
pub use error::ReadError;
pub use files::{Mode, StateFiles};
pub use kind::Kind;
pub use member::Member;
pub use node::{NodeState, read};
pub use node_object::{Availability, Issuance, IssuanceState, Membership, NodeObject, Role};
pub use objects::{NetworkObject, Object, OtherObject};
pub use proto::MessageError;
pub use raft::{RaftState, Refused};
pub use remotes::Remote;
pub use secret::Secret;
pub use store::{RefusedAction, Store};
pub use together::{Problem, belong_together};
pub use token::{JoinToken, TokenError};
