//! A node's place in the swarm: its state as `kraken-swarm-state` writes it, or what it joins with;
//! and the script that maintains the membership on the node.

use std::net::Ipv4Addr;

use serde_json::json;

use super::error;
use super::image::{Draft, first};
use super::membership::{Membership, Rejoin};
use super::network::enable;
use super::{Assets, Context};
use kraken_foundation::{Context as _, Result};
use kraken_overlay::Entry;
use kraken_spec::daemon::{DATA_ROOT, data_root};
use kraken_spec::{Cluster, Node, SwarmMode};
use kraken_swarm_state::{StateKind, StateWriter, Token};

const SCRIPT: &str = "/usr/local/lib/kraken-flash/swarm";
/// The script that asks the managers of a running swarm about the node.
const ASK: &str = "/usr/local/lib/kraken-flash/swarm-ask";
/// The script that watches the swarm's other nodes, on managers.
const NODES: &str = "/usr/local/lib/kraken-flash/swarm-nodes";
const UNIT: &str = "kraken-swarm.service";
const NODES_UNIT: &str = "kraken-nodes.service";
const DROP_IN: &str = "/etc/systemd/system/docker.service.d/10-kraken-swarm.conf";
/// The script's settings for its node; they hold no secret.
const SETTINGS: &str = "/etc/kraken-flash/swarm.json";
/// The id of the swarm's node that the card was made for.
pub const NODE_ID: &str = "/etc/kraken-flash/swarm-node-id";
/// The token that a node joins with: readable by root only, removed once it has joined.
pub const JOIN_TOKEN: &str = "/var/lib/kraken-flash/join-token";

impl Membership {
    /// Returns how this node's card makes it a member.
    pub(super) fn of(ctx: &Context<'_>, node: &Node) -> Self {
        Self::of_node(ctx.cluster, node, ctx.rejoin)
    }
}

/// Adds what all nodes share: dockerd starts after the clock is set and, within a time limit, after
/// the manager; and the script maintains the membership.
pub(super) fn common(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    if draft.ctx.cluster.swarm.mode == SwarmMode::None {
        return Ok(());
    }
    if first(draft.ctx.root, &["/usr/bin/python3"])?.is_none() {
        return Err(error::missing(
            "python3, in which the swarm's script is written",
            "add \"python3\" to `packages` in [system], or set mode = \"none\" in [swarm]",
        ));
    }
    let values = json!({"cluster": draft.ctx.cluster.name});
    let script = assets.renderer.text("kraken-swarm", &values)?;
    let unit = assets.renderer.text(UNIT, &values)?;
    let drop_in = assets.renderer.text("10-kraken-swarm.conf", &values)?;
    draft.file(SCRIPT, script, 0o755)?;
    draft.file(ASK, assets.renderer.text("kraken-swarm-ask", &values)?, 0o755)?;
    draft.file(NODES, assets.renderer.text("kraken-swarm-nodes", &values)?, 0o755)?;
    draft.file(&format!("/etc/systemd/system/{UNIT}"), unit, 0o644)?;
    draft.file(DROP_IN, drop_in, 0o644)?;
    let nodes = assets.renderer.text(NODES_UNIT, &values)?;
    draft.file(&format!("/etc/systemd/system/{NODES_UNIT}"), nodes, 0o644)?;
    enable(draft, UNIT, "multi-user.target")?;
    // It starts again with each start of Docker.
    enable(draft, NODES_UNIT, "docker.service")
}

/// Adds what belongs to one node. Without keys ([`Context::keys`]) its secrets are left out.
pub(super) fn node(draft: &mut Draft<'_>, node: &Node) -> Result<()> {
    let ctx = draft.ctx;
    let membership = Membership::of(ctx, node);
    if membership == Membership::None {
        return Ok(());
    }
    let joins = membership != Membership::Baked;
    let managers = other_managers(ctx.cluster, node);
    if joins && managers.is_empty() {
        return Err(error::missing(
            &format!(
                "other manager than {}, so no swarm that it could join again",
                node.hostname
            ),
            "build it without --rejoin: its swarm begins from scratch, with the tasks of none (docs/operations.md)",
        ));
    }
    let mut settings = json!({
        "membership": membership,
        "number": node.number,
        "role": node.role,
        "address": node.address,
        "managers": managers,
        "availability": node.availability,
        "data-port": ctx.cluster.swarm.data_port,
    });
    let root = data_root(&ctx.cluster.docker.daemon);
    if root != DATA_ROOT {
        settings["docker-root"] = root.into();
    }
    if ctx.cluster.swarm.mode == SwarmMode::Join && !joins {
        // Docker's join takes no labels: the first manager gives them to the nodes that joined.
        settings["labels"] = others_labels(ctx.cluster, node);
    }
    if let Rejoin::ByToken(token) = ctx.rejoin {
        if let Some(token) = token {
            join_token(draft, token)?;
        }
    } else if let Some(keys) = ctx.keys {
        let spec = swarm_spec(ctx, node);
        let forge = StateWriter::new(keys, &spec).context(|| STATE)?;
        if joins {
            join_token(draft, forge.token(role(node.role)))?;
        } else {
            draft.file(NODE_ID, format!("{}\n", forge.node_id(node.number)), 0o644)?;
            state(draft, &forge, node.number)?;
        }
    }
    draft.file(SETTINGS, format!("{settings:#}\n"), 0o644)
}

