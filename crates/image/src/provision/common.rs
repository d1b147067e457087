//! What all nodes of a cluster have in common: the account, /etc/hosts, the SSH server, the clock
//! floor, time zone, keyboard.

use serde_json::json;

use kraken_disk::FileTree;
use kraken_foundation::{Context as _, Result};
use kraken_overlay::{Entry, Overlay};

use super::assets::Part;
use super::error;
use super::image::{BEGIN, Draft, END, exists, first, text, without_block};
use super::network::enable;
use super::{Assets, Context, accounts, docker, keyboard, locale, network, packages, status, swarm};

/// Returns what all nodes share; it goes into the golden image. It is the same for the same inputs,
/// also over an image that already has it.
///
/// # Errors
/// When the image lacks what the cluster needs, or a template is broken.
pub fn common(ctx: &Context<'_>, assets: &Assets) -> Result<Overlay> {
    let mut draft = Draft::new(ctx);
    accounts::account(&mut draft)?;
    hosts(&mut draft, assets)?;
    ssh_server(&mut draft)?;
    network::preferred(&mut draft, assets)?;
    clock_floor(&mut draft)?;
    time_zone(&mut draft)?;
    locale::locale(&mut draft, assets)?;
    keyboard::keyboard(&mut draft, assets)?;
    machine_id(&mut draft)?;
    docker::docker(&mut draft, assets)?;
    packages::packages(&mut draft, assets)?;
    swarm::common(&mut draft, assets)?;
    status::common(&mut draft, assets)?;
    if ctx.os.cloud_init.is_some() {
        let values = json!({"seed": format!("file://{}/", ctx.os.boot_mount)});
        let config = assets.renderer.yaml("zz_kraken-flash.cfg", &values)?;
        draft.file("/etc/cloud/cloud.cfg.d/zz_kraken-flash.cfg", config, 0o644)?;
    } else {
        packages_on_first_boot(&mut draft, assets)?;
    }
    if ctx.os.raspberry_pi_os {
        no_wizard(&mut draft)?;
    }
    let mut overlay = draft.overlay;
    overlay.merge(assets.part(Part::Common, ctx.clock_floor));
    overlay.merge(assets.part(Part::User, ctx.clock_floor));
    Ok(overlay)
}

/// Starts the SSH server on the first boot, whether or not anything else works; its host keys are
/// made just before.
fn ssh_server(draft: &mut Draft<'_>) -> Result<()> {
    let units = ["/usr/lib/systemd/system/ssh.service", "/lib/systemd/system/ssh.service"];
    let Some(unit) = first(draft.ctx.root, &units)? else {
        return Err(error::missing(
            "SSH server (no ssh.service)",
            "use a base with the package openssh-server: without it no user could log in",
        ));
    };
    enable(draft, "ssh.service", "multi-user.target")?;
    draft.link("/etc/systemd/system/sshd.service", unit)?;
    enable(draft, "kraken-host-keys.service", "ssh.service")?;
    no_passwords(draft)
}

/// Allows passwords on the console only: sshd accepts keys alone, whatever the base. In
/// sshd_config(5) the first value wins, so cloud-init's own file (50, from `ssh_pwauth`) and that
/// of an overlay take precedence. A server before 8.2 does not have this folder.
fn no_passwords(draft: &mut Draft<'_>) -> Result<()> {
    const MAIN: &str = "/etc/ssh/sshd_config";
    const RULE: &str = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n";
    let main = text(draft.ctx.root, MAIN)?.map(|main| without_block(&main));
    let reads_folder = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("include")) && line.contains("/sshd_config.d/")
    };
    match main {
        Some(main) if !main.lines().any(reads_folder) => {
            let block = format!("{BEGIN}: a password is for the console\n{RULE}{END}\n");
            draft.edited(MAIN, block + &main, 0o644)
        }
        _ => {
            let rule = format!(
                "# kraken-flash: a password is for the console. A file before this one may say otherwise.\n{RULE}"
            );
            draft.file("/etc/ssh/sshd_config.d/60-kraken-flash.conf", rule, 0o644)
        }
    }
}

