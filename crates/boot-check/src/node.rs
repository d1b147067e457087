//! One node: from its files to a system that was looked at, and that goes on running for the checks of the cluster.

mod arrive;
mod poll;
mod power;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::context::{Run, StartSlot};
use super::cuts::{Cuts, POWER_CUTS, POWER_CUTS_TITLE};
use super::judge::{RULES, Verdict};
use super::probe::{self, ProbeOutput};
use super::report::{Check, Event, NodeReport, Outcome, Stage};
use kraken_disk::ApplyError;
use kraken_guest::Guest;
use kraken_guest::console::FailurePattern;
use kraken_guest::{BootError, BootTarget};
use kraken_guest::{Login, Shell};
use kraken_spec::SwarmMode;

/// Between two looks at a console.
const GLANCE: Duration = Duration::from_millis(100);
/// Limits on the reference machine, for `virt` and one guest for each core; see [`Run::patience`].
const CONNECT: Duration = Duration::from_secs(40);
const PROBE: Duration = Duration::from_secs(90);
/// How the first line of a look begins where looks are noted.
const PROBE_AT: &str = "@@@ ";

/// A node that is booted.
pub(super) struct Running<'a> {
    run: &'a Run<'a>,
    pub(super) target: &'a BootTarget<'a>,
    pub(super) report: NodeReport,
    pub(super) mac: String,
    /// The overlay over its card.
    disk: PathBuf,
    log: PathBuf,
    /// What looks at it printed.
    probes: PathBuf,
    guest: Option<Guest>,
    lines: Option<Receiver<String>>,
    shell: Option<Shell>,
    /// How often it has been started, so that nothing of an earlier start is taken for one of this.
    starts: u32,
    /// How often it has restarted by itself.
    restarts: u32,
    /// Why it could not be started again.
    stuck: Option<String>,
    /// Its place among those that may start at once.
    start_slot: Option<StartSlot<'a>>,
    failure_patterns: Vec<FailurePattern>,
    /// Where its power is cut, and was.
    cuts: Cuts,
    kept_out: Option<ApplyError>,
}

impl<'a> Running<'a> {
    /// Nothing done yet.
    pub(super) fn new(run: &'a Run<'a>, target: &'a BootTarget<'a>) -> Self {
        let node = target.node;
        let role = match run.plan.cluster.swarm.mode {
            SwarmMode::None => "none".to_owned(),
            _ => node.role.to_string(),
        };
        let [high, low] = [(node.number >> 8) as u8, node.number as u8];
        let mac = match &node.mac {
            Some(mac) => mac.to_string(),
            // Of QEMU's own range.
            None => format!("52:54:00:6b:{high:02x}:{low:02x}"),
        };
        let mac = run.plan.machine.mac(&mac);
        Self {
            run,
            target,
            report: NodeReport {
                node: node.number,
                hostname: node.hostname.clone(),
                address: node.address,
                role,
                image: target.named(),
                ephemeral_key: false,
                stages: Vec::new(),
                checks: Vec::new(),
                console_tail: Vec::new(),
                console: None,
            },
            mac,
            disk: run.folder.join(format!("{}-disk.qcow2", node.hostname)),
            log: run.folder.join(format!("console-{}.log", node.hostname)),
            probes: run.folder.join(format!("looks-{}.txt", node.hostname)),
            guest: None,
            lines: None,
            shell: None,
            starts: 0,
            restarts: 0,
            stuck: None,
            start_slot: None,
            failure_patterns: Vec::new(),
            cuts: Cuts::of(&run.plan.power_cuts, node.number),
            kept_out: None,
        }
    }

    /// From nothing to all that a look can tell. An error is one of this machine; what is wrong with the card stands in the report.
    pub(super) fn run_checks(&mut self) -> Result<(), BootError> {
        let result = self.run_checks_in_slot();
        // Whatever came of it, others may start now.
        self.start_slot = None;
        self.run.is_past(self.port());
        result
    }

    fn run_checks_in_slot(&mut self) -> Result<(), BootError> {
        let began = self.run.clock.ms();
        self.make_card()?;
        let found = match self.read_card()? {
            Ok(start) => start.found,
            Err(error) => {
                let cause = "the boot partition lacks what the Pi's firmware starts: build the image again, from a base for this board";
                let verdict = Verdict::Bad {
                    expected: "kernel, initramfs, device tree and cmdline.txt, as config.txt says".to_owned(),
                    seen: error.to_string(),
                    cause: Some(cause.to_owned()),
                };
                self.settle("boot-files", "the firmware finds what it starts", began, verdict);
                return Ok(());
            }
        };
        self.settle(
            "boot-files",
            "the firmware finds what it starts",
            began,
            Verdict::Good(found),
        );
        if !self.has_room()? {
            return Ok(());
        }
        self.start_slot = Some(
            self.run
                .start_slot(self.port(), || self.doing("waiting for its turn"))?,
        );
        self.start()?;
        if !self.kernel()? || !self.login()? {
            // The others can use its processor. One that only its SSH server fails may be the manager whom they look for.
            if self.report.checks.last().is_none_or(|check| check.name != "ssh") {
                self.off();
            }
            return Ok(());
        }
        self.poll()
    }

