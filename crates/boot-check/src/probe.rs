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

/// Returns the script for a guest with the account `user` and the gateway `gateway`. Both come from
/// a validated spec: a name of letters, digits, `-` and `_`, and an address.
pub(super) fn script(user: &str, gateway: Ipv4Addr) -> String {
    format!(
        r#"export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
part() {{ printf '\n@@ %s\n' "$1"; shift; timeout 60 "$@" 2>&1; printf '\n@@= %s\n' "$?"; }}
part boot cat /proc/sys/kernel/random/boot_id
part kernel uname -srm
part hostname hostname
part hostname-file cat /etc/hostname
part addresses ip -j addr
part routes ip -j -4 route
part ping ping -n -c 1 -W 5 {gateway}
part neighbour ip -4 neigh show {gateway}
part root findmnt -n -o SOURCE,FSTYPE,OPTIONS /
part room df -P -k /
part cloud-init sh -c 'exec 2>/dev/null; command -v cloud-init >/dev/null || {{ echo absent; ls /boot/firmware/user-data /boot/user-data; }}; ls /run/cloud-init/enabled /run/cloud-init/disabled; true'
part cloud-init-status cat /run/cloud-init/status.json
part cloud-init-result cat /run/cloud-init/result.json
part passwd getent passwd {user}
part groups id -nG {user}
part keys sh -c 'cat "$(getent passwd {user} | cut -d: -f6)/.ssh/authorized_keys"'
part packages sh -c 'dpkg-query -W -f "\${{db:Status-Abbrev}} \${{Package}}\n" | grep -v "^.[ic] "; true'
part marks ls -A /var/lib/kraken-flash
part units systemctl show --property=Id,LoadState,ActiveState,SubState,Result docker.service kraken-configure.service kraken-packages.service kraken-swarm.service multi-user.target
part node-id cat /etc/kraken-flash/swarm-node-id
part held cat /run/kraken-flash/swarm-held
part failed systemctl list-units --failed --plain --no-legend --no-pager
if systemctl -q is-active docker.service; then part docker docker info --format '{{{{json .}}}}'; fi
"#
    )
}

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
