//! A node's power: switches it on and off, and starts a node again that restarts. The card is read
//! again at each start, as a Pi's firmware reads it: the system may have given its disk another ID,
//! or removed words from its command line (Raspberry Pi OS does both on its first boot).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use super::super::report::Event;
use super::Running;
use kraken_disk::ReadAt;
use kraken_foundation::named;
use kraken_foundation::{Context as _, Result};
use kraken_guest::Guest;
use kraken_guest::Parts;
use kraken_guest::cmdline::{self, Emulator};
use kraken_guest::firmware::{self, BootFiles};
use kraken_guest::{Machine, console, devicetree, written};

/// How many lines of a console wait to be read. If a guest prints faster, some are lost.
const LINES: usize = 4096;
/// How many lines of the console the report quotes.
const TAIL: usize = 20;
/// How often a node may restart by itself before it counts as one that never comes up. Raspberry Pi
/// OS restarts once on its first boot, and once more if it was customised.
const RESTARTS: u32 = 5;
/// The device tree node of the USB controller that all emulated boards have (DWC2).
const USB_CONTROLLER: &str = "usb@7e980000";

/// What the firmware found on the card.
pub(super) struct Start {
    /// A description for the report.
    pub(super) found: String,
    /// QEMU's arguments.
    arguments: Vec<String>,
}

/// The files that a card starts with.
struct Found {
    files: BootFiles,
    /// A description for the report.
    words: String,
}

