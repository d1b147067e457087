//! Plain lines for a log: one for each stage and each check, and with `--verbose` one for each line
//! of a console as well.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kraken_flash::boot_check::{Check, Event, Outcome};
use kraken_foundation::text;

use super::state::{Booting, since};

/// The label of a line that is not about a node.
const CLUSTER: &str = "cluster";

pub(super) struct Lines {
    out: Mutex<Box<dyn Write + Send>>,
    names: BTreeMap<u32, String>,
    width: usize,
    verbose: bool,
    began: Instant,
}

impl Lines {
    pub(super) fn new(out: Box<dyn Write + Send>, nodes: &[Booting], verbose: bool) -> Self {
        let names: BTreeMap<_, _> = nodes
            .iter()
            .map(|node| (node.number, text::line(&node.hostname)))
            .collect();
        let width = names
            .values()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0)
            .max(CLUSTER.len());
        Self {
            out: Mutex::new(out),
            names,
            width,
            verbose,
            began: Instant::now(),
        }
    }

    pub(super) fn event(&self, event: &Event) {
        let now = since(self.began);
        match event {
            Event::Started { node } => self.line(now, Some(*node), "started"),
            Event::Stage { node, stage } => self.line(stage.at_ms, Some(*node), &text::line(&stage.name)),
            Event::Checked { node, check } => {
                if check.outcome != Outcome::NotApplicable || self.verbose {
                    self.line(check.ended_ms, *node, &one_line(check));
                }
            }
            Event::Doing { node, what } => self.line(now, *node, &text::line(what)),
            Event::Console { node, line } if self.verbose => {
                self.line(now, Some(*node), &format!("| {}", text::line(line)));
            }
            Event::Console { .. } => {}
        }
    }

    fn line(&self, ms: u64, node: Option<u32>, text: &str) {
        let name = match node {
            Some(node) => self.names.get(&node).cloned().unwrap_or_else(|| format!("node {node}")),
            None => CLUSTER.into(),
        };
        let (seconds, tenths, width) = (ms / 1000, ms % 1000 / 100, self.width);
        let line = format!("[{seconds:>5}.{tenths} s] {name:<width$}  {text}");
        // When stderr is closed, no reader is left for an error message either.
        let _ = writeln!(
            self.out.lock().unwrap_or_else(PoisonError::into_inner),
            "{}",
            line.trim_end()
        );
    }
}

/// Returns a check as one line.
fn one_line(check: &Check) -> String {
    let name = check.name;
    let first = |text: &str| text::lines(text).next().unwrap_or_default();
    match check.outcome {
        Outcome::Passed => format!("ok {name}"),
        Outcome::NotReached => format!("not reached: {name}"),
        Outcome::NotApplicable => format!("does not apply: {name}"),
        Outcome::Failed => {
            let mut line = format!("FAILED {name}: {}", first(&check.title));
            for (what, text) in [
                ("expected", &check.expected),
                ("seen", &Some(check.seen.clone())),
                ("cause", &check.cause),
            ] {
                if let Some(text) = text {
                    line.push_str(&format!("; {what}: {}", first(text)));
                }
            }
            line
        }
    }
}
