//! What a look at a guest proves: one pure function for each check.

mod docker;
mod limits;
mod login;
mod network;
#[cfg(test)]
mod probes_tests;
mod system;
#[cfg(test)]
pub(super) mod tests;

pub(super) use login::login;
pub(super) use system::ROOM;

use super::inspect::Findings;
use super::limits::Limits;
use super::report::Outcome;
use crate::spec::{Cluster, Node};

/// What is known of a node that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) node: &'a Node,
    /// The adapter's address, as the emulator was told.
    pub(super) mac: &'a str,
    /// Whether a majority of its managers is booted with it: without them no swarm can be.
    pub(super) managers_are_there: bool,
    /// The time limits of the guest's units.
    pub(super) limits: Limits,
}

/// What one look says of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it should be.
    Good(String),
    /// It is not, and will not be.
    Bad {
        expected: String,
        seen: String,
        cause: Option<String>,
    },
    /// It is not yet.
    NotYet { expected: String, seen: String },
    /// It does not apply.
    Nothing(String),
}

impl Verdict {
    fn bad(expected: impl Into<String>, seen: impl Into<String>, cause: Option<&str>) -> Self {
        Verdict::Bad {
            expected: expected.into(),
            seen: seen.into(),
            cause: cause.map(str::to_owned),
        }
    }

    fn not_yet(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Verdict::NotYet {
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    /// How the check ended, if it has.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Verdict::Good(_) => Some(Outcome::Passed),
            Verdict::Bad { .. } => Some(Outcome::Failed),
            Verdict::NotYet { .. } => None,
            Verdict::Nothing(_) => Some(Outcome::NotApplicable),
        }
    }
}

/// A check that a look can decide.
pub(super) struct Rule {
    /// Its stable name.
    pub(super) name: &'static str,
    /// What it proves.
    pub(super) title: &'static str,
    /// The stage that is reached when it is settled well.
    pub(super) stage: Option<&'static str>,
    pub(super) judge: fn(&Findings, &Subject<'_>) -> Verdict,
}

/// All of them, in the order in which a report has them.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "root",
        title: "the root file system is mounted read-write",
        stage: None,
        judge: system::root,
    },
    Rule {
        name: "room",
        title: "the root file system has room",
        stage: None,
        judge: system::room,
    },
    Rule {
        name: "hostname",
        title: "the node has its name",
        stage: None,
        judge: system::hostname,
    },
    Rule {
        name: "address",
        title: "the node has its address",
        stage: None,
        judge: network::address,
    },
    Rule {
        name: "nic",
        title: "the address is on the network adapter, and its link is up",
        stage: None,
        judge: network::nic,
    },
    Rule {
        name: "gateway",
        title: "the gateway is set, and answers",
        stage: None,
        judge: network::gateway,
    },
    Rule {
        name: "cloud-init",
        title: "cloud-init finished without errors",
        stage: Some("cloud-init"),
        judge: system::cloud_init,
    },
    Rule {
        name: "user",
        title: "the account is there, with its groups",
        stage: None,
        judge: system::user,
    },
    Rule {
        name: "ssh-key",
        title: "the account has the configured SSH keys, and no others",
        stage: None,
        judge: system::ssh_key,
    },
    Rule {
        name: "packages",
        title: "all packages are configured",
        stage: Some("packages"),
        judge: system::packages,
    },
    Rule {
        name: "docker",
        title: "Docker is up, and answers",
        stage: Some("docker"),
        judge: docker::docker,
    },
    Rule {
        name: "swarm-node",
        title: "the node is the member of the swarm that it was made to be",
        stage: Some("swarm"),
        judge: docker::swarm_node,
    },
    Rule {
        name: "units",
        title: "systemd has reached its target, and no unit failed",
        stage: None,
        judge: system::units,
    },
    Rule {
        name: TIME_LIMITS,
        title: "every unit keeps the time limit that it has on the card",
        stage: None,
        judge: limits::time_limits,
    },
];

/// The check that is looked at once all others are settled, since that takes the guest some seconds, with `inspect::limits_script`.
pub(super) const TIME_LIMITS: &str = "time-limits";

/// The first so many lines, so that evidence stays evidence.
fn lines(text: &str, most: usize) -> String {
    let all: Vec<String> = kraken_foundation::text::lines(text)
        .filter(|line| !line.is_empty())
        .collect();
    let mut shown = all.iter().take(most).cloned().collect::<Vec<_>>().join("\n");
    if all.len() > most {
        shown.push_str(&format!("\n… and {} lines more", all.len() - most));
    }
    shown
}

/// What a part says, or that it says nothing.
fn seen(findings: &Findings, name: &str) -> String {
    match findings.part(name) {
        Some(part) if !part.text.trim().is_empty() => lines(&part.text, 8),
        Some(part) => format!("nothing (exit {})", part.status),
        None => "nothing".to_owned(),
    }
}
