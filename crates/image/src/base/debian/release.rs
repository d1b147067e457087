//! The Debian releases that can be composed.

/// A release of Debian, and what makes it the counterpart of Raspberry Pi OS Lite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its code name, which is its name in the archive.
    pub suite: &'static str,
    /// The packages to install; their dependencies are added.
    pub packages: &'static [&'static str],
    /// The version of its Python ("3.13"), if one of the packages brings it.
    pub python: Option<&'static str>,
}

impl Release {
    /// The packages of Raspberry Pi OS Lite that Debian has, without Wi-Fi, Bluetooth and desktop
    /// parts.
    pub const TRIXIE: Self = Self {
        suite: "trixie",
        packages: &[
            "systemd-sysv",
            "systemd-timesyncd",
            "libpam-systemd",
            "udev",
            "dbus",
            "kmod",
            "procps",
            "login",
            "adduser",
            "netbase",
            "tzdata",
            "iproute2",
            "iputils-ping",
            "ca-certificates",
            "less",
            "apt",
            "locales",
            "keyboard-configuration",
            "console-setup",
            "linux-image-arm64",
            "raspi-firmware",
            "initramfs-tools",
            "zstd",
            "e2fsprogs",
            "dosfstools",
            "fdisk",
            "cloud-guest-utils",
            "cloud-init",
            "netplan.io",
            "network-manager",
            "openssh-server",
            "sudo",
        ],
        python: Some("3.13"),
    };
}
