//! Swarms that were never initialised: real dockerds start from forged state.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::swarm::{Bench, Engine, Node};
use kraken_flash::swarm::{Availability, ClusterKeys, Forge, Member, Role, Spec, StateKind};

const MINUTE: Duration = Duration::from_secs(60);

/// Seven nodes, so many of them managers.
fn seven(managers: u32) -> Spec {
    let member = |number: u32| Member {
        number,
        hostname: format!("kraken-{number}"),
        address: format!("192.168.3.{}", 10 + number).parse().unwrap(),
        role: if number <= managers {
            Role::Manager
        } else {
            Role::Worker
        },
        labels: [("number".to_owned(), number.to_string())].into(),
        availability: Availability::Active,
    };
    Spec {
        nodes: (1..=7).map(member).collect(),
        address_pools: vec!["10.20.0.0/16".parse().unwrap()],
        subnet_size: 24,
        data_port: 4789,
        created: 1_795_000_000,
    }
}

/// Lays a node's state into a folder.
fn lay(forge: &Forge<'_>, number: u32, folder: &Path) -> PathBuf {
    let root = folder.join(number.to_string());
    for entry in forge.node(number).unwrap() {
        let path = root.join(entry.path);
        match entry.kind {
            StateKind::Folder => fs::create_dir_all(&path).unwrap(),
            StateKind::File(bytes) => fs::write(&path, &bytes[..]).unwrap(),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode.into())).unwrap();
    }
    root
}

fn nodes(bench: &Bench, forge: &Forge<'_>, spec: &Spec) -> Vec<Node> {
    spec.nodes
        .iter()
        .map(|member| {
            let state = lay(forge, member.number, bench.folder());
            bench.node(&member.hostname, &member.address.to_string(), Some(&state))
        })
        .collect()
}

fn seven_come_up(suite: &str, managers: u32) {
    let keys = ClusterKeys::from_seed([9; 32]);
    let spec = seven(managers);
    let forge = Forge::new(&keys, &spec).unwrap();
    let bench = Bench::new(&Engine::suite(suite));
    let nodes = nodes(&bench, &forge, &spec);
    for node in &nodes {
        node.boot();
    }
    nodes.iter().for_each(Node::start);
    let took = bench.wait_ready(&nodes[0], 7, MINUTE);
    println!(
        "{suite}, {managers} managers: 7 Ready after {:.2} s",
        took.as_secs_f64()
    );
    let first = &nodes[0];
    println!("{}", first.docker(&["node", "ls"]));
    for (role, name) in [(Role::Worker, "worker"), (Role::Manager, "manager")] {
        assert_eq!(
            first.docker(&["swarm", "join-token", "-q", name]),
            forge.token(role).reveal()
        );
    }
}

#[test]
fn swarm_seven_nodes_come_up_with_one_manager() {
    seven_come_up("trixie", 1);
}

#[test]
fn swarm_seven_nodes_come_up_with_three_managers() {
    seven_come_up("trixie", 3);
}
