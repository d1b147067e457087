//! Collects the results of the checks of the cluster.

use super::super::context::Run;
use super::super::judge::Verdict;
use super::super::report::{Check, Event, Outcome};

/// The run, and the list that its cluster checks are added to.
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

/// Returns a good result as a good verdict, and a bad one as a failure with the expectation and the
/// cause.
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
