//! The swarm state that real Docker daemons wrote, read back; and the errors when its parts do not
//! fit together.

use crate::swarm_support::{Files, SEGMENT};
use kraken_swarm_check::{
    Availability, IssuanceState, JoinToken, Kind, Membership, Mode, NamedState, NodeState, Object, Problem, Role,
    check_cluster,
};

const KEY: &str = "certificates/swarm-node.key";
const CERTIFICATE: &str = "certificates/swarm-node.crt";
const NEXT_CERTIFICATE: &str = "certificates/.swarm-node.crt";
const ROOT_CA: &str = "certificates/swarm-root-ca.crt";

/// A header of a node's key.
fn header(files: &mut Files, name: &str) -> String {
    let text = String::from_utf8(files.file(KEY).clone()).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.to_owned()
}

/// Returns the names of the objects of a kind, sorted.
fn names(node: &NodeState, kind: Kind) -> Vec<String> {
    let store = &node.raft.as_ref().unwrap().store;
    let mut names: Vec<_> = store.of(kind).map(|object| object.name().to_owned()).collect();
    names.sort();
    names
}

/// Checks whether the nodes with these names and states make one cluster.
fn problems(states: &[(&str, &NodeState)]) -> Vec<Problem> {
    let states: Vec<_> = states.iter().map(|(name, state)| NamedState { name, state }).collect();
    check_cluster(&states)
}

#[test]
fn a_manager_just_after_init() {
    for version in ["26.1.5", "28.5.2"] {
        let node = Files::fixture(&format!("{version}/init/m1")).node();
        assert!(node.is_manager());
        assert_eq!(node.docker_state.advertise_addr, "192.168.3.11:2377");
        assert_eq!(node.docker_state.local_addr, "192.168.3.11");
        assert_eq!(
            (node.docker_state.subnet_size, node.docker_state.data_path_port),
            (26, 4790)
        );
        assert_eq!(node.root_ca.common_name, "swarm-ca");
        assert!(node.root_ca.is_ca && !node.certificate.is_ca);
        assert_eq!(node.certificate.dns_names, ["swarm-manager", node.id(), "swarm-ca"]);
        let days = |window: kraken_swarm_check::Window| (window.not_after - window.not_before) / 86_400;
        assert_eq!((days(node.certificate.window), days(node.root_ca.window)), (90, 7300));

        let raft = node.raft.as_ref().unwrap();
        assert_eq!(raft.members.len(), 1);
        assert_eq!(raft.members[&raft.member.raft_id].addr, "192.168.3.11:2377");
        assert_eq!(
            (raft.snapshot, &raft.skipped_snapshots, &raft.refused),
            (None, &vec![], &vec![])
        );
        let cluster = raft.store.cluster().unwrap();
        assert_eq!(
            (cluster.id.as_str(), cluster.name.as_str()),
            (node.cluster_id(), "default")
        );
        assert!(cluster.ca_key_present() && !cluster.rotating && !cluster.auto_lock && !cluster.fips);
        assert_eq!(cluster.address_pools, ["10.20.0.0/16"]);
        assert_eq!((cluster.subnet_size, cluster.vxlan_port), (26, 4790));
        assert_eq!(cluster.ca_cert_sha256(), node.root_ca.sha256);
        let token = JoinToken::parse(cluster.worker_token.expose()).unwrap();
        assert_eq!(token.ca_digest, node.root_ca.sha256);
        let itself = raft.store.node(node.id()).unwrap();
        assert_eq!((itself.role, itself.desired_role), (Role::Manager, Role::Manager));
        assert_eq!(itself.certificate.state, IssuanceState::Issued);
        assert!(
            raft.store
                .networks()
                .any(|network| network.ingress && network.name == "ingress")
        );
        assert_eq!(problems(&[("m1", &node)]), []);
    }
}

#[test]
fn a_cluster_of_two_managers_and_a_worker() {
    let [m1, m2, w1] = ["m1", "m2", "w1"].map(|name| Files::fixture(&format!("20.10.24/cluster/{name}")).node());
    let raft = m1.raft.as_ref().unwrap();
    assert!(raft.snapshot.is_some() && m2.raft.is_some() && w1.raft.is_none());
    assert_eq!(raft.members.len(), 2);
    assert_eq!(raft.store.nodes().count(), 3);
    let worker = raft.store.node(w1.id()).unwrap();
    assert_eq!((worker.hostname.as_str(), worker.role), ("kraken-w1", Role::Worker));
    assert_eq!(worker.addr, "192.168.3.14");
    // `docker node update` sets it back to pending.
    assert_eq!(worker.membership, Membership::Pending);
    assert_eq!(raft.store.node(m1.id()).unwrap().membership, Membership::Accepted);
    assert_eq!(
        (worker.labels["rack"].as_str(), worker.labels["disk"].as_str()),
        ("a", "ssd")
    );
    assert_eq!(raft.store.node(m2.id()).unwrap().availability, Availability::Drain);
    assert_eq!(names(&m1, Kind::Secret), ["pass"]);
    assert_eq!(names(&m1, Kind::Config), ["conf"]);
    assert_eq!(names(&m1, Kind::Service), ["web"]);
    assert!(names(&m1, Kind::Network).contains(&"back".to_owned()));
    assert_eq!(w1.certificate.dns_names, ["swarm-worker", w1.id()]);
    assert_eq!(w1.remotes.len(), 2);

    // They were killed during updates, so one of them may be an entry behind.
    let mut found = problems(&[("m1", &m1), ("m2", &m2), ("w1", &w1)]);
    found.retain(|problem| !matches!(problem, Problem::Behind { .. }));
    assert_eq!(found, []);
}

