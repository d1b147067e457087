//! swarmkit's `api/raft.proto`, and the envelope of `api/types.proto`.

use std::fmt;

use super::object::{Cluster, Network, Node};

/// `RaftMember`: a member of the raft.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RaftMember {
    #[prost(uint64, tag = "1")]
    pub raft_id: u64,
    #[prost(string, tag = "2")]
    pub node_id: String,
    #[prost(string, tag = "3")]
    pub addr: String,
    /// Its reachability, which only the running cluster knows.
    #[prost(message, optional, tag = "4")]
    pub status: Option<RaftMemberStatus>,
}

/// `RaftMemberStatus`, empty.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RaftMemberStatus {}

/// `InternalRaftRequest`: the effect of one entry of the log; its actions are applied together or
/// not at all.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct InternalRaftRequest {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(message, repeated, tag = "2")]
    pub action: Vec<StoreAction>,
}

/// `StoreAction`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoreAction {
    /// 1 creates.
    #[prost(int32, tag = "1")]
    pub action: i32,
    #[prost(oneof = "Target", tags = "2, 5, 6")]
    pub target: Option<Target>,
}

/// `StoreAction.target`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Target {
    #[prost(message, tag = "2")]
    Node(Node),
    #[prost(message, tag = "5")]
    Network(Network),
    #[prost(message, tag = "6")]
    Cluster(Cluster),
}

/// `MaybeEncryptedRecord`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct MaybeEncryptedRecord {
    #[prost(int32, tag = "1")]
    pub algorithm: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub nonce: Vec<u8>,
}

impl fmt::Debug for MaybeEncryptedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaybeEncryptedRecord({} bytes)", self.data.len())
    }
}
