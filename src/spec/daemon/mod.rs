//! What dockerd can be told in `daemon.json`: keys, types and values of the versions that can be baked, and what fights the unit or a
//! swarm.
//!
//! dockerd does not start with a key that it does not know, so one slip keeps Docker away from every node. The tables follow moby's
//! `daemon/config`, `daemon/logger` and `daemon/graphdriver` of 20.10, 26.1, 28 and 29.

mod keys;
mod kinds;
mod logs;
mod rules;
mod schema;
mod storage;

use serde_json::{Map, Value};

use super::hints::{printable, suggestion};
use keys::names;
pub use schema::schema;

/// Where dockerd keeps everything when it is not told.
pub const DATA_ROOT: &str = "/var/lib/docker";

/// One thing with which dockerd would not start, or not do what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the value: keys and numbers of list items, with `/` between them.
    pub path: String,
    /// Whether it is the key that is wrong, and not its value.
    pub on_key: bool,
    /// What is wrong, as a sentence without its end.
    pub why: String,
    /// How to mend it.
    pub mend: String,
}

/// What else is known of the daemon.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// Whether its node is in a swarm.
    pub swarm: bool,
    /// Its version, where it is known.
    pub version: Option<Version>,
    /// The log driver where the options name none.
    pub log_driver: Option<&'a str>,
}

/// A version of Docker, as far as options depend on it: its first number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// The oldest that is baked: Debian 11 and 12.
    pub const OLDEST: Self = Self(20);

    /// Of a Debian package: `5:28.5.2-1~debian.13~trixie`, `26.1.5+dfsg1-9`.
    pub fn of_package(version: &str) -> Option<Self> {
        let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
        let digits: String = upstream.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().map(Self)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Docker {}", self.0)
    }
}

/// Packages that hold dockerd.
pub const ENGINES: [&str; 2] = ["docker.io", "docker-ce"];

/// Everything that is wrong with the options; nothing where dockerd starts with them and does what is meant.
pub fn faults(options: &Map<String, Value>, around: &Around<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, value) in options {
        match keys::find(name) {
            None => faults.push(unknown(name)),
            Some(key) => {
                let before = faults.len();
                if let Some(fault) = lifetime(key, around.version) {
                    faults.push(fault);
                }
                kinds::check(&key.kind, value, name, &mut faults);
                // A value of the wrong type has no meaning that a rule could judge.
                if faults.len() == before {
                    rules::one(name, value, around, &mut faults);
                }
            }
        }
    }
    logs::check(options, around, &mut faults);
    rules::together(options, around, &mut faults);
    // A second word on the same value only hides the first.
    let mut seen: Vec<Fault> = Vec::with_capacity(faults.len());
    for fault in faults {
        if !seen.iter().any(|other| other.path == fault.path) {
            seen.push(fault);
        }
    }
    seen
}

fn unknown(name: &str) -> Fault {
    let shown = printable(name);
    let mend = keys::elsewhere(name)
        .map(str::to_owned)
        .or_else(|| suggestion(name, names()))
        .unwrap_or_else(|| {
            "leave it out; the options are those of dockerd(8), in their form for daemon.json".to_owned()
        });
    Fault {
        path: name.to_owned(),
        on_key: true,
        why: format!("dockerd has no option `{shown}`, and does not start with it"),
        mend,
    }
}

/// What of a key's life leaves the version out.
fn lifetime(key: &keys::Key, version: Option<Version>) -> Option<Fault> {
    let version = version?;
    let why = match (key.since, key.until) {
        (Some(since), _) if version < since => format!("{version} has no `{}` yet: it came with {since}", key.name),
        (_, Some(until)) if version >= until => {
            format!("{version} has no `{}` any more: it went with {until}", key.name)
        }
        _ => return None,
    };
    Some(Fault {
        path: key.name.to_owned(),
        on_key: true,
        why,
        mend: "leave it out, or bake another Docker: `source` in [docker]".to_owned(),
    })
}

/// The folder in which dockerd keeps everything, swarm and images among it.
pub fn data_root(options: &Map<String, Value>) -> &str {
    match options.get("data-root").and_then(Value::as_str) {
        Some(root) if !root.is_empty() => root,
        _ => DATA_ROOT,
    }
}

#[cfg(test)]
mod tests;
