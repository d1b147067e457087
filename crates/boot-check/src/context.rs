//! What all nodes of a run share: its plan, its clock, its LAN and its start slots.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Plan;
use super::groups::Groups;
use super::judge::Verdict;
use super::report::{Check, Outcome, Watcher};
use kraken_foundation::Result;
use kraken_foundation::interrupt::Interrupt;
use kraken_guest::OwnKey;
use kraken_guest::Reaper;
use kraken_guest::limits::Limits;
use kraken_lan::{Conflict, Lan, Place};

/// The clock of a run. It also knows when a node last made progress.
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

    /// Notes that a node has made progress.
    pub(super) fn progress(&self) {
        self.progress.store(self.ms(), Ordering::Relaxed);
    }

    /// Returns how long no node has made progress.
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
    pub(super) reaper: Arc<Reaper>,
    pub(super) key: OwnKey,
    /// The folder for disks and logs.
    pub(super) folder: &'a Path,
    /// The folder for sockets, whose paths must be short.
    pub(super) short: &'a Path,
    /// The number of processors of each guest.
    pub(super) processors: usize,
    pub(super) managers_are_there: bool,
    pub(super) groups: Groups,
    pub(super) limits: Limits,
    /// How many times longer things may take here than on the reference machine.
    pub(super) timeout_factor: f64,
    pub(super) start_slots: StartSlots,
}

/// The start slots of a run: only so many guests start at the same time.
pub(super) struct StartSlots {
    slots: Mutex<Slots>,
    /// Notified when `slots` has changed.
    changed: Condvar,
}

/// Which nodes may start.
struct Slots {
    /// How many more guests may start now.
    free: usize,
    /// LAN ports of the nodes of this group that have not started. The lowest starts next: managers
    /// come before the nodes that look for them.
    waiting: BTreeSet<usize>,
}

impl StartSlots {
    /// `free` start slots, with no node waiting yet.
    pub(super) fn new(free: usize) -> Self {
        let slots = Slots {
            free,
            waiting: BTreeSet::new(),
        };
        Self {
            slots: Mutex::new(slots),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One start slot. Dropping it frees the slot.
pub(super) struct StartSlot<'a>(&'a StartSlots);

impl Drop for StartSlot<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.changed.notify_all();
    }
}

impl<'a> Run<'a> {
    /// Lets the nodes at these LAN ports start, each as soon as it gets a start slot.
    pub(super) fn may_start(&self, ports: &[usize]) {
        self.start_slots.lock().waiting.extend(ports);
    }

    /// Waits for a start slot for the node at this LAN port. There are as many slots as cores.
    /// Calls `waits` once if the node must wait.
    pub(super) fn start_slot(&'a self, port: usize, waits: impl FnOnce()) -> Result<StartSlot<'a>> {
        let changed = &self.start_slots.changed;
        let mut slots = self.start_slots.lock();
        let mut waits = Some(waits);
        while slots.free == 0 || slots.waiting.first() != Some(&port) {
            self.interrupt.check()?;
            if let Some(waits) = waits.take() {
                waits();
            }
            (slots, _) = changed
                .wait_timeout(slots, Duration::from_millis(200))
                .unwrap_or_else(PoisonError::into_inner);
        }
        slots.free -= 1;
        slots.waiting.remove(&port);
        changed.notify_all();
        Ok(StartSlot(&self.start_slots))
    }

    /// Removes the node at this LAN port from those that wait for a start slot: it has started, or
    /// never will. No other node waits for it then.
    pub(super) fn is_past(&self, port: usize) {
        self.start_slots.lock().waiting.remove(&port);
        self.start_slots.changed.notify_all();
    }

    /// Returns the time limit `limit` of the reference machine, scaled to this machine.
    pub(super) fn scaled_timeout(&self, limit: Duration) -> Duration {
        limit.mul_f64(self.timeout_factor)
    }

    /// Returns a check that ends now. An undecided verdict counts as a failure.
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

    /// Returns an address that the guest at this LAN port and another party both claim.
    pub(super) fn conflict_of(&self, port: usize) -> Option<Conflict> {
        let is_in = |conflict: &Conflict| {
            let mut places = conflict.parties.iter().map(|party| party.place);
            places.any(|place| place == Place::Guest(port))
        };
        self.lan.conflicts().into_iter().find(is_in)
    }

    /// Returns the addresses of the subnet that the guest at this LAN port claims.
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
                    let name = self.plan.targets.get(guest).map_or("?", |target| &target.node.hostname);
                    format!("{name} ({})", party.mac)
                }
            })
            .collect();
        format!("{} is claimed by {}", conflict.address, parties.join(" and "))
    }
}
