//! swarmkit's `api/objects.proto`, `api/specs.proto` and `api/types.proto`.

use std::collections::BTreeMap;
use std::fmt;

/// `Version`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Version {
    #[prost(uint64, tag = "1")]
    pub index: u64,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Duration {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
}

/// `Meta`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Meta {
    #[prost(message, optional, tag = "1")]
    pub version: Option<Version>,
    #[prost(message, optional, tag = "2")]
    pub created_at: Option<Timestamp>,
    #[prost(message, optional, tag = "3")]
    pub updated_at: Option<Timestamp>,
}

/// `Annotations`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Annotations {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(btree_map = "string, string", tag = "2")]
    pub labels: BTreeMap<String, String>,
}

/// `Cluster`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Cluster {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, optional, tag = "2")]
    pub meta: Option<Meta>,
    #[prost(message, optional, tag = "3")]
    pub spec: Option<ClusterSpec>,
    #[prost(message, optional, tag = "4")]
    pub root_ca: Option<RootCa>,
    #[prost(string, repeated, tag = "11")]
    pub default_address_pool: Vec<String>,
    #[prost(uint32, tag = "12")]
    pub subnet_size: u32,
    #[prost(uint32, tag = "13")]
    pub vxlan_udp_port: u32,
}

/// `ClusterSpec`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClusterSpec {
    #[prost(message, optional, tag = "1")]
    pub annotations: Option<Annotations>,
    #[prost(message, optional, tag = "3")]
    pub orchestration: Option<OrchestrationConfig>,
    #[prost(message, optional, tag = "4")]
    pub raft: Option<RaftConfig>,
    #[prost(message, optional, tag = "5")]
    pub dispatcher: Option<DispatcherConfig>,
    #[prost(message, optional, tag = "6")]
    pub ca_config: Option<CaConfig>,
}

/// `OrchestrationConfig`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OrchestrationConfig {
    #[prost(int64, tag = "1")]
    pub task_history_retention_limit: i64,
}

/// `RaftConfig`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RaftConfig {
    #[prost(uint64, tag = "1")]
    pub snapshot_interval: u64,
    #[prost(uint64, tag = "3")]
    pub log_entries_for_slow_followers: u64,
    #[prost(uint32, tag = "4")]
    pub heartbeat_tick: u32,
    #[prost(uint32, tag = "5")]
    pub election_tick: u32,
}

/// `DispatcherConfig`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DispatcherConfig {
    #[prost(message, optional, tag = "1")]
    pub heartbeat_period: Option<Duration>,
}

/// `CAConfig`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CaConfig {
    #[prost(message, optional, tag = "1")]
    pub node_cert_expiry: Option<Duration>,
}

/// `RootCA`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct RootCa {
    /// The key, PEM.
    #[prost(bytes = "vec", tag = "1")]
    pub ca_key: Vec<u8>,
    /// The certificate, PEM: exactly the bytes of the file and of the token's digest.
    #[prost(bytes = "vec", tag = "2")]
    pub ca_cert: Vec<u8>,
    /// `sha256:` and the certificate's digest in hexadecimal.
    #[prost(string, tag = "3")]
    pub ca_cert_hash: String,
    #[prost(message, optional, tag = "4")]
    pub join_tokens: Option<JoinTokens>,
}

impl fmt::Debug for RootCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootCa({}, secret)", self.ca_cert_hash)
    }
}

/// `JoinTokens`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct JoinTokens {
    #[prost(string, tag = "1")]
    pub worker: String,
    #[prost(string, tag = "2")]
    pub manager: String,
}

impl fmt::Debug for JoinTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinTokens(secret)")
    }
}

/// `Node`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Node {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, optional, tag = "2")]
    pub meta: Option<Meta>,
    #[prost(message, optional, tag = "3")]
    pub spec: Option<NodeSpec>,
    #[prost(message, optional, tag = "4")]
    pub description: Option<NodeDescription>,
    #[prost(message, optional, tag = "5")]
    pub status: Option<NodeStatus>,
    #[prost(message, optional, tag = "8")]
    pub certificate: Option<Certificate>,
    #[prost(int32, tag = "9")]
    pub role: i32,
    #[prost(uint32, tag = "11")]
    pub vxlan_udp_port: u32,
}

/// `NodeSpec`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeSpec {
    #[prost(message, optional, tag = "1")]
    pub annotations: Option<Annotations>,
    #[prost(int32, tag = "2")]
    pub desired_role: i32,
    /// 1: accepted.
    #[prost(int32, tag = "3")]
    pub membership: i32,
    #[prost(int32, tag = "4")]
    pub availability: i32,
}

/// `NodeDescription`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeDescription {
    #[prost(string, tag = "1")]
    pub hostname: String,
}

/// `NodeStatus`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeStatus {
    /// 0: unknown, 1: down, 2: ready, 3: disconnected.
    #[prost(int32, tag = "1")]
    pub state: i32,
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `Certificate`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Certificate {
    #[prost(int32, tag = "1")]
    pub role: i32,
    #[prost(message, optional, tag = "3")]
    pub status: Option<IssuanceStatus>,
    #[prost(string, tag = "5")]
    pub cn: String,
}

/// `IssuanceStatus`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IssuanceStatus {
    /// 3: issued.
    #[prost(int32, tag = "1")]
    pub state: i32,
}

/// `Network`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Network {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, optional, tag = "2")]
    pub meta: Option<Meta>,
    #[prost(message, optional, tag = "3")]
    pub spec: Option<NetworkSpec>,
}

/// `NetworkSpec`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NetworkSpec {
    #[prost(message, optional, tag = "1")]
    pub annotations: Option<Annotations>,
    #[prost(message, optional, tag = "2")]
    pub driver_config: Option<Driver>,
    #[prost(message, optional, tag = "5")]
    pub ipam: Option<IpamOptions>,
    #[prost(bool, tag = "7")]
    pub ingress: bool,
}

/// `Driver`, the default one.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Driver {}

/// `IPAMOptions`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IpamOptions {
    #[prost(message, optional, tag = "1")]
    pub driver: Option<Driver>,
}