#[test]
fn after_the_root_ca_was_replaced() {
    let [m1, w1] = ["m1", "w1"].map(|name| Files::fixture(&format!("26.1.5/cluster/{name}")).node());
    let cluster = m1.raft.as_ref().unwrap().store.cluster().unwrap().clone();
    assert!(!cluster.rotating);
    assert_eq!(problems(&[("m1", &m1), ("w1", &w1)]), []);
}

#[test]
fn a_snapshot_gives_what_the_log_from_its_beginning_gives() {
    for name in ["20.10.24/cluster/m1", "20.10.24/cluster/m2", "26.1.5/cluster/m1"] {
        let files = Files::fixture(name);
        let node = files.node();
        let with = node.raft.as_ref().unwrap();
        let snapshots: Vec<_> = files
            .files
            .keys()
            .filter(|path| path.ends_with(".snap"))
            .cloned()
            .collect();
        assert!(!snapshots.is_empty(), "{name}");
        let mut damaged = files.clone();
        for path in &snapshots {
            damaged.file(path)[100] ^= 1;
        }
        let mut without = files.clone();
        without.files.retain(|path, _| !snapshots.contains(path));
        for (files, skipped_snapshots) in [(damaged, snapshots.len()), (without, 0)] {
            let node = files.node();
            let raft = node.raft.as_ref().unwrap();
            assert_eq!(
                (raft.snapshot, raft.skipped_snapshots.len()),
                (None, skipped_snapshots),
                "{name}"
            );
            assert!(raft.entries > with.entries);
            assert_eq!(raft.store, with.store, "{name}");
            assert_eq!((&raft.members, raft.commit), (&with.members, with.commit), "{name}");
        }
    }
}

#[test]
fn a_log_in_two_segments() {
    let mut files = Files::fixture("20.10.24/cluster/m1").trimmed(SEGMENT);
    let whole = files.node();
    let bytes = files.file(SEGMENT).clone();
    let starts = frames(&bytes);
    for at in [4, starts.len() / 2, starts.len() - 1] {
        let (first, second) = bytes.split_at(starts[at]);
        // The record before the cut contains its checksum, with which the next segment begins.
        let before = &bytes[starts[at - 1] + 8..];
        let end = 3 + before[3..].iter().position(|byte| byte & 0x80 == 0).unwrap();
        let mut next = vec![0x08, 4];
        next.extend(&before[2..=end]);
        let padding = (8 - next.len() % 8) % 8;
        let word = next.len() as u64 | (0x80 | padding as u64) << 56;
        let mut next = [&word.to_le_bytes()[..], &next, &[0; 8][..padding]].concat();
        next.extend_from_slice(second);

        let mut split = files.clone();
        *split.file(SEGMENT) = first.to_vec();
        let name = "raft/wal-v3-encrypted/0000000000000001-0000000000000002.wal";
        split.files.insert(name.into(), next.clone());
        assert_eq!(split.node(), whole, "cut before record {at}");

        let mut damaged = split.clone();
        damaged.file(name)[11] ^= 1;
        assert!(damaged.refused().contains("checksum is"), "{}", damaged.refused());
        let mut apart = split.clone();
        apart.files.remove(name);
        apart.files.insert(name.replace("01-", "02-"), next);
        assert!(apart.refused().contains("the segment before it is missing"));
        // Only the last segment may end in a torn record.
        let mut torn = split;
        torn.file(SEGMENT).pop();
        assert!(torn.refused().contains("middle of a record"), "{}", torn.refused());
    }
}

/// Returns where the records of a segment begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    while let Some(word) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(word.try_into().unwrap());
        if word == 0 {
            break;
        }
        starts.push(at);
        let padding = if word >> 63 == 1 { word >> 56 & 7 } else { 0 };
        at += 8 + usize::try_from((word & 0xff_ffff) + padding).unwrap();
    }
    starts
}

