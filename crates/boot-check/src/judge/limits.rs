//! The check `time-limits`: whether the units became active within the limits that they have on the
//! card. It uses the times of the guest. A guest that is slower than a card has longer limits
//! ([`kraken_guest::limits`]), so systemd itself may not have complained.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::verdict::{NodeView, Verdict, lines, seen};
use crate::probe::ProbeOutput;
use kraken_guest::limits::{DEFAULT, Limits};

#[cfg(test)]
#[path = "limits_tests.rs"]
pub(super) mod limits_tests;

const GONE: &str = "while a unit runs nothing of it may be removed: when systemd reads its units again (`systemctl daemon-reload`, which packages do, too), \
    the unit's own limits are gone with its file, and after 90 s it is killed; remove it on a later start";
const LATE: &str = "on a card systemd would kill it at its limit: give the unit a TimeoutStartSec= that a slow card keeps, or let it do less";

/// The IDs of systemd's messages about a start (sd-messages.h): begun, finished, failed.
const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
const FAILED: &str = "be02cf6855d2428ba40df7e9d022f03d";
/// The messages with which systemd kills a unit that exceeds a limit of its start (service.c,
/// mount.c, swap.c, job.c).
const KILLED: [&str; 6] = [
    ": start operation timed out",
    ": start-pre operation timed out",
    ": start-post operation timed out",
    ": Mounting timed out",
    ": Activation timed out",
    "/start timed out",
];

/// The parts of [`crate::probe::LIMITS`].
pub(super) const READS: [&str; 5] = [
    "limits-manager",
    "limits-conf",
    "limits-line",
    "limits-units",
    "limits-journal",
];

/// Judges the output of [`crate::probe::LIMITS`].
pub(super) fn time_limits(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let expected = "every unit up within the limit that it has on the card";
    if let Some(missing) = READS.iter().find(|part| probe.text(part).is_none()) {
        return Verdict::not_yet(expected, format!("{missing}: {}", seen(probe, missing)));
    }
    let [manager, conf, line, units, journal] = READS.map(|part| probe.text(part).unwrap_or_default());
    let units: Vec<Unit<'_>> = units
        .split("\n\n")
        .map(Unit)
        .filter(|unit| !unit.id().is_empty())
        .collect();
    if units.is_empty() || journal.is_empty() {
        return Verdict::not_yet(expected, "systemd shows no units, or its journal is empty");
    }
    let card = Card {
        start: default(
            conf,
            line,
            "DefaultTimeoutStartSec",
            "default_timeout_start_sec",
            view.limits,
        ),
        device: default(
            conf,
            line,
            "DefaultDeviceTimeoutSec",
            "default_device_timeout_sec",
            view.limits,
        ),
        limits: view.limits,
        userspace: micros(Unit(manager).value("UserspaceTimestampMonotonic")),
    };
    let journal = Journal::read(journal);
    let mut faults = lost(&journal, &units);
    let cause = if faults.is_empty() { LATE } else { GONE };
    for fault in killed(journal, &units, view.limits) {
        if !faults.iter().any(|known| known.unit == fault.unit) {
            faults.push(fault);
        }
    }
    let mut longest: Option<(f64, String)> = None;
    for unit in &units {
        for wait in card.waits(unit) {
            let share = wait.took.as_secs_f64() / (wait.limit.as_secs_f64() * view.limits.slowness);
            if share > 1.0 && !faults.iter().any(|known| known.unit == unit.id()) {
                faults.push(Fault {
                    unit: unit.id().to_owned(),
                    said: format!("{wait}, which is its limit on the card"),
                });
            }
            if longest.as_ref().is_none_or(|(most, _)| share > *most) {
                longest = Some((share, format!("{}: {wait}", unit.id())));
            }
        }
    }
    let measured = match view.limits.eased {
        None => "with the card's own limits".to_owned(),
        Some(_) => format!("by the guest's times, divided by {:.1}", view.limits.slowness),
    };
    if faults.is_empty() {
        let longest = longest.map_or_else(
            || "no unit has a limit".to_owned(),
            |(_, unit)| format!("longest for its limit: {unit}"),
        );
        return Verdict::Good(lines(&format!("{measured}; {longest}"), 2));
    }
    let all: Vec<String> = faults
        .iter()
        .map(|fault| format!("{}: {}", fault.unit, fault.said))
        .collect();
    Verdict::bad(
        expected,
        lines(&format!("{measured}:\n{}", all.join("\n")), 8),
        Some(cause),
    )
}

