//! A whole run, from its plan to its report.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::context::{Clock, Run, Turns};
use super::groups::Groups;
use super::report::{BootReport, Event, Watcher};
use super::{Plan, prove};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::named;
use kraken_guest::Janitor;
use kraken_guest::OwnKey;
use kraken_guest::folder_in;
use kraken_guest::io_error;
use kraken_guest::limits::Limits;
use kraken_guest::{EmulateError, Machine, Subject, calibrate, programs};
use kraken_lan::{Lan, LanConfig};
use kraken_spec::Role;

/// Boots the images, looks at them, and says what was seen. Nothing of it stays but the consoles' logs of what failed.
///
/// # Errors
/// [`EmulateError`]: it could not be tried at all. What is wrong with the images stands in the report.
pub fn boot(plan: &Plan<'_>, watcher: &dyn Watcher, interrupt: &Interrupt) -> Result<BootReport, EmulateError> {
    programs::are_here()?;
    let started = now();
    let emulator = programs::version()?;
    let groups = Groups::of(plan)?;
    let room = folder_in(&plan.room)?;
    let short = folder_in(&std::env::temp_dir())?;
    let janitor = Janitor::hire(&[room.path(), short.path()])
        .map_err(io_error("starting a shell to clean up behind", room.path()))?;
    let janitor = Arc::new(janitor);
    let prints: Vec<_> = plan
        .subjects
        .iter()
        .map(Subject::fingerprint)
        .collect::<Result<_, _>>()?;
    let clock = Clock::start();
    watcher.event(&Event::Doing {
        node: None,
        what: "measuring how fast this machine emulates".to_owned(),
    });
    let slowness = measure(plan, room.path(), &janitor, interrupt)?;
    watcher.event(&Event::Doing {
        node: None,
        what: "waiting for the nodes".to_owned(),
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let crowd = (groups.largest() as f64 / cores as f64).max(1.0);
    let stretch = slowness * calibrate::weight(plan.machine) * crowd;
    let run = Run {
        plan,
        watcher,
        interrupt,
        clock,
        lan: lan(plan, short.path())?,
        janitor,
        key: OwnKey::make(short.path()).map_err(io_error("making an SSH key in", short.path()))?,
        folder: room.path(),
        short: short.path(),
        processors: if groups.largest() == 1 {
            cores.min(4)
        } else {
            cores.min(2)
        },
        managers_are_there: majority(plan),
        limits: Limits::of(stretch),
        stretch,
        turns: Turns::slots(cores.max(1)),
        groups,
    };
    let proven = prove::prove(&run)?;
    for (subject, print) in plan.subjects.iter().zip(&prints) {
        if subject.fingerprint()? != *print {
            return Err(EmulateError::Changed(subject.original().to_owned()));
        }
    }
    Ok(BootReport {
        cluster: plan.cluster.name.clone(),
        machine: plan.machine.to_string(),
        emulator,
        started,
        took_ms: run.clock.ms(),
        slowness,
        interrupted: proven.interrupted,
        nodes: proven.nodes,
        cluster_checks: plan.set.iter().cloned().chain(proven.cluster_checks).collect(),
    })
}

/// RFC 3339, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// By the first kernel that is there to be read.
fn measure(plan: &Plan<'_>, folder: &Path, janitor: &Janitor, interrupt: &Interrupt) -> Result<f64, EmulateError> {
    let own = || -> Result<Option<Vec<u8>>, EmulateError> {
        for subject in &plan.subjects {
            if let Ok(files) = subject.boot_files(Machine::Virt)? {
                return Ok(Some(files.kernel));
            }
        }
        Ok(None)
    };
    let bytes = match &plan.spare {
        Some(spare) => Some(spare.kernel.clone()),
        None => own()?,
    };
    let Some(bytes) = bytes else { return Ok(1.0) };
    let kernel = folder.join("kernel");
    named::write(&kernel, &calibrate::program(bytes)).map_err(io_error("writing", &kernel))?;
    let slowness = calibrate::slowness(&kernel, janitor, interrupt)?;
    let _ = fs::remove_file(&kernel);
    Ok(slowness)
}

fn majority(plan: &Plan<'_>) -> bool {
    let is_booted = |number: u32| plan.subjects.iter().any(|subject| subject.node.number == number);
    let managers: Vec<_> = plan
        .cluster
        .nodes
        .iter()
        .filter(|node| node.role == Role::Manager)
        .collect();
    let booted = managers.iter().filter(|node| is_booted(node.number)).count();
    booted * 2 > managers.len()
}

fn lan(plan: &Plan<'_>, folder: &Path) -> Result<Lan, EmulateError> {
    let network = &plan.cluster.network;
    Ok(Lan::start(LanConfig {
        folder: folder.join("lan"),
        subnet: network.subnet,
        gateway: Some(network.gateway),
        host: network.gateway,
        time: true,
        guests: plan.subjects.len(),
    })?)
}
