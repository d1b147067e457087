//! Polls a node over SSH until all of its checks are settled.

use std::path::PathBuf;
use std::time::Duration;

use super::super::cuts::{POWER_CUTS, POWER_CUTS_TITLE};
use super::super::judge::{self, RULES, Rule, TIME_LIMITS, Verdict};
use super::super::probe::{self, ProbeOutput};
use super::super::report::{NodeReport, Outcome};
use super::arrive::Lost;
use super::{CONNECT, Running};
use kraken_foundation::Result;

/// The pause between two probes. Each probe costs the guest some seconds of its processor.
const PAUSE: Duration = Duration::from_secs(4);
/// How long no node may make progress before the open checks count as failed: on the reference
/// machine, see [`super::super::context::Run::scaled_timeout`].
const STANDSTILL: Duration = Duration::from_secs(300);

/// The state of the login as the configured account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    Untried,
    /// A try has failed, but a later one may succeed.
    Open,
    Settled,
}

impl Running<'_> {
    /// Polls until all checks are settled. If the power is cut meanwhile, all checks start again.
    pub(super) fn poll(&mut self) -> Result<()> {
        let (began, before) = (self.run.clock.ms(), self.report.checks.len());
        let came_up = loop {
            let starts = self.starts;
            let came_up = self.poll_until_settled(began)?;
            self.hear();
            if self.starts == starts && self.cuts.end() {
                break came_up;
            }
            // The results from before a power cut do not prove anything about the time after it.
            self.report.checks.truncate(before);
        };
        if let Some(verdict) = self.cuts.verdict(came_up) {
            self.settle(POWER_CUTS, POWER_CUTS_TITLE, began, verdict);
        }
        Ok(())
    }

    /// Polls until all checks are settled, no node makes progress any more, or a power cut has
    /// restarted the node. Returns false if the node has stopped running.
    fn poll_until_settled(&mut self, began: u64) -> Result<bool> {
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
        let mut is_first = true;
        while !open.is_empty() || login == Login::Open {
            self.run.interrupt.check()?;
            if self.cuts.made() != cuts {
                return Ok(true);
            }
            let limits_are_left = !open.is_empty() && open.iter().all(|(rule, _)| rule.name == TIME_LIMITS);
            let output = match limits_are_left {
                true => self.run_probe(probe::LIMITS),
                // Later probes ask for what is not known yet, and whether the node answers.
                false => self.probe(|part| {
                    is_first || part == probe::BOOT || open.iter().any(|(rule, _)| rule.reads.contains(&part))
                }),
            };
            is_first &= output.is_err();
            match output {
                Ok(output) => self.judge(&output, &mut open, began),
                Err(words) => {
                    if let Some(Lost { seen, cause, .. }) = self.lost() {
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
                // The remaining checks wait for other nodes.
                self.start_slot = None;
            }
            if open.is_empty() && login != Login::Open {
                break;
            }
            let limit = self.run.scaled_timeout(STANDSTILL);
            if self.run.clock.still_for() > limit {
                // The reason for the standstill may be that systemd has killed a unit.
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
            // There is no swarm to wait for without Docker.
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

    /// Logs in as the configured account: with a configured private key if there is one, otherwise
    /// with the run's own key. A failed login is tried again until the node rests.
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
