//! How a change of the swarm changes the nodes' states, and that no nonce is used twice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kraken_swarm_state::{Availability, ClusterKeys, Role, Spec, StateKind, StateWriter};
use prost::Message;
use sha2::{Digest, Sha256};

use super::{all, keys, lay, member, seven};
use crate::swarm_support::{Files, SEGMENT};

/// The differences: numbers of nodes, and the paths on each.
fn differences(one: &BTreeMap<u32, Files>, other: &BTreeMap<u32, Files>) -> Vec<(u32, Vec<String>)> {
    let both = one
        .iter()
        .filter_map(|(number, files)| Some((*number, files, other.get(number)?)));
    both.map(|(number, a, b)| {
        assert_eq!(a.modes, b.modes, "node {number}");
        let paths = a.files.iter().filter(|(path, bytes)| b.files[*path] != **bytes);
        (number, paths.map(|(path, _)| path.clone()).collect())
    })
    .filter(|(_, paths): &(u32, Vec<String>)| !paths.is_empty())
    .collect()
}

type Change = fn(&mut Spec);

/// Names of changes to the seven nodes; none changes the files of nodes other than the first
/// manager.
fn changes() -> Vec<(&'static str, Spec)> {
    let changes: [(&str, Change); 9] = [
        ("an eighth node", |spec| spec.nodes.push(member(8, Role::Worker))),
        ("a seventh node less", |spec| drop(spec.nodes.pop())),
        ("a label", |spec| {
            drop(spec.nodes[4].labels.insert("a".into(), "b".into()))
        }),
        ("a label's value", |spec| {
            drop(spec.nodes[2].labels.insert("disk".into(), "sse".into()))
        }),
        ("a worker's availability", |spec| {
            spec.nodes[5].availability = Availability::Pause
        }),
        ("the first manager's availability", |spec| {
            spec.nodes[0].availability = Availability::Active
        }),
        ("a host name", |spec| spec.nodes[6].hostname.push('x')),
        ("the time", |spec| spec.created += 1),
        ("the order of the workers", |spec| spec.nodes[1..].reverse()),
    ];
    let apply = |(name, change): (_, Change)| {
        let mut spec = seven();
        change(&mut spec);
        (name, spec)
    };
    changes.into_iter().map(apply).collect()
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_others_change_the_first_managers_log_only() {
    let before = all(&keys(), &seven());
    assert_eq!(differences(&before, &all(&keys(), &seven())), []);
    let (keys, spec) = (keys(), seven());
    let digest = |spec: &Spec, number| digest(&StateWriter::new(&keys, spec).unwrap(), number);
    assert_eq!(digest(&spec, 1), digest(&spec, 1));
    for (name, changed) in changes() {
        let after = all(&keys, &changed);
        assert_eq!(differences(&before, &after), [(1, vec![SEGMENT.to_owned()])], "{name}");
        assert_ne!(digest(&spec, 1), digest(&changed, 1), "{name}");
        assert_eq!(digest(&spec, 2), digest(&changed, 2), "{name}");
    }
    let digests: BTreeSet<String> = (1..=7).map(|number| digest(&spec, number)).collect();
    assert_eq!(digests.len(), 7);
}

#[test]
fn an_address_changes_the_node_that_has_it_and_those_that_turn_to_it() {
    let before = all(&keys(), &seven());
    let mut spec = seven();
    spec.nodes[4].address = Ipv4Addr::new(192, 168, 3, 99);
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let moved = differences(&before, &all(&keys(), &spec));
    assert_eq!(moved, [(5, paths(&["docker-state.json"]))]);
    let mut spec = seven();
    spec.nodes[0].address = Ipv4Addr::new(192, 168, 3, 99);
    let moved = differences(&before, &all(&keys(), &spec));
    let small = ["docker-state.json", "state.json"];
    let mut wanted = vec![(1, paths(&["docker-state.json", SEGMENT, "state.json"]))];
    wanted.extend((2..=7).map(|number| (number, paths(&small))));
    assert_eq!(moved, wanted);
}

#[test]
fn another_seed_changes_every_file_but_the_addresses() {
    let before = all(&keys(), &seven());
    for seed in [[8; 32], [0; 32], [255; 32]] {
        let after = all(&ClusterKeys::from_seed(seed), &seven());
        for (number, paths) in differences(&before, &after) {
            let same: Vec<_> = before[&number]
                .files
                .keys()
                .filter(|path| !paths.contains(path))
                .collect();
            assert_eq!(same, ["docker-state.json"], "node {number}");
        }
        assert_eq!(differences(&before, &after).len(), 7);
    }
}

/// `walpb.Record`, `raftpb.Entry` and `MaybeEncryptedRecord`, with the fields that are read here.
#[derive(Message)]
struct Record {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

#[derive(Message)]
struct Entry {
    #[prost(bytes = "vec", tag = "4")]
    data: Vec<u8>,
}

#[derive(Message)]
struct Sealed {
    #[prost(int32, tag = "1")]
    algorithm: i32,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    nonce: Vec<u8>,
}

/// Returns the sealed entries of a log.
fn sealed(log: &[u8]) -> Vec<Sealed> {
    let mut rest = log;
    let mut found = Vec::new();
    while let Some((word, frame)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let length = (word & 0x00ff_ffff_ffff_ffff) as usize;
        let padding = if word >> 63 == 1 { (word >> 56 & 7) as usize } else { 0 };
        let record = Record::decode(&frame[..length]).unwrap();
        if record.kind == 2 {
            let entry = Entry::decode(&record.data[..]).unwrap();
            found.push(Sealed::decode(&entry.data[..]).unwrap());
        }
        rest = &frame[length + padding..];
    }
    assert!(rest.is_empty());
    found
}

#[test]
fn no_nonce_serves_two_contents() {
    let mut nonces: BTreeMap<Vec<u8>, (String, Vec<u8>)> = BTreeMap::new();
    let mut specs = changes();
    let mut other_address = seven();
    other_address.nodes[0].address = Ipv4Addr::new(192, 168, 3, 99);
    let mut other_pool = seven();
    other_pool.address_pools.clear();
    specs.extend([
        ("nothing", seven()),
        ("the address", other_address),
        ("the pool", other_pool),
    ]);
    let count = specs.len();
    for (name, spec) in specs {
        let entries = sealed(&lay(&StateWriter::new(&keys(), &spec).unwrap(), 1).files[SEGMENT]);
        assert_eq!(entries.len(), 2, "{name}");
        for entry in entries {
            assert_eq!((entry.algorithm, entry.nonce.len()), (1, 24), "{name}");
            if let Some((other, data)) = nonces.insert(entry.nonce, (name.to_owned(), entry.data.clone())) {
                assert_eq!(data, entry.data, "{name} and {other} have one nonce");
            }
        }
    }
    // The objects differ, except where only the address does, which belongs to the raft member.
    assert_eq!(nonces.len(), (count - 1) + 2);
}

/// Returns the SHA-256 over all of a node's state: equal digests, equal bytes.
fn digest(forge: &StateWriter<'_>, number: u32) -> String {
    let mut hash = Sha256::new();
    for entry in forge.node(number).unwrap() {
        hash.update(format!("{} {:o} ", entry.path, entry.mode));
        if let StateKind::File(bytes) = &entry.kind {
            hash.update(bytes.len().to_le_bytes());
            hash.update(&bytes[..]);
        }
    }
    hex::encode(hash.finalize())
}
