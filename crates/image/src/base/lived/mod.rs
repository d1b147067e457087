//! Whether an image has been in use: was booted, was customised, belongs to somebody. What of that can be taken out of it again, and
//! what cannot. Facts only: what is done about them is up to others.

mod docker;
mod facts;
mod leftovers;
mod logins;
mod settings;
mod stays;

use serde::Serialize;

use kraken_disk::{FileTree, TreeError};

use super::text::text;

pub use facts::{Leftover, Place, Stay};

/// What an image has of a life before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lived {
    /// Whether a system ran from it: it has a machine-id, a random seed, a journal, or an instance of cloud-init.
    pub booted: bool,
    /// Who prepared its first boot.
    pub customised: Option<Customised>,
    /// What its cloud-init seed sets (the keys of `user-data`), and which is replaced.
    pub seed: Vec<String>,
    /// What belongs to one machine or one person and can be taken out.
    pub leftovers: Vec<Leftover>,
    /// What would be on every node and cannot be taken back.
    pub stays: Vec<Stay>,
}

/// Who prepared the first boot of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Customised {
    /// Raspberry Pi Imager 1: `firstrun.sh` with words on the kernel's command line, or `custom.toml`.
    Imager1,
    /// Raspberry Pi Imager 2: a cloud-init seed.
    Imager2,
    /// Files on the boot volume, as Raspberry Pi OS has always read them: `userconf.txt`, `ssh`, `wpa_supplicant.conf`.
    Files,
}

impl Lived {
    /// Reads it from the two volumes of an image; `cmdline` is its kernel command line, `raspberry_pi_os` whether it is one.
    ///
    /// # Errors
    /// [`TreeError`] when a file system is damaged.
    pub(super) fn read(
        boot: &dyn FileTree,
        root: &dyn FileTree,
        cmdline: &str,
        raspberry_pi_os: bool,
    ) -> Result<Self, TreeError> {
        let booted = booted(root)?;
        let (customised, seed) = customised(boot, cmdline)?;
        Ok(Self {
            booted,
            customised,
            seed,
            leftovers: leftovers::find(boot, root, cmdline, booted)?,
            stays: stays::find(root, booted, raspberry_pi_os)?,
        })
    }

    /// What cannot be taken back, for a cluster whose user has this name.
    pub fn stays_beside<'l>(&'l self, user: &'l str) -> impl Iterator<Item = &'l Stay> {
        self.stays
            .iter()
            .filter(move |stay| stay.account.as_deref() != Some(user))
    }

    /// In words, to stand behind the system's name: `never booted`, `booted before, customised by Raspberry Pi Imager 1`.
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

/// Whether a text is a machine-id (machine-id(5)): 32 hexadecimal digits.
fn is_machine_id(text: &str) -> bool {
    let text = text.trim();
    text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit())
}

/// What only a running system makes. Not the clock of timesyncd, not fake-hwclock's: images have them from their making.
fn booted(root: &dyn FileTree) -> Result<bool, TreeError> {
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

/// Who prepared the first boot, and what the cloud-init seed sets.
fn customised(boot: &dyn FileTree, cmdline: &str) -> Result<(Option<Customised>, Vec<String>), TreeError> {
    let names: Vec<String> = boot.list("/")?.iter().map(|name| name.to_ascii_lowercase()).collect();
    let has = |name: &str| names.iter().any(|other| other == name);
    let words = || cmdline.split_ascii_whitespace();
    let seed = seed_keys(&text(boot, "/user-data")?.unwrap_or_default());
    let by_imager_2 = words().any(|word| word.starts_with("ds=nocloud") && word.contains("rpi-imager"));
    let customised = if has("firstrun.sh") || has("custom.toml") || words().any(|word| word.starts_with("systemd.run="))
    {
        Some(Customised::Imager1)
    } else if by_imager_2 {
        Some(Customised::Imager2)
    } else if leftovers::BOOT_FILES.iter().any(|name| has(name)) {
        Some(Customised::Files)
    } else {
        None
    };
    Ok((customised, seed))
}

/// The keys at the left margin of a YAML mapping, without a parser: they are shown, nothing hangs on them.
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
    fn a_machine_id_is_told_from_the_marks_of_a_first_boot() {
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
