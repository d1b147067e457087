//! The errors when the parts of a state do not fit together, or states do not make a cluster.

use super::{CERTIFICATE, KEY, ROOT_CA, header, problems};
use crate::swarm_support::{Files, SEGMENT};
use kraken_swarm_check::{Mode, NodeState, Problem};

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
