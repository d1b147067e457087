//! Where and how dockerd keeps images and containers: `storage-driver`, `storage-opts`,
//! `data-root`.

use serde_json::{Map, Value};

use super::around::Version;
use super::fault::{Fault, fault};
use crate::hints::{printable, suggestion};
use crate::options::below;

/// Where dockerd keeps everything unless an option names another folder.
pub const DATA_ROOT: &str = "/var/lib/docker";

/// The storage drivers, each with the first version that does not have it any more.
const STORAGE: [(&str, Option<Version>); 5] = [
    ("overlay2", None),
    ("fuse-overlayfs", None),
    ("vfs", None),
    ("btrfs", None),
    ("zfs", None),
];
/// Drivers that existed once; moby removed them in 23 to 25.
const GONE: [&str; 4] = ["aufs", "devicemapper", "overlay", "lcow"];

/// Notes a driver that dockerd does not have.
pub(super) fn driver(value: &Value, version: Option<Version>, faults: &mut Vec<Fault>) {
    let Some(name) = value.as_str() else { return };
    let lives =
        |until: &Option<Version>| !matches!((until, version), (Some(until), Some(version)) if version >= *until);
    let known = || STORAGE.iter().filter(|(_, until)| lives(until)).map(|(name, _)| *name);
    // The image store of containerd has snapshotters instead of drivers.
    let snapshotter = matches!(name, "overlayfs" | "native") && version.is_none_or(|version| version >= Version(29));
    if name.is_empty() || known().any(|known| known == name) || snapshotter {
        return;
    }
    let why = match GONE.contains(&name) {
        true => format!("Docker has no storage driver \"{name}\" any more, and dockerd does not start with it"),
        false => format!(
            "\"{}\" is not a storage driver of Docker's, and dockerd does not start with it",
            printable(name)
        ),
    };
    let help = match GONE.contains(&name) {
        true => "leave it out: \"overlay2\" is used".to_owned(),
        false => suggestion(name, known()).unwrap_or_else(|| "leave it out: \"overlay2\" is used".to_owned()),
    };
    faults.push(fault("storage-driver", false, why, help));
}

/// Notes drivers that need another disk than the root file system of a Raspberry Pi, and options of
/// other drivers.
pub(super) fn together(options: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let driver = options
        .get("storage-driver")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let moved = data_root(options) != DATA_ROOT;
    if matches!(driver, "btrfs" | "zfs") && !moved {
        faults.push(fault(
            "storage-driver",
            false,
            format!("the storage driver \"{driver}\" needs a {driver} disk, and a card's is ext4: dockerd does not start with it"),
            "leave it out, or name a folder on such a disk as `data-root`",
        ));
    }
    for (index, item) in options
        .get("storage-opts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let Some(name) = item.as_str().and_then(|text| text.split('=').next()) else {
            continue;
        };
        let path = below("storage-opts", &index.to_string());
        let shown = printable(name);
        if name == "overlay2.size" && matches!(driver, "" | "overlay2") {
            if !moved {
                let why =
                    "`overlay2.size` needs XFS with quotas, and a card's disk is ext4: dockerd does not start with it";
                faults.push(fault(path, false, why, "leave it out"));
            }
            continue;
        }
        let whose = if driver.is_empty() { "overlay2" } else { driver };
        let fits = match whose {
            "overlay2" => false,
            "vfs" => name == "size" || name.starts_with("vfs."),
            whose => name.split_once('.').is_some_and(|(prefix, _)| prefix == whose),
        };
        if !fits {
            let why = format!(
                "the storage driver \"{}\" has no option `{shown}`, and dockerd does not start with it",
                printable(whose)
            );
            faults.push(fault(
                path,
                false,
                why,
                "leave it out, or name its driver as `storage-driver`",
            ));
        }
    }
}

/// Folders of the system in which Docker's own folder would be lost or would do harm.
const SYSTEM: [&str; 14] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr",
];
/// Of these folders, everything below them is lost when the power goes, or is not on a disk.
const LOST: [&str; 6] = ["/boot", "/dev", "/proc", "/run", "/sys", "/tmp"];

/// Notes a folder that cannot be dockerd's own.
pub(super) fn root(value: &Value, faults: &mut Vec<Fault>) {
    let Some(text) = value.as_str() else { return };
    let plain = text.trim_end_matches('/');
    let below_one = LOST
        .iter()
        .any(|folder| plain.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
    if plain.is_empty() || SYSTEM.contains(&plain) || below_one {
        faults.push(fault(
            "data-root",
            false,
            format!("\"{}\" cannot be `data-root`: it is the system's", printable(text)),
            "write a folder of its own, for example \"/srv/docker\" or \"/mnt/ssd/docker\"",
        ));
    } else if text != plain || text.contains("//") || text.split('/').any(|part| part == ".") {
        faults.push(fault(
            "data-root",
            false,
            format!(
                "\"{}\" cannot be `data-root`: write it without `.`, `//` and a `/` at its end",
                printable(text)
            ),
            format!("write \"{}\"", tidy(text)),
        ));
    }
}

/// Returns the folder in which dockerd keeps everything, swarm and images included.
pub fn data_root(options: &Map<String, Value>) -> &str {
    match options.get("data-root").and_then(Value::as_str) {
        Some(root) if !root.is_empty() => root,
        _ => DATA_ROOT,
    }
}

fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("/{}", parts.join("/"))
}
