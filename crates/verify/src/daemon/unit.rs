//! Finds the arguments with which systemd starts dockerd on the node. An option that `daemon.json`
//! sets as well keeps dockerd from starting.

use kraken_disk::{FileTree, real_path};

/// The possible places of the unit, the administrator's first (systemd.unit(5)).
const UNITS: [&str; 3] = [
    "/etc/systemd/system/docker.service",
    "/usr/lib/systemd/system/docker.service",
    "/lib/systemd/system/docker.service",
];
const DROP_INS: &str = "/etc/systemd/system/docker.service.d";
const LIMIT: u64 = 1 << 20;
/// The arguments to assume if no unit can be read.
const USUAL: [&str; 3] = ["-H", "fd://", "--containerd=/run/containerd/containerd.sock"];

/// Returns dockerd's arguments, without its name. Words that begin with a dollar sign are left out,
/// since their values are not known here.
pub(super) fn arguments(root: &dyn FileTree) -> Vec<String> {
    let unit = UNITS.iter().find_map(|path| text(root, path));
    let drop_ins = real_path(root, DROP_INS)
        .and_then(|folder| root.list(&folder))
        .unwrap_or_default();
    let later = drop_ins
        .iter()
        .filter(|name| name.ends_with(".conf"))
        .filter_map(|name| text(root, &format!("{DROP_INS}/{name}")));
    let mut started: Option<String> = None;
    for text in unit.into_iter().chain(later) {
        for value in text.lines().filter_map(|line| line.trim().strip_prefix("ExecStart=")) {
            started = Some(value.trim().to_owned());
        }
    }
    match started {
        Some(line) => line
            .split_ascii_whitespace()
            .skip(1)
            .filter(|word| !word.starts_with('$'))
            .map(|word| word.trim_matches(['"', '\'']).to_owned())
            .collect(),
        None => USUAL.map(str::to_owned).to_vec(),
    }
}

fn text(root: &dyn FileTree, path: &str) -> Option<String> {
    let real = real_path(root, path).ok()?;
    String::from_utf8(root.read(&real, LIMIT).ok()??).ok()
}
