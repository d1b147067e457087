//! What the view knows of the nodes while they boot: that part of all events which a row shows.

use std::time::Instant;

use kraken_flash::boot_check::{Check, Event, Outcome};
use kraken_foundation::text;

/// The longest text that is kept of a line, in characters; no terminal shows more.
const LONGEST: usize = 500;

/// A node that will be booted.
#[derive(Clone, Debug)]
pub(in super::super) struct Booting {
    pub(in super::super) number: u32,
    pub(in super::super) hostname: String,
    /// `manager`, `worker`, or `none` without a swarm.
    pub(in super::super) role: String,
}

/// The state of all nodes.
pub(super) struct State {
    pub(super) nodes: Vec<Node>,
    /// The stages, in the order in which they are reached.
    pub(super) stages: Vec<String>,
    pub(super) passed: Vec<&'static str>,
    pub(super) failed: Vec<&'static str>,
    /// What is being done for all nodes.
    pub(super) doing: String,
    pub(super) interrupted: bool,
    /// Whether there was an event; nothing is shown before the first one.
    pub(super) begun: bool,
}

/// The state of one node. Times are in milliseconds since the view was made.
pub(super) struct Node {
    pub(super) number: u32,
    pub(super) hostname: String,
    /// Empty without a swarm.
    pub(super) role: String,
    pub(super) started: Option<u64>,
    /// When the last stage was reached.
    pub(super) up: Option<u64>,
    /// For each stage, whether it was reached.
    pub(super) reached: Vec<bool>,
    pub(super) failed: Vec<&'static str>,
    /// The last line of its console, or what is being done for it.
    pub(super) last_line: String,
}

impl State {
    pub(super) fn new(nodes: &[Booting], stages: &[&str]) -> Self {
        let node = |node: &Booting| Node {
            number: node.number,
            hostname: text::line(&node.hostname),
            role: if node.role == "none" {
                String::new()
            } else {
                text::line(&node.role)
            },
            started: None,
            up: None,
            reached: vec![false; stages.len()],
            failed: Vec::new(),
            last_line: String::new(),
        };
        Self {
            nodes: nodes.iter().map(node).collect(),
            stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
            passed: Vec::new(),
            failed: Vec::new(),
            doing: String::new(),
            interrupted: false,
            begun: false,
        }
    }

    /// Updates the state by an event that happened at `now`.
    pub(super) fn take(&mut self, event: &Event, now: u64) {
        self.begun = true;
        match event {
            Event::Started { node } => self.with(*node, |node| node.started = Some(now)),
            Event::Stage { node, stage } => {
                let at = self.stages.iter().position(|known| *known == stage.name);
                let last = self.stages.len().checked_sub(1);
                self.with(*node, |node| {
                    // A stage that was not announced has no place in the row.
                    if let Some(reached) = at.and_then(|at| node.reached.get_mut(at)) {
                        *reached = true;
                    }
                    if at.is_some() && at == last {
                        node.up.get_or_insert(now);
                    }
                });
            }
            Event::Console { node, line } => {
                let line = one_line(line);
                // A prompt that is drawn again, and blank lines, add nothing new.
                if !line.trim().is_empty() {
                    self.with(*node, |node| node.last_line = line);
                }
            }
            Event::Doing { node: Some(node), what } => self.with(*node, |node| node.last_line = one_line(what)),
            Event::Doing { node: None, what } => self.doing = one_line(what),
            Event::Checked {
                node: Some(node),
                check,
            } => self.with(*node, |node| note(check, &mut Vec::new(), &mut node.failed)),
            Event::Checked { node: None, check } => note(check, &mut self.passed, &mut self.failed),
        }
    }

    fn with(&mut self, number: u32, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.number == number) {
            change(node);
        }
    }
}

fn note(check: &Check, passed: &mut Vec<&'static str>, failed: &mut Vec<&'static str>) {
    let (list, other) = match check.outcome {
        Outcome::Passed => (passed, failed),
        Outcome::Failed => (failed, passed),
        Outcome::NotReached | Outcome::NotApplicable => return,
    };
    // When a check is made again, its last outcome counts.
    other.retain(|name| *name != check.name);
    if !list.contains(&check.name) {
        list.push(check.name);
    }
}

/// Returns a line that is safe to print on a terminal, cut to [`LONGEST`].
fn one_line(text: &str) -> String {
    text::line(text).trim_start().chars().take(LONGEST).collect()
}

/// Returns the milliseconds since a moment.
pub(super) fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
