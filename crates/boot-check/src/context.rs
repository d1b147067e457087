//! What all nodes of a run share: its plan, its clock, its LAN, and who may start when.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Plan;
use super::groups::Groups;
use super::judge::Verdict;
use super::report::{Check, Outcome, Watcher};
use kraken_foundation::interrupt::Interrupt;
use kraken_guest::EmulateError;
use kraken_guest::Janitor;
use kraken_guest::OwnKey;
use kraken_guest::limits::Limits;
use kraken_lan::{Conflict, Lan, Place};

/// The run's clock, and when something last went forward.
pub(super) struct Clock {
    began: Instant,
    progress: AtomicU64,
}

impl Clock {
    pub(super) fn start() -> Self {
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
    /// How much longer than on the reference machine things may take here.
    pub(super) stretch: f64,
    pub(super) turns: StartSlots,
}

/// Who may start next, and a sign that this has changed.
pub(super) type StartSlots = (Mutex<Turns>, Condvar);

/// Who may start next.
pub(super) struct Turns {
    /// How many may start beside those that do.
    free: usize,
    /// Ports of the nodes of this group that have not started; the lowest is next: managers come before those who look for them.
    waiting: BTreeSet<usize>,
}

impl Turns {
    /// So many may start at once, and nothing waits yet.
    pub(super) fn slots(free: usize) -> StartSlots {
        let turns = Self {
            free,
            waiting: BTreeSet::new(),
        };
        (Mutex::new(turns), Condvar::new())
    }
}

/// Leave to start; given back when it is dropped.
pub(super) struct Turn<'a>(&'a StartSlots);

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

    /// The node at this port will not start any more, or has: no other waits for it.
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

    /// An address that the guest at this port wants, and another party, too.
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
