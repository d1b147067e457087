//! Finds out whether an image has been in use: was booted, was customised, holds data of a person;
//! and which of these traces can be removed. It reports facts only; callers decide what to do.

mod docker;
mod facts;
mod leftovers;
mod logins;
mod settings;
mod stays;

use serde::Serialize;

use kraken_disk::FileTree;
use kraken_foundation::Result;

use super::text::text;

pub use facts::{Leftover, Place, Stay};

/// The traces of earlier use in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lived {
    /// Whether a system ran from it: it has a machine-id, a random seed, a journal, or an instance
    /// of cloud-init.
    pub booted: bool,
    /// Which tool prepared its first boot.
    pub customised: Option<Customised>,
    /// The keys of `user-data` in its cloud-init seed; kraken-flash replaces the seed.
    pub seed: Vec<String>,
    /// What belongs to one machine or one person and can be removed.
    pub leftovers: Vec<Leftover>,
    /// What would be on every node and cannot be removed.
    pub stays: Vec<Stay>,
}

/// Which tool prepared the first boot of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Customised {
    /// Raspberry Pi Imager 1: `firstrun.sh` with words on the kernel's command line, or
    /// `custom.toml`.
    Imager1,
    /// Raspberry Pi Imager 2: a cloud-init seed.
    Imager2,
    /// Files on the boot volume that every Raspberry Pi OS reads: `userconf.txt`, `ssh`,
    /// `wpa_supplicant.conf`.
    Files,
}

impl Lived {
    /// Reads the traces from the two volumes of an image. `cmdline` is its kernel command line;
    /// `raspberry_pi_os` says whether it is Raspberry Pi OS.
    ///
    /// # Errors
    /// When a file system is damaged.
    pub(super) fn read(boot: &dyn FileTree, root: &dyn FileTree, cmdline: &str, raspberry_pi_os: bool) -> Result<Self> {
        let booted = booted(root)?;
        Ok(Self {
            booted,
            customised: customised(boot, cmdline)?,
            seed: seed_keys(&text(boot, "/user-data")?.unwrap_or_default()),
            leftovers: leftovers::find(boot, root, cmdline, booted)?,
            stays: stays::find(root, booted, raspberry_pi_os)?,
        })
    }

    /// Returns what cannot be removed, for a cluster whose user has this name.
    pub fn stays_beside<'l>(&'l self, user: &'l str) -> impl Iterator<Item = &'l Stay> {
        self.stays
            .iter()
            .filter(move |stay| stay.account.as_deref() != Some(user))
    }

    /// Describes it, to stand after the system's name: `never booted`, `booted before, customised
    /// by Raspberry Pi Imager 1`.
    pub fn in_words(&self) -> String {
        let booted = if self.booted { "booted before" } else { "never booted" };
        let customised = match self.customised {
            None => return booted.to_owned(),
            Some(Customised::Imager1) => "customised by Raspberry Pi Imager 1",
            Some(Customised::Imager2) => "customised by Raspberry Pi Imager 2",
            Some(Customised::Files) => "customised by files on its boot volume",
        };
        format!("{booted}, {customised}")
    }
}

/// Returns whether a text is a machine-id (machine-id(5)): 32 hexadecimal digits.
fn is_machine_id(text: &str) -> bool {
    let text = text.trim();
    text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Checks for files that only a running system makes. The clock files of timesyncd and fake-hwclock
/// do not count: they are part of new images.
fn booted(root: &dyn FileTree) -> Result<bool> {
    if text(root, "/etc/machine-id")?.is_some_and(|id| is_machine_id(&id))
        || root.metadata("/var/lib/systemd/random-seed")?.is_some()
        || !root.list("/var/lib/cloud/instances")?.is_empty()
    {
        return Ok(true);
    }
    for machine in root.list("/var/log/journal")? {
        if !root.list(&format!("/var/log/journal/{machine}"))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns which tool prepared the first boot.
fn customised(boot: &dyn FileTree, cmdline: &str) -> Result<Option<Customised>> {
    let names: Vec<String> = boot.list("/")?.iter().map(|name| name.to_ascii_lowercase()).collect();
    let has = |name: &str| names.iter().any(|other| other == name);
    let words = || cmdline.split_ascii_whitespace();
    let by_imager_2 = words().any(|word| word.starts_with("ds=nocloud") && word.contains("rpi-imager"));
    Ok(
        if has("firstrun.sh") || has("custom.toml") || words().any(|word| word.starts_with("systemd.run=")) {
            Some(Customised::Imager1)
        } else if by_imager_2 {
            Some(Customised::Imager2)
        } else if leftovers::BOOT_FILES.iter().any(|name| has(name)) {
            Some(Customised::Files)
        } else {
            None
        },
    )
}

/// Returns the keys at the left margin of a YAML mapping, without a parser. They are only shown.
fn seed_keys(text: &str) -> Vec<String> {
    let key = |line: &str| {
        let (key, _) = line.split_once(':')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        (!key.is_empty() && key.chars().all(plain)).then(|| key.chars().take(40).collect::<String>())
    };
    let mut keys: Vec<String> = text.lines().filter_map(key).take(50).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_seed_are_those_at_its_margin() {
        let text = "#cloud-config\n# hostname: no\nhostname: pi\nusers:\n- name: bob\n  sudo: x\nssh_pwauth: true\n";
        assert_eq!(seed_keys(text), ["hostname", "ssh_pwauth", "users"]);
        assert!(seed_keys("#cloud-config\n# nothing\n").is_empty());
    }

    #[test]
    fn a_machine_id_is_not_the_mark_of_a_first_boot() {
        for (text, want) in [
            ("0123456789abcdef0123456789abcdef\n", true),
            ("uninitialized\n", false),
            ("", false),
            ("0123\n", false),
        ] {
            assert_eq!(is_machine_id(text), want, "{text:?}");
        }
    }
}
