//! The swarm state that real Docker daemons wrote, read back.

mod log;
mod misfit;

use crate::swarm_support::Files;
use kraken_swarm_check::{
    Availability, IssuanceState, JoinToken, Kind, Membership, NamedState, NodeState, Object, Problem, Role,
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
