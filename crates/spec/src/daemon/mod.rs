//! The options that `daemon.json` can set in dockerd: keys, types and values of the versions that
//! can be baked, and what conflicts with the unit or a swarm.
//!
//! dockerd does not start with a key that it does not know, so one mistake keeps Docker away from
//! every node. The tables follow moby's `daemon/config`, `daemon/logger` and `daemon/graphdriver`
//! of 20.10, 26.1, 28 and 29.

mod around;
mod fault;
mod key;
mod keys;
mod kinds;
mod logs;
mod rules;
mod schema;
mod storage;

use serde_json::{Map, Value};

use super::hints::{printable, suggestion};
use key::Key;
use keys::names;

pub use around::{Around, Version};
pub use fault::Fault;
pub use schema::schema;
pub use storage::{DATA_ROOT, data_root};

/// Packages that contain dockerd.
pub const ENGINES: [&str; 2] = ["docker.io", "docker-ce"];

/// Returns everything that is wrong with the options; nothing when dockerd starts with them and
/// does what is meant.
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
                // The rules cannot judge a value of the wrong type.
                if faults.len() == before {
                    rules::one(name, value, around, &mut faults);
                }
            }
        }
    }
    logs::check(options, around, &mut faults);
    rules::together(options, around, &mut faults);
    // A second message about the same value would only hide the first.
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
    let help = keys::elsewhere(name)
        .map(str::to_owned)
        .or_else(|| suggestion(name, names()))
        .unwrap_or_else(|| {
            "leave it out; the options are those of dockerd(8), in their form for daemon.json".to_owned()
        });
    Fault {
        path: name.to_owned(),
        on_key: true,
        why: format!("dockerd has no option `{shown}`, and does not start with it"),
        help,
    }
}

/// Returns a fault when the key does not exist in this version.
fn lifetime(key: &Key, version: Option<Version>) -> Option<Fault> {
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
        help: "leave it out, or bake another Docker: `source` in [docker]".to_owned(),
    })
}

#[cfg(test)]
mod tests;
