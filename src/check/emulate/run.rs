//! A whole run: what all nodes share, who may start when, and what comes of it.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cuts::PowerCut;
use super::error::io_error;
use super::groups::Groups;
use super::janitor::Janitor;
use super::judge::Verdict;
use super::limits::Limits;
use super::report::{BootReport, Check, Event, Outcome, Watcher};
use super::ssh::OwnKey;
use super::{EmulateError, Machine, Spare, Subject, calibrate, programs, prove};
use crate::spec::{Cluster, Role, SwarmMode};
use kraken_foundation::interrupt::Interrupt;
use kraken_lan::{Conflict, Lan, LanConfig, Place};

/// What is to be booted, and how.
pub struct Plan<'a> {
    /// The cluster that the images are of.
    pub cluster: &'a Cluster,
    /// The nodes that are booted.
    pub subjects: Vec<Subject<'a>>,
    /// On which machine.
    pub machine: Machine,
    /// How large the emulated cards are, in bytes, at least; an image that is larger keeps its size. A power of two for boards.
    pub card: u64,
    /// A root device in the place of the one in cmdline.txt, where that is asked for.
    pub root: Option<String>,
    /// Where the power of nodes is cut while they come up.
    pub power_cuts: Vec<PowerCut>,
    /// A kernel for cards whose own does not know `virt`, where there are such: [`Subject::lacks_virtio`].
    pub spare: Option<Spare>,
    /// Where the overlays may grow: a folder with room for what the guests write, some GiB.
    pub room: PathBuf,
    /// Where the consoles' logs go.
    pub consoles: PathBuf,
    /// Whether they are kept when nothing failed, too.
    pub keep_consoles: bool,
    /// Files with private keys whose public keys are configured.
    pub logins: Vec<PathBuf>,
    /// How many nodes are on at the same time at most; two for each core, and as many as the memory is enough for, where that is not said.
    pub at_once: Option<usize>,
    /// The tokens of managers and workers that the cluster's keys give, where the keys are at hand.
    pub tokens: Option<[String; 2]>,
    /// What is known of the folder of images before anything boots, where they are of one: [`super::set_check`].
    pub set: Option<Check>,
}

/// The stages of a node, in order, the last of which says that it is up.
pub fn stages(cluster: &Cluster) -> &'static [&'static str] {
    match cluster.swarm.mode {
        SwarmMode::None => &["kernel", "root", "ssh", "cloud-init", "packages", "docker"],
        _ => &["kernel", "root", "ssh", "cloud-init", "packages", "docker", "swarm"],
    }
}

/// The run's clock, and when something last went forward.
pub(super) struct Clock {
    began: Instant,
    progress: AtomicU64,
}

impl Clock {
    fn start() -> Self {
        Self {
            began: Instant::now(),
            progress: AtomicU64::new(0),
        }
    }

    /// Milliseconds from the start of the run.
    pub(super) fn ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Something went forward, on some node.
    pub(super) fn progress(&self) {
        self.progress.store(self.ms(), Ordering::Relaxed);
    }

    /// For how long nothing has.
    pub(super) fn still_for(&self) -> Duration {
        Duration::from_millis(self.ms().saturating_sub(self.progress.load(Ordering::Relaxed)))
    }
}

/// What all nodes of a run share.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) watcher: &'a dyn Watcher,
    pub(super) interrupt: &'a Interrupt,
    pub(super) clock: Clock,
    pub(super) lan: Lan,
    pub(super) janitor: Arc<Janitor>,
    pub(super) key: OwnKey,
    /// For disks and logs.
    pub(super) folder: &'a Path,
    /// For sockets: its path is short.
    pub(super) short: &'a Path,
    /// Of each guest.
    pub(super) processors: usize,
    pub(super) managers_are_there: bool,
    pub(super) groups: Groups,
    pub(super) limits: Limits,
    stretch: f64,
    turns: (Mutex<Turns>, Condvar),
}

/// Who may start next.
struct Turns {
    /// How many may start beside those that do.
    free: usize,
    /// Ports of the nodes of this group that have not started; the lowest is next: managers come before those who look for them.
    waiting: BTreeSet<usize>,
}

/// Leave to start; given back when it is dropped.
pub(super) struct Turn<'a>(&'a (Mutex<Turns>, Condvar));

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).free += 1;
        self.0.1.notify_all();
    }
}

