//! The tables of the page: every check with its evidence, and the failures once more at the top.

use serde::Serialize;

use super::super::super::{BootReport, Check, NodeReport, Outcome};
use super::super::words::{QUOTED, State, count, happened, names, seconds, up_ms, with};
use super::shown::{Fact, Shown};
use kraken_foundation::text;

/// Evidence of up to so many characters stands in the table. Longer evidence is folded away.
const SHORT: usize = 90;

/// A failed check, and the node or cluster that it belongs to.
#[derive(Serialize)]
pub(super) struct Failure {
    who: String,
    anchor: String,
    check: Row,
}

/// A check in a table.
#[derive(Clone, Serialize)]
pub(super) struct Row {
    outcome: Shown,
    name: &'static str,
    title: String,
    /// The begin and the end of the check; empty if it was not made.
    span: String,
    took: String,
    expected: String,
    seen: String,
    cause: String,
    failed: bool,
    /// The first line of folded evidence; empty if the evidence is short enough to be shown.
    fold: String,
}

/// A node with its checks.
#[derive(Serialize)]
pub(super) struct NodeTable {
    number: u32,
    hostname: String,
    address: String,
    role: String,
    state: Shown,
    summary: String,
    open: bool,
    facts: Vec<Fact>,
    rows: Vec<Row>,
    console: String,
    console_lines: String,
    console_file: String,
}

/// Returns the failures, those of nodes first.
pub(super) fn failures(report: &BootReport) -> Vec<Failure> {
    let nodes = report
        .nodes
        .iter()
        .map(|node| (text::line(&node.hostname), format!("node-{}", node.node), &node.checks));
    let cluster = (
        "the nodes together".to_owned(),
        "together".to_owned(),
        &report.cluster_checks,
    );
    nodes
        .chain([cluster])
        .flat_map(|(who, anchor, checks)| {
            with(checks, Outcome::Failed).map(move |check| Failure {
                who: who.clone(),
                anchor: anchor.clone(),
                check: Row::new(check),
            })
        })
        .collect()
}

/// Returns the rows of a table, in the order of the checks.
pub(super) fn rows(checks: &[Check]) -> Vec<Row> {
    checks.iter().map(Row::new).collect()
}

/// Returns a text of several lines without control characters.
fn text(text: &str) -> String {
    text::lines(text).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

impl Row {
    fn new(check: &Check) -> Self {
        let seen = text(&check.seen);
        let first = seen.lines().next().unwrap_or_default();
        let long = seen.lines().count() > 1 || first.chars().count() > SHORT;
        let fold = match long {
            true => format!("{} …", first.chars().take(SHORT).collect::<String>().trim_end()),
            false => String::new(),
        };
        let (span, took) = match happened(check) {
            true => (
                format!("{} – {}", seconds(check.began_ms), seconds(check.ended_ms)),
                seconds(check.ended_ms.saturating_sub(check.began_ms)),
            ),
            false => Default::default(),
        };
        Self {
            outcome: check.outcome.into(),
            name: check.name,
            title: text::line(&check.title),
            span,
            took,
            expected: text(check.expected.as_deref().unwrap_or_default()),
            cause: text(check.cause.as_deref().unwrap_or_default()),
            failed: check.outcome == Outcome::Failed,
            seen,
            fold,
        }
    }
}

impl NodeTable {
    pub(super) fn new(node: &NodeReport) -> Self {
        let state = State::of(&node.checks);
        let tail = &node.console_tail[node.console_tail.len().saturating_sub(QUOTED)..];
        Self {
            number: node.node,
            hostname: text::line(&node.hostname),
            address: node.address.to_string(),
            role: text::line(&node.role),
            state: state.into(),
            summary: summary(node, state),
            open: state != State::Right,
            facts: facts(node),
            rows: rows(&node.checks),
            console: tail.iter().map(|line| text::line(line)).collect::<Vec<_>>().join("\n"),
            console_lines: count(tail.len(), "line"),
            console_file: node
                .console
                .as_ref()
                .map(|path| text::line(&path.display().to_string()))
                .unwrap_or_default(),
        }
    }
}

fn summary(node: &NodeReport, state: State) -> String {
    let failed = names(with(&node.checks, Outcome::Failed));
    match (state, up_ms(node), node.stages.last()) {
        (State::Wrong, ..) => format!("failed: {failed}"),
        (State::Right, Some(up), _) => format!("up in {}", seconds(up)),
        (State::Unproven, Some(up), Some(last)) => {
            format!("came as far as {}, in {}", text::line(&last.name), seconds(up))
        }
        (State::Unproven, ..) => "reached no stage".into(),
        (State::Right, ..) => count(with(&node.checks, Outcome::Passed).count(), "check"),
    }
}

fn facts(node: &NodeReport) -> Vec<Fact> {
    let image = match &node.image {
        Some(path) => text::line(&path.display().to_string()),
        None => "made of golden image and patch".into(),
    };
    let mut facts = vec![Fact {
        name: "image",
        value: image,
    }];
    if node.ephemeral_key {
        let value = "a key of the emulator's own beside the configured ones, in the emulator's overlay only".into();
        facts.push(Fact { name: "login", value });
    }
    facts
}
