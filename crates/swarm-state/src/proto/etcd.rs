//! etcd's `raftpb` (raft.proto) and `walpb` (record.proto). They are proto2: a field that etcd
//! always writes is an `Option` here.

/// `raftpb.Entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    /// 0 normal, 1 a change of the members.
    #[prost(int32, optional, tag = "1")]
    pub kind: Option<i32>,
    #[prost(uint64, optional, tag = "2")]
    pub term: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub index: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub data: Option<Vec<u8>>,
}

/// `raftpb.HardState`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HardState {
    #[prost(uint64, optional, tag = "1")]
    pub term: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub vote: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub commit: Option<u64>,
}

/// `raftpb.ConfChange`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ConfChange {
    #[prost(uint64, optional, tag = "1")]
    pub id: Option<u64>,
    /// 0 adds a member.
    #[prost(int32, optional, tag = "2")]
    pub kind: Option<i32>,
    /// The member's raft id.
    #[prost(uint64, optional, tag = "3")]
    pub node_id: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub context: Option<Vec<u8>>,
}

/// `walpb.Record`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WalRecord {
    #[prost(int64, optional, tag = "1")]
    pub kind: Option<i64>,
    #[prost(uint32, optional, tag = "2")]
    pub crc: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub data: Option<Vec<u8>>,
}

/// `walpb.Snapshot`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WalSnapshot {
    #[prost(uint64, optional, tag = "1")]
    pub index: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub term: Option<u64>,
}