/// A fault of a unit.
struct Fault {
    unit: String,
    said: String,
}

/// The properties of a unit, as `systemctl show` prints them.
#[derive(Clone, Copy)]
struct Unit<'a>(&'a str);

impl<'a> Unit<'a> {
    fn value(self, key: &str) -> &'a str {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    }

    fn id(self) -> &'a str {
        self.value("Id")
    }

    /// Returns the number of commands of these kinds, at least 1. The time limit applies to each
    /// command on its own.
    fn commands(self, kinds: &[&str]) -> u32 {
        let is_one = |line: &&str| {
            let kind = line.split_once("={ ").map(|(kind, _)| kind);
            kind.is_some_and(|kind| kinds.contains(&kind))
        };
        u32::try_from(self.0.lines().filter(is_one).count())
            .unwrap_or(u32::MAX)
            .max(1)
    }
}

/// A wait with a time limit.
struct Wait {
    took: Duration,
    limit: Duration,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s of {} s", self.took.as_secs_f64(), self.limit.as_secs())
    }
}

/// The card's time limits for units that have none of their own.
struct Card {
    start: Option<Duration>,
    device: Option<Duration>,
    limits: Limits,
    /// When the first process of the system started.
    userspace: Option<Duration>,
}

impl Card {
    /// Returns the card's limit for a limit of the guest. The emulator's default stands for the
    /// card's default.
    fn limit(&self, shown: &str, default: Option<Duration>) -> Option<Duration> {
        let limit = span(shown)?;
        match self.limits.eased {
            Some(eased) if limit == Duration::from_secs(eased) => default,
            _ => Some(limit),
        }
    }

