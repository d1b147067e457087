//! The first objects in the store of a new swarm: the cluster, its nodes, the network `ingress`.

use p256::pkcs8::{EncodePrivateKey, LineEnding};
use sha2::{Digest, Sha256};

use super::authority::Authority;
use super::id::Ids;
use super::proto::*;
use super::spec::{Member, Spec};
use super::token::Token;

/// `StoreActionKind.STORE_ACTION_CREATE`.
const CREATE: i32 = 1;
/// `NodeSpec.Membership.ACCEPTED`.
const ACCEPTED: i32 = 1;
/// `IssuanceState.ISSUED`.
const ISSUED: i32 = 3;
/// `NodeStatus.State.DOWN`.
const DOWN: i32 = 1;
/// The validity of certificates that the running swarm issues, in seconds: 90 days, Docker's
/// default.
const CERTIFICATE_LIFE: i64 = 90 * 24 * 3600;
/// The number of old tasks that are kept (Docker's default).
const TASK_HISTORY: i64 = 5;
/// The interval of a node's heartbeats to its manager, in seconds (Docker's default).
const HEARTBEAT: i64 = 5;
/// Docker's defaults for its raft, in entries and ticks.
const RAFT: RaftConfig = RaftConfig {
    snapshot_interval: 10_000,
    log_entries_for_slow_followers: 500,
    heartbeat_tick: 1,
    election_tick: 10,
};

/// The inputs of the objects.
pub(super) struct Source<'a> {
    pub(super) spec: &'a Spec,
    pub(super) ids: &'a Ids<'a>,
    pub(super) authority: &'a Authority,
    pub(super) worker: &'a Token,
    pub(super) manager: &'a Token,
}

impl Source<'_> {
    /// Returns the one request that makes them all; `None` when the CA's key cannot be written.
    pub(super) fn request(&self) -> Option<InternalRaftRequest> {
        let targets = [Target::Cluster(self.cluster()?), Target::Network(self.ingress())]
            .into_iter()
            .chain(self.spec.nodes.iter().map(|node| Target::Node(self.node(node))));
        let action = targets
            .map(|target| StoreAction {
                action: CREATE,
                target: Some(target),
            })
            .collect();
        Some(InternalRaftRequest { id: 1, action })
    }

    fn meta(&self) -> Option<Meta> {
        let then = Timestamp {
            seconds: self.spec.created,
            nanos: 0,
        };
        Some(Meta {
            version: Some(Version { index: 1 }),
            created_at: Some(then.clone()),
            updated_at: Some(then),
        })
    }

    fn cluster(&self) -> Option<Cluster> {
        let certificate = self.authority.certificate();
        let key = self.authority.key().to_pkcs8_pem(LineEnding::LF).ok()?;
        let spec = ClusterSpec {
            annotations: annotations("default"),
            orchestration: Some(OrchestrationConfig {
                task_history_retention_limit: TASK_HISTORY,
            }),
            raft: Some(RAFT),
            dispatcher: Some(DispatcherConfig {
                heartbeat_period: Some(Duration { seconds: HEARTBEAT }),
            }),
            ca_config: Some(CaConfig {
                node_cert_expiry: Some(Duration {
                    seconds: CERTIFICATE_LIFE,
                }),
            }),
        };
        Some(Cluster {
            id: self.ids.cluster(),
            meta: self.meta(),
            spec: Some(spec),
            root_ca: Some(RootCa {
                ca_key: key.as_bytes().to_vec(),
                ca_cert: certificate.as_bytes().to_vec(),
                ca_cert_hash: format!("sha256:{}", hex::encode(Sha256::digest(certificate))),
                join_tokens: Some(JoinTokens {
                    worker: self.worker.reveal().to_owned(),
                    manager: self.manager.reveal().to_owned(),
                }),
            }),
            default_address_pool: self.spec.address_pools.iter().map(ToString::to_string).collect(),
            subnet_size: self.spec.subnet_size.into(),
            vxlan_udp_port: self.spec.data_port.into(),
        })
    }

    fn node(&self, node: &Member) -> Node {
        let id = self.ids.node(node.number);
        let role = node.role.number();
        Node {
            meta: self.meta(),
            spec: Some(NodeSpec {
                annotations: Some(Annotations {
                    name: String::new(),
                    labels: node.labels.clone(),
                }),
                desired_role: role,
                membership: ACCEPTED,
                availability: node.availability.number(),
            }),
            description: Some(NodeDescription {
                hostname: node.hostname.clone(),
            }),
            // A new leader waits 30 s for each node whose state is unknown, and then sets it to
            // down. A node that registers at that very moment stays down for ever (swarmkit,
            // manager/dispatcher). The leader does not wait for a node that is down already.
            status: Some(NodeStatus {
                state: DOWN,
                message: "its card has not been started yet".to_owned(),
            }),
            certificate: Some(Certificate {
                role,
                status: Some(IssuanceStatus { state: ISSUED }),
                cn: id.clone(),
            }),
            role,
            vxlan_udp_port: self.spec.data_port.into(),
            id,
        }
    }

    /// Returns the network `ingress`. Without it the routing mesh has no network: the leader makes
    /// it only in a swarm that it began itself.
    fn ingress(&self) -> Network {
        Network {
            id: self.ids.ingress(),
            meta: self.meta(),
            spec: Some(NetworkSpec {
                annotations: annotations("ingress"),
                driver_config: Some(Driver {}),
                ipam: Some(IpamOptions {
                    driver: Some(Driver {}),
                }),
                ingress: true,
            }),
        }
    }
}

fn annotations(name: &str) -> Option<Annotations> {
    Some(Annotations {
        name: name.to_owned(),
        ..Annotations::default()
    })
}