#[test]
fn the_rest_of_a_log_that_a_power_cut_tore_is_left_out() {
    let mut files = Files::fixture("20.10.24/cluster/m1").trimmed(SEGMENT);
    files.files.retain(|path, _| !path.ends_with(".snap"));
    let whole = files.node().raft.unwrap();
    let start = *frames(&files.files[SEGMENT]).last().unwrap();
    for keep in [0, 1, 7, 8, 9, 12] {
        let mut torn = files.clone();
        torn.file(SEGMENT).truncate(start + keep);
        let raft = torn.node().raft.unwrap();
        assert!(raft.commit <= whole.commit && raft.last <= whole.last);
    }
}

#[test]
fn a_node_in_no_swarm_has_no_state() {
    assert!(Files::default().read().unwrap().is_none());
    let mut left = Files::fixture("26.1.5/cluster/w1");
    left.files.remove("docker-state.json");
    assert!(left.read().unwrap().is_none());
}

#[test]
fn a_locked_manager_is_said_to_be_locked() {
    let error = Files::fixture("26.1.5/locked/m1").read().unwrap_err();
    assert_eq!(error.kind(), kraken_foundation::Kind::Unsupported, "{error}");
    assert!(error.to_string().contains("--autolock=false"), "{error}");
}

#[test]
fn a_certificate_that_waits_for_its_key_is_taken() {
    let mut files = Files::fixture("26.1.5/cluster/w1");
    let wanted = files.node();
    let certificate = files.files.remove(CERTIFICATE).unwrap();
    assert!(files.refused().contains("swarm-node.crt"));
    files.files.insert(NEXT_CERTIFICATE.into(), certificate);
    assert_eq!(files.node(), wanted);
    let of_m1 = Files::fixture("26.1.5/cluster/m1").files[CERTIFICATE].clone();
    files.files.insert(CERTIFICATE.into(), of_m1);
    assert_eq!(files.node(), wanted);
}

