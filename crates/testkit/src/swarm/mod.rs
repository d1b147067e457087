//! A bench for swarms: real dockerds, one for each node, each on a machine of its own made of
//! namespaces, on an isolated network.
//!
//! Needs root. A machine has a Debian tree as its root file system, a disk for `/var/lib/docker`, a
//! network card, a host name and its own processes. Switched off, it loses everything but the disk
//! and the files that the test put there. Nothing has a name outside of the bench, and everything
//! ends with the test, however the test ends: see `island.sh`.

mod api;
mod client;
mod clock;
mod engine;
mod image;
mod island;
mod machine;
mod node;
mod tail;
mod wait;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use engine::Engine;
pub use node::Node;

use super::said;
use island::Island;
use wait::{logs, try_for, wait_for};

/// The container image that a node can load.
pub const IMAGE: &str = "busybox:test";

/// Nodes gossip all the time, and compare all that they know every 30 s (libnetwork's networkdb):
/// after four rounds it has arrived.
const GOSSIP: Duration = Duration::from_secs(120);

/// Nodes on one network.
pub struct Bench {
    island: Arc<Island>,
    engine: Engine,
}

impl Bench {
    /// Makes a network without nodes; `engine` is for nodes that are added.
    pub fn new(engine: &Engine) -> Self {
        Self {
            island: Arc::new(Island::new()),
            engine: engine.clone(),
        }
    }

    /// Adds a node that is switched off, with an address in a network of 24 bits. `swarm_state` is
    /// the content of its `/var/lib/docker/swarm`.
    pub fn node(&self, name: &str, address: &str, swarm_state: Option<&Path>) -> Node {
        Node::new(&self.island, &self.engine, name, address, swarm_state)
    }

    /// Returns the folder of this bench; the last part of the path is unique.
    pub fn folder(&self) -> &Path {
        self.island.folder()
    }

    /// Polls until there is an answer, and shows the logs of all nodes when there is none in time.
    pub fn wait_for<T>(&self, what: &str, timeout: Duration, ask: impl FnMut() -> Option<T>) -> T {
        wait_for(&self.island, what, timeout, ask)
    }

    /// Waits until a manager reports that `count` nodes are ready, however many it knows; returns
    /// the time since a dockerd was last started.
    ///
    /// For some seconds a manager still reports a node as ready that has just lost its power. So
    /// for a single node that comes back this means nothing before the manager has noticed its
    /// loss.
    pub fn wait_ready(&self, manager: &Node, count: usize, timeout: Duration) -> Duration {
        let mut last = String::new();
        let ready = try_for(timeout, || {
            let nodes = match manager.api("/nodes") {
                Ok(nodes) => nodes.as_array().expect("a list of nodes").clone(),
                Err(error) => {
                    last = error.to_string();
                    return None;
                }
            };
            let states = nodes
                .iter()
                .map(|node| format!("{} {} {}", node["ID"], node["Description"]["Hostname"], node["Status"]));
            last = states.collect::<Vec<_>>().join("\n");
            let ready = |node: &&serde_json::Value| node["Status"]["State"] == "ready";
            // Read now: nodes may have waited for this manager before they started theirs.
            (nodes.iter().filter(ready).count() == count)
                .then(|| self.island.started.lock().unwrap().expect("a dockerd").elapsed())
        });
        ready.unwrap_or_else(|| {
            panic!(
                "no {count} nodes were ready after {timeout:?}:\n{last}\n{}",
                logs(&self.island)
            )
        })
    }

    /// Waits until the manager's only container knows `count` containers of a service by name, and
    /// each answers it.
    ///
    /// Nodes exchange by gossip which container is where, names and routes separately: the route to
    /// a container whose name is known already may be some seconds late, and a single lost packet
    /// proves nothing.
    pub fn wait_containers_reach(&self, manager: &Node, service: &str, count: usize) {
        let container = manager.docker(&["ps", "--quiet"]);
        let exec = |program: &[&str]| manager.try_docker(&[&["exec", &container], program].concat());
        let mut last = String::new();
        let reached = try_for(GOSSIP, || {
            last = said(&exec(&["nslookup", &format!("tasks.{service}")]));
            let addresses = last.lines().filter_map(|line| line.strip_prefix("Address: "));
            let addresses: BTreeSet<String> = addresses.map(str::to_owned).collect();
            let silent = addresses.iter().find_map(|address| {
                let answer = exec(&["ping", "-c", "1", "-W", "2", address]);
                (!answer.status.success()).then(|| said(&answer))
            });
            last.extend(silent.clone());
            (silent.is_none() && addresses.len() == count).then_some(())
        });
        assert!(
            reached.is_some(),
            "{count} containers of {service} do not answer one of them:\n{last}\n{}",
            logs(&self.island)
        );
    }
}
