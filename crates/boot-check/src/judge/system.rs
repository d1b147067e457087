//! The checks of the system: file systems, name, cloud-init, account, packages, units.

use serde_json::Value;

use super::verdict::{self, NodeView, Verdict, lines, seen};
use crate::probe::ProbeOutput;

/// The smallest free space on the root file system, in KiB, with which Docker and the logs can go
/// on.
pub(crate) const ROOM: u64 = 64 * 1024;

pub(super) fn root(probe: &ProbeOutput, _: &NodeView<'_>) -> Verdict {
    let expected = "/ mounted read-write";
    let Some(mount) = probe.text("root") else {
        return Verdict::not_yet(expected, seen(probe, "root"));
    };
    let options = mount.split_whitespace().nth(2).unwrap_or_default();
    match options.split(',').next() {
        Some("rw") => Verdict::Good(lines(mount, 1)),
        _ => Verdict::bad(
            expected,
            lines(mount, 1),
            Some("the root file system is damaged, or cmdline.txt or fstab ask for `ro`"),
        ),
    }
}

pub(super) fn room(probe: &ProbeOutput, _: &NodeView<'_>) -> Verdict {
    let expected = format!("at least {} MiB free on /", ROOM / 1024);
    let Some(table) = probe.text("room") else {
        return Verdict::not_yet(expected, seen(probe, "room"));
    };
    let line = table.lines().last().unwrap_or_default();
    match line.split_whitespace().nth(3).and_then(|word| word.parse::<u64>().ok()) {
        Some(free) if free >= ROOM => Verdict::Good(format!("{} MiB free", free / 1024)),
        Some(free) => Verdict::bad(
            expected,
            format!("{} MiB free: {}", free / 1024, lines(line, 1)),
            Some(
                "the root file system is full: it did not grow to the card, the card is too small, or too much was put on it",
            ),
        ),
        None => Verdict::not_yet(expected, lines(table, 2)),
    }
}

pub(super) fn hostname(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let expected = view.node.hostname.as_str();
    let (running, file) = (
        probe.text("hostname").unwrap_or_default(),
        probe.text("hostname-file").unwrap_or_default(),
    );
    if running == expected && file == expected {
        return Verdict::Good(format!("{expected}, in the kernel and in /etc/hostname"));
    }
    Verdict::not_yet(expected, lines(&format!("{running}; in /etc/hostname: {file}"), 2))
}

pub(super) fn cloud_init(probe: &ProbeOutput, _: &NodeView<'_>) -> Verdict {
    let expected = "cloud-init through, with no errors";
    match probe.text("cloud-init").unwrap_or_default() {
        "" => return Verdict::not_yet(expected, "cloud-init has not begun"),
        "absent" => return Verdict::Nothing("this system has no cloud-init".to_owned()),
        seed if seed.starts_with("absent") => {
            return Verdict::bad(
                expected,
                format!(
                    "no cloud-init, and {} for it",
                    lines(seed.trim_start_matches("absent").trim(), 1)
                ),
                Some("the card was made for a system with cloud-init: build the image again from this base"),
            );
        }
        marks if marks.ends_with("disabled") => return Verdict::Nothing("cloud-init is switched off".to_owned()),
        _ => {}
    }
    let Some(result) = probe.json("cloud-init-result") else {
        let status = probe.json("cloud-init-status").unwrap_or_default();
        let stage = status["v1"]["stage"]
            .as_str()
            .unwrap_or("between two stages")
            .to_owned();
        return Verdict::not_yet(expected, format!("not through: {stage}"));
    };
    let mut complaints: Vec<String> = texts(&result["v1"]["errors"]).collect();
    let status = probe.json("cloud-init-status").unwrap_or_default();
    complaints.extend(recoverable(&status));
    if complaints.is_empty() {
        let source = result["v1"]["datasource"].as_str().unwrap_or("?");
        return Verdict::Good(lines(&format!("done, no errors; {source}"), 1));
    }
    complaints.dedup();
    let said = complaints.join("\n");
    let schema = ["chema", "yaml", "cloud-config", "user-data", "userdata"]
        .iter()
        .any(|word| said.contains(word));
    let cause = schema.then_some("user-data is not a valid cloud-config: look at templates/user-data and what overlays it (cloud-init schema -c FILE checks one)");
    Verdict::bad(expected, lines(&said, 8), cause)
}

/// Returns warnings and errors that did not stop cloud-init. Deprecations are left out, and so is a
/// message of every Raspberry Pi OS: that the unit `netplan_nm_patch` is dangling (seen on trixie).
fn recoverable(status: &Value) -> Vec<String> {
    let stages = status["v1"].as_object().into_iter().flatten();
    let mut said = Vec::new();
    for (_, stage) in stages {
        for (level, messages) in stage["recoverable_errors"].as_object().into_iter().flatten() {
            if matches!(level.as_str(), "WARNING" | "ERROR" | "CRITICAL") {
                said.extend(
                    texts(messages)
                        .filter(|text| !text.contains("netplan_nm_patch"))
                        .map(|text| format!("{level}: {text}")),
                );
            }
        }
    }
    said
}

