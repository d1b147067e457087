//! Where the checks of the cluster go.

use super::super::context::Run;
use super::super::judge::Verdict;
use super::super::report::{Check, Event, Outcome};

/// Where the checks go.
pub(super) struct Report<'r, 'a> {
    pub(super) run: &'r Run<'a>,
    pub(super) checks: &'r mut Vec<Check>,
}

impl Report<'_, '_> {
    pub(super) fn settle(&mut self, name: &'static str, title: &str, began_ms: u64, verdict: Verdict) -> bool {
        let check = self.run.check(name, title, began_ms, verdict);
        let passed = check.outcome == Outcome::Passed;
        self.run.watcher.event(&Event::Checked {
            node: None,
            check: check.clone(),
        });
        self.checks.push(check);
        self.run.clock.progress();
        passed
    }

    pub(super) fn doing(&self, what: &str) {
        self.run.watcher.event(&Event::Doing {
            node: None,
            what: what.to_owned(),
        });
    }
}

/// An answer as a verdict: the good one is good as it is.
pub(super) fn decided(verdict: Result<String, String>, expected: String, cause: Option<&str>) -> Verdict {
    match verdict {
        Ok(seen) => Verdict::Good(seen),
        Err(seen) => Verdict::Bad {
            expected,
            seen,
            cause: cause.map(str::to_owned),
        },
    }
}
