//! What is looked at over SSH, again and again, until all of it is settled.

use std::path::PathBuf;
use std::time::Duration;

use super::super::cuts::{POWER_CUTS, POWER_CUTS_TITLE};
use super::super::judge::{self, RULES, Rule, TIME_LIMITS, Verdict};
use super::super::probe::{self, ProbeOutput};
use super::super::report::{NodeReport, Outcome};
use super::{CONNECT, Running};
use kraken_guest::BootError;

/// Between two looks over SSH: each costs the guest some seconds of its processor.
const PAUSE: Duration = Duration::from_secs(4);
/// So long nothing may change, on any node, before what is not yet as it should be counts as wrong: on the reference machine, see
/// [`super::super::context::Run::patience`].
const STANDSTILL: Duration = Duration::from_secs(300);

/// How far the login of the configured account is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    Untried,
    /// It did not come about yet.
    Open,
    Settled,
}

impl Running<'_> {
    /// Looks until all is settled, and all anew where its power is cut meanwhile.
    pub(super) fn poll(&mut self) -> Result<(), BootError> {
        let (began, before) = (self.run.clock.ms(), self.report.checks.len());
        let came_up = loop {
            let starts = self.starts;
            let came_up = self.poll_until_settled(began)?;
            self.hear();
            if self.starts == starts && self.cuts.end() {
                break came_up;
            }
            // What was seen before it is no proof of what comes after it.
            self.report.checks.truncate(before);
        };
        if let Some(verdict) = self.cuts.verdict(came_up) {
            self.settle(POWER_CUTS, POWER_CUTS_TITLE, began, verdict);
        }
        Ok(())
    }

    /// Looks again and again until all is settled, or nothing changes any more, or it was started anew because its power was cut. False when it
    /// does not run any more.
    fn poll_until_settled(&mut self, began: u64) -> Result<bool, BootError> {
        let cuts = self.cuts.made();
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
        let mut login = Login::Untried;
        while !open.is_empty() || login == Login::Open {
            self.run.interrupt.check()?;
            if self.cuts.made() != cuts {
                return Ok(true);
            }
            let limits_are_left = !open.is_empty() && open.iter().all(|(rule, _)| rule.name == TIME_LIMITS);
            let output = match limits_are_left {
                true => self.run_probe(probe::LIMITS),
                false => self.probe(),
            };
            match output {
                Ok(output) => self.judge(&output, &mut open, began),
                Err(words) => {
                    if let Some((_, seen, cause)) = self.lost() {
                        let expected = "a system that goes on running".to_owned();
                        let verdict = Verdict::Bad {
                            expected,
                            seen,
                            cause: cause.map(str::to_owned),
                        };
                        self.settle("system", "the system goes on running", began, verdict);
                        return Ok(false);
                    }
                    self.doing(&words);
                }
            }
            let is_open = |name: &str, open: &[(&Rule, Verdict)]| open.iter().any(|(rule, _)| rule.name == name);
            if login != Login::Settled && !is_open("ssh-key", &open) && !is_open("user", &open) {
                login = self.user_logs_in(!is_open("units", &open));
            }
            if !is_open("docker", &open) && !is_open("packages", &open) {
                // What is left waits for other nodes.
                self.start_slot = None;
            }
            if open.is_empty() && login != Login::Open {
                break;
            }
            let limit = self.run.scaled_timeout(STANDSTILL);
            if self.run.clock.still_for() > limit {
                // Why nothing goes on may be that systemd has killed what should have gone on.
                if let Ok(output) = self.run_probe(probe::LIMITS) {
                    let (mut limits, rest) = open.into_iter().partition(|(rule, _)| rule.name == TIME_LIMITS);
                    self.judge(&output, &mut limits, began);
                    open = rest;
                    open.append(&mut limits);
                }
                if login == Login::Open {
                    login = self.user_logs_in(true);
                }
                for (rule, verdict) in std::mem::take(&mut open) {
                    self.settle(rule.name, rule.title, began, verdict);
                }
            }
            self.wait(PAUSE)?;
        }
        Ok(true)
    }

    fn judge(&mut self, output: &ProbeOutput, open: &mut Vec<(&Rule, Verdict)>, began: u64) {
        let plan = self.run.plan;
        let mac = self.mac.clone();
        let view = judge::NodeView {
            cluster: plan.cluster,
            node: self.target.node,
            mac: &mac,
            managers_are_there: self.run.managers_are_there,
            limits: self.run.limits,
        };
        let failed = |report: &NodeReport, name: &str| {
            report
                .checks
                .iter()
                .any(|check| check.name == name && check.outcome == Outcome::Failed)
        };
        for (rule, _) in std::mem::take(open) {
            let verdict = (rule.judge)(output, &view);
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

    /// A real login as the configured account: with a private key that is at hand, else with the run's own. What does not come about before the
    /// node rests is tried again.
    fn user_logs_in(&mut self, rests: bool) -> Login {
        let began = self.run.clock.ms();
        let run = self.run;
        let user = run.plan.cluster.user.name.clone();
        let limit = run.scaled_timeout(CONNECT);
        let try_with = |node: &Self, key: PathBuf| {
            let login = node.login_as(&user, key)?;
            login.once("id -un && sudo -n id -un", limit, run.interrupt)
        };
        let title = "the account logs in over SSH";
        let (answer, with) = match run.plan.logins.first() {
            Some(key) => (try_with(self, key.clone()), format!("with {}", key.display())),
            None => {
                let put = format!(
                    "set -e; keys=$(getent passwd {user} | cut -d: -f6)/.ssh/authorized_keys; \
                     grep -qsxF '{key}' \"$keys\" || printf '%s\\n' '{key}' >> \"$keys\"",
                    key = run.key.line.trim()
                );
                let put = self.ssh(&put);
                let answer = put.and_then(|_| try_with(self, run.key.file.clone()));
                (
                    answer,
                    "with a key of this run only, put beside the configured ones in the emulator".to_owned(),
                )
            }
        };
        let verdict = judge::login(answer, &user, &with, rests);
        if let Verdict::NotYet { seen, .. } = &verdict {
            self.doing(&format!("logging in as {user}: {seen}"));
            return Login::Open;
        }
        self.settle("ssh-login", title, began, verdict);
        Login::Settled
    }
}
