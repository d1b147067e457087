//! Reads facts from the image itself: the distribution, its architecture, how it is configured on
//! first boot.

use serde::Serialize;

use super::lived::Lived;
use super::product;
use super::text::{MAX_TEXT, text};
use kraken_disk::{FileTree, NodeType, real_path};
use kraken_foundation::Result;
use kraken_foundation::{Context as _, Error, Kind};

/// Stands before the error of a damaged file system.
const DAMAGED: &str = "finding out what system the image holds; the image may be damaged, fetch it again";

/// Its programs are for an unknown kind of processor; `why` says what is wrong with the program at
/// `path`.
fn no_architecture(path: &str, why: &str) -> Error {
    let text = format!(
        "finding out for which processor the image is: {path} {why}; \
         use an arm64 or armhf image of Raspberry Pi OS or Debian as the base"
    );
    Error::new(Kind::Unsupported, text)
}

/// The boot volume has no kernel command line.
fn no_cmdline(why: &str) -> Error {
    Error::new(Kind::Unsupported, format!("reading the kernel command line: {why}"))
}

/// The facts about the system in an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OsImage {
    /// `ID` of os-release(5): `debian`, `raspbian`.
    pub id: String,
    /// `VERSION_CODENAME` of os-release(5): `trixie`; empty when missing.
    pub codename: String,
    /// `PRETTY_NAME` of os-release(5).
    pub pretty_name: String,
    /// Debian's name for the architecture of `/bin/sh` or `/usr/bin/dpkg` (ELF header): `arm64`,
    /// `armhf`, `armel`, `amd64`.
    pub architecture: String,
    /// Whether it is Raspberry Pi OS (`/etc/rpi-issue`, or the `raspberrypi-sys-mods` package).
    pub raspberry_pi_os: bool,
    /// cloud-init, if it is installed and enabled.
    pub cloud_init: Option<CloudInit>,
    /// What configures the network.
    pub network: NetworkStack,
    /// Where the boot volume is mounted: `/boot/firmware`, or `/boot` on Bullseye and older.
    pub boot_mount: String,
    /// The kernel command line as it stands in `cmdline.txt`, without the trailing newline.
    pub cmdline: String,
    /// When the image was made, according to its file systems, in seconds since 1970-01-01 UTC.
    pub made_at: i64,
    /// Its product name: `Raspberry Pi OS Lite (Trixie, 2026-06-18)`, else `PRETTY_NAME`.
    pub name: String,
    /// The traces of earlier use.
    pub lived: Lived,
}

/// The cloud-init of an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudInit {
    /// Its package version, from dpkg's status.
    pub version: String,
    /// Whether the image's own configuration points cloud-init's NoCloud data source at the boot
    /// volume (`seedfrom: file:///boot/firmware`).
    pub seeds_from_boot: bool,
}

/// What configures the network in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkStack {
    /// NetworkManager through netplan (Raspberry Pi OS Trixie).
    NetplanNetworkManager,
    /// NetworkManager alone (Raspberry Pi OS Bookworm).
    NetworkManager,
    /// dhcpcd (Raspberry Pi OS Bullseye and older).
    Dhcpcd,
    /// systemd-networkd; also the default when none of the others is found, since every systemd has
    /// it.
    Networkd,
}

impl OsImage {
    /// Reads the facts from the boot volume and the root file system of an image.
    ///
    /// `made_at` is when the image was made, as the caller found it (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// When a file system is damaged or holds no system that a Raspberry Pi could
    /// boot.
    pub fn read(boot: &dyn FileTree, root: &dyn FileTree, made_at: i64) -> Result<Self> {
        let release = text(root, "/etc/os-release")
            .context(|| DAMAGED)?
            .or(text(root, "/usr/lib/os-release").context(|| DAMAGED)?)
            .ok_or_else(|| {
                Error::new(
                    Kind::Unsupported,
                    "finding out what system the image holds: its root file system has no /etc/os-release; \
                     use an image of Raspberry Pi OS or Debian as the base",
                )
            })?;
        let field = |key| release_field(&release, key).unwrap_or_default();
        let packages = Packages::read(root).context(|| DAMAGED)?;
        let cmdline = cmdline(boot)?;
        let raspberry_pi_os = root.metadata("/etc/rpi-issue").context(|| DAMAGED)?.is_some()
            || packages.version("raspberrypi-sys-mods").is_some();
        let name = match raspberry_pi_os {
            true => product::raspberry_pi_os(boot, root, &field("VERSION_CODENAME")).context(|| DAMAGED)?,
            false => field("PRETTY_NAME"),
        };
        Ok(Self {
            name,
            lived: Lived::read(boot, root, &cmdline, raspberry_pi_os).context(|| DAMAGED)?,
            id: field("ID"),
            codename: field("VERSION_CODENAME"),
            pretty_name: field("PRETTY_NAME"),
            architecture: architecture(root)?,
            raspberry_pi_os,
            cloud_init: cloud_init(root, &packages, &cmdline)?,
            network: network_stack(root, &packages).context(|| DAMAGED)?,
            boot_mount: boot_mount(root).context(|| DAMAGED)?,
            cmdline,
            made_at,
        })
    }

