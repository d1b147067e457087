//! One node: from its image to a system that passed its checks and keeps running for the checks of
//! the cluster.

mod arrive;
mod poll;
mod power;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::context::{Run, StartSlot};
use super::cuts::{Cuts, POWER_CUTS, POWER_CUTS_TITLE};
use super::judge::{RULES, Verdict};
use super::probe::{self, ProbeOutput};
use super::report::{Check, Event, NodeReport, Outcome, Stage};
use kraken_foundation::Result;
use kraken_foundation::named;
use kraken_guest::BootTarget;
use kraken_guest::Guest;
use kraken_guest::console::FailurePattern;
use kraken_guest::{Login, Shell};
use kraken_spec::SwarmMode;

/// The pause between two reads of a console.
const GLANCE: Duration = Duration::from_millis(100);
/// Time limits on the reference machine, for `virt` and one guest for each core; see
/// [`Run::scaled_timeout`].
const CONNECT: Duration = Duration::from_secs(40);
const PROBE: Duration = Duration::from_secs(90);
/// Begins the first line of a probe in the file with the outputs of the probes.
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
    /// The file with the outputs of its probes.
    probes: PathBuf,
    guest: Option<Guest>,
    lines: Option<Receiver<String>>,
    shell: Option<Shell>,
    /// How often it has been started. Names contain this number, so that nothing of an earlier
    /// start is mistaken for a part of the present one.
    starts: u32,
    /// How often it has restarted by itself.
    restarts: u32,
    /// Why it could not be started again.
    stuck: Option<String>,
    /// Its start slot, while it has one.
    start_slot: Option<StartSlot<'a>>,
    failure_patterns: Vec<FailurePattern>,
    /// The power cuts that the user asks for.
    cuts: Cuts,
    kept_out: Option<kraken_foundation::Error>,
}

impl<'a> Running<'a> {
    /// A node that is not started yet.
    pub(super) fn new(run: &'a Run<'a>, target: &'a BootTarget<'a>) -> Self {
        let node = target.node;
        let role = match run.plan.cluster.swarm.mode {
            SwarmMode::None => "none".to_owned(),
            _ => node.role.to_string(),
        };
        let [.., high, low] = node.number.to_be_bytes();
        let mac = match &node.mac {
            Some(mac) => mac.to_string(),
            // An address of QEMU's own range.
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

    /// Starts the node and runs its checks. An error is one of this machine; what is wrong with the
    /// card stands in the report.
    pub(super) fn run_checks(&mut self) -> Result<()> {
        let result = self.run_checks_in_slot();
        // Whatever the result is, other nodes may start now.
        self.start_slot = None;
        self.run.is_past(self.port());
        result
    }

    fn run_checks_in_slot(&mut self) -> Result<()> {
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
            // The other nodes can use its processor. If only its SSH server fails, it stays on: it
            // may be the manager that they look for.
            if self.report.checks.last().is_none_or(|check| check.name != "ssh") {
                self.off();
            }
            return Ok(());
        }
        self.poll()
    }

    /// Returns its port on the LAN.
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

    /// Adds a verdict to the report. An undecided verdict counts as a failure.
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

    fn wait(&mut self, time: Duration) -> Result<()> {
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

    /// Opens the connection that all probes share, unless it is open.
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

    /// Runs a script as root. Returns what it printed, or why it could not run.
    pub(super) fn ssh(&mut self, script: &str) -> Result<String, String> {
        self.open()?;
        let limit = self.run.scaled_timeout(PROBE);
        let Some(shell) = &self.shell else {
            return Err("no connection".to_owned());
        };
        shell.run(script, limit, self.run.interrupt)
    }

    /// Runs the parts of the probe that are wanted. Returns their output, or why they could not
    /// run.
    pub(super) fn probe(&mut self, is_wanted: impl Fn(&str) -> bool) -> Result<ProbeOutput, String> {
        let network = &self.run.plan.cluster.network;
        let script = probe::script(&self.run.plan.cluster.user.name, network.gateway, is_wanted);
        self.run_probe(&script)
    }

    /// Runs the script of a probe. The output is also written to a file beside the console's log,
    /// since the verdicts are based on it.
    fn run_probe(&mut self, script: &str) -> Result<ProbeOutput, String> {
        let text = self.ssh(script)?;
        let note = || -> io::Result<()> {
            let mut file = named::append(&self.probes)?;
            write!(file, "{PROBE_AT}{} ms\n{text}\n", self.run.clock.ms())
        };
        // The node is not at fault if this machine's disk is full.
        let _ = note();
        Ok(ProbeOutput::parse(&text))
    }

    /// Switches the node off. Adds the checks that were not reached to the report, and the last
    /// lines of the console.
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
                seen: "not checked: an earlier check failed, or the run was stopped".to_owned(),
                cause: None,
                began_ms: now,
                ended_ms: now,
            });
        }
        self.report
    }

    /// Returns whether one of its checks has passed.
    pub(super) fn passed(&self, name: &str) -> bool {
        let passed = |check: &Check| check.name == name && check.outcome == Outcome::Passed;
        self.report.checks.iter().any(passed)
    }

    /// Returns the files with its console and with the output of its probes.
    pub(super) fn logs(&self) -> [PathBuf; 2] {
        [self.log.clone(), self.probes.clone()]
    }
}
