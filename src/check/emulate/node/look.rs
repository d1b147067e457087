//! What is looked at over SSH, again and again, until all of it is settled.

use std::path::PathBuf;
use std::time::Duration;

use super::super::EmulateError;
use super::super::inspect::Findings;
use super::super::judge::{self, RULES, Rule, Verdict};
use super::super::report::{NodeReport, Outcome};
use super::{CONNECT, Running};

/// Between two looks over SSH: each costs the guest some seconds of its processor.
const PAUSE: Duration = Duration::from_secs(4);
/// So long nothing may change, on any node, before what is not yet as it should be counts as wrong: on the reference machine, see
/// [`super::super::run::Run::patience`].
const STANDSTILL: Duration = Duration::from_secs(300);

impl Running<'_> {
    /// Looks again and again until all is settled, or nothing changes any more.
    pub(super) fn look(&mut self) -> Result<(), EmulateError> {
        let began = self.run.clock.ms();
        let mut open: Vec<(&Rule, Verdict)> = RULES
            .iter()
            .map(|rule| {
                (
                    rule,
                    Verdict::NotYet {
                        expected: rule.title.to_owned(),
                        seen: "nothing yet".to_owned(),
                    },
                )
            })
            .collect();
        let mut tried_login = false;
        while !open.is_empty() {
            self.run.interrupt.check()?;
            match self.findings() {
                Ok(findings) => self.judge(&findings, &mut open, began),
                Err(words) => {
                    if let Some((_, seen, cause)) = self.lost() {
                        let expected = "a system that goes on running".to_owned();
                        let verdict = Verdict::Bad {
                            expected,
                            seen,
                            cause: cause.map(str::to_owned),
                        };
                        self.settle("system", "the system goes on running", began, verdict);
                        break;
                    }
                    self.doing(&words);
                }
            }
            let is_open = |name: &str, open: &[(&Rule, Verdict)]| open.iter().any(|(rule, _)| rule.name == name);
            if !tried_login && !is_open("ssh-key", &open) && !is_open("user", &open) {
                tried_login = true;
                self.user_logs_in();
            }
            if !is_open("docker", &open) && !is_open("packages", &open) {
                // What is left waits for other nodes.
                self.turn = None;
            }
            if open.is_empty() {
                break;
            }
            let limit = self.run.patience(STANDSTILL);
            if self.run.clock.still_for() > limit {
                for (rule, verdict) in std::mem::take(&mut open) {
                    self.settle(rule.name, rule.title, began, verdict);
                }
            }
            self.wait(PAUSE)?;
        }
        self.hear();
        Ok(())
    }

    fn judge(&mut self, findings: &Findings, open: &mut Vec<(&Rule, Verdict)>, began: u64) {
        let plan = self.run.plan;
        let mac = self.mac.clone();
        let subject = judge::Subject {
            cluster: plan.cluster,
            node: self.subject.node,
            mac: &mac,
            managers_are_there: self.run.managers_are_there,
        };
        let failed = |report: &NodeReport, name: &str| {
            report
                .checks
                .iter()
                .any(|check| check.name == name && check.outcome == Outcome::Failed)
        };
        for (rule, _) in std::mem::take(open) {
            let verdict = (rule.judge)(findings, &subject);
            // Without Docker there is no swarm to wait for.
            let hopeless = rule.name == "swarm-node" && failed(&self.report, "docker");
            match verdict.outcome() {
                None if hopeless => self.settle(rule.name, rule.title, began, verdict),
                None => open.push((rule, verdict)),
                Some(outcome) => {
                    if let (Outcome::Passed, Some(stage)) = (outcome, rule.stage) {
                        self.reach(stage);
                    }
                    self.settle(rule.name, rule.title, began, verdict);
                }
            }
        }
    }

    /// A real login as the configured account: with a private key that is at hand, else with the run's own.
    fn user_logs_in(&mut self) {
        let began = self.run.clock.ms();
        let run = self.run;
        let user = run.plan.cluster.user.name.clone();
        let limit = run.patience(CONNECT);
        let try_with = |node: &Self, key: PathBuf| {
            let login = node.login_as(&user, key)?;
            login.once("id -un && sudo -n id -un", limit, run.interrupt)
        };
        let title = "the account logs in over SSH";
        let expected = format!("{user}, and root by sudo");
        let (answer, with) = match run.plan.logins.first() {
            Some(key) => (try_with(self, key.clone()), format!("with {}", key.display())),
            None => {
                let put = format!(
                    "set -e; home=$(getent passwd {user} | cut -d: -f6); printf '%s\\n' '{}' >> \"$home/.ssh/authorized_keys\"",
                    run.key.line.trim()
                );
                let put = self.ssh(&put);
                let answer = put.and_then(|_| try_with(self, run.key.file.clone()));
                (
                    answer,
                    "with a key of this run only, put beside the configured ones in the emulator".to_owned(),
                )
            }
        };
        let verdict = match answer {
            Ok(text) if text.split_whitespace().next() == Some(user.as_str()) => Verdict::Good(format!(
                "{}, {with}",
                text.split_whitespace().collect::<Vec<_>>().join(", by sudo ")
            )),
            Ok(text) | Err(text) => Verdict::Bad {
                expected,
                seen: format!("{}, {with}", crate::clean::line(&text)),
                cause: None,
            },
        };
        self.settle("ssh-login", title, began, verdict);
    }
}