    /// Describes it for the user: `Raspberry Pi OS Lite (Trixie, 2026-06-18), never booted`.
    pub fn in_words(&self) -> String {
        format!("{}, {}", self.name, self.lived.in_words())
    }
}

/// Returns a value of os-release(5): shell assignments, quoted or not. Control characters are
/// dropped because the value will be shown.
fn release_field(release: &str, key: &str) -> Option<String> {
    let line = release
        .lines()
        .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    let value = line.trim().trim_matches(['"', '\'']);
    Some(value.chars().filter(|c| !c.is_control()).take(256).collect())
}

/// Installed packages by name, from dpkg's status file (deb-control(5) stanzas; format in dpkg's
/// `status` documentation).
struct Packages(std::collections::BTreeMap<String, String>);

impl Packages {
    fn read(root: &dyn FileTree) -> Result<Self> {
        let status = text(root, "/var/lib/dpkg/status")?.unwrap_or_default();
        let mut installed = std::collections::BTreeMap::new();
        for stanza in status.split("\n\n") {
            let field = |key: &str| stanza.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
            let is_installed = field("Status:").is_some_and(|status| status.ends_with(" installed"));
            if let (true, Some(name), Some(version)) = (is_installed, field("Package:"), field("Version:")) {
                installed.insert(name.to_owned(), version.to_owned());
            }
        }
        Ok(Self(installed))
    }

