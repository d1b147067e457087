//! What the user may do as root, in the format of sudoers(5).

use kraken_foundation::{Context as _, Result};
use kraken_overlay::Entry;
use kraken_spec::{Sudo, User};

use super::error;
use super::image::{Draft, stat, text};
use super::pi_account::PI;

/// The folder of sudo's rules, and the name of ours.
const SUDOERS: &str = "/etc/sudoers.d";
const RULE: &str = "/etc/sudoers.d/050_kraken-flash";

/// Returns the sudoers rule of the user; `None` when there is none.
pub(super) fn rule(sudo: Sudo) -> Option<&'static str> {
    match sudo {
        Sudo::Nopasswd => Some("ALL=(ALL:ALL) NOPASSWD: ALL"),
        Sudo::Password => Some("ALL=(ALL:ALL) ALL"),
        Sudo::None => None,
    }
}

/// Adds the rule to the draft, and removes older ones that allow more.
pub(super) fn sudoers(draft: &mut Draft<'_>, user: &User) -> Result<()> {
    if user.sudo != Sudo::Nopasswd {
        if draft.ctx.os.raspberry_pi_os && user.name == PI {
            // Raspberry Pi OS's own rule for `pi`, which asks for no password.
            draft.root("/etc/sudoers.d/010_pi-nopasswd", Entry::absent())?;
        }
        older_rules(draft, user)?;
    }
    let Some(rule) = rule(user.sudo) else {
        return Ok(());
    };
    if stat(draft.ctx.root, "/etc/sudoers")?.is_none() {
        return Err(error::missing(
            "sudo (no /etc/sudoers)",
            "set sudo = \"none\" in [user], or use a base with sudo",
        ));
    }
    draft.file(RULE, format!("{} {rule}\n", user.name), 0o440)
}

/// Removes rules of the image that would let the user become root without a password: userconf-pi
/// and cloud-init leave such rules behind.
fn older_rules(draft: &mut Draft<'_>, user: &User) -> Result<()> {
    let root = draft.ctx.root;
    for name in root.list(SUDOERS).context(|| error::READING)? {
        let path = format!("{SUDOERS}/{name}");
        if path == RULE {
            continue;
        }
        let content = text(root, &path)?.unwrap_or_default();
        let lines = || {
            content
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
        };
        let is_users = |line: &str| line.split_ascii_whitespace().next() == Some(user.name.as_str());
        if !lines().any(|line| is_users(line) && line.contains("NOPASSWD")) {
            continue;
        }
        if !lines().all(is_users) {
            return Err(error::image(
                &path,
                &format!(
                    "it lets `{}` become root without a password, beside rules for others; take that line out of the base image, or set \
                     sudo = \"nopasswd\" in [user]",
                    user.name
                ),
            ));
        }
        draft.root(&path, Entry::absent())?;
    }
    Ok(())
}
