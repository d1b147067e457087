//! Runs a plan and makes the report.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::context::{Clock, Run, StartSlots};
use super::groups::Groups;
use super::report::{BootReport, Event, Watcher};
use super::{Plan, run_checks};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::named;
use kraken_foundation::{Context as _, Error, Kind, Result};
use kraken_guest::OwnKey;
use kraken_guest::Reaper;
use kraken_guest::folder_in;
use kraken_guest::limits::Limits;
use kraken_guest::{BootTarget, Machine, calibrate, programs};
use kraken_lan::{Lan, LanConfig};
use kraken_spec::Role;

/// Boots the images, runs the checks and returns the report. Of the files of the run, only the
/// console logs of failed nodes are kept, or all if the plan says so.
///
/// # Errors
/// If booting could not be tried at all. What is wrong with the images stands in the
/// report.
pub fn boot(plan: &Plan<'_>, watcher: &dyn Watcher, interrupt: &Interrupt) -> Result<BootReport> {
    programs::are_here()?;
    let started = now();
    let emulator = programs::version()?;
    let groups = Groups::of(plan)?;
    let room = folder_in(&plan.room)?;
    let short = folder_in(&std::env::temp_dir())?;
    let reaper =
        Reaper::spawn(&[room.path(), short.path()]).doing("starting a shell to clean up behind", room.path())?;
    let reaper = Arc::new(reaper);
    let prints: Vec<_> = plan
        .targets
        .iter()
        .map(BootTarget::fingerprint)
        .collect::<Result<_, _>>()?;
    let clock = Clock::start();
    watcher.event(&Event::Doing {
        node: None,
        what: "measuring how fast this machine emulates".to_owned(),
    });
    let slowness = measure(plan, room.path(), &reaper, interrupt)?;
    watcher.event(&Event::Doing {
        node: None,
        what: "waiting for the nodes".to_owned(),
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let crowd = (groups.largest() as f64 / cores as f64).max(1.0);
    let timeout_factor = slowness * calibrate::weight(plan.machine) * crowd;
    let run = Run {
        plan,
        watcher,
        interrupt,
        clock,
        lan: lan(plan, short.path())?,
        reaper,
        key: OwnKey::make(short.path()).doing("making an SSH key in", short.path())?,
        folder: room.path(),
        short: short.path(),
        processors: if groups.largest() == 1 {
            cores.min(4)
        } else {
            cores.min(2)
        },
        managers_are_there: majority(plan),
        limits: Limits::of(timeout_factor),
        timeout_factor,
        start_slots: StartSlots::new(cores.max(1)),
        groups,
    };
    let checked = run_checks::run_checks(&run)?;
    for (target, print) in plan.targets.iter().zip(&prints) {
        if target.fingerprint()? != *print {
            let text = format!(
                "another program changed {} while it was booted, so the results are not valid: start again",
                target.original().display()
            );
            return Err(Error::new(Kind::Damaged, text));
        }
    }
    Ok(BootReport {
        cluster: plan.cluster.name.clone(),
        machine: plan.machine.to_string(),
        emulator,
        started,
        took_ms: run.clock.ms(),
        slowness,
        interrupted: checked.interrupted,
        nodes: checked.nodes,
        cluster_checks: plan.set.iter().cloned().chain(checked.cluster_checks).collect(),
    })
}

/// Returns the present time as RFC 3339, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Measures the slowness of this machine with the first kernel that can be read.
fn measure(plan: &Plan<'_>, folder: &Path, reaper: &Reaper, interrupt: &Interrupt) -> Result<f64> {
    let own = || -> Result<Option<Vec<u8>>> {
        for target in &plan.targets {
            if let Ok(files) = target.boot_files(Machine::Virt)? {
                return Ok(Some(files.kernel));
            }
        }
        Ok(None)
    };
    let bytes = match &plan.fallback {
        Some(fallback) => Some(fallback.kernel.clone()),
        None => own()?,
    };
    let Some(bytes) = bytes else { return Ok(1.0) };
    let kernel = folder.join("kernel");
    named::write(&kernel, &calibrate::program(bytes)).doing("writing", &kernel)?;
    let slowness = calibrate::slowness(&kernel, reaper, interrupt)?;
    let _ = fs::remove_file(&kernel);
    Ok(slowness)
}

fn majority(plan: &Plan<'_>) -> bool {
    let is_booted = |number: u32| plan.targets.iter().any(|target| target.node.number == number);
    let managers: Vec<_> = plan
        .cluster
        .nodes
        .iter()
        .filter(|node| node.role == Role::Manager)
        .collect();
    let booted = managers.iter().filter(|node| is_booted(node.number)).count();
    booted * 2 > managers.len()
}

fn lan(plan: &Plan<'_>, folder: &Path) -> Result<Lan> {
    let network = &plan.cluster.network;
    Lan::start(LanConfig {
        folder: folder.join("lan"),
        subnet: network.subnet,
        gateway: Some(network.gateway),
        host: network.gateway,
        time: true,
        guests: plan.targets.len(),
    })
    .quoted(|| "making the virtual network")
}
