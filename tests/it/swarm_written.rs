//! The swarm's state that is written: golden files, the results of the independent reader and of
//! openssl, the effects of changes, and where no secret is.

mod asked;
mod certificates;
mod changes;
mod secrets;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::swarm_support::{Files, SEGMENT};
use kraken_swarm_check::Mode;
use kraken_swarm_state::{Availability, ClusterKeys, Member, Role, Spec, StateKind, StateWriter};

const SEED: [u8; 32] = [7; 32];
const KEY: &str = "certificates/swarm-node.key";

fn keys() -> ClusterKeys {
    ClusterKeys::from_seed(SEED)
}

fn member(number: u32, role: Role) -> Member {
    Member {
        number,
        hostname: format!("kraken-{number}"),
        address: Ipv4Addr::from(0xc0a8_030a + number),
        role,
        labels: BTreeMap::new(),
        availability: Availability::Active,
    }
}

/// Seven nodes, the first one the manager, with labels and a pool.
fn seven() -> Spec {
    let mut nodes: Vec<Member> = (2..=7).map(|number| member(number, Role::Worker)).collect();
    nodes.insert(0, member(1, Role::Manager));
    nodes[0].availability = Availability::Drain;
    nodes[2].labels = [("disk".into(), "ssd".into()), ("rack".into(), "a".into())].into();
    Spec {
        nodes,
        address_pools: vec!["10.20.0.0/16".parse().unwrap()],
        subnet_size: 26,
        data_port: 4790,
        created: 1_700_000_000,
    }
}

/// Returns a node's state in memory, as root writes it to a card.
fn lay(forge: &StateWriter<'_>, number: u32) -> Files {
    let mut files = Files::default();
    for entry in forge.node(number).unwrap() {
        let mode = Mode {
            bits: entry.mode.into(),
            uid: 0,
            gid: 0,
        };
        assert!(
            files.modes.insert(entry.path.to_owned(), mode).is_none(),
            "twice: {}",
            entry.path
        );
        // Folders come before their files.
        let folder = entry.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        assert!(
            files.modes.contains_key(folder),
            "{} comes before its folder",
            entry.path
        );
        if let StateKind::File(bytes) = entry.kind {
            files.files.insert(entry.path.to_owned(), bytes.to_vec());
        }
    }
    files
}

/// Returns the states of all nodes, by their numbers.
fn all(keys: &ClusterKeys, spec: &Spec) -> BTreeMap<u32, Files> {
    let forge = StateWriter::new(keys, spec).unwrap();
    let numbers = spec.nodes.iter().map(|node| node.number);
    numbers.map(|number| (number, lay(&forge, number))).collect()
}

/// A PEM file without its headers.
fn bare(pem: &[u8]) -> String {
    let text = std::str::from_utf8(pem).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.contains(": "));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Compares with `tests/golden/swarm/NAME`.
fn golden(name: &str, got: &str) {
    testkit::golden::golden(&format!("tests/golden/swarm/{name}"), got);
}

#[test]
fn the_files_of_the_first_manager_and_of_a_worker_are_these() {
    let all = all(&keys(), &seven());
    for number in [1, 2] {
        let files = &all[&number];
        let mut list = String::new();
        for (path, mode) in &files.modes {
            let kind = if files.files.contains_key(path) { "" } else { "/" };
            writeln!(list, "{:04o} {path}{kind}", mode.bits).unwrap();
        }
        golden(&format!("node-{number}/list.txt"), &list);
        for (path, bytes) in &files.files {
            let name = path.rsplit('/').next().unwrap();
            match path == SEGMENT {
                true => {
                    let lines = bytes.chunks(32).map(|line| hex::encode(line) + "\n");
                    golden(&format!("node-{number}/{name}.hex"), &lines.collect::<String>());
                }
                false => golden(&format!("node-{number}/{name}"), std::str::from_utf8(bytes).unwrap()),
            }
        }
    }
}

#[test]
fn what_can_be_no_swarm_is_an_error() {
    let (keys, good) = (keys(), seven());
    let mut leaderless = good.clone();
    leaderless.nodes.remove(0);
    let mut twice = good.clone();
    twice.nodes[3].number = 2;
    let forge = StateWriter::new(&keys, &good).unwrap();
    let leaderless = StateWriter::new(&keys, &leaderless).err().unwrap();
    let twice = StateWriter::new(&keys, &twice).err().unwrap();
    for (error, says) in [
        (leaderless, "the swarm has no manager; give a node the role manager"),
        (twice, "two nodes of the swarm have the number 2"),
        (forge.node(8).unwrap_err(), "the swarm has no node 8"),
    ] {
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (kraken_foundation::Kind::Usage, says)
        );
    }
}