#[test]
fn nothing_secret_is_shown() {
    let mut files = Files::fixture("26.1.5/cluster/m1");
    let dek = header(&mut files, "raft-dek");
    let node = files.node();
    let cluster = node.raft.as_ref().unwrap().store.cluster().unwrap();
    let shown = format!("{node:#?}");
    let tokens = [cluster.worker_token.expose(), cluster.manager_token.expose()];
    let secret = tokens.iter().map(|token| token.rsplit('-').next().unwrap());
    for secret in secret.chain([dek.split(' ').nth(1).unwrap(), "PRIVATE"]) {
        assert!(!shown.contains(secret));
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let m1 = || Files::fixture("20.10.24/cluster/m1");
    let other = || Files::fixture("26.1.5/init/m1");
    let with = |mut files: Files, from: &Files, paths: &[&str]| {
        for path in paths {
            files.files.insert((*path).into(), from.files[*path].clone());
        }
        files
    };
    /// The log of one node, which the other node's key decrypts.
    fn raft_of(mut files: Files, mut from: Files) -> Files {
        let dek = header(&mut files, "raft-dek");
        let mut files = files.edit(KEY, &dek, &header(&mut from, "raft-dek"));
        files.files.retain(|path, _| !path.starts_with("raft/"));
        let raft = from.files.into_iter().filter(|(path, _)| path.starts_with("raft/"));
        files.files.extend(raft);
        files
    }
    let own_ca = || {
        let mut files = m1();
        *files.file(ROOT_CA) = files.files[CERTIFICATE].clone();
        files
    };
    let without = |mut files: Files, path: &str| {
        files.files.remove(path).unwrap();
        files
    };
    let open = |mut files: Files, path: &str, bits, uid| {
        files.modes.insert(path.into(), Mode { bits, uid, gid: 0 });
        files
    };
    let dek = header(&mut m1(), "raft-dek");
    let line_more = |mut files: Files, path: &str| {
        files.file(path).push(b'\n');
        files
    };
    let cases: Vec<(&str, Files, &str)> = vec![
        (
            "no root CA",
            without(m1(), ROOT_CA),
            "swarm-root-ca.crt of the swarm state: there is none",
        ),
        (
            "no key",
            without(m1(), KEY),
            "swarm-node.key of the swarm state: there is none",
        ),
        (
            "a worker that knows no manager",
            without(Files::fixture("26.1.5/cluster/w1"), "state.json"),
            "state.json",
        ),
        (
            "another CA",
            with(m1(), &other(), &[ROOT_CA]),
            "it is not signed by the cluster's root CA",
        ),
        (
            "another key",
            with(other(), &m1(), &[KEY]),
            "it is not the key of the node's certificate",
        ),
        (
            "another certificate",
            with(other(), &m1(), &[CERTIFICATE]),
            "not signed by",
        ),
        ("the node's certificate as CA", own_ca(), "it is not a CA"),
        (
            "one more line in the CA's file",
            line_more(m1(), ROOT_CA),
            "not, byte for byte, that of the store",
        ),
        (
            "no raft key",
            m1().edit(KEY, &format!("{dek}\n"), ""),
            "the raft key does not open it",
        ),
        (
            "another raft key",
            m1().edit(KEY, &dek, &header(&mut other(), "raft-dek")),
            "the raft key does not open it",
        ),
        (
            "the log of another cluster",
            raft_of(m1(), other()),
            "the cluster's ID is not O of the certificate",
        ),
        (
            "the log of another manager",
            raft_of(m1(), Files::fixture("20.10.24/cluster/m2")),
            "the log is another node's",
        ),
        (
            "another address",
            m1().edit("docker-state.json", "192.168.3.11:2377", "192.168.3.99:2377"),
            "its address is 192.168.3.11:2377, but it advertises 192.168.3.99:2377",
        ),
        (
            "a key for all",
            open(m1(), KEY, 0o644, 0),
            "its mode is 0644, but Docker's is 0600",
        ),
        (
            "a log for all",
            open(m1(), SEGMENT, 0o640, 0),
            "its mode is 0640, but Docker's is 0600",
        ),
        (
            "a folder of a user",
            open(m1(), "raft", 0o700, 1000),
            "it belongs to 1000:0, not to root",
        ),
        ("no JSON", m1().edit("docker-state.json", "{", "["), "docker-state.json"),
        (
            "half a manager",
            m1().edit("state.json", "\"addr\"", "\"add\""),
            "without an ID or without an address",
        ),
    ];
    for (name, files, wanted) in cases {
        let error = files.refused();
        assert!(error.contains(wanted), "{name}: {error}");
        assert!(error.contains("; "), "{name} has no help: {error}");
    }
}

#[test]
fn states_that_make_no_cluster() {
    let [m1, m2, w1] = ["m1", "m2", "w1"].map(|name| Files::fixture(&format!("20.10.24/cluster/{name}")).node());
    let other = Files::fixture("26.1.5/init/m1").node();
    let said = |states: &[(&str, &NodeState)]| {
        let mut problems = problems(states);
        problems.retain(|problem| !matches!(problem, Problem::Behind { .. }));
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    };
    assert!(said(&[]).contains("no manager has a raft log"));
    assert!(said(&[("w1", &w1)]).contains("no manager has a raft log"));
    let mixed = said(&[("m1", &m1), ("w1", &w1), ("x", &other)]);
    for wanted in ["x belongs to cluster", "x and m1 have different root CAs"] {
        assert!(mixed.contains(wanted), "{mixed}");
    }
    let twice = said(&[("m1", &m1), ("a", &w1), ("b", &w1)]);
    assert!(twice.contains("a and b have the same node ID"), "{twice}");

    // The raft log on the first manager only.
    let mut enters = m2.clone();
    enters.raft = None;
    assert_eq!(said(&[("m1", &m1), ("m2", &enters), ("w1", &w1)]), "");

    let mut lost = w1.clone();
    lost.remotes[0].addr = "10.0.0.9:2377".into();
    assert!(said(&[("m1", &m1), ("w1", &lost)]).contains("at 10.0.0.9:2377, but it is at 192.168.3.1"));
    let mut stranger = w1.clone();
    stranger.remotes[0].node_id = w1.id().to_owned();
    assert!(said(&[("m1", &m1), ("w1", &stranger)]).contains("it is none"));
    let mut unknown = w1.clone();
    unknown.certificate.common_name = "stranger".into();
    assert!(said(&[("m1", &m1), ("w1", &unknown)]).contains("w1 (stranger) is not in the store of m1"));
    let mut promoted = w1.clone();
    promoted.certificate.organizational_unit = "swarm-manager".into();
    assert!(said(&[("m1", &m1), ("w1", &promoted)]).contains("w1 is Manager by its certificate, but Worker"));

    let mut changed = m1.clone();
    changed.raft.as_mut().unwrap().members.clear();
    assert!(said(&[("m1", &m1), ("m2", &changed)]).contains("the stores or raft members of"));
    let mut behind = m1.clone();
    behind.raft.as_mut().unwrap().commit -= 1;
    let problems = problems(&[("m1", &m1), ("old", &behind)]);
    assert!(
        problems
            .iter()
            .any(|problem| matches!(problem, Problem::Behind { node, .. } if node == "old"))
    );
}

#[test]
fn every_object_has_an_id() {
    let node = Files::fixture("28.5.2/init/m1").node();
    let store = node.raft.unwrap().store;
    for kind in store.counts().into_keys() {
        assert!(
            store.of(kind).all(|object: &Object| object.id().len() == 25),
            "{kind:?}"
        );
    }
}
