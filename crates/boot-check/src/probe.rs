//! Probes a guest over SSH. The script consists of plain commands; their output is parsed and
//! judged on this side.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The output and the exit status of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) status: i32,
}

/// The output of one probe, by the names of its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct ProbeOutput(BTreeMap<String, Part>);

impl ProbeOutput {
    /// Parses what the script printed. A part without an end is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = BTreeMap::new();
        let mut open: Option<(String, String)> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("@@ ") {
                open = Some((name.to_owned(), String::new()));
            } else if let Some(status) = line.strip_prefix("@@= ") {
                if let Some((name, text)) = open.take() {
                    let text = text.trim_matches('\n').to_owned();
                    let status = status.trim().parse().unwrap_or(-1);
                    parts.insert(name, Part { text, status });
                }
            } else if let Some((_, text)) = &mut open {
                text.push_str(line);
                text.push('\n');
            }
        }
        Self(parts)
    }

    /// Returns the output of a part if its command succeeded.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.part(name)
            .filter(|part| part.status == 0)
            .map(|part| part.text.trim())
    }

    /// Returns a part, whether or not its command succeeded.
    pub(super) fn part(&self, name: &str) -> Option<&Part> {
        self.0.get(name)
    }

    /// Returns a part that is valid JSON.
    pub(super) fn json(&self, name: &str) -> Option<serde_json::Value> {
        serde_json::from_str(self.text(name)?).ok()
    }

    /// Returns the parts with these names alone.
    #[cfg(test)]
    pub(super) fn only(&self, names: &[&str]) -> Self {
        let parts = self.0.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Self(parts.map(|(name, part)| (name.clone(), part.clone())).collect())
    }

    /// Returns a property of a unit: `unit("docker.service", "ActiveState")`; `None` if the unit
    /// does not exist.
    pub(super) fn unit(&self, id: &str, property: &str) -> Option<&str> {
        for block in self.text("units")?.split("\n\n") {
            let value = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            if value("Id") == Some(id) && value("LoadState") == Some("loaded") {
                return value(property);
            }
        }
        None
    }
}

/// Returns the script for a guest with the account `user` and the gateway `gateway`, with the parts
/// that `is_wanted`. Both come from a validated spec: a name of letters, digits, `-` and `_`, and
/// an address.
pub(super) fn script(user: &str, gateway: Ipv4Addr, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut script = String::from(HEAD);
    for (name, command) in PARTS.iter().filter(|(name, _)| is_wanted(name)) {
        let command = command.replace("USER", user).replace("GATEWAY", &gateway.to_string());
        script.push_str(&match *name {
            // The program itself takes some seconds of the processor to find that nothing answers.
            "docker" => format!("if systemctl -q is-active docker.service; then part docker {command}; fi\n"),
            _ => format!("part {name} {command}\n"),
        });
    }
    script
}

const HEAD: &str = r#"export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
part() { printf '\n@@ %s\n' "$1"; shift; timeout 60 "$@" 2>&1; printf '\n@@= %s\n' "$?"; }
"#;

/// The part that costs least: which start of the system it is.
pub(super) const BOOT: &str = "boot";

/// The parts of a probe, each with its command.
const PARTS: &[(&str, &str)] = &[
    (BOOT, "cat /proc/sys/kernel/random/boot_id"),
    ("kernel", "uname -srm"),
    ("hostname", "hostname"),
    ("hostname-file", "cat /etc/hostname"),
    ("addresses", "ip -j addr"),
    ("routes", "ip -j -4 route"),
    ("ping", "ping -n -c 1 -W 5 GATEWAY"),
    ("neighbour", "ip -4 neigh show GATEWAY"),
    ("root", "findmnt -n -o SOURCE,FSTYPE,OPTIONS /"),
    ("room", "df -P -k /"),
    (
        "cloud-init",
        "sh -c 'exec 2>/dev/null; command -v cloud-init >/dev/null || { echo absent; ls /boot/firmware/user-data /boot/user-data; }; \
         ls /run/cloud-init/enabled /run/cloud-init/disabled; true'",
    ),
    ("cloud-init-status", "cat /run/cloud-init/status.json"),
    ("cloud-init-result", "cat /run/cloud-init/result.json"),
    ("passwd", "getent passwd USER"),
    ("groups", "id -nG USER"),
    (
        "keys",
        "sh -c 'cat \"$(getent passwd USER | cut -d: -f6)/.ssh/authorized_keys\"'",
    ),
    (
        "packages",
        "sh -c 'dpkg-query -W -f \"\\${db:Status-Abbrev} \\${Package}\\n\" | grep -v \"^.[ic] \"; true'",
    ),
    ("marks", "ls -A /var/lib/kraken-flash"),
    (
        "units",
        "systemctl show --property=Id,LoadState,ActiveState,SubState,Result \
         docker.service kraken-configure.service kraken-packages.service kraken-swarm.service multi-user.target",
    ),
    ("node-id", "cat /etc/kraken-flash/swarm-node-id"),
    ("held", "cat /run/kraken-flash/swarm-held"),
    ("failed", "systemctl list-units --failed --plain --no-legend --no-pager"),
    ("docker", "docker info --format '{{json .}}'"),
];

