//! Nodes that are up, but that a real Docker may list as down.

use super::{MINUTE, list, on_all};
use testkit::cards::Cluster;
use testkit::swarm::{Bench, Engine};

/// What `swarm-nodes` does for such a node, by itself.
const REFUSE: &str = "import importlib.machinery as m
path = '/usr/local/lib/kraken-flash/swarm-nodes'
print(m.SourceFileLoader('nodes', path).load_module().refuse('192.168.3.12'))";

#[test]
fn swarm_a_node_that_is_refused_for_a_moment_registers_again_and_nothing_stays_in_its_way() {
    let cluster = Cluster::new("[cluster]\nnodes = 3\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let nodes = on_all(&bench, &cards[..2]);
    let (manager, worker) = (&nodes[0].node, &nodes[1].node);
    bench.wait_ready(manager, 2, MINUTE);
    // The leader does not wait for a new cluster's nodes, so it cannot give one up while that one
    // starts.
    let format = "{{.Status.State}}: {{.Status.Message}}";
    let third = manager.docker(&["node", "inspect", "--format", format, "kraken-3"]);
    assert_eq!(third.trim(), "down: its card has not been started yet");
    let lost = || worker.log().matches("agent: session failed").count();
    let before = lost();
    let said = manager.command("python3").args(["-c", REFUSE]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "\n", "{said:?}");
    bench.wait_for("the worker to miss its connection", MINUTE, || {
        (lost() > before).then_some(())
    });
    bench.wait_for("the worker to be Ready again", MINUTE, || {
        list(manager)
            .contains(&"kraken-2 Ready Active".to_owned())
            .then_some(())
    });
    let rules = manager.command("iptables").args(["-S", "INPUT"]).output().unwrap();
    let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
    assert!(rules.contains("-P INPUT") && !rules.contains("2377"), "{rules}");
}