    /// Returns the waits with a limit of the unit's last start.
    fn waits(&self, unit: &Unit<'_>) -> Vec<Wait> {
        let at = |key| micros(unit.value(key));
        let (begun, active) = (
            at("InactiveExitTimestampMonotonic"),
            at("ActiveEnterTimestampMonotonic"),
        );
        let wait = |from: Option<Duration>, to: Option<Duration>, limit: Option<Duration>, times: u32| {
            let took = to?.checked_sub(from?)?;
            let limit = limit?.checked_mul(times)?;
            Some(Wait { took, limit })
        };
        let id = unit.id();
        if id.ends_with(".device") {
            // Only devices that a mount or a swap waits for count.
            let users = format!("{} {}", unit.value("BoundBy"), unit.value("RequiredBy"));
            let is_waited_for = users
                .split_whitespace()
                .any(|user| user.ends_with(".mount") || user.ends_with(".swap"));
            let limit = self
                .limit(unit.value("JobRunningTimeoutUSec"), self.device)
                .filter(|_| is_waited_for);
            return wait(self.userspace, active, limit, 1).into_iter().collect();
        }
        if !id.ends_with(".service") {
            let limit = self.limit(unit.value("TimeoutUSec"), self.start);
            return wait(begun, active, limit, 1).into_iter().collect();
        }
        let limit = self.limit(unit.value("TimeoutStartUSec"), self.start);
        let main = at("ExecMainStartTimestampMonotonic");
        // A oneshot unit is up when its commands have ended, whether or not it stays active
        // afterwards.
        let up = match unit.value("Type") {
            "oneshot" => at("ExecMainExitTimestampMonotonic"),
            _ => active,
        };
        let before = unit.commands(&["ExecCondition", "ExecStartPre"]);
        let own = unit.commands(&["ExecStart", "ExecStartPost"]);
        [wait(begun, main, limit, before), wait(main, up, limit, own)]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Returns the card's default for `key` of system.conf, or for `word` of its command line; the last
/// setting counts. Returns `None` for an infinite limit.
fn default(conf: &str, line: &str, key: &str, word: &str, limits: Limits) -> Option<Duration> {
    let eased = limits.eased.map(|seconds| seconds.to_string());
    let said = line
        .split_whitespace()
        .filter_map(|given| given.strip_prefix("systemd.")?.strip_prefix(word)?.strip_prefix('='))
        .rfind(|value| Some(*value) != eased.as_deref());
    let set = conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='))
        .map(str::trim)
        .rfind(|value| !value.is_empty());
    match said.or(set) {
        None => Some(Duration::from_secs(DEFAULT)),
        Some(text) => span(text).filter(|limit| !limit.is_zero()),
    }
}

/// The end of a unit's start. It comes from systemd's journal, which also knows units that no
/// longer exist.
struct Start {
    unit: String,
    /// systemd's name of the unit when the start began.
    begin: String,
    /// systemd's name of the unit when the start ended.
    end: String,
}

/// What the journal says of starts: those that ended, and the units that systemd killed at a limit,
/// with its messages.
struct Journal {
    starts: Vec<Start>,
    killed: Vec<Fault>,
}

impl Journal {
    /// Parses the output of `journalctl --output=json`.
    fn read(journal: &str) -> Self {
        let mut begun: BTreeMap<String, String> = BTreeMap::new();
        let mut read = Journal {
            starts: Vec::new(),
            killed: Vec::new(),
        };
        for entry in journal
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        {
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            let (unit, message) = (text("UNIT").to_owned(), text("MESSAGE"));
            match text("MESSAGE_ID") {
                STARTING => {
                    begun.insert(unit, named(message).to_owned());
                }
                STARTED | FAILED => {
                    if let Some(begin) = begun.remove(&unit) {
                        let end = named(message).to_owned();
                        read.starts.push(Start { unit, begin, end });
                    }
                }
                _ if KILLED.iter().any(|words| message.contains(words)) => {
                    let said = message.to_owned();
                    read.killed.push(Fault { unit, said });
                }
                _ => {}
            }
        }
        read
    }
}

/// Returns the name of the unit in one of systemd's messages: `a.service - What it does`, or just
/// `a.service` if systemd no longer knows its description.
fn named(message: &str) -> &str {
    let verbs = ["Starting ", "Started ", "Finished ", "Failed to start "];
    let rest = verbs
        .iter()
        .find_map(|verb| message.strip_prefix(verb))
        .unwrap_or(message);
    rest.trim_end_matches(['.', '…'])
}

/// Returns the units whose file was removed while they ran.
fn lost(journal: &Journal, units: &[Unit<'_>]) -> Vec<Fault> {
    let ended = journal
        .starts
        .iter()
        .filter(|start| start.end == start.unit && start.begin != start.unit);
    let ended = ended.map(|start| Fault {
        unit: start.unit.clone(),
        said: format!(
            "its file was removed while it started; systemd had called it \"{}\"",
            start.begin
        ),
    });
    let running = units.iter().filter_map(|unit| {
        let is_starting = unit.value("ActiveState") == "activating";
        let is_running = is_starting || unit.value("SubState") == "running";
        let said = match unit.value("LoadState") {
            "not-found" if is_running => "it runs, and its file is gone",
            _ if is_starting && unit.value("NeedDaemonReload") == "yes" => {
                "it is starting, and its file is not what it was started with"
            }
            _ => return None,
        };
        Some(Fault {
            unit: unit.id().to_owned(),
            said: said.to_owned(),
        })
    });
    let mut all: Vec<Fault> = Vec::new();
    for fault in ended.chain(running) {
        if !all.iter().any(|known| known.unit == fault.unit) {
            all.push(fault);
        }
    }
    all
}

/// Returns the units that systemd killed at a limit. If the guest has longer limits and such a unit
/// is up now, only the slowness of the emulator made it late, so it is left out.
fn killed(journal: Journal, units: &[Unit<'_>], limits: Limits) -> impl Iterator<Item = Fault> {
    let active: Vec<String> = units
        .iter()
        .filter(|unit| unit.value("ActiveState") == "active")
        .map(|unit| unit.id().to_owned())
        .collect();
    let is_late_only = move |fault: &Fault| limits.eased.is_some() && active.contains(&fault.unit);
    journal.killed.into_iter().filter(move |fault| !is_late_only(fault))
}

/// Parses a time as systemd prints it: microseconds since the kernel started, or 0 if there is
/// none.
fn micros(text: &str) -> Option<Duration> {
    text.parse()
        .ok()
        .filter(|micros| *micros > 0)
        .map(Duration::from_micros)
}

/// Parses a time span as systemd prints and reads it (systemd.time(7)): `1min 30s`, `90`, `2.5s`.
/// Returns `None` for `infinity` and for other text.
fn span(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut is_one = false;
    for word in text.split_whitespace() {
        let digits = word
            .find(|sign: char| !sign.is_ascii_digit() && sign != '.')
            .unwrap_or(word.len());
        let (number, unit) = word.split_at(digits);
        let unit = match unit {
            "" | "s" | "sec" => 1.0,
            "us" => 1e-6,
            "ms" => 1e-3,
            "min" | "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            "w" => 7.0 * 86400.0,
            "month" | "M" => 30.44 * 86400.0,
            "y" => 365.25 * 86400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        is_one = true;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| is_one)
}