impl Running<'_> {
    /// Makes the card: an overlay over the image.
    pub(super) fn make_card(&mut self) -> Result<()> {
        let run = self.run;
        self.kept_out = self.target.overlay(&self.disk, run.plan.card, &run.key.line)?;
        self.report.ephemeral_key = self.kept_out.is_none();
        Ok(())
    }

    /// Reads the card in its present state as the firmware does. Returns what to start.
    pub(super) fn read_card(&self) -> Result<Result<Start>> {
        let run = self.run;
        let machine = run.plan.machine;
        let disk = self.target.written(&self.disk)?;
        let files = written::boot_tree(&disk).and_then(|boot| firmware::boot_files(&boot, machine));
        let files = match files {
            Ok(files) => files,
            Err(error) => return Ok(Err(error)),
        };
        let Found { files, words: found } = self.started_with(files, &disk)?;
        let put = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
            let path = run.folder.join(format!("{}-{name}", self.report.hostname));
            named::write(&path, bytes).doing("writing", &path)?;
            Ok(path)
        };
        let put_some = |name: &str, bytes: Option<&Vec<u8>>| bytes.map(|bytes| put(name, bytes)).transpose();
        let kernel = put("kernel", &files.kernel)?;
        let initramfs = put_some("initramfs", files.initramfs.as_ref())?;
        let tree = put_some("tree.dtb", files.device_tree.as_ref())?;
        let emulator = Emulator {
            machine,
            tree: files.device_tree.as_deref(),
            root: run.plan.root.as_deref(),
            limits: run.limits,
        };
        let line = cmdline::for_emulator(&files.cmdline, emulator);
        let parts = Parts {
            kernel: &kernel,
            initramfs: initramfs.as_deref(),
            device_tree: tree.as_deref(),
            cmdline: &line,
            disk: &self.disk,
            network: run.lan.socket(self.port()),
            mac: &self.mac,
        };
        let arguments = machine.arguments(&parts, run.processors);
        Ok(Ok(Start { found, arguments }))
    }

    /// Returns the files to start with, and a description for the report. They are the card's own,
    /// except that a kernel without drivers for `virt` is replaced, and a USB controller that is
    /// not a host becomes one.
    fn started_with(&self, mut files: BootFiles, disk: &Arc<dyn ReadAt>) -> Result<Found> {
        let plan = self.run.plan;
        let mut found = files.names.join(", ");
        // The network adapter of an emulated board is a USB device, and QEMU has this controller as
        // a host only. A Pi 4's device tree has it as a peripheral, since the real board's adapter,
        // which QEMU lacks, is not connected to it.
        let tree = files.device_tree.as_mut();
        if tree.is_some_and(|tree| devicetree::make_host(tree, USB_CONTROLLER)) {
            found.push_str("; the emulator has its network adapter at the USB controller, which is made a host");
        }
        let fallback = plan.fallback.as_ref().filter(|_| plan.machine == Machine::Virt);
        let Some(fallback) = fallback.filter(|_| self.target.lacks_virtio()) else {
            return Ok(Found { files, words: found });
        };
        let archive = fallback.initramfs(&written::partitions(disk));
        files.initramfs = Some(archive.doing("making an initramfs for", &self.target.image)?);
        files.kernel.clone_from(&fallback.kernel);
        let named = &fallback.named;
        let words = format!("{found}; this kernel has no drivers for virt: the emulator starts with {named}");
        Ok(Found { files, words })
    }

    /// Switches the power on, for the first time or again. A card on which the firmware finds
    /// nothing to start stays off.
    pub(in super::super) fn start(&mut self) -> Result<()> {
        self.starts += 1;
        let start = match self.read_card()? {
            Ok(start) => start,
            Err(error) => {
                self.stuck = Some(format!(
                    "at start {} the firmware found nothing to start: {error}",
                    self.starts
                ));
                return Ok(());
            }
        };
        let (sender, receiver) = mpsc::sync_channel(LINES);
        let guest = Guest::start(&start.arguments, &self.log, &self.run.reaper, sender, self.cuts.fuse())
            .doing("starting QEMU with its console in", &self.log)?;
        self.guest = Some(guest);
        self.lines = Some(receiver);
        self.run.watcher.event(&Event::Started { node: self.report.node });
        Ok(())
    }

    /// Switches the power off without a shutdown, as pulling the plug does.
    pub(in super::super) fn cut(&mut self) {
        self.shell = None;
        self.guest = None;
        self.lines = None;
    }

    /// Switches the power off for good. The report keeps the last lines of the console.
    pub(super) fn off(&mut self) {
        self.cuts.end();
        self.take_lines();
        if let Some(guest) = &self.guest {
            self.report.console_tail = guest.console().tail(TAIL);
        }
        self.cut();
    }

    /// Reads the console: reports stages and lines to the watcher, and notes known failures. Starts
    /// the node again if it restarts, or if its power was cut because the user asked for that.
    pub(in super::super) fn hear(&mut self) {
        self.take_lines();
        if self.cuts.take() {
            self.doing("its power was cut, and is given again");
            self.again("its power was cut");
            self.run.clock.progress();
            return;
        }
        let restarts = self
            .guest
            .as_mut()
            .and_then(Guest::ended)
            .is_some_and(|end| end.restarts);
        if !restarts || self.restarts == RESTARTS {
            return;
        }
        self.take_lines();
        self.restarts += 1;
        self.doing("restarts");
        self.again("it restarted");
    }

    fn again(&mut self, why: &str) {
        self.cut();
        if let Err(error) = self.start() {
            self.stuck = Some(format!("{why}, and it could not be started: {error}"));
        }
    }

    fn take_lines(&mut self) {
        let heard: Vec<String> = self.lines.iter().flat_map(Receiver::try_iter).collect();
        for line in heard {
            if let Some(pattern) = console::failure_pattern(&line) {
                self.failure_patterns.push(pattern);
            }
            if console::is_of_the_system(&line) {
                self.reach("root");
            }
            self.run.watcher.event(&Event::Console {
                node: self.report.node,
                line,
            });
        }
    }

    /// Returns why its emulator does not run, unless its power was cut.
    pub(super) fn is_dark(&mut self) -> Option<String> {
        if let Some(words) = &self.stuck {
            return Some(words.clone());
        }
        let end = self.guest.as_mut().and_then(Guest::ended)?;
        if self.cuts.is_off() {
            return None;
        }
        Some(match end.restarts {
            true => format!("it restarts again and again: {} times", self.restarts),
            false => end.said,
        })
    }
}