/// Lists every node of the cluster in /etc/hosts. The image's `127.0.1.1` line is removed: a
/// machine with a permanent address has that in its place (Debian Reference, §5.1.1), and a node
/// must not report itself to its own containers as 127.0.1.1.
fn hosts(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    let cluster = draft.ctx.cluster;
    let values = json!({
        "cluster": cluster.name,
        "domain": cluster.network.search.first(),
        "nodes": cluster.nodes.iter().map(|node| json!({
            "hostname": node.hostname, "address": node.address, "number": node.number,
        })).collect::<Vec<_>>(),
    });
    let block = assets.renderer.text("hosts", &values)?;
    let old = text(draft.ctx.root, "/etc/hosts")?.unwrap_or_else(|| "127.0.0.1\tlocalhost\n".to_owned());
    let mut new = String::new();
    for line in without_block(&old).split_terminator('\n') {
        if line.split_ascii_whitespace().next() != Some("127.0.1.1") {
            new.push_str(line);
            new.push('\n');
        }
    }
    draft.edited("/etc/hosts", new + &block, 0o644)
}

/// A Pi has no clock that runs without power. systemd never lets the clock start before the mtime
/// of these files (systemd(1), `/usr/lib/clock-epoch`; systemd-timesyncd.service(8));
/// fake-hwclock(8) reads the text of its own file.
fn clock_floor(draft: &mut Draft<'_>) -> Result<()> {
    let floor = draft.ctx.clock_floor;
    draft.file("/usr/lib/clock-epoch", "", 0o644)?;
    let owner = text(draft.ctx.root, "/etc/passwd")?.and_then(|passwd| {
        let line = passwd.lines().find(|line| line.starts_with("systemd-timesync:"))?;
        let mut ids = line.split(':').skip(2).map(|id| id.parse::<u32>().ok());
        Some((ids.next()??, ids.next()??))
    });
    let (uid, gid) = owner.unwrap_or((0, 0));
    let clock = Entry::file(Vec::new(), 0o644, floor).owned_by(uid, gid);
    draft.root("/var/lib/systemd/timesync/clock", clock)?;
    let programs = ["/usr/sbin/fake-hwclock", "/sbin/fake-hwclock"];
    if first(draft.ctx.root, &programs)?.is_some() {
        let time = jiff::Timestamp::from_second(floor).map_err(|_| {
            error::image(
                "/etc/fake-hwclock.data",
                "the clock floor is not a valid time; correct [system] clock-floor",
            )
        })?;
        draft.file(
            "/etc/fake-hwclock.data",
            format!("{}\n", time.strftime("%Y-%m-%d %H:%M:%S")),
            0o644,
        )?;
    }
    Ok(())
}

fn time_zone(draft: &mut Draft<'_>) -> Result<()> {
    let zone = &draft.ctx.cluster.system.timezone;
    let place = format!("/usr/share/zoneinfo/{zone}");
    // Without a file of that name the C library uses UTC.
    let utc = ["Etc/UTC", "UTC", "Etc/GMT", "GMT", "Etc/Zulu", "Zulu"].contains(&zone.as_str());
    let escapes = zone.split('/').any(|part| matches!(part, "" | "." | "..")) || zone.chars().any(char::is_control);
    if escapes || (!utc && !exists(draft.ctx.root, &place)?) {
        let help = match exists(draft.ctx.root, "/usr/share/zoneinfo/Etc")? {
            true => {
                "correct [system] timezone (`timedatectl list-timezones` lists them); for an old name, such as US/Pacific, put \
                 \"tzdata-legacy\" into `packages` in [system], or write the city: America/Los_Angeles"
            }
            false => "use a base with the package tzdata, or put \"tzdata\" into `packages` in [system]",
        };
        return Err(error::missing(&format!("time zone {zone:?}"), help));
    }
    draft.link("/etc/localtime", &place)?;
    draft.file("/etc/timezone", format!("{zone}\n"), 0o644)
}

