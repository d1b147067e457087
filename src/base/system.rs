//! What is inside an image, read from the image itself: the distribution, its architecture, how it is configured on first boot.

use serde::Serialize;

/// What an image says of itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OsImage {
    /// `ID` of os-release(5): `debian`, `raspbian`.
    pub id: String,
    /// `VERSION_CODENAME` of os-release(5): `trixie`; empty when it has none.
    pub codename: String,
    /// `PRETTY_NAME` of os-release(5).
    pub pretty_name: String,
    /// Debian's name of the architecture of `/bin/sh` or `/usr/bin/dpkg` (ELF header): `arm64`, `armhf`, `armel`, `amd64`.
    pub architecture: String,
    /// Whether it is Raspberry Pi OS (`/etc/rpi-issue`, or the `raspberrypi-sys-mods` package).
    pub raspberry_pi_os: bool,
    /// cloud-init, when it is installed and enabled.
    pub cloud_init: Option<CloudInit>,
    /// What brings the network up.
    pub network: NetworkStack,
    /// Where the boot volume is mounted: `/boot/firmware`, or `/boot` on Bullseye and older.
    pub boot_mount: String,
    /// The kernel command line as it stands in `cmdline.txt`, without the trailing newline.
    pub cmdline: String,
    /// When the image was made, as far as its file systems tell, in seconds since 1970-01-01 UTC.
    pub made_at: i64,
}

/// The cloud-init of an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudInit {
    /// Its package version, from dpkg's status.
    pub version: String,
    /// Whether its NoCloud data source is pointed at the boot volume (`seedfrom: file:///boot/firmware`) by the image's own configuration.
    pub seeds_from_boot: bool,
}

/// What brings the network up in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkStack {
    /// NetworkManager, with netplan in front of it (Raspberry Pi OS Trixie).
    NetplanNetworkManager,
    /// NetworkManager alone (Raspberry Pi OS Bookworm).
    NetworkManager,
    /// dhcpcd (Raspberry Pi OS Bullseye and older).
    Dhcpcd,
    /// systemd-networkd, or nothing that we know: networkd is in every systemd.
    Networkd,
}
