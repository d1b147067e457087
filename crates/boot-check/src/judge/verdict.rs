//! The input and the result of a judge: what is known of a node, and the verdict on it.

use super::super::probe::ProbeOutput;
use super::super::report::Outcome;
use kraken_guest::limits::Limits;
use kraken_spec::{Cluster, Node};

/// What the judges know of a node besides the output of the probe.
#[derive(Clone, Copy)]
pub(in super::super) struct NodeView<'a> {
    pub(in super::super) cluster: &'a Cluster,
    pub(in super::super) node: &'a Node,
    /// The MAC address that the emulator gives to the adapter.
    pub(in super::super) mac: &'a str,
    /// Whether a majority of the swarm's managers is booted. A swarm needs one.
    pub(in super::super) managers_are_there: bool,
    /// The time limits of the guest's units.
    pub(in super::super) limits: Limits,
}

/// What the output of one probe means for one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// Everything is as expected.
    Good(String),
    /// Something is wrong and will stay wrong.
    Bad {
        expected: String,
        seen: String,
        cause: Option<String>,
    },
    /// Something is missing that may still come.
    NotYet { expected: String, seen: String },
    /// The check does not apply.
    Nothing(String),
}

impl Verdict {
    pub(super) fn bad(expected: impl Into<String>, seen: impl Into<String>, cause: Option<&str>) -> Self {
        Verdict::Bad {
            expected: expected.into(),
            seen: seen.into(),
            cause: cause.map(str::to_owned),
        }
    }

    pub(super) fn not_yet(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Verdict::NotYet {
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    /// Returns how the check ended, if it has.
    pub(in super::super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Verdict::Good(_) => Some(Outcome::Passed),
            Verdict::Bad { .. } => Some(Outcome::Failed),
            Verdict::NotYet { .. } => None,
            Verdict::Nothing(_) => Some(Outcome::NotApplicable),
        }
    }
}

/// Returns the first `most` lines of a text, to keep the evidence short.
pub(super) fn lines(text: &str, most: usize) -> String {
    let all: Vec<String> = kraken_foundation::text::lines(text)
        .filter(|line| !line.is_empty())
        .collect();
    let mut shown = all.iter().take(most).cloned().collect::<Vec<_>>().join("\n");
    if all.len() > most {
        shown.push_str(&format!("\n… and {} lines more", all.len() - most));
    }
    shown
}

/// Returns the output of a part, or a note that it is empty.
pub(super) fn seen(probe: &ProbeOutput, name: &str) -> String {
    match probe.part(name) {
        Some(part) if !part.text.trim().is_empty() => lines(&part.text, 8),
        Some(part) => format!("nothing (exit {})", part.status),
        None => "nothing".to_owned(),
    }
}
