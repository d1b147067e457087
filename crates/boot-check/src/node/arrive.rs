//! From power-on to a login: what the image, the console and the LAN show if a node does not get
//! that far.

use std::time::{Duration, Instant};

use super::super::judge::{self, Verdict};
use super::{GLANCE, Running};
use kraken_foundation::Result;

/// Time limits on the reference machine, for `virt` and one guest for each core; see
/// [`super::super::context::Run::scaled_timeout`].
const KERNEL: Duration = Duration::from_secs(60);
const LOGIN: Duration = Duration::from_secs(420);

const TWO_CARDS: &str =
    "two cards have one address: was one of them made for the other's number, or from another kraken.toml?";

/// Why a node cannot come up any more.
pub(super) struct Lost {
    /// The check that fails.
    pub(super) check: &'static str,
    pub(super) seen: String,
    pub(super) cause: Option<&'static str>,
}

impl Running<'_> {
    /// Checks the free space before the start. A system without free space does not get as far as a
    /// login, and cannot report why.
    pub(super) fn has_room(&mut self) -> Result<bool> {
        let began = self.run.clock.ms();
        let Some(room) = self.target.room(self.run.plan.card)? else {
            return Ok(true);
        };
        if room >= judge::ROOM * 1024 {
            return Ok(true);
        }
        let verdict = Verdict::Bad {
            expected: format!("at least {} MiB free on the root file system", judge::ROOM / 1024),
            seen: format!(
                "{} MiB free on the image, with all that the card gives it to grow; it was not booted",
                room >> 20
            ),
            cause: Some("the root file system is full: the card is too small, or too much was put on it".to_owned()),
        };
        self.settle("room", "the root file system has room", began, verdict);
        Ok(false)
    }

    /// Returns why the node cannot come up any more, if it cannot: its emulator has ended, or its
    /// console shows a fatal failure.
    pub(super) fn lost(&mut self) -> Option<Lost> {
        self.hear();
        if let Some(pattern) = self.failure_patterns.iter().find(|pattern| pattern.fatal) {
            let (check, cause) = (pattern.check, pattern.cause);
            return Some(Lost {
                check,
                seen: self.last_words(),
                cause: Some(cause),
            });
        }
        Some(Lost {
            check: "kernel",
            seen: self.is_dark()?,
            cause: None,
        })
    }

    fn last_words(&self) -> String {
        let tail = self
            .guest
            .as_ref()
            .map(|guest| guest.console().tail(6))
            .unwrap_or_default();
        match tail.is_empty() {
            true => "nothing on the console".to_owned(),
            false => format!("the console ends with:\n{}", tail.join("\n")),
        }
    }

    pub(super) fn kernel(&mut self) -> Result<bool> {
        const TITLE: &str = "the kernel starts";
        let began = self.run.clock.ms();
        let expected = "its first words on the console".to_owned();
        let limit = self.run.scaled_timeout(KERNEL);
        let since = Instant::now();
        loop {
            self.run.interrupt.check()?;
            let lost = self.lost();
            let first = self.guest.as_ref().and_then(|guest| guest.console().first());
            if let Some(line) = first {
                self.reach("kernel");
                self.settle("kernel", TITLE, began, Verdict::Good(line));
                return Ok(true);
            }
            let over = since.elapsed() > limit;
            if lost.is_some() || over {
                let seen = lost.map_or_else(|| format!("nothing within {} s", limit.as_secs()), |lost| lost.seen);
                let cause = Some(self.run.plan.machine.why_silent().to_owned());
                self.settle("kernel", TITLE, began, Verdict::Bad { expected, seen, cause });
                return Ok(false);
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Logs in as root with the run's own key. All probes use this connection.
    pub(super) fn login(&mut self) -> Result<bool> {
        let began = self.run.clock.ms();
        let limit = self.run.scaled_timeout(LOGIN);
        let (mut since, mut starts) = (Instant::now(), self.starts);
        let mut said = "no answer yet".to_owned();
        loop {
            self.run.interrupt.check()?;
            // A node that restarts on its first boot gets the whole time again.
            if self.starts != starts {
                (since, starts) = (Instant::now(), self.starts);
            }
            if let Some(Lost { check, seen, cause }) = self.lost() {
                let (check, title) = match check {
                    "root" => ("root", "the root file system is mounted read-write"),
                    "ssh" => ("ssh", "the SSH server answers"),
                    _ => ("system", "the system comes up"),
                };
                let expected = "a system that comes up, to a login over SSH".to_owned();
                self.settle(
                    check,
                    title,
                    began,
                    Verdict::Bad {
                        expected,
                        seen,
                        cause: cause.map(str::to_owned),
                    },
                );
                return Ok(false);
            }
            if let Some(verdict) = self.is_elsewhere() {
                // The real owner of the address must be checked without this node on the LAN.
                let _ = self.run.lan.unplug(self.port());
                self.settle("address", "the node has its address", began, verdict);
                return Ok(false);
            }
            match self.open() {
                Ok(()) => {
                    self.reach("ssh");
                    return Ok(true);
                }
                Err(words) => said = if words.is_empty() { said } else { words },
            }
            if since.elapsed() > limit {
                let seen = format!("within {} s: {said}; {}", limit.as_secs(), self.last_words());
                let expected = format!("an SSH server at {}", self.target.node.address);
                let cause = Some(match (&self.kept_out, self.run.conflict_of(self.port())) {
                    (_, Some(conflict)) => format!("{}: {TWO_CARDS}", self.run.describe(&conflict)),
                    (Some(error), None) => {
                        format!("the emulator's own key could not be put beside the card's ({error})")
                    }
                    (None, None) => "the node is not at its address, or its SSH server does not run".to_owned(),
                });
                self.settle(
                    "ssh",
                    "the SSH server answers",
                    began,
                    Verdict::Bad { expected, seen, cause },
                );
                return Ok(false);
            }
            self.wait(Duration::from_secs(1))?;
        }
    }

    /// Checks on the LAN whether the node has or wants another address than its own. If another
    /// node wants this node's address, the fault is with that node.
    fn is_elsewhere(&self) -> Option<Verdict> {
        let own = self.target.node.address;
        if let Some(conflict) = self
            .run
            .conflict_of(self.port())
            .filter(|conflict| conflict.address != own)
        {
            return Some(Verdict::Bad {
                expected: own.to_string(),
                seen: self.run.describe(&conflict),
                cause: Some(TWO_CARDS.to_owned()),
            });
        }
        let claims = self.run.claims_of(self.port());
        if claims.is_empty() || claims.contains(&own) {
            return None;
        }
        let claims: Vec<String> = claims.iter().map(ToString::to_string).collect();
        Some(Verdict::Bad {
            expected: own.to_string(),
            seen: claims.join(", "),
            cause: Some("the card was made for another node, or from another kraken.toml".to_owned()),
        })
    }
}
