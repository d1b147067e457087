//! Raspberry Pi OS Lite (Bookworm).

use kraken_image::base::debian::Release;
use kraken_overlay::{Entry, Volume};

use super::initramfs::LocalBottom;
use super::tree::Tree;
use crate::archive::TestArchive;
use crate::lay;
use crate::world::Image;

const FIRST: &str = "/usr/lib/raspberrypi-sys-mods/firstboot";

/// Neither cloud-init nor netplan. Its Python is there for the programs of the board.
pub const RELEASE: Release = Release {
    suite: "bookworm",
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
        "network-manager",
        "openssh-server",
        "sudo",
        "fake-hwclock",
        "dphys-swapfile",
        "python3",
    ],
    python: Some("3.11"),
};

/// The partition and its file system grow before the first process starts.
pub const IN_INITRAMFS: LocalBottom = LocalBottom {
    name: "grow",
    text: include_str!("bookworm/initramfs-grow"),
};

pub fn system(tree: &mut Tree, image: &Image, archive: &TestArchive) {
    tree.program("/usr/lib/pi-like/grow", include_str!("bookworm/grow"));
    tree.program(FIRST, include_str!("bookworm/firstboot"));
    tree.unit(
        "regenerate_ssh_host_keys",
        "multi-user.target",
        include_str!("bookworm/host-keys.service"),
    );
    // A second attempt, for what the initramfs has not grown.
    tree.unit(
        "resize2fs_once",
        "multi-user.target",
        include_str!("bookworm/resize2fs-once.service"),
    );
    // According to machine-id(5), an empty file means that this is not a first boot.
    tree.file("/etc/machine-id", "");
    tree.file("/etc/dphys-swapfile", "CONF_SWAPSIZE=512\n");
    tree.put(
        "/etc/sudoers.d/010_pi-nopasswd",
        Entry::file(*b"pi ALL=(ALL) NOPASSWD: ALL\n", 0o440, lay::TIME),
    );
    // One line, and a key that apt trusts for every archive.
    tree.file(
        "/etc/apt/sources.list.d/pi-like.list",
        format!("deb {} {} main\n", archive.uri(), archive.suite()),
    );
    tree.file("/etc/apt/trusted.gpg.d/pi-like.asc", archive.key());
    let line = String::from_utf8(image.boot_file("/cmdline.txt")).unwrap();
    let line = format!("{} quiet init={FIRST}\n", line.trim_end().replace(" resize", ""));
    let line = Entry::file(line.into_bytes(), 0o755, lay::TIME);
    tree.overlay.insert(Volume::Boot, lay::path("/cmdline.txt"), line);
}
