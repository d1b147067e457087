//! Debian's raspi-firmware writes `config.txt` and `cmdline.txt` again with each new kernel or
//! initramfs, from its own files under `/etc/default`. This module puts our settings there, so that
//! a node stays the same after its first upgrade.

use kraken_foundation::Result;
use kraken_overlay::{Entry, EntryPath, Kind, Overlay, Volume};

use super::assets::Part;
use super::error;
use super::image::{BEGIN, END, exists, text, without_block};
use super::{Assets, Context};

const HOOK: &str = "/etc/kernel/postinst.d/z50-raspi-firmware";
/// A shell script that the hook reads; our block is at its end.
const SETTINGS: &str = "/etc/default/raspi-firmware";
/// What the hook appends to `cmdline.txt`.
const CMDLINE: &str = "/etc/default/raspi-extra-cmdline";
/// What the hook appends to `config.txt`.
const CONFIG: &str = "/etc/default/raspi-firmware-custom";
/// Words of the command line that the hook writes itself.
const OF_HOOK: [&str; 4] = ["rw", "rootwait", "fsck.repair=yes", "net.ifnames=0"];
/// Settings of `config.txt` that the hook writes itself, or replaces by its own kernel and
/// initramfs.
const OF_HOOK_CONFIG: [&str; 6] = [
    "arm_64bit",
    "enable_uart",
    "upstream_kernel",
    "kernel",
    "auto_initramfs",
    "initramfs",
];

/// Adds the files when the image has that hook. (Raspberry Pi OS has a package of the same name
/// that leaves both files alone.)
pub(super) fn settings(ctx: &Context<'_>, assets: &Assets, overlay: &mut Overlay) -> Result<()> {
    let knows_files = text(ctx.root, HOOK)?.is_some_and(|hook| hook.contains("raspi-extra-cmdline"));
    if !knows_files || !exists(ctx.root, "/usr/lib/raspi-firmware")? {
        return Ok(());
    }
    let shared = [Part::Common, Part::User].map(|part| assets.part(part, ctx.clock_floor));
    let boot_text = |path: &str| -> Result<String> {
        let place = EntryPath::new(path).map_err(error::bad_path)?;
        let of = |overlay: &Overlay| match overlay.get(Volume::Boot, &place).map(|entry| &entry.kind) {
            Some(Kind::File(bytes)) => bytes
                .read()
                .ok()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            _ => None,
        };
        // From strong to weak: see `docs/templates.md`.
        match of(&shared[1]).or_else(|| of(overlay)).or_else(|| of(&shared[0])) {
            Some(text) => Ok(text),
            None => Ok(text(ctx.boot, path)?.unwrap_or_default()),
        }
    };
    let cmdline = boot_text("/cmdline.txt")?;
    let config = boot_text("/config.txt")?;
    let old = text(ctx.root, SETTINGS)?.unwrap_or_default();
    let files = [
        (SETTINGS, without_block(&old) + &block(&cmdline)),
        (CMDLINE, extra_words(&cmdline) + "\n"),
        (CONFIG, extra_settings(&config)),
    ];
    for (path, text) in files {
        let entry = Entry::file(text.into_bytes(), 0o644, ctx.clock_floor);
        overlay.insert(Volume::Root, EntryPath::new(path).map_err(error::bad_path)?, entry);
    }
    Ok(())
}

/// Returns whether a shell takes a word literally.
fn is_plain(word: &str) -> bool {
    word.chars()
        .all(|c| c.is_ascii_alphanumeric() || "=-_./:,+".contains(c))
}

fn words(cmdline: &str) -> impl Iterator<Item = &str> {
    cmdline.lines().next().unwrap_or_default().split_ascii_whitespace()
}

/// Returns our block: the place of the root file system, and the consoles in their order; the last
/// one is the system console.
fn block(cmdline: &str) -> String {
    let value = |name: &str| -> Vec<&str> {
        words(cmdline)
            .filter_map(|word| word.strip_prefix(name))
            .filter(|word| is_plain(word))
            .collect()
    };
    let mut lines = format!("{BEGIN}: as in cmdline.txt\n");
    if let Some(root) = value("root=").last() {
        lines += &format!("ROOTPART=\"{root}\"\n");
    }
    let consoles = value("console=");
    if !consoles.is_empty() {
        lines += &format!("CONSOLES=\"{}\"\n", consoles.join(" "));
    }
    lines + END + "\n"
}

fn extra_words(cmdline: &str) -> String {
    let others = words(cmdline)
        .filter(|word| !OF_HOOK.contains(word) && !word.starts_with("root=") && !word.starts_with("console="));
    others.collect::<Vec<_>>().join(" ")
}

fn extra_settings(config: &str) -> String {
    let of_hook = |line: &str| {
        let name = line.split(['=', ' ']).next().unwrap_or_default();
        OF_HOOK_CONFIG.contains(&name)
    };
    // What the hook wrote from an earlier version of this file, it will write again.
    let own = config
        .split_once("\n# Inserted by ")
        .map_or(config, |(_, own)| own.split_once('\n').map_or("", |(_, own)| own));
    own.lines()
        .map(str::trim_end)
        .filter(|line| !of_hook(line))
        .map(|line| line.to_owned() + "\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hook_writes_itself_is_not_said_twice() {
        let cmdline = "console=serial0,115200 console=tty1 root=PARTUUID=1-02 rootfstype=ext4 fsck.repair=yes rootwait resize ds=nocloud;i=a-1\n";
        assert_eq!(
            block(cmdline),
            "# BEGIN kraken-flash: as in cmdline.txt\nROOTPART=\"PARTUUID=1-02\"\nCONSOLES=\"serial0,115200 tty1\"\n# END kraken-flash\n"
        );
        assert_eq!(extra_words(cmdline), "rootfstype=ext4 resize ds=nocloud;i=a-1");
        assert_eq!(
            extra_settings("# Ours\narm_64bit=1\ndtparam=audio=on\nkernel=kernel8.img\n[all]\n"),
            "# Ours\ndtparam=audio=on\n[all]\n"
        );
        let written = "# Do not modify\narm_64bit=1\n\n# Inserted by /etc/default/raspi-firmware-custom\n# Ours\ndtparam=audio=on\n[all]\n";
        assert_eq!(extra_settings(written), "# Ours\ndtparam=audio=on\n[all]\n");
    }

    #[test]
    fn no_word_of_a_command_line_is_a_command() {
        let got = block("root=$(reboot) console=tty1\";reboot\" console=tty1");
        assert!(!got.contains("reboot") && got.contains("CONSOLES=\"tty1\""), "{got}");
    }
}