fn texts(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().map(|text| match text.as_str() {
        Some(text) => text.to_owned(),
        None => text.to_string(),
    })
}

pub(super) fn user(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let user = &view.cluster.user;
    let Some(entry) = probe.text("passwd").filter(|entry| !entry.is_empty()) else {
        return Verdict::not_yet(format!("an account {}", user.name), "there is none");
    };
    let groups = probe.text("groups").unwrap_or_default();
    let has = |group: &str| groups.split_whitespace().any(|name| name == group);
    if user.groups.iter().any(|group| group == "sudo") && !has("sudo") {
        return Verdict::not_yet("groups with sudo among them", lines(groups, 1));
    }
    Verdict::Good(lines(&format!("{entry}; groups {groups}"), 2))
}

pub(super) fn ssh_key(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let wanted: Vec<&str> = view.cluster.user.ssh_keys.iter().map(|line| material(line)).collect();
    let expected = || shown(&view.cluster.user.ssh_keys);
    let Some(file) = probe.text("keys") else {
        return Verdict::not_yet(expected(), format!("no authorized_keys: {}", seen(probe, "keys")));
    };
    let present: Vec<String> = file
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let has = |key: &&str| present.iter().any(|line| material(line) == *key);
    let strangers = present.iter().any(|line| !wanted.contains(&material(line)));
    match (wanted.iter().all(has), strangers) {
        (true, false) => Verdict::Good(shown(&present)),
        _ => Verdict::bad(
            expected(),
            shown(&present),
            Some(
                "the image was made with other SSH keys than kraken.toml names now: build it again, or you cannot log in",
            ),
        ),
    }
}

/// Returns the type and the key of a line in OpenSSH's format, without options and comment.
fn material(line: &str) -> &str {
    line.split_whitespace()
        .find(|word| word.starts_with("AAAA"))
        .unwrap_or(line)
}

/// Returns the fingerprints of keys as `ssh-keygen -l` prints them.
fn shown(keys: &[String]) -> String {
    let lines: Vec<String> = keys
        .iter()
        .map(|line| match ssh_key::PublicKey::from_openssh(line) {
            Ok(key) => format!("{} {}", key.fingerprint(ssh_key::HashAlg::Sha256), key.comment()),
            Err(_) => line.clone(),
        })
        .collect();
    match lines.is_empty() {
        true => "no key".to_owned(),
        false => verdict::lines(&lines.join("\n"), 8),
    }
}

pub(super) fn packages(probe: &ProbeOutput, _: &NodeView<'_>) -> Verdict {
    let expected = "every package configured (dpkg's state ii)";
    let marks = probe.text("marks").unwrap_or_default();
    let waits = marks.split_whitespace().any(|mark| mark == "configure");
    let unit = probe.unit("kraken-configure.service", "ActiveState");
    let Some(left) = probe.text("packages") else {
        return Verdict::not_yet(expected, seen(probe, "packages"));
    };
    if probe.unit("kraken-packages.service", "ActiveState") == Some("activating") {
        return Verdict::not_yet(expected, "packages are being installed over the network");
    }
    match (left.is_empty(), waits, unit) {
        (true, false, _) => Verdict::Good("no package is half installed or unconfigured".to_owned()),
        (_, _, Some("failed")) => Verdict::bad(
            expected,
            format!("kraken-configure.service failed; {}", lines(left, 8)),
            Some(
                "a package's script failed: its words are on the console; `sudo dpkg --configure -a` on the node goes on",
            ),
        ),
        (_, true, _) | (false, _, Some("activating")) => Verdict::not_yet(
            expected,
            format!("{} packages are not configured yet", left.lines().count()),
        ),
        (false, false, _) => Verdict::bad(
            expected,
            lines(left, 8),
            Some("`sudo dpkg --configure -a` on the node says why"),
        ),
    }
}

pub(super) fn units(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let expected = "multi-user.target reached, no failed unit";
    // Units of packages that are not configured yet fail, and are started again after the
    // configuration.
    let under_way = packages(probe, view).outcome().is_none() || super::docker::docker(probe, view).outcome().is_none();
    let target = probe.unit("multi-user.target", "ActiveState").unwrap_or("not there");
    match probe.text("failed") {
        Some(failed) if under_way || target != "active" => Verdict::not_yet(
            expected,
            format!("multi-user.target is {target}; failed: {}", lines(failed, 8)),
        ),
        Some("") => Verdict::Good("multi-user.target is active, no unit failed".to_owned()),
        Some(failed) => Verdict::bad(
            expected,
            lines(failed, 8),
            Some("see `systemctl status` of the unit, and the console's log"),
        ),
        None => Verdict::not_yet(expected, seen(probe, "failed")),
    }
}
