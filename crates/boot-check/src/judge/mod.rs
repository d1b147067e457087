//! Judges the output of probes: one pure function for each check.

mod docker;
mod limits;
mod login;
mod network;
#[cfg(test)]
mod probes_tests;
mod system;
#[cfg(test)]
pub(super) mod tests;
mod verdict;

pub(super) use login::login;
pub(super) use system::ROOM;
pub(super) use verdict::{NodeView, Verdict};

use super::probe::ProbeOutput;

/// A check that a probe can decide.
pub(super) struct Rule {
    /// The stable name of the check.
    pub(super) name: &'static str,
    /// What the check verifies, in words.
    pub(super) title: &'static str,
    /// The stage that the node reaches when the check passes.
    pub(super) stage: Option<&'static str>,
    /// The parts of a probe that it reads ([`super::probe`]).
    pub(super) reads: &'static [&'static str],
    pub(super) judge: fn(&ProbeOutput, &NodeView<'_>) -> Verdict,
}

/// All checks, in the order of the report.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "root",
        title: "the root file system is mounted read-write",
        stage: None,
        reads: &["root"],
        judge: system::root,
    },
    Rule {
        name: "room",
        title: "the root file system has room",
        stage: None,
        reads: &["room"],
        judge: system::room,
    },
    Rule {
        name: "hostname",
        title: "the node has its name",
        stage: None,
        reads: &["hostname", "hostname-file"],
        judge: system::hostname,
    },
    Rule {
        name: "address",
        title: "the node has its address",
        stage: None,
        reads: &["addresses"],
        judge: network::address,
    },
    Rule {
        name: "nic",
        title: "the address is on the network adapter, and its link is up",
        stage: None,
        reads: &["addresses"],
        judge: network::nic,
    },
    Rule {
        name: "gateway",
        title: "the gateway is set, and answers",
        stage: None,
        reads: &["routes", "ping", "neighbour"],
        judge: network::gateway,
    },
    Rule {
        name: "cloud-init",
        title: "cloud-init finished without errors",
        stage: Some("cloud-init"),
        reads: &["cloud-init", "cloud-init-status", "cloud-init-result"],
        judge: system::cloud_init,
    },
    Rule {
        name: "user",
        title: "the account is there, with its groups",
        stage: None,
        reads: &["passwd", "groups"],
        judge: system::user,
    },
    Rule {
        name: "ssh-key",
        title: "the account has the configured SSH keys, and no others",
        stage: None,
        reads: &["keys"],
        judge: system::ssh_key,
    },
    Rule {
        name: "packages",
        title: "all packages are configured",
        stage: Some("packages"),
        reads: &["packages", "marks", "units"],
        judge: system::packages,
    },
    Rule {
        name: "docker",
        title: "Docker is up, and answers",
        stage: Some("docker"),
        reads: &["units", "held", "docker"],
        judge: docker::docker,
    },
    Rule {
        name: "swarm-node",
        title: "the node is the member of the swarm that it was made to be",
        stage: Some("swarm"),
        reads: &["held", "units", "docker", "node-id"],
        judge: docker::swarm_node,
    },
    Rule {
        name: "units",
        title: "systemd has reached its target, and no unit failed",
        stage: None,
        reads: &["units", "failed", "packages", "marks", "held", "docker"],
        judge: system::units,
    },
    Rule {
        name: TIME_LIMITS,
        title: "every unit keeps the time limit that it has on the card",
        stage: None,
        reads: &limits::READS,
        judge: limits::time_limits,
    },
];

/// The check that comes last, because its probe ([`super::probe::LIMITS`]) takes the guest some
/// seconds.
pub(super) const TIME_LIMITS: &str = "time-limits";