/// Cards must not share a machine-id. With an empty file each node makes its own, and that does not
/// count as a first boot (machine-id(5)); with `uninitialized` it does. `uninitialized` is written
/// only where a unit of the image waits for a first boot (Raspberry Pi OS from Trixie on then grows
/// its root file system): on a first boot systemd enables all units that no preset forbids, and
/// Bookworm and older have no presets.
fn machine_id(draft: &mut Draft<'_>) -> Result<()> {
    const PATH: &str = "/etc/machine-id";
    const FIRST_BOOT: &str = "uninitialized";
    let Some(id) = text(draft.ctx.root, PATH)? else {
        return Ok(()); // that is a first boot, too
    };
    let mark = match id.trim() == FIRST_BOOT || waits_for_first_boot(draft.ctx.root)? {
        true => format!("{FIRST_BOOT}\n"),
        false => String::new(),
    };
    draft.edited(PATH, mark, 0o444)
}

/// Returns whether a unit that is not systemd's own runs on a first boot only.
fn waits_for_first_boot(root: &dyn FileTree) -> Result<bool> {
    const UNIT_BYTES: u64 = 1 << 20;
    for folder in ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"] {
        for name in root.list(folder).context(|| error::READING)? {
            if !name.ends_with(".service") || name.starts_with("systemd-") {
                continue;
            }
            let unit = root
                .read(&format!("{folder}/{name}"), UNIT_BYTES)
                .context(|| error::READING)?
                .unwrap_or_default();
            let waits = String::from_utf8_lossy(&unit).lines().any(|line| {
                line.trim()
                    .strip_prefix("ConditionFirstBoot=")
                    .is_some_and(|value| ["yes", "true", "on", "1"].contains(&value.trim()))
            });
            if waits {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Installs packages on the first boot on an image without cloud-init, which otherwise does it.
fn packages_on_first_boot(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    let packages = &draft.ctx.cluster.system.packages_on_first_boot;
    if packages.is_empty() {
        return Ok(());
    }
    if let Some(bad) = packages.iter().find(|name| !is_package_name(name)) {
        return Err(error::missing(
            &format!("package {bad:?}, which is not a package name"),
            "correct [system] packages-on-first-boot",
        ));
    }
    let values = json!({"packages": packages});
    let script = assets.renderer.text("kraken-packages", &values)?;
    let service = assets.renderer.text("kraken-packages.service", &values)?;
    draft.file("/usr/local/lib/kraken-flash/packages", script, 0o755)?;
    draft.file("/etc/systemd/system/kraken-packages.service", service, 0o644)?;
    enable(draft, "kraken-packages.service", "multi-user.target")
}

/// Returns whether it is a package name (Debian Policy §5.6.7), possibly with the `:arch`,
/// `=version` and `/release` that apt-get(8) accepts.
fn is_package_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.:=/~_".contains(c))
}

/// Keeps Raspberry Pi OS from asking for a user name on its screen. This does what `cancel-rename`
/// of userconf-pi does, and masks the units, since a first boot may enable services again.
/// `userconf.txt` would do it too, but would put the password's hash on the FAT volume.
fn no_wizard(draft: &mut Draft<'_>) -> Result<()> {
    draft.link("/etc/systemd/system/userconfig.service", "/dev/null")?;
    for leftover in [
        "/etc/systemd/system/multi-user.target.wants/userconfig.service",
        "/etc/ssh/sshd_config.d/rename_user.conf",
        "/etc/xdg/autostart/piwiz.desktop",
    ] {
        draft.root(leftover, Entry::absent())?;
    }
    let units = [
        "/usr/lib/systemd/system/getty@.service",
        "/lib/systemd/system/getty@.service",
    ];
    match first(draft.ctx.root, &units)? {
        Some(unit) => draft.link("/etc/systemd/system/getty.target.wants/getty@tty1.service", unit),
        None => Ok(()),
    }
}
