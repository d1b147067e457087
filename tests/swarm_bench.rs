//! The bench for swarms itself: a swarm that is made as the manual says, on nodes that fail and come back, and nothing left of it afterwards.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::swarm::{Bench, Engine, IMAGE, Node};
use common::{output, run, said};

const MINUTE: Duration = Duration::from_secs(60);

/// Nodes `kraken-1`, `kraken-2`, … whose dockerds answer.
fn started(bench: &Bench, count: usize) -> Vec<Node> {
    let nodes: Vec<Node> = (1..=count)
        .map(|number| bench.node(&format!("kraken-{number}"), &format!("192.168.3.{}", 10 + number), None))
        .collect();
    nodes.iter().for_each(Node::start);
    for node in &nodes {
        node.wait_api(MINUTE);
    }
    nodes
}

/// Makes a swarm of them by hand: the first is the manager.
fn join(nodes: &[Node]) {
    let manager = &nodes[0];
    manager.docker(&["swarm", "init", "--advertise-addr", manager.address()]);
    let token = manager.docker(&["swarm", "join-token", "-q", "worker"]);
    for node in &nodes[1..] {
        let to = format!("{}:2377", manager.address());
        node.docker(&["swarm", "join", "--token", &token, &to]);
    }
}

/// The nodes on which tasks of a service run.
fn where_it_runs(manager: &Node, service: &str) -> BTreeSet<String> {
    let format = "{{.Node}} {{.CurrentState}}";
    let tasks = manager.docker(&[
        "service",
        "ps",
        service,
        "--filter",
        "desired-state=running",
        "--format",
        format,
    ]);
    let running = tasks.lines().filter(|line| line.contains(" Running "));
    running.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

fn host_links() -> String {
    run(Command::new("ip").args(["-o", "link"]))
}

/// What of a bench that had this folder is still there.
fn left_overs(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mut left = Vec::new();
    if folder.exists() {
        left.push(folder.display().to_string());
    }
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for part in ["environ", "cmdline", "mountinfo"] {
            let text = fs::read(process.path().join(part)).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(name) {
                left.push(format!("{}/{part}", process.path().display()));
            }
        }
    }
    let groups = output(Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-name", name]));
    left.extend(said(&groups).lines().map(str::to_owned));
    left
}

#[test]
fn swarm_nodes_join_serve_fail_and_come_back() {
    let links = host_links();
    let bench = Bench::new(&Engine::suite("trixie"));
    let folder = bench.folder().to_owned();
    let begun = Instant::now();
    let nodes = started(&bench, 3);
    println!(
        "{} answers on 3 nodes after {:?}",
        nodes[0].docker(&["version", "--format", "{{.Server.Version}}"]),
        begun.elapsed()
    );
    let begun = Instant::now();
    join(&nodes);
    bench.wait_ready(&nodes[0], 3, MINUTE);
    println!("3 nodes Ready {:?} after `swarm init`", begun.elapsed());

    let all: BTreeSet<String> = nodes.iter().map(|node| node.name().to_owned()).collect();
    nodes.iter().for_each(Node::load_image);
    nodes[0].docker(&[
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--replicas",
        "3",
        "--name",
        "sleepers",
        IMAGE,
        "sleep",
        "3600",
    ]);
    bench.wait_for("a task on every node", MINUTE, || {
        (where_it_runs(&nodes[0], "sleepers") == all).then_some(())
    });
    assert_eq!(nodes[1].info()["ContainersRunning"], 1);

    // The power of one fails: the manager notices, and takes it back as it was.
    let id = nodes[2].info()["Swarm"]["NodeID"].clone();
    nodes[2].kill();
    assert!(!nodes[2].is_running());
    bench.wait_for("the loss of a node", MINUTE, || {
        let list = nodes[0].docker(&["node", "ls", "--format", "{{.Hostname}} {{.Status}}"]);
        list.contains("kraken-3 Down").then_some(())
    });
    nodes[2].start();
    println!(
        "a node Ready {:?} after its dockerd was started again",
        bench.wait_ready(&nodes[0], 3, MINUTE)
    );
    assert_eq!(nodes[2].info()["Swarm"]["NodeID"], id);

    // So does its cable.
    nodes[1].link_down();
    bench.wait_for("the loss of a node", MINUTE, || {
        let list = nodes[0].docker(&["node", "ls", "--format", "{{.Hostname}} {{.Status}}"]);
        list.contains("kraken-2 Down").then_some(())
    });
    nodes[1].link_up();
    bench.wait_ready(&nodes[0], 3, MINUTE);

    // A dockerd that ends by itself says goodbye, and comes back.
    nodes[1].restart();
    nodes[1].wait_api(MINUTE);
    bench.wait_ready(&nodes[0], 3, MINUTE);

    drop((nodes, bench));
    assert_eq!(left_overs(&folder), [""; 0]);
    assert_eq!(host_links(), links);
}
