//! Reports of `verify --boot --json`, with functions for tests.

use serde_json::Value;

pub(super) fn node(report: &Value, number: u64) -> &Value {
    let nodes = report["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["node"] == number).unwrap()
}

/// Name, outcome, evidence and cause of every check.
pub(super) fn checks(of: &Value) -> Vec<(String, String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of.as_array()
        .unwrap()
        .iter()
        .map(|check| {
            (
                text(&check["name"]),
                text(&check["outcome"]),
                text(&check["seen"]),
                text(&check["cause"]),
            )
        })
        .collect()
}

pub(super) fn assert_fails(of: &Value, name: &str, words: &[&str]) {
    let all = checks(of);
    let failed = all
        .iter()
        .find(|(check, outcome, ..)| check == name && outcome == "failed");
    let (.., seen, cause) = failed.unwrap_or_else(|| panic!("{name} did not fail: {all:#?}"));
    for word in words {
        assert!(
            seen.contains(word) || cause.contains(word),
            "{name} says nothing of {word}: {seen}; {cause}"
        );
    }
}

pub(super) fn assert_all_passed(of: &Value, names: &[&str]) {
    let all = checks(of);
    for (name, outcome, seen, cause) in &all {
        assert!(
            outcome == "passed" || outcome == "not-applicable",
            "{name}: {outcome}: {seen}; {cause}"
        );
    }
    for name in names {
        assert!(
            all.iter()
                .any(|(check, outcome, ..)| check == name && outcome == "passed"),
            "{name}: {all:#?}"
        );
    }
}

pub(super) const SYSTEM: [&str; 15] = [
    "boot-files",
    "kernel",
    "root",
    "room",
    "hostname",
    "address",
    "nic",
    "gateway",
    "cloud-init",
    "user",
    "ssh-key",
    "ssh-login",
    "packages",
    "units",
    "time-limits",
];

/// Checks that the root file system has most of an emulated card of 8 GiB; the image has 2 GiB.
pub(super) fn assert_grew(of: &Value) {
    let all = checks(of);
    let (.., seen, _) = all.iter().find(|(check, ..)| check == "room").unwrap();
    let free: u64 = seen.split(' ').next().unwrap().parse().unwrap();
    assert!(free > 4000, "{seen}");
}

/// Checks that every node is up, and that they are one swarm that survives.
pub(super) fn assert_is_a_swarm(report: &Value, nodes: u64) {
    for number in 1..=nodes {
        let node = node(report, number);
        assert_all_passed(&node["checks"], &SYSTEM);
        assert_all_passed(&node["checks"], &["docker", "swarm-node"]);
    }
    let names = [
        "addresses",
        "ready",
        "roles",
        "tokens",
        "service",
        "power-cut",
        "manager-reboot",
    ];
    assert_all_passed(&report["cluster-checks"], &names);
}