/// The script whose output `judge::limits` judges: systemd's data on its manager, its
/// configuration, its units and their starts. The globs are for systemctl, which expands them to
/// all units that it knows.
pub(super) const LIMITS: &str = r#"export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
part() { printf '\n@@ %s\n' "$1"; shift; timeout 120 "$@" 2>/dev/null; printf '\n@@= %s\n' "$?"; }
part limits-manager systemctl show --property=UserspaceTimestampMonotonic
part limits-conf sh -c 'systemd-analyze cat-config systemd/system.conf || cat /etc/systemd/system.conf /etc/systemd/system.conf.d/*.conf; true'
part limits-line cat /proc/cmdline
part limits-units systemctl show --property=Id,LoadState,ActiveState,SubState,NeedDaemonReload,Type,TimeoutStartUSec,TimeoutUSec,JobRunningTimeoutUSec,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic,ExecCondition,ExecStartPre,ExecStart,ExecStartPost,BoundBy,RequiredBy '*.service' '*.socket' '*.mount' '*.swap' '*.device'
part limits-journal journalctl --boot --quiet --no-pager --output=json --output-fields=UNIT,MESSAGE,MESSAGE_ID _PID=1
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_asks_for_what_is_wanted_and_sh_accepts_it() {
        let gateway = Ipv4Addr::new(192, 168, 3, 1);
        let two = script("kraken", gateway, |part| ["passwd", "ping"].contains(&part));
        assert_eq!(
            two.strip_prefix(HEAD),
            Some("part ping ping -n -c 1 -W 5 192.168.3.1\npart passwd getent passwd kraken\n")
        );
        // Here as on a node, but for Docker: every part begins and ends.
        let all = script("root", Ipv4Addr::LOCALHOST, |part| part != "docker");
        let output = std::process::Command::new("sh").args(["-c", &all]).output().unwrap();
        let output = ProbeOutput::parse(&String::from_utf8_lossy(&output.stdout));
        for (name, _) in PARTS.iter().filter(|(name, _)| *name != "docker") {
            assert!(output.part(name).is_some(), "{name}");
        }
        assert!(output.text("passwd").unwrap().starts_with("root:"));
        assert!(
            output
                .part("packages")
                .unwrap()
                .text
                .lines()
                .all(|line| line.split(' ').count() >= 2)
        );
    }

    #[test]
    fn every_part_of_a_check_can_be_asked_for() {
        let limits = |name: &str| LIMITS.contains(&format!("part {name} "));
        for rule in crate::judge::RULES {
            for name in rule.reads {
                let is_known = PARTS.iter().any(|(known, _)| known == name) || limits(name);
                assert!(is_known, "{}: {name}", rule.name);
            }
        }
    }

    #[test]
    fn the_output_is_split_into_parts() {
        let output = ProbeOutput::parse(
            "\n@@ hostname\nkraken-3\n\n@@= 0\n\n@@ ping\nunreachable\n\n@@= 1\n\n@@ units\nId=docker.service\nLoadState=loaded\n\
             ActiveState=active\nResult=success\n\nId=kraken-swarm.service\nLoadState=not-found\nActiveState=inactive\n\n@@= 0\n@@ cut\nhalf",
        );
        assert_eq!(output.text("hostname"), Some("kraken-3"));
        assert_eq!(output.text("ping"), None);
        assert_eq!(output.part("ping").unwrap().text, "unreachable");
        assert_eq!(output.unit("docker.service", "ActiveState"), Some("active"));
        assert_eq!(
            output.unit("kraken-swarm.service", "ActiveState"),
            None,
            "it is not there"
        );
        assert!(output.part("cut").is_none(), "half a part is none");
    }
}
