//! Words that all renderings share: times, states, the verdict.

use super::super::folder::SET;
use super::super::{BootReport, Check, NodeReport, Outcome};
use kraken_foundation::text;

/// How many of the last lines of a console are quoted.
pub(super) const QUOTED: usize = 15;

/// The state of a node or of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// All checks have passed.
    Right,
    /// A check has failed.
    Wrong,
    /// No check has failed, but some could not be made.
    Unproven,
}

impl State {
    /// Returns the state that follows from these checks. Without any passed check it is
    /// [`State::Unproven`].
    pub(super) fn of(checks: &[Check]) -> Self {
        let has = |outcome| checks.iter().any(|check| check.outcome == outcome);
        if has(Outcome::Failed) {
            State::Wrong
        } else if has(Outcome::NotReached) || !has(Outcome::Passed) {
            State::Unproven
        } else {
            State::Right
        }
    }

    /// Returns the state of the checks of all nodes together. A single node has no such checks, and
    /// counts as right.
    pub(super) fn of_cluster(report: &BootReport) -> Self {
        if report
            .cluster_checks
            .iter()
            .all(|check| check.outcome == Outcome::NotApplicable)
        {
            State::Right
        } else {
            State::of(&report.cluster_checks)
        }
    }
}

/// Returns the checks with this outcome.
pub(super) fn with(checks: &[Check], outcome: Outcome) -> impl Iterator<Item = &Check> {
    checks.iter().filter(move |check| check.outcome == outcome)
}

/// Returns the names of the checks: `kernel, root`.
pub(super) fn names<'a>(checks: impl Iterator<Item = &'a Check>) -> String {
    checks.map(|check| check.name).collect::<Vec<_>>().join(", ")
}

/// Formats a time for people: `4.2 s`, `93 s`.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        // A time that would be rounded up to ten is also written without a decimal.
        ..9_950 => format!("{}.{} s", (ms + 50) / 1000, (ms + 50) % 1000 / 100),
        _ => format!("{} s", (ms + 500) / 1000),
    }
}

/// Returns when a node's own start began. Nodes may have to wait for memory before that. The first
/// check begins with the emulator.
pub(super) fn began_ms(node: &NodeReport) -> u64 {
    let stages = node.stages.iter().map(|stage| stage.at_ms);
    let checks = node.checks.iter().filter(|check| happened(check));
    stages.chain(checks.map(|check| check.began_ms)).min().unwrap_or(0)
}

/// Returns how long a node took to reach its last stage.
pub(super) fn up_ms(node: &NodeReport) -> Option<u64> {
    let last = node.stages.iter().map(|stage| stage.at_ms).max()?;
    Some(last - began_ms(node).min(last))
}

/// Returns whether a check was made, so that its times have a meaning.
pub(super) fn happened(check: &Check) -> bool {
    matches!(check.outcome, Outcome::Passed | Outcome::Failed)
}

/// Returns `2 nodes` or `1 node`.
pub(super) fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    }
}

/// Returns the report in one sentence.
pub(super) fn verdict(report: &BootReport) -> String {
    let all = report.nodes.len();
    let of = |state| {
        report
            .nodes
            .iter()
            .filter(|node| State::of(&node.checks) == state)
            .map(|node| text::line(&node.hostname))
            .collect::<Vec<_>>()
    };
    let (wrong, unproven) = (of(State::Wrong), of(State::Unproven));
    if report.is_good() {
        let boots = if all == 1 { "boots and is" } else { "boot and are" };
        return format!("{} {boots} right", count(all, "node"));
    }
    let mut parts = Vec::new();
    if report.interrupted {
        parts.push(format!("interrupted after {}", seconds(report.took_ms)));
    }
    if !wrong.is_empty() {
        let is = if all == 1 || wrong.len() == 1 { "is" } else { "are" };
        parts.push(format!(
            "{} of {} {is} wrong: {}",
            wrong.len(),
            count(all, "node"),
            wrong.join(", ")
        ));
    }
    match State::of_cluster(report) {
        State::Wrong => {
            let failed = || with(&report.cluster_checks, Outcome::Failed);
            let mut together = failed().filter(|check| check.name != SET).peekable();
            if together.peek().is_some() {
                parts.push(format!("the nodes are not right together: {}", names(together)));
            }
            if failed().any(|check| check.name == SET) {
                parts.push("the folder has images that do not belong to this set".into());
            }
        }
        State::Unproven if unproven.is_empty() && wrong.is_empty() => {
            let missed = with(&report.cluster_checks, Outcome::NotReached);
            parts.push(format!("not proven of the nodes together: {}", names(missed)));
        }
        _ => {}
    }
    if !unproven.is_empty() {
        parts.push(format!("not proven: {}", unproven.join(", ")));
    }
    if report.nodes.is_empty() {
        parts.push("no node was booted".into());
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_are_as_exact_as_they_are_useful() {
        for (ms, shown) in [
            (0, "0.0 s"),
            (49, "0.0 s"),
            (50, "0.1 s"),
            (9_949, "9.9 s"),
            (9_950, "10 s"),
            (93_400, "93 s"),
            (93_500, "94 s"),
        ] {
            assert_eq!(seconds(ms), shown);
        }
    }
}
