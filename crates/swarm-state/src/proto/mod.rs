//! The protobuf messages that are written, with the fields that are written: the names are
//! swarmkit's and etcd's, the numbers those of their `.proto` files. Omitted fields have their
//! defaults there.

mod etcd;
mod object;
mod raft;

pub(super) use etcd::{ConfChange, Entry, HardState, WalRecord, WalSnapshot};
pub(super) use object::{
    Annotations, CaConfig, Certificate, Cluster, ClusterSpec, DispatcherConfig, Driver, Duration, IpamOptions,
    IssuanceStatus, JoinTokens, Meta, Network, NetworkSpec, Node, NodeDescription, NodeSpec, NodeStatus,
    OrchestrationConfig, RaftConfig, RootCa, Timestamp, Version,
};
pub(super) use raft::{InternalRaftRequest, MaybeEncryptedRecord, RaftMember, RaftMemberStatus, StoreAction, Target};