    fn version(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Returns Debian's name for the architecture, from the ELF header (elf(5)) of a program that every
/// Debian has.
fn architecture(root: &dyn FileTree) -> Result<String> {
    for path in ["/usr/bin/dpkg", "/bin/sh", "/usr/bin/env"] {
        let real = real_path(root, path).context(|| DAMAGED)?;
        if root
            .metadata(&real)
            .context(|| DAMAGED)?
            .is_some_and(|meta| meta.node == NodeType::File)
            && let Some(bytes) = root.read(&real, MAX_TEXT).context(|| DAMAGED)?
        {
            return elf_architecture(&bytes).map_err(|why| no_architecture(path, &why));
        }
    }
    Err(no_architecture("/usr/bin/dpkg", "is not there"))
}

fn elf_architecture(bytes: &[u8]) -> Result<String, String> {
    const EF_ARM_ABI_FLOAT_HARD: u32 = 0x400; // "ELF for the Arm Architecture", e_flags
    let header: &[u8; 40] = bytes.first_chunk().ok_or("is too short for a program")?;
    if header[..4] != *b"\x7fELF" || header[5] != 1 {
        return Err("is not a little-endian ELF program".to_owned());
    }
    let machine = u16::from_le_bytes([header[18], header[19]]);
    let name = match (header[4], machine) {
        (2, 183) => "arm64",
        (2, 62) => "amd64",
        (1, 3) => "i386",
        (2, 243) => "riscv64",
        (1, 40) => {
            let flags = u32::from_le_bytes([header[36], header[37], header[38], header[39]]);
            if flags & EF_ARM_ABI_FLOAT_HARD != 0 {
                "armhf"
            } else {
                "armel"
            }
        }
        (class, machine) => {
            return Err(format!(
                "is for an unknown processor (ELF class {class}, machine {machine})"
            ));
        }
    };
    Ok(name.to_owned())
}

/// The folders of systemd units.
const UNIT_FOLDERS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Returns cloud-init if it is installed and will run: the conditions are those of its own units
/// and of its systemd generator.
fn cloud_init(root: &dyn FileTree, packages: &Packages, cmdline: &str) -> Result<Option<CloudInit>> {
    let Some(version) = packages.version("cloud-init") else {
        return Ok(None);
    };
    let forbidden = root
        .metadata("/etc/cloud/cloud-init.disabled")
        .context(|| DAMAGED)?
        .is_some()
        || cmdline
            .split_ascii_whitespace()
            .any(|word| word == "cloud-init=disabled")
        || masked(root, "cloud-init-local.service").context(|| DAMAGED)?
        || masked(root, "cloud-init.target").context(|| DAMAGED)?;
    if forbidden || !starts_cloud_init(root).context(|| DAMAGED)? {
        return Ok(None);
    }
    Ok(Some(CloudInit {
        version: version.to_owned(),
        seeds_from_boot: seeds_from_boot(root).context(|| DAMAGED)?,
    }))
}

fn masked(root: &dyn FileTree, unit: &str) -> Result<bool> {
    let link = root.read_link(&format!("/etc/systemd/system/{unit}"))?;
    Ok(link.is_some_and(|target| target == "/dev/null"))
}

/// Returns whether its generator exists, or its target is wanted.
fn starts_cloud_init(root: &dyn FileTree) -> Result<bool> {
    let mut places = vec![
        "/usr/lib/systemd/system-generators/cloud-init-generator".to_owned(),
        "/lib/systemd/system-generators/cloud-init-generator".to_owned(),
    ];
    places.extend(
        UNIT_FOLDERS
            .iter()
            .map(|folder| format!("{folder}/multi-user.target.wants/cloud-init.target")),
    );
    for place in places {
        if root.metadata(&place)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a file of `/etc/cloud` points NoCloud at the boot volume.
fn seeds_from_boot(root: &dyn FileTree) -> Result<bool> {
    let mut files = vec!["/etc/cloud/cloud.cfg".to_owned()];
    for name in root.list("/etc/cloud/cloud.cfg.d")? {
        if name.ends_with(".cfg") && !name.contains("kraken") {
            files.push(format!("/etc/cloud/cloud.cfg.d/{name}"));
        }
    }
    for file in files {
        let named = text(root, &file)?.is_some_and(|config| {
            config
                .lines()
                .filter_map(|line| line.trim().strip_prefix("seedfrom:"))
                .any(|value| value.contains("file:///boot"))
        });
        if named {
            return Ok(true);
        }
    }
    Ok(false)
}

fn network_stack(root: &dyn FileTree, packages: &Packages) -> Result<NetworkStack> {
    let has = |name| packages.version(name).is_some();
    if has("network-manager") && enabled(root, "NetworkManager.service")? {
        return Ok(if has("netplan.io") {
            NetworkStack::NetplanNetworkManager
        } else {
            NetworkStack::NetworkManager
        });
    }
    if (has("dhcpcd5") || has("dhcpcd")) && enabled(root, "dhcpcd.service")? {
        return Ok(NetworkStack::Dhcpcd);
    }
    Ok(NetworkStack::Networkd)
}

/// Returns whether something in `/etc/systemd/system` wants the unit at boot, and nothing masks it.
fn enabled(root: &dyn FileTree, unit: &str) -> Result<bool> {
    let wanted = root
        .metadata(&format!("/etc/systemd/system/multi-user.target.wants/{unit}"))?
        .is_some();
    Ok(wanted && !masked(root, unit)?)
}

/// Returns where fstab(5) mounts the FAT volume; `/boot/firmware` when fstab does not say.
fn boot_mount(root: &dyn FileTree) -> Result<String> {
    let fstab = text(root, "/etc/fstab")?.unwrap_or_default();
    let named = fstab
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let (place, kind) = (fields.next()?, fields.next()?);
            (kind == "vfat" && (place == "/boot" || place == "/boot/firmware")).then(|| place.to_owned())
        });
    Ok(named.unwrap_or_else(|| "/boot/firmware".to_owned()))
}

/// Returns the first line of `cmdline.txt`: the firmware reads only that one.
fn cmdline(boot: &dyn FileTree) -> Result<String> {
    let text = text(boot, "/cmdline.txt").context(|| DAMAGED)?.ok_or_else(|| {
        no_cmdline("the boot volume has no cmdline.txt; use an image made for the Raspberry Pi as the base")
    })?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines
        .next()
        .ok_or_else(|| no_cmdline("cmdline.txt is empty; use an image made for the Raspberry Pi as the base"))?;
    if lines.next().is_some() {
        return Err(no_cmdline(
            "cmdline.txt has more than one line, and the firmware reads only the first: put all options on that line and delete the others \
             (the file is in the image's first partition; `sudo losetup -fP --show IMAGE` makes it one that can be mounted)",
        ));
    }
    if first.len() > 4096 || first.chars().any(char::is_control) {
        return Err(no_cmdline(
            "cmdline.txt holds something else than one line of text; use an image made for the Raspberry Pi as the base",
        ));
    }
    Ok(first.to_owned())
}
