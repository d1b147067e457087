//! The clusters that `build` makes, on real dockerds: what their images hold is a swarm that works, fails, and comes back.

mod common;

use std::time::Duration;

use common::cards::{Card, Cluster, On};
use common::swarm::{Bench, Engine};

const MINUTE: Duration = Duration::from_secs(60);

fn on_all(bench: &Bench, cards: &[Card]) -> Vec<On> {
    cards.iter().map(|card| On::new(&card.put_into(bench))).collect()
}

#[test]
fn swarm_seven_images_are_one_swarm() {
    let cluster = Cluster::new(
        "[[node]]\nnumber = 3\nlabels = { disk = \"ssd\" }\n[[node]]\nnumber = 4\navailability = \"drain\"\n",
    );
    let cards = cluster.build(&[]);
    assert_eq!(cards.len(), 7);
    let bench = Bench::new(&Engine::suite("trixie"));
    let nodes = on_all(&bench, &cards);
    let took = bench.wait_ready(&nodes[0].node, 7, MINUTE);
    println!(
        "one manager: 7 Ready {:.2} s after the last dockerd's start",
        took.as_secs_f64()
    );
    let manager = &nodes[0].node;
    let list = manager.docker(&[
        "node",
        "ls",
        "--format",
        "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}",
    ]);
    let mut lines: Vec<&str> = list.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "kraken-1 Ready Active Leader",
            "kraken-2 Ready Active",
            "kraken-3 Ready Active",
            "kraken-4 Ready Drain",
            "kraken-5 Ready Active",
            "kraken-6 Ready Active",
            "kraken-7 Ready Active",
        ]
    );
    assert_eq!(
        manager.docker(&["node", "inspect", "kraken-3", "--format", "{{json .Spec.Labels}}"]),
        r#"{"disk":"ssd"}"#
    );
    for role in ["worker", "manager"] {
        assert_eq!(
            manager.docker(&["swarm", "join-token", "-q", role]),
            cluster.run(&["token", role])
        );
    }
}

#[test]
fn swarm_three_managers_are_a_quorum_at_once() {
    let cluster = Cluster::new("[swarm]\nmanagers = 3\ndrain-managers = true\naddress-pools = [\"10.20.0.0/16\"]\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let nodes = on_all(&bench, &cards);
    let manager = &nodes[0].node;
    let took = bench.wait_ready(manager, 7, MINUTE);
    println!(
        "three managers: 7 Ready {:.2} s after the last dockerd's start",
        took.as_secs_f64()
    );
    bench.wait_for("three managers in the quorum", MINUTE, || {
        let list = manager.docker(&["node", "ls", "--format", "{{.ManagerStatus}}"]);
        let reachable = list
            .lines()
            .filter(|line| ["Leader", "Reachable"].contains(line))
            .count();
        (reachable == 3).then_some(())
    });
    for node in &nodes {
        println!("{}", node.said());
    }
}
