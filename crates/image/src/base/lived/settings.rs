//! Finds settings of an earlier owner that would stop a node or lock its user out: mounts that no
//! node has, limits on who may log in, a firewall.

use kraken_disk::FileTree;
use kraken_foundation::Result;

use super::facts::shown;
use crate::base::text::text;

/// Returns a description of each setting.
pub(super) fn find(root: &dyn FileTree) -> Result<Vec<String>> {
    let fstab = text(root, "/etc/fstab")?.unwrap_or_default();
    let mut found: Vec<String> = fstab.lines().filter_map(foreign_mount).collect();
    let mut files = vec!["/etc/ssh/sshd_config".to_owned()];
    for name in root.list("/etc/ssh/sshd_config.d")? {
        if name.ends_with(".conf") {
            files.push(format!("/etc/ssh/sshd_config.d/{name}"));
        }
    }
    for file in files {
        let content = text(root, &file)?.unwrap_or_default();
        found.extend(
            content
                .lines()
                .map(str::trim)
                .filter(|line| limits_logins(line))
                .map(|line| format!("the line \"{}\" of {}", shown(line), shown(&file))),
        );
    }
    let firewall = text(root, "/etc/ufw/ufw.conf")?.unwrap_or_default();
    if firewall
        .lines()
        .any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes"))
    {
        found.push("the firewall ufw, which is on".to_owned());
    }
    Ok(found)
}

/// Returns a mount of fstab(5) that is neither of the card's own two and without which the boot
/// does not continue.
fn foreign_mount(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[device, place, kind, ..] = fields.as_slice() else {
        return None;
    };
    let options = fields.get(3).copied().unwrap_or_default();
    let waits = !options.split(',').any(|option| matches!(option, "nofail" | "noauto"));
    let own = matches!(place, "/" | "/boot" | "/boot/firmware" | "none" | "swap");
    let is_device = device.contains('=') || device.starts_with("/dev/");
    let is_share = matches!(kind, "nfs" | "nfs4" | "cifs" | "smbfs");
    (!device.starts_with('#') && waits && !own && (is_device || is_share))
        .then(|| format!("the mount of {} on {} in /etc/fstab", shown(device), shown(place)))
}

/// Returns whether a line of sshd_config(5) keeps users out, or moves the server to an unexpected
/// address or port.
fn limits_logins(line: &str) -> bool {
    let mut words = line
        .split(|c: char| c.is_ascii_whitespace() || c == '=')
        .filter(|word| !word.is_empty());
    let key = words.next().unwrap_or_default().to_ascii_lowercase();
    match key.as_str() {
        "allowusers" | "denyusers" | "allowgroups" | "denygroups" | "listenaddress" => true,
        "port" => words.next() != Some("22"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_foreign_mounts_that_block_the_boot_are_found() {
        for (line, foreign) in [
            ("proc /proc proc defaults 0 0", false),
            ("PARTUUID=1-01 /boot/firmware vfat defaults 0 2", false),
            ("PARTUUID=1-02 / ext4 defaults,noatime 0 1", false),
            ("/dev/zram0 none swap defaults 0 0", false),
            ("tmpfs /tmp tmpfs size=100M 0 0", false),
            ("# UUID=1 /mnt/usb ext4 defaults 0 2", false),
            ("#UUID=1 /mnt/usb ext4 defaults 0 2", false),
            ("UUID=1 /mnt/usb ext4 defaults,nofail 0 2", false),
            ("UUID=1 /mnt/usb ext4 defaults 0 2", true),
            ("/dev/sda1 /srv ext4", true),
            ("nas:/films /films nfs ro 0 0", true),
            ("//nas/films /films cifs ro,noauto 0 0", false),
        ] {
            assert_eq!(foreign_mount(line).is_some(), foreign, "{line}");
        }
    }

    #[test]
    fn only_lines_that_keep_users_out_are_found() {
        for line in [
            "AllowUsers alice",
            "denygroups=all",
            "Port 2222",
            "ListenAddress 10.0.0.1",
        ] {
            assert!(limits_logins(line), "{line}");
        }
        for line in [
            "#AllowUsers alice",
            "Port 22",
            "PasswordAuthentication no",
            "",
            "AllowAgentForwarding no",
        ] {
            assert!(!limits_logins(line), "{line}");
        }
    }
}
