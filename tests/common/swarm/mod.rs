//! A bench for swarms: real dockerds, one for each node, each on a machine of its own made of namespaces, on a network that leads nowhere.
//!
//! Needs root. A machine has a Debian tree as its root file system, a disk for `/var/lib/docker`, a network card, a host name and its own
//! processes; switched off, it loses everything but the disk and the files that the test put there. Nothing has a name outside of the
//! bench, and everything ends with the test, however the test ends: see `island.sh`.

mod api;
mod client;
mod clock;
mod engine;
mod image;
mod island;
mod machine;
mod node;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use engine::Engine;
pub use node::Node;

use island::Island;

/// The container image that a node can be given.
pub const IMAGE: &str = "busybox:test";

/// Nodes on one network.
pub struct Bench {
    island: Arc<Island>,
    engine: Engine,
}

impl Bench {
    /// A network without nodes; `engine` is for those that come.
    pub fn new(engine: &Engine) -> Self {
        Self {
            island: Arc::new(Island::new()),
            engine: engine.clone(),
        }
    }

    /// A node that is switched off, with an address in a network of 24 bits. `swarm_state` is what its `/var/lib/docker/swarm` has.
    pub fn node(&self, name: &str, address: &str, swarm_state: Option<&Path>) -> Node {
        Node::new(&self.island, &self.engine, name, address, swarm_state)
    }

    /// Where everything of this bench lies; the last part of the path is a name of its own.
    pub fn folder(&self) -> &Path {
        self.island.folder()
    }

    /// Asks until there is an answer, and shows the logs of all nodes when there is none in time.
    pub fn wait_for<T>(&self, what: &str, timeout: Duration, ask: impl FnMut() -> Option<T>) -> T {
        wait_for(&self.island, what, timeout, ask).0
    }

    /// Waits until a manager says that `count` nodes are ready, however many it knows; returns the time since a dockerd was last started.
    ///
    /// A manager believes for some seconds that a node is ready which has just lost its power: of a single node that comes back this
    /// proves nothing before the manager has noticed its loss.
    pub fn wait_ready(&self, manager: &Node, count: usize, timeout: Duration) -> Duration {
        let begun = Instant::now();
        loop {
            let last = match manager.api("/nodes") {
                Ok(nodes) => {
                    let nodes = nodes.as_array().expect("a list of nodes").clone();
                    let ready = |node: &&serde_json::Value| node["Status"]["State"] == "ready";
                    if nodes.iter().filter(ready).count() == count {
                        // Read now: nodes may have waited for this manager before they started theirs.
                        return self.island.started.lock().unwrap().expect("a dockerd").elapsed();
                    }
                    let states = nodes
                        .iter()
                        .map(|node| format!("{} {} {}", node["ID"], node["Description"]["Hostname"], node["Status"]));
                    states.collect::<Vec<_>>().join("\n")
                }
                Err(error) => error.to_string(),
            };
            assert!(
                begun.elapsed() < timeout,
                "no {count} nodes were ready after {timeout:?}:\n{last}\n{}",
                logs(&self.island)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn wait_for<T>(island: &Island, what: &str, timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> (T, Duration) {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return (answer, begun.elapsed());
        }
        assert!(
            begun.elapsed() < timeout,
            "waited {timeout:?} in vain for {what}\n{}",
            logs(island)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The end of every node's log.
fn logs(island: &Island) -> String {
    let logs = island.logs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    logs.iter()
        .map(|(name, log)| format!("--- {name}\n{}\n", last_lines(log, 25)))
        .collect()
}

fn last_lines(log: &Path, count: usize) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Where administrators' programs are, too.
fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/sbin:/sbin")
}
