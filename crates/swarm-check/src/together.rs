//! Checks whether the states of several nodes make one cluster.

use std::collections::BTreeMap;

use super::node::NodeState;
use super::node_object::Role;
use super::raft::RaftState;

/// Why states of nodes do not make one cluster. Nodes have the names that the caller gave them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No node has a raft log.
    #[error("no manager has a raft log, so there is no cluster to join")]
    NoRaft,
    /// A node is of another cluster.
    #[error("{node} belongs to cluster {found}, but {other} to {wanted}")]
    OtherCluster {
        /// The node.
        node: String,
        /// Its cluster.
        found: String,
        /// The node it is compared with.
        other: String,
        /// Its cluster.
        wanted: String,
    },
    /// A node has another root CA.
    #[error("{node} and {other} have different root CAs")]
    OtherCa {
        /// The node.
        node: String,
        /// The node it is compared with.
        other: String,
    },
    /// Two nodes are the same.
    #[error("{node} and {other} have the same node ID {id}")]
    SameId {
        /// One.
        node: String,
        /// The other.
        other: String,
        /// The ID.
        id: String,
    },
    /// A store does not have a node.
    #[error("{node} ({id}) is not in the store of {manager}")]
    NotInStore {
        /// The node.
        node: String,
        /// Its ID.
        id: String,
        /// The manager whose store it is.
        manager: String,
    },
    /// A store has another role for a node than its certificate.
    #[error("{node} is {certificate:?} by its certificate, but {store:?} in the store of {manager}")]
    OtherRole {
        /// The node.
        node: String,
        /// The role in its certificate.
        certificate: Role,
        /// The role in the store.
        store: Role,
        /// The manager whose store it is.
        manager: String,
    },
    /// A node knows a manager that is not one.
    #[error("{node} knows {remote} as a manager, but in the store of {manager} it is none")]
    NoSuchManager {
        /// The node.
        node: String,
        /// The ID of the one it knows.
        remote: String,
        /// The manager whose store it is.
        manager: String,
    },
    /// A node knows a manager under another address.
    #[error("{node} looks for manager {remote} at {found}, but it is at {wanted}")]
    OtherAddress {
        /// The node.
        node: String,
        /// The manager's ID.
        remote: String,
        /// The address that it knows.
        found: String,
        /// The right address.
        wanted: String,
    },
    /// The stores of two managers are equally far, but differ.
    #[error("the stores or raft members of {node} and {other} differ")]
    OtherStore {
        /// One.
        node: String,
        /// The other.
        other: String,
    },
    /// One manager's log is ahead of another's. That is usual in a cluster that ran, and heals; in
    /// one that was just written it is a fault.
    #[error("the raft log of {node} is committed up to entry {commit}, that of {other} up to {ahead}")]
    Behind {
        /// The one behind.
        node: String,
        /// Its last committed entry.
        commit: u64,
        /// The one ahead.
        other: String,
        /// Its last committed entry.
        ahead: u64,
    },
    /// An entry of a log has no effect.
    #[error("entry {index} of the raft log of {node} does nothing: {why}")]
    Refused {
        /// The node whose log it is.
        node: String,
        /// The entry's index.
        index: u64,
        /// Why.
        why: String,
    },
}

/// The state of a node, and the node's name for the problems.
#[derive(Clone, Copy)]
pub struct NamedState<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its state.
    pub state: &'a NodeState,
}

/// A manager with a raft log.
#[derive(Clone, Copy)]
struct Manager<'a> {
    name: &'a str,
    raft: &'a RaftState,
}

