//! `make bench-swarm`: how soon seven nodes are Ready, compared with a script; and how long it
//! takes to write their state. It needs root, for the machines on which real dockerds run.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests write where they like, and their failure is a panic"
)]

use std::time::{Duration, Instant};

use kraken_swarm_state::{Availability, ClusterKeys, Member, Role, Spec, StateWriter};
use testkit::cards::{Card, Cluster, On};
use testkit::swarm::{Bench, Engine, Node};

const ROUNDS: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(120);

fn main() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load: {}", load.trim());
    println!("\n| state of | all nodes | one node, mean | first manager's log |\n| --- | --- | --- | --- |");
    for nodes in [7, 100, 1000] {
        write(nodes);
    }
    let clusters = [1, 3].map(|managers| Cluster::new(&format!("[swarm]\nmanagers = {managers}\n")));
    let cards = clusters.each_ref().map(|cluster| cluster.build(&[]));
    println!(
        "\nSeconds until seven are Ready, from the last dockerd's start; in brackets from the first's.\n\n\
         | Docker | baked, 1 manager | baked, 3 managers | init, token, 6 × join | ratio |\n| --- | --- | --- | --- | --- |"
    );
    for suite in ["bookworm", "trixie", "sid"] {
        let engine = Engine::suite(suite);
        let baked = cards.each_ref().map(|cards| median(|| from_cards(&engine, cards)));
        let scripted = median(|| by_script(&engine));
        let shown = |times: [f64; 2]| format!("{:.2} s ({:.2} s)", times[0], times[1]);
        println!(
            "| {} | {} | {} | {} | {:.2} × ({:.2} ×) |",
            engine.version(),
            shown(baked[0]),
            shown(baked[1]),
            shown(scripted),
            baked[0][0] / scripted[0],
            baked[0][1] / scripted[1],
        );
    }
}

/// Medians: from the last dockerd's start, and from the first's (for which the others wait).
fn median(mut measure: impl FnMut() -> [Duration; 2]) -> [f64; 2] {
    let rounds: Vec<[Duration; 2]> = (0..ROUNDS).map(|_| measure()).collect();
    [0, 1].map(|which| {
        let mut times: Vec<f64> = rounds.iter().map(|round| round[which].as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    })
}

/// Measures until seven are Ready.
fn from_cards(engine: &Engine, cards: &[Card]) -> [Duration; 2] {
    let bench = Bench::new(engine);
    let nodes: Vec<_> = cards.iter().map(|card| card.put_into(&bench)).collect();
    nodes.iter().for_each(|node| node.boot());
    let begun = Instant::now();
    let nodes: Vec<On> = nodes.iter().map(On::new).collect();
    let last = bench.wait_ready(&nodes[0].node, 7, TIMEOUT);
    [last, begun.elapsed()]
}

/// The same with Docker's own commands, run as soon as each dockerd answers.
fn by_script(engine: &Engine) -> [Duration; 2] {
    let bench = Bench::new(engine);
    let node = |number: u8| bench.node(&format!("kraken-{number}"), &format!("192.168.3.{}", 10 + number), None);
    let nodes: Vec<Node> = (1..=7).map(node).collect();
    nodes.iter().for_each(Node::boot);
    let begun = Instant::now();
    nodes.iter().for_each(Node::start);
    let manager = &nodes[0];
    manager.wait_api(TIMEOUT);
    manager.docker(&["swarm", "init", "--advertise-addr", manager.address()]);
    let token = manager.docker(&["swarm", "join-token", "-q", "worker"]);
    for node in &nodes[1..] {
        node.wait_api(TIMEOUT);
        node.docker(&["swarm", "join", "--token", &token, "192.168.3.11:2377"]);
    }
    let last = bench.wait_ready(manager, 7, TIMEOUT);
    [last, begun.elapsed()]
}

fn write(nodes: u32) {
    let keys = ClusterKeys::from_seed([7; 32]);
    let member = |number: u32| Member {
        number,
        hostname: format!("kraken-{number}"),
        address: (u32::from(std::net::Ipv4Addr::new(10, 0, 0, 0)) + number).into(),
        role: if number <= 3 { Role::Manager } else { Role::Worker },
        labels: [("number".to_owned(), number.to_string())].into(),
        availability: Availability::Active,
    };
    let spec = Spec {
        nodes: (1..=nodes).map(member).collect(),
        address_pools: Vec::new(),
        subnet_size: 24,
        data_port: 4789,
        created: 1_795_000_000,
    };
    let begun = Instant::now();
    let forge = StateWriter::new(&keys, &spec).unwrap();
    let mut log = 0;
    for number in 1..=nodes {
        let state = forge.node(number).unwrap();
        if number == 1 {
            log = state.iter().map(size).max().unwrap_or_default();
        }
    }
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    println!(
        "| {nodes} nodes | {took:.1} ms | {:.2} ms | {:.1} KiB |",
        took / f64::from(nodes),
        log as f64 / 1024.0
    );
}

fn size(entry: &kraken_swarm_state::StateEntry) -> usize {
    match &entry.kind {
        kraken_swarm_state::StateKind::File(bytes) => bytes.len(),
        kraken_swarm_state::StateKind::Folder => 0,
    }
}
