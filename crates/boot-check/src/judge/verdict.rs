//! What a check is made of: a node, and a look at it; and what it says of them.

use super::super::probe::ProbeOutput;
use super::super::report::Outcome;
use kraken_guest::limits::Limits;
use kraken_spec::{Cluster, Node};

/// What is known of a node that is looked at.
#[derive(Clone, Copy)]
pub(in super::super) struct NodeView<'a> {
    pub(in super::super) cluster: &'a Cluster,
    pub(in super::super) node: &'a Node,
    /// The adapter's address, as the emulator was told.
    pub(in super::super) mac: &'a str,
    /// Whether a majority of its managers is booted with it: without them no swarm can be.
    pub(in super::super) managers_are_there: bool,
    /// The time limits of the guest's units.
    pub(in super::super) limits: Limits,
}

/// What one look says of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
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

    /// How the check ended, if it has.
    pub(in super::super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Verdict::Good(_) => Some(Outcome::Passed),
            Verdict::Bad { .. } => Some(Outcome::Failed),
            Verdict::NotYet { .. } => None,
            Verdict::Nothing(_) => Some(Outcome::NotApplicable),
        }
    }
}

/// The first so many lines, so that evidence stays evidence.
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

/// What a part says, or that it says nothing.
pub(super) fn seen(probe: &ProbeOutput, name: &str) -> String {
    match probe.part(name) {
        Some(part) if !part.text.trim().is_empty() => lines(&part.text, 8),
        Some(part) => format!("nothing (exit {})", part.status),
        None => "nothing".to_owned(),
    }
}