/// Checks whether the states of nodes make one cluster.
///
/// The raft log may be on one manager only, which the others then enter, and the states may be
/// those of some nodes of the cluster only.
pub fn check_cluster(states: &[NamedState<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some((first, rest)) = states.split_first() else {
        return vec![Problem::NoRaft];
    };
    for node in rest {
        same_cluster(*first, *node, &mut problems);
    }
    distinct(states, &mut problems);
    let managers: Vec<_> = states
        .iter()
        .filter_map(|node| {
            let raft = node.state.raft.as_ref()?;
            Some(Manager { name: node.name, raft })
        })
        .collect();
    // The one that is furthest ahead is the reference.
    let Some(&leader) = managers.iter().rev().max_by_key(|manager| manager.raft.commit) else {
        problems.push(Problem::NoRaft);
        return problems;
    };
    for manager in &managers {
        same_store(leader, *manager, &mut problems);
    }
    // Where managers are reached: from the raft, or else from their own state.
    let mut addresses: BTreeMap<_, _> = states
        .iter()
        .map(|node| (node.state.id(), node.state.docker_state.advertise_addr.as_str()))
        .collect();
    let members = leader.raft.members.values();
    addresses.extend(members.map(|member| (member.node_id.as_str(), member.addr.as_str())));
    for node in states {
        in_store(*node, leader, &mut problems);
        remotes(*node, leader, &addresses, &mut problems);
    }
    problems
}

fn same_cluster(first: NamedState<'_>, node: NamedState<'_>, problems: &mut Vec<Problem>) {
    if node.state.cluster_id() != first.state.cluster_id() {
        problems.push(Problem::OtherCluster {
            node: node.name.to_owned(),
            found: node.state.cluster_id().to_owned(),
            other: first.name.to_owned(),
            wanted: first.state.cluster_id().to_owned(),
        });
    }
    if node.state.root_ca.sha256 != first.state.root_ca.sha256 {
        problems.push(Problem::OtherCa {
            node: node.name.to_owned(),
            other: first.name.to_owned(),
        });
    }
}

fn distinct(states: &[NamedState<'_>], problems: &mut Vec<Problem>) {
    let mut seen = BTreeMap::new();
    for NamedState { name, state } in states {
        if let Some(other) = seen.insert(state.id(), *name) {
            problems.push(Problem::SameId {
                node: other.to_owned(),
                other: (*name).to_owned(),
                id: state.id().to_owned(),
            });
        }
    }
}

fn same_store(leader: Manager<'_>, node: Manager<'_>, problems: &mut Vec<Problem>) {
    problems.extend(node.raft.refused.iter().map(|refused| Problem::Refused {
        node: node.name.to_owned(),
        index: refused.index,
        why: refused.why.to_string(),
    }));
    if node.raft.commit != leader.raft.commit {
        problems.push(Problem::Behind {
            node: node.name.to_owned(),
            commit: node.raft.commit,
            other: leader.name.to_owned(),
            ahead: leader.raft.commit,
        });
    } else if node.raft.store != leader.raft.store || node.raft.members != leader.raft.members {
        problems.push(Problem::OtherStore {
            node: node.name.to_owned(),
            other: leader.name.to_owned(),
        });
    }
}

fn in_store(NamedState { name, state }: NamedState<'_>, leader: Manager<'_>, problems: &mut Vec<Problem>) {
    let Some(node) = leader.raft.store.node(state.id()) else {
        problems.push(Problem::NotInStore {
            node: name.to_owned(),
            id: state.id().to_owned(),
            manager: leader.name.to_owned(),
        });
        return;
    };
    let certificate = if state.is_manager() {
        Role::Manager
    } else {
        Role::Worker
    };
    if node.role != certificate {
        problems.push(Problem::OtherRole {
            node: name.to_owned(),
            certificate,
            store: node.role,
            manager: leader.name.to_owned(),
        });
    }
}

/// Checks that the managers that a node knows are managers, at the addresses that it knows.
fn remotes(
    NamedState { name, state }: NamedState<'_>,
    leader: Manager<'_>,
    addresses: &BTreeMap<&str, &str>,
    problems: &mut Vec<Problem>,
) {
    for remote in &state.remotes {
        let node = leader.raft.store.node(&remote.node_id);
        if node.is_none_or(|node| node.role != Role::Manager) {
            problems.push(Problem::NoSuchManager {
                node: name.to_owned(),
                remote: remote.node_id.clone(),
                manager: leader.name.to_owned(),
            });
            continue;
        }
        let wanted = addresses.get(remote.node_id.as_str()).copied().unwrap_or_default();
        if !wanted.is_empty() && wanted != remote.addr {
            problems.push(Problem::OtherAddress {
                node: name.to_owned(),
                remote: remote.node_id.clone(),
                found: remote.addr.clone(),
                wanted: wanted.to_owned(),
            });
        }
    }
}