    /// Its port on the LAN.
    pub(super) fn port(&self) -> usize {
        let number = self.report.node;
        let targets = &self.run.plan.targets;
        targets
            .iter()
            .position(|target| target.node.number == number)
            .unwrap_or_default()
    }

    fn reach(&mut self, name: &str) {
        if self.report.stages.iter().any(|stage| stage.name == name) {
            return;
        }
        let stage = Stage {
            name: name.to_owned(),
            at_ms: self.run.clock.ms(),
        };
        self.report.stages.push(stage.clone());
        self.run.watcher.event(&Event::Stage {
            node: self.report.node,
            stage,
        });
    }

    fn doing(&self, what: &str) {
        self.run.watcher.event(&Event::Doing {
            node: Some(self.report.node),
            what: what.to_owned(),
        });
    }

    /// Puts a verdict into the report; one that is not decided yet counts as wrong.
    pub(super) fn settle(&mut self, name: &'static str, title: &str, began_ms: u64, verdict: Verdict) {
        let mut check = self.run.check(name, title, began_ms, verdict);
        if check.outcome == Outcome::Failed && check.cause.is_none() {
            check.cause = self
                .failure_patterns
                .iter()
                .find(|pattern| pattern.check == name)
                .map(|pattern| pattern.cause.to_owned());
        }
        self.run.watcher.event(&Event::Checked {
            node: Some(self.report.node),
            check: check.clone(),
        });
        self.report.checks.push(check);
        self.run.clock.progress();
    }

    fn wait(&mut self, time: Duration) -> Result<(), BootError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.run.interrupt.check()?;
            self.hear();
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    fn login_as(&self, user: &str, key: PathBuf) -> Result<Login, String> {
        let at = std::net::SocketAddrV4::new(self.target.node.address, 22);
        let at = self.run.lan.forward(at).map_err(|error| error.to_string())?;
        Ok(Login {
            at,
            user: user.to_owned(),
            key: Some(key),
        })
    }

    /// Opens the connection that is kept, if it is not open.
    fn open(&mut self) -> Result<(), String> {
        if self.shell.as_mut().is_some_and(Shell::is_open) {
            return Ok(());
        }
        self.shell = None;
        let login = self.login_as("root", self.run.key.file.clone())?;
        let socket = self.run.short.join(format!("ssh{}-{}", self.port(), self.starts));
        let limit = self.run.scaled_timeout(CONNECT);
        self.shell = Some(Shell::open(
            &login,
            socket,
            &self.run.reaper,
            limit,
            self.run.interrupt,
        )?);
        Ok(())
    }

    /// Runs a script as root.
    pub(super) fn ssh(&mut self, script: &str) -> Result<String, String> {
        self.open()?;
        let limit = self.run.scaled_timeout(PROBE);
        let Some(shell) = &self.shell else {
            return Err("no connection".to_owned());
        };
        shell.run(script, limit, self.run.interrupt)
    }

    /// One look, as findings; nothing when it could not be taken, with the reason.
    pub(super) fn probe(&mut self) -> Result<ProbeOutput, String> {
        let network = &self.run.plan.cluster.network;
        let script = probe::script(&self.run.plan.cluster.user.name, network.gateway);
        self.run_probe(&script)
    }

    /// Runs a script that looks. What it printed is noted beside the console's log: it is what a verdict rests on.
    fn run_probe(&mut self, script: &str) -> Result<ProbeOutput, String> {
        let text = self.ssh(script)?;
        let note = || -> io::Result<()> {
            let mut file = File::options().create(true).append(true).open(&self.probes)?;
            write!(file, "{PROBE_AT}{} ms\n{text}\n", self.run.clock.ms())
        };
        // A disk that is full here makes no node wrong.
        let _ = note();
        Ok(ProbeOutput::parse(&text))
    }

    /// Ends it: what was not reached stands in the report, with the console's last lines.
    pub(super) fn finish(mut self) -> NodeReport {
        self.off();
        let now = self.run.clock.ms();
        let missing: Vec<(&'static str, &str)> = std::iter::once(("kernel", "the kernel starts"))
            .chain(RULES.iter().map(|rule| (rule.name, rule.title)))
            .chain([("ssh-login", "the account logs in over SSH")])
            .chain(self.cuts.are_asked_for().then_some((POWER_CUTS, POWER_CUTS_TITLE)))
            .filter(|(name, _)| !self.report.checks.iter().any(|check| check.name == *name))
            .collect();
        for (name, title) in missing {
            self.report.checks.push(Check {
                name,
                title: title.to_owned(),
                outcome: Outcome::NotReached,
                expected: None,
                seen: "not looked at: what comes before it failed, or the run was stopped".to_owned(),
                cause: None,
                began_ms: now,
                ended_ms: now,
            });
        }
        self.report
    }

    /// Whether a check of its was passed.
    pub(super) fn passed(&self, name: &str) -> bool {
        let passed = |check: &Check| check.name == name && check.outcome == Outcome::Passed;
        self.report.checks.iter().any(passed)
    }

    /// Where its console is written, and what looks at it printed.
    pub(super) fn logs(&self) -> [PathBuf; 2] {
        [self.log.clone(), self.probes.clone()]
    }
}
