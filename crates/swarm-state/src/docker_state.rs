//! `docker-state.json` (moby, `daemon/cluster/noderunner.go`, `nodeStartConfig`) and `state.json`
//! (swarmkit, `node/node.go`, the known managers).

use std::net::Ipv4Addr;

use serde::Serialize;

use super::spec::{Member, Role, Spec};

/// The port of a manager's API (swarmkit's default; no other port is baked).
pub const MANAGER_PORT: u16 = 2377;

/// The configuration with which dockerd starts its swarm node; without this file it is not in a
/// swarm.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerState {
    /// The node's own address. It is set so that dockerd keeps running when the link is down at its
    /// start.
    local_addr: String,
    /// The manager to contact; empty on the first one.
    remote_addr: String,
    listen_addr: String,
    /// Set on managers only.
    advertise_addr: String,
    data_path_addr: String,
    default_address_pool: Option<Vec<String>>,
    subnet_size: u32,
    data_path_port: u32,
    join_in_progress: bool,
}

/// One manager in `state.json`.
#[derive(Serialize)]
struct Remote {
    node_id: String,
    addr: String,
}

fn endpoint(address: Ipv4Addr) -> String {
    format!("{address}:{MANAGER_PORT}")
}

/// Returns the text of `docker-state.json` for a node.
pub(super) fn docker_state(spec: &Spec, first: &Member, node: &Member) -> String {
    let manager = node.role == Role::Manager;
    let pools = || spec.address_pools.iter().map(ToString::to_string).collect();
    let state = DockerState {
        local_addr: node.address.to_string(),
        remote_addr: if node.number == first.number {
            String::new()
        } else {
            endpoint(first.address)
        },
        listen_addr: format!("0.0.0.0:{MANAGER_PORT}"),
        advertise_addr: if manager { endpoint(node.address) } else { String::new() },
        data_path_addr: String::new(),
        default_address_pool: (manager && !spec.address_pools.is_empty()).then(pools),
        subnet_size: if manager { spec.subnet_size.into() } else { 0 },
        data_path_port: if manager { spec.data_port.into() } else { 0 },
        join_in_progress: false,
    };
    serde_json::to_string(&state).unwrap_or_default()
}

/// Returns the text of `state.json`: these managers with their ids.
pub(super) fn remotes<'a>(managers: impl Iterator<Item = (&'a Member, String)>) -> String {
    let remotes: Vec<Remote> = managers
        .map(|(manager, node_id)| Remote {
            node_id,
            addr: endpoint(manager.address),
        })
        .collect();
    serde_json::to_string(&remotes).unwrap_or_default()
}
