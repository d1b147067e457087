//! From power-on to a running dockerd, in QEMU: Docker baked in, against the same packages installed by dpkg on the first boot.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::Result;
use super::debs::{self, Debs};
use super::setting::{NO_DOCKER, Setting, build, fresh, load, run};
use super::table::{Table, seconds};
use testkit::qemu::{Guest, Login, require};

/// The node that is booted, and its address in the default cluster.
const NODE: (&str, Ipv4Addr) = ("3", Ipv4Addr::new(192, 168, 3, 13));
/// Where the peer's packages lie on its card.
const DEBS: &str = "usr/local/share/bench";
const UNIT: &str = "etc/systemd/system/bench-install.service";

/// What people write for it. It starts no later than our own unit does; dpkg starts dockerd at the end.
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

/// What a first boot took.
struct Boot {
    /// From power-on until `docker version` answered, by the host's clock.
    answered: Duration,
    /// From the kernel's start until dockerd was ready, by the guest's clock. systemd learns it from dockerd itself (`Type=notify`).
    ready: Duration,
    /// How long the unit that configures or installs the packages said it took.
    unit: Duration,
}

/// Boots both, once each, one after the other.
///
/// # Errors
/// When an image cannot be made.
pub fn measure(setting: &Setting, table: &mut Table) -> Result<()> {
    require(&[("ssh-keygen", "openssh-client")]);
    let folder = setting.folder().join("first-boot");
    let (baked, bare, cache) = (folder.join("baked"), folder.join("bare"), folder.join("cache"));
    fs::create_dir_all(&folder)?;
    let key = folder.join("key");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f"])
        .arg(&key))?;
    spec(&baked, "")?;
    spec(&bare, &format!("{NO_DOCKER}[system]\noverlay = \"extra\"\n"))?;
    let debs = debs::fetch(setting, &baked, &cache)?;
    write_installer(&bare.join("extra/root"), &debs)?;
    let ours = boot(
        &image(setting, &baked, &cache)?,
        &key,
        "kraken-flash: packages configured in ",
    )?;
    let peer = boot(&image(setting, &bare, &cache)?, &key, "bench: packages installed in ")?;
    const PEER: &str = "dpkg -i on the first boot";
    for (what, ours, peer_name, peer) in [
        (
            "first power-on to dockerd ready, guest's clock",
            ours.ready,
            PEER,
            peer.ready,
        ),
        (
            "first power-on to `docker version`, host's clock",
            ours.answered,
            PEER,
            peer.answered,
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

/// The default cluster, with our key.
fn spec(folder: &Path, rest: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    let user = "[user]\nname = \"kraken\"\nssh-keys = [\"../key.pub\"]\n";
    Ok(fs::write(folder.join("kraken.toml"), format!("{user}{rest}"))?)
}

/// Packages, script and unit, as files that an overlay puts on the card.
fn write_installer(root: &Path, debs: &Debs) -> Result<()> {
    let script = root.join("usr/local/sbin/bench-install");
    let wanted = root.join("etc/systemd/system/multi-user.target.wants/bench-install.service");
    for file in [&script, &wanted, &root.join(DEBS).join("x")] {
        fs::create_dir_all(file.parent().unwrap_or(root))?;
    }
    for deb in &debs.files {
        fs::copy(deb, root.join(DEBS).join(deb.file_name().unwrap_or_default()))?;
    }
    fs::write(root.join(UNIT), INSTALL_UNIT)?;
    fs::write(&script, INSTALL)?;
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    Ok(symlink(format!("/{UNIT}"), wanted)?)
}

fn image(setting: &Setting, folder: &Path, cache: &Path) -> Result<PathBuf> {
    let out = folder.join("images");
    run(build(folder, cache, &setting.base, &out).args(["--no-sums", "--node", NODE.0]))?;
    Ok(out.join(format!("kraken-{}.img", NODE.0)))
}

/// Boots an image and takes the times; `line` is how the unit's last line begins.
fn boot(image: &Path, key: &Path, line: &str) -> Result<Boot> {
    eprintln!("bench:   booting {}, load {}", image.display(), load());
    let login = Login {
        user: "kraken".into(),
        key: key.into(),
        address: NODE.1,
    };
    let start = Instant::now();
    let mut guest = Guest::boot(image, login).patient(4);
    // The serial line first: logging in costs an emulated machine seconds, which would be taken from the work that is measured.
    guest.wait_for_serial(line);
    let said = after(&guest.serial(), line);
    guest.wait_for("dockerd", "sudo -n docker version --format '{{.Server.Version}}'");
    let answered = start.elapsed();
    let stamp = guest.ssh("systemctl show -P ActiveEnterTimestampMonotonic docker.service");
    let boot = Boot {
        answered,
        ready: Duration::from_micros(stamp.trim().parse()?),
        unit: Duration::from_secs(said.ok_or("the unit did not say how long it took")?),
    };
    eprintln!(
        "bench:   dockerd ready at {}, `docker version` answered at {}, load {}",
        seconds(boot.ready),
        seconds(boot.answered),
        load()
    );
    Ok(boot)
}

/// The number after `line`.
fn after(serial: &str, line: &str) -> Option<u64> {
    let rest = serial.split(line).nth(1)?;
    rest.split(' ').next()?.parse().ok()
}
