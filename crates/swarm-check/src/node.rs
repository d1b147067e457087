//! The whole swarm state of a node.

use super::certificate::Certificate;
use super::docker_state::DockerState;
use super::node_object::Role;
use super::raft::RaftState;
use super::remotes::Remote;

/// A node's swarm state. All of it was checked, as far as one node's state can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// `docker-state.json`.
    pub docker_state: DockerState,
    /// `state.json`: the managers that the node knows, sorted; none when there is no such file.
    pub remotes: Vec<Remote>,
    /// The cluster's root CA.
    pub root_ca: Certificate,
    /// The node's certificate, signed by the root CA; the node has its key.
    pub certificate: Certificate,
    /// Version of the key that would lock the manager; 0 when it never was locked.
    pub kek_version: u64,
    /// A manager's raft state; `None` on a worker, and on a manager that has not entered the raft
    /// yet.
    pub raft: Option<RaftState>,
}

impl NodeState {
    /// The node's ID.
    pub fn id(&self) -> &str {
        &self.certificate.common_name
    }

    /// The cluster's ID.
    pub fn cluster_id(&self) -> &str {
        &self.certificate.organization
    }

    /// Whether the node is a manager.
    pub fn is_manager(&self) -> bool {
        self.certificate.role() == Some(Role::Manager)
    }
}
