//! How a node reports its state: the card's own scripts under dash, on trees of files in the place
//! of /proc, /sys and /run.

mod configure;
mod engine;
mod enter;
mod hidden;
mod light;
mod node;
mod nodes;
mod stages;
mod trouble;
mod watch;

use engine::Says;
use node::{Node, swarm};

const READY: Says = Says {
    state: "active",
    role: "worker",
    error: "",
    nodes: None,
    old: false,
};
const WAITING: Says = Says {
    state: "pending",
    ..READY
};
const MANAGER: Says = Says {
    role: "manager",
    nodes: Some(&["ready", "down", "unknown", "ready"]),
    ..READY
};

/// A worker that is up and Ready.
fn ready_worker() -> Node {
    let mut node = Node::new(&swarm(), 3);
    node.network(true);
    node.linked(true);
    node.docker.says(READY);
    node.unit("docker.service", "active/running");
    node.start();
    node.shows("ready", "docker up  swarm Ready");
    node
}