impl<'a> Run<'a> {
    /// The nodes at these ports may start, each in its turn.
    pub(super) fn may_start(&self, ports: &[usize]) {
        let mut turns = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.waiting.extend(ports);
    }

    /// Waits until the node at this port may start: only so many do at once as there are cores. Calls `waits` if it must wait.
    pub(super) fn turn(&'a self, port: usize, waits: impl FnOnce()) -> Result<Turn<'a>, EmulateError> {
        let (turns, changed) = &self.turns;
        let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waits = Some(waits);
        while turns.free == 0 || turns.waiting.first() != Some(&port) {
            self.interrupt.check()?;
            if let Some(waits) = waits.take() {
                waits();
            }
            (turns, _) = changed
                .wait_timeout(turns, Duration::from_millis(200))
                .unwrap_or_else(PoisonError::into_inner);
        }
        turns.free -= 1;
        turns.waiting.remove(&port);
        changed.notify_all();
        Ok(Turn(&self.turns))
    }

    /// The node at this port will not start any more, or has: nobody waits for it.
    pub(super) fn is_past(&self, port: usize) {
        self.turns
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiting
            .remove(&port);
        self.turns.1.notify_all();
    }

    /// A limit of the reference machine, stretched to this one.
    pub(super) fn patience(&self, limit: Duration) -> Duration {
        limit.mul_f64(self.stretch)
    }

    /// A check that ended now. What is not decided has failed.
    pub(super) fn check(&self, name: &'static str, title: &str, began_ms: u64, verdict: Verdict) -> Check {
        let outcome = verdict.outcome().unwrap_or(Outcome::Failed);
        let (expected, seen, cause) = match verdict {
            Verdict::Good(seen) | Verdict::Nothing(seen) => (None, seen, None),
            Verdict::Bad { expected, seen, cause } => (Some(expected), seen, cause),
            Verdict::NotYet { expected, seen } => {
                let still = self.clock.still_for().as_secs();
                (
                    Some(expected),
                    format!("{seen}\nnothing has changed for {still} s"),
                    None,
                )
            }
        };
        Check {
            name,
            title: title.to_owned(),
            outcome,
            expected,
            seen,
            cause,
            began_ms,
            ended_ms: self.clock.ms(),
        }
    }

    /// An address that the guest at this port wants, and somebody else, too.
    pub(super) fn conflict_of(&self, port: usize) -> Option<Conflict> {
        let is_in = |conflict: &Conflict| {
            let mut places = conflict.parties.iter().map(|party| party.place);
            places.any(|place| place == Place::Guest(port))
        };
        self.lan.conflicts().into_iter().find(is_in)
    }

    /// Addresses of the subnet that the guest at this port says it has.
    pub(super) fn claims_of(&self, port: usize) -> Vec<Ipv4Addr> {
        let subnet = self.plan.cluster.network.subnet;
        let here = self.lan.seen().into_iter().filter(|neighbour| neighbour.guest == port);
        here.flat_map(|neighbour| neighbour.claims.into_keys())
            .filter(|address| subnet.contains(address))
            .collect()
    }

    pub(super) fn describe(&self, conflict: &Conflict) -> String {
        let parties: Vec<String> = conflict
            .parties
            .iter()
            .map(|party| match party.place {
                Place::Host => format!("the gateway ({})", party.mac),
                Place::Guest(guest) => {
                    let name = self
                        .plan
                        .subjects
                        .get(guest)
                        .map_or("?", |subject| &subject.node.hostname);
                    format!("{name} ({})", party.mac)
                }
            })
            .collect();
        format!("{} is claimed by {}", conflict.address, parties.join(" and "))
    }
}

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
        turns: (
            Mutex::new(Turns {
                free: cores.max(1),
                waiting: BTreeSet::new(),
            }),
            Condvar::new(),
        ),
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
    fs::write(&kernel, calibrate::program(bytes)).map_err(io_error("writing", &kernel))?;
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

pub(super) fn folder_in(parent: &Path) -> Result<tempfile::TempDir, EmulateError> {
    fs::create_dir_all(parent).map_err(io_error("making", parent))?;
    tempfile::Builder::new()
        .prefix("kf-")
        .tempdir_in(parent)
        .map_err(io_error("making a folder in", parent))
}