/// Stands before an error of the writer of a swarm's state.
const STATE: &str = "writing the state of the swarm";

fn join_token(draft: &mut Draft<'_>, token: &Token) -> Result<()> {
    draft.file(JOIN_TOKEN, format!("{}\n", token.reveal()), 0o600)
}

/// Returns the folder in which a node's dockerd keeps its swarm state.
pub fn state_folder(cluster: &Cluster) -> String {
    format!("{}/swarm", data_root(&cluster.docker.daemon))
}

/// Adds the state in dockerd's folder, in the form in which dockerd itself makes it.
fn state(draft: &mut Draft<'_>, forge: &StateWriter<'_>, number: u32) -> Result<()> {
    let floor = draft.ctx.clock_floor;
    let folder = state_folder(draft.ctx.cluster);
    draft.root(
        data_root(&draft.ctx.cluster.docker.daemon),
        Entry::directory(0o710, floor),
    )?;
    for entry in forge.node(number).context(|| STATE)? {
        let path = match entry.path {
            "" => folder.clone(),
            path => format!("{folder}/{path}"),
        };
        let laid = match entry.kind {
            StateKind::Folder => Entry::directory(entry.mode, floor),
            StateKind::File(bytes) => Entry::file(bytes.to_vec(), entry.mode, floor),
        };
        draft.root(&path, laid)?;
    }
    Ok(())
}

/// Returns the managers that a node contacts: all of them, the first one first, since only that one
/// runs on a first boot.
fn other_managers(cluster: &Cluster, node: &Node) -> Vec<Ipv4Addr> {
    let others = cluster.managers().filter(|manager| manager.number != node.number);
    others.map(|manager| manager.address).collect()
}

fn others_labels(cluster: &Cluster, node: &Node) -> serde_json::Value {
    let labelled = cluster
        .nodes
        .iter()
        .filter(|other| other.number != node.number && !other.labels.is_empty());
    labelled
        .map(|other| (other.hostname.clone(), json!(other.labels)))
        .collect()
}

/// Returns the swarm in the terms of `kraken-swarm-state`. When nodes join, it has only its first
/// manager so far.
fn swarm_spec(ctx: &Context<'_>, node: &Node) -> kraken_swarm_state::Spec {
    let cluster = ctx.cluster;
    let first = cluster.first_manager().map_or(node.number, |first| first.number);
    let member = |node: &&Node| cluster.swarm.mode != SwarmMode::Join || node.number == first;
    kraken_swarm_state::Spec {
        nodes: cluster.nodes.iter().filter(member).map(swarm_member).collect(),
        address_pools: cluster.swarm.address_pools.clone(),
        subnet_size: cluster.swarm.subnet_size,
        data_port: cluster.swarm.data_port,
        created: ctx.clock_floor,
    }
}

fn swarm_member(node: &Node) -> kraken_swarm_state::Member {
    kraken_swarm_state::Member {
        number: node.number,
        hostname: node.hostname.clone(),
        address: node.address,
        role: role(node.role),
        labels: node.labels.clone(),
        availability: match node.availability {
            kraken_spec::Availability::Active => kraken_swarm_state::Availability::Active,
            kraken_spec::Availability::Pause => kraken_swarm_state::Availability::Pause,
            kraken_spec::Availability::Drain => kraken_swarm_state::Availability::Drain,
        },
    }
}

fn role(role: kraken_spec::Role) -> kraken_swarm_state::Role {
    match role {
        kraken_spec::Role::Manager => kraken_swarm_state::Role::Manager,
        kraken_spec::Role::Worker => kraken_swarm_state::Role::Worker,
    }
}
