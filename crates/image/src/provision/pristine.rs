//! Restores an image that has been in use to its state before its first boot: removes what belongs
//! to one machine or one person, and puts back what the first boot used up. It is for a base; over
//! an image made from that base it does nothing.

use serde_json::json;

use crate::base::Place;
use kraken_disk::{NodeType, real_path};
use kraken_foundation::{Context as _, Result};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};

use super::error;
use super::image::{Draft, exists, first, text};
use super::network::enable;
use super::{Assets, Context};

/// How many files are removed from one folder, and how deep.
const MOST_FILES: usize = 20_000;
const DEPTH: usize = 32;
/// The folders of packages' units.
const UNITS: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
/// Raspberry Pi OS Trixie: grows the file system on the first boot, after the initramfs has grown
/// the partition because of the word `resize`.
const RPI_RESIZE: &str = "rpi-resize.service";
/// Raspberry Pi OS Bookworm: the init of the first boot. On the command line it also makes the
/// initramfs grow partition and file system.
const FIRSTBOOT: &str = "/usr/lib/raspberrypi-sys-mods/firstboot";
const FIRSTBOOT_GROWS: &str = "/usr/share/initramfs-tools/scripts/local-premount/firstboot";

/// Returns what is to be removed from a base, and put back into it.
///
/// # Errors
/// When there is too much of it, or the image is damaged.
pub fn pristine(ctx: &Context<'_>, assets: &Assets) -> Result<Overlay> {
    let mut draft = Draft::new(ctx);
    let lived = &ctx.os.lived;
    for leftover in &lived.leftovers {
        for place in &leftover.places {
            match place {
                Place::BootFile(path) => {
                    draft.overlay.insert(
                        Volume::Boot,
                        EntryPath::new(path).map_err(error::bad_path)?,
                        Entry::absent(),
                    );
                }
                Place::File(path) => draft.root(path, Entry::absent())?,
                Place::Tree(path) => empty(&mut draft, path, true)?,
                Place::Files(path) => empty(&mut draft, path, false)?,
                // Handled with the whole command line, below.
                Place::Word(_) => {}
            }
        }
    }
    let mut cmdline: Vec<&str> = ctx
        .os
        .cmdline
        .split_ascii_whitespace()
        .filter(|word| !lived.leftovers.iter().any(|leftover| leftover.has_word(word)))
        .collect();
    if lived.booted {
        wireless(&mut draft)?;
        if let Some(word) = grow(&mut draft, assets)?.filter(|word| !cmdline.contains(word)) {
            cmdline.push(word);
        }
    }
    let cmdline = cmdline.join(" ");
    if cmdline != ctx.os.cmdline {
        draft.boot_file("/cmdline.txt", cmdline + "\n")?;
    }
    Ok(draft.overlay)
}

/// Removes everything in a folder, or only its files and those below.
fn empty(draft: &mut Draft<'_>, folder: &str, folders_too: bool) -> Result<()> {
    let too_much = |path: &str, why: &str| {
        error::image(
            path,
            &format!("{why}; empty the folder on the machine that the image is of, or use a fresh image"),
        )
    };
    let root = draft.ctx.root;
    let mut todo = vec![(folder.to_owned(), DEPTH)];
    let mut left = MOST_FILES;
    while let Some((here, depth)) = todo.pop() {
        for name in root.list(&here).context(|| error::READING)? {
            let path = format!("{here}/{name}");
            let Some(meta) = root.metadata(&path).context(|| error::READING)? else {
                return Err(too_much(&here, "it has a file whose name is not UTF-8"));
            };
            left = left.saturating_sub(1);
            if left == 0 || depth == 0 {
                return Err(too_much(
                    folder,
                    &format!(
                        "it holds the state of one machine, in more than {MOST_FILES} files or {DEPTH} levels of folders"
                    ),
                ));
            }
            if meta.node != NodeType::Directory {
                draft.root(&path, Entry::absent())?;
                continue;
            }
            if folders_too {
                draft.root(&path, Entry::absent_if_empty())?;
            }
            todo.push((path, depth - 1));
        }
    }
    Ok(())
}

/// Restores what grows the root file system to its card on the first boot, and returns the word of
/// the command line that it needs.
fn grow(draft: &mut Draft<'_>, assets: &Assets) -> Result<Option<&'static str>> {
    let root = draft.ctx.root;
    if reenable(draft, RPI_RESIZE)? {
        reenable(draft, "regenerate_ssh_host_keys.service")?;
        return Ok(Some("resize"));
    }
    if exists(root, FIRSTBOOT)? && exists(root, FIRSTBOOT_GROWS)? {
        return Ok(Some("init=/usr/lib/raspberrypi-sys-mods/firstboot"));
    }
    // cloud-init does it on each boot, if the tool for it is installed.
    if draft.ctx.os.cloud_init.is_some() && first(root, &["/usr/bin/growpart"])?.is_some() {
        return Ok(None);
    }
    let values = json!({"cluster": draft.ctx.cluster.name});
    let script = assets.renderer.text("kraken-grow", &values)?;
    let unit = assets.renderer.text("kraken-grow.service", &values)?;
    draft.file("/usr/local/lib/kraken-flash/grow", script, 0o755)?;
    draft.file("/etc/systemd/system/kraken-grow.service", unit, 0o644)?;
    enable(draft, "kraken-grow.service", "multi-user.target")?;
    Ok(None)
}

/// Enables a unit of a package as its `[Install]` section says; returns `false` when there is no
/// such unit.
fn reenable(draft: &mut Draft<'_>, unit: &str) -> Result<bool> {
    let root = draft.ctx.root;
    for folder in UNITS {
        let path = format!("{folder}/{unit}");
        let Some(content) = text(root, &path)? else { continue };
        for line in content.lines().map(str::trim) {
            let (kind, targets) = match line.split_once('=') {
                Some(("WantedBy", targets)) => ("wants", targets),
                Some(("RequiredBy", targets)) => ("requires", targets),
                _ => continue,
            };
            for target in targets.split_ascii_whitespace().filter(|target| !target.contains('/')) {
                draft.link(&format!("/etc/systemd/system/{target}.{kind}/{unit}"), &path)?;
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// Removes the networks that wpa_supplicant knows, with their passwords, from its configuration;
/// the country and the rest stay.
fn wireless(draft: &mut Draft<'_>) -> Result<()> {
    const PATH: &str = "/etc/wpa_supplicant/wpa_supplicant.conf";
    let Some(old) = text(draft.ctx.root, PATH)? else {
        return Ok(());
    };
    let new = without_networks(&old);
    if new == old {
        return Ok(());
    }
    let real = real_path(draft.ctx.root, PATH).context(|| error::READING)?;
    draft.file(&real, new, 0o600)
}

/// Returns a configuration of wpa_supplicant without its `network={ … }` blocks, each of which
/// begins and ends on a line of its own.
fn without_networks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let word: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        inside |= word.starts_with("network={");
        if !inside {
            out.push_str(line);
        }
        inside &= !word.ends_with('}');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_networks;

    #[test]
    fn wireless_networks_go_and_the_country_stays() {
        let text = "country=DE\nctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\n\nnetwork={\n\tssid=\"home\"\n\tpsk=\"secret\"\n}\n\
                    network = {\n ssid=\"x\"\n}\nupdate_config=1\n";
        assert_eq!(
            without_networks(text),
            "country=DE\nctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\n\nupdate_config=1\n"
        );
        assert_eq!(without_networks("update_config=1\n"), "update_config=1\n");
    }
}
