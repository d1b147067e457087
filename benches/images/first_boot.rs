//! From power-on to a running dockerd, in QEMU: Docker in the image, compared with the same
//! packages installed by dpkg on the first boot.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Result;
use super::debs::{self, Debs};
use super::setting::{NO_DOCKER, PROGRAM, Setting, build, fresh, load, run};
use super::table::{Table, seconds};
use testkit::tools::require;

/// The node that is booted.
const NODE: &str = "3";
/// Where the other side's packages are on its card.
const DEBS: &str = "usr/local/share/bench";
const INSTALLER: &str = "bench-install";
const CLOCK: &str = "bench-clock";

/// The usual script for it. It starts no later than our own unit does; dpkg starts dockerd at the
/// end.
const INSTALL_UNIT: &str = "\
[Unit]
Description=Install the packages on this card
ConditionPathExists=/usr/local/share/bench
RequiresMountsFor=/usr /var
After=local-fs.target systemd-tmpfiles-setup.service systemd-sysusers.service time-set.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/bench-install
TimeoutStartSec=infinity
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
";

const INSTALL: &str = "\
#!/bin/sh
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
before=$(cut -d ' ' -f 1 /proc/uptime)
dpkg -i --force-confdef --force-confold /usr/local/share/bench/*.deb </dev/null
rm -r /usr/local/share/bench
sync
echo \"bench: packages installed in $(awk -v from=\"$before\" '{ printf \"%d\", $1 - from }' /proc/uptime) s\"
";

/// Prints when dockerd was ready, which systemd learns from dockerd itself (`Type=notify`). It
/// polls rarely, because it takes CPU time from the measured work.
const CLOCK_UNIT: &str = "\
[Unit]
Description=Say when Docker is there

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/bench-clock
TimeoutStartSec=infinity
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
";

const CLOCK_SCRIPT: &str = "\
#!/bin/sh
until [ \"$(systemctl is-active docker.service)\" = active ]; do sleep 5; done
echo \"bench: dockerd ready at $(systemctl show --property=ActiveEnterTimestampMonotonic --value docker.service) us\"
";

/// The times of a first boot.
struct Boot {
    /// From the kernel's start until dockerd was ready, by the guest's clock.
    ready: Duration,
    /// How long the unit that configures or installs the packages took, as it printed.
    unit: Duration,
}

/// Boots each once, one after the other.
///
/// # Errors
/// When an image cannot be made.
pub(crate) fn measure(setting: &Setting, table: &mut Table) -> Result<()> {
    require(&[("ssh", "openssh-client")]);
    let folder = setting.folder().join("first-boot");
    let (baked, bare, cache) = (folder.join("baked"), folder.join("bare"), folder.join("cache"));
    fs::create_dir_all(&folder)?;
    const OVERLAY: &str = "[system]\noverlay = \"extra\"\n";
    spec(&baked, OVERLAY)?;
    spec(&bare, &format!("{NO_DOCKER}{OVERLAY}"))?;
    let debs = debs::fetch(setting, &baked, &cache)?;
    write_unit(&baked.join("extra/root"), CLOCK, CLOCK_UNIT, CLOCK_SCRIPT)?;
    write_unit(&bare.join("extra/root"), CLOCK, CLOCK_UNIT, CLOCK_SCRIPT)?;
    write_installer(&bare.join("extra/root"), &debs)?;
    image(setting, &baked, &cache)?;
    let ours = boot(&baked, "kraken-flash: packages configured in ")?;
    image(setting, &bare, &cache)?;
    let peer = boot(&bare, "bench: packages installed in ")?;
    const PEER: &str = "dpkg -i on the first boot";
    for (what, ours, peer_name, peer) in [
        (
            "first power-on to dockerd ready, guest's clock",
            ours.ready,
            PEER,
            peer.ready,
        ),
        (
            "of that: configuring packages",
            ours.unit,
            "installing them and starting dockerd",
            peer.unit,
        ),
    ] {
        let ratio = ours.as_secs_f64() / peer.as_secs_f64();
        let peer = format!("{peer_name}: {}", seconds(peer));
        table.row(what, seconds(ours), peer, format!("{ratio:.2} ×"), None);
    }
    fresh(&folder)
}

/// The default cluster.
fn spec(folder: &Path, rest: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    Ok(fs::write(folder.join("kraken.toml"), rest)?)
}

/// Returns a unit that runs a script once, as files that an overlay puts on the card.
fn write_unit(root: &Path, name: &str, unit: &str, text: &str) -> Result<()> {
    let script = root.join("usr/local/sbin").join(name);
    let file = format!("etc/systemd/system/{name}.service");
    let wanted = root.join(format!("etc/systemd/system/multi-user.target.wants/{name}.service"));
    for file in [&script, &wanted] {
        fs::create_dir_all(file.parent().unwrap_or(root))?;
    }
    fs::write(root.join(&file), unit)?;
    fs::write(&script, text)?;
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    Ok(symlink(format!("/{file}"), wanted)?)
}

/// Packages, and the script that installs them.
fn write_installer(root: &Path, debs: &Debs) -> Result<()> {
    fs::create_dir_all(root.join(DEBS))?;
    for deb in &debs.files {
        fs::copy(deb, root.join(DEBS).join(deb.file_name().unwrap_or_default()))?;
    }
    write_unit(root, INSTALLER, INSTALL_UNIT, INSTALL)
}

fn image(setting: &Setting, folder: &Path, cache: &Path) -> Result<()> {
    run(build(folder, cache, &setting.base, &folder.join("images")).args(["--no-sums", "--node", NODE]))
}

/// Boots the image in a folder with `verify --boot`, and reads the times from its console; `line`
/// is the start of the unit's last line.
fn boot(folder: &Path, line: &str) -> Result<Boot> {
    eprintln!("bench:   booting {}, load {}", folder.display(), load());
    let consoles = folder.join("consoles");
    run(Command::new(PROGRAM)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("SUDO_UID")
        .args(["--quiet", "verify", "--boot", "images", "--nodes", NODE, "--consoles"])
        .arg(&consoles))?;
    let said = fs::read_to_string(consoles.join(format!("console-kraken-{NODE}.log")))?;
    let number =
        |line: &str| number_after(&said, line).ok_or(format!("the console has no line \"{line}\" with a number"));
    let boot = Boot {
        ready: Duration::from_micros(number("bench: dockerd ready at ")?),
        unit: Duration::from_secs(number(line)?),
    };
    eprintln!("bench:   dockerd ready at {}, load {}", seconds(boot.ready), load());
    Ok(boot)
}

/// Returns the number after `line`.
fn number_after(console: &str, line: &str) -> Option<u64> {
    let rest = console.split(line).nth(1)?;
    rest.split(' ').next()?.parse().ok()
}
