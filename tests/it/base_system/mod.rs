//! The facts that an image contains about itself, from images in memory.

mod lived;

use kraken_flash::base::{NetworkStack, OsImage};
use proptest::prelude::*;
use testkit::images::{bookworm, bullseye, trixie};

#[test]
fn an_image_says_what_it_is() {
    for (disk, arch, rpi, cloud_init, network, mount) in [
        (
            trixie(),
            "arm64",
            false,
            true,
            NetworkStack::NetplanNetworkManager,
            "/boot/firmware",
        ),
        (
            bookworm(),
            "arm64",
            true,
            false,
            NetworkStack::NetworkManager,
            "/boot/firmware",
        ),
        (bullseye(), "armhf", true, false, NetworkStack::Dhcpcd, "/boot"),
    ] {
        let os = disk.os();
        assert_eq!(os.id, "debian");
        assert_eq!(
            (os.architecture.as_str(), os.raspberry_pi_os, os.network),
            (arch, rpi, network)
        );
        assert_eq!((os.cloud_init.is_some(), os.boot_mount.as_str()), (cloud_init, mount));
    }
    let cloud_init = trixie().os().cloud_init.unwrap();
    assert!(cloud_init.seeds_from_boot);
    assert_eq!(cloud_init.version, "25.1.4-1");
}

#[test]
fn cloud_init_that_will_not_run_is_none() {
    let mut by_file = trixie();
    by_file.root.file("/etc/cloud/cloud-init.disabled", *b"");
    let mut by_cmdline = trixie();
    by_cmdline
        .boot
        .file("/cmdline.txt", *b"root=/dev/x cloud-init=disabled\n");
    let mut by_mask = trixie();
    by_mask
        .root
        .symlink("/etc/systemd/system/cloud-init-local.service", "/dev/null");
    let mut removed = trixie();
    removed.root.file(
        "/var/lib/dpkg/status",
        *b"Package: cloud-init\nStatus: deinstall ok config-files\nVersion: 1\n",
    );
    let mut unwanted = trixie();
    unwanted
        .root
        .remove("/usr/lib/systemd/system-generators/cloud-init-generator");
    for (name, disk) in [
        ("file", by_file),
        ("cmdline", by_cmdline),
        ("mask", by_mask),
        ("removed", removed),
        ("unwanted", unwanted),
    ] {
        assert!(disk.os().cloud_init.is_none(), "{name}");
    }
}

#[test]
fn what_is_not_an_image_of_a_pi_is_refused_with_a_help() {
    let mut no_system = trixie();
    no_system.root.remove("/usr/lib/os-release");
    let mut no_cmdline = trixie();
    no_cmdline.boot.remove("/cmdline.txt");
    let mut two_lines = trixie();
    two_lines.boot.file("/cmdline.txt", *b"root=/dev/x\nquiet\n");
    let mut script = trixie();
    script.root.file("/usr/bin/dpkg", *b"#!/bin/sh\n");
    for (disk, want) in [
        (no_system, "os-release"),
        (no_cmdline, "no cmdline.txt"),
        (script, "too short for a program"),
    ] {
        let error = OsImage::read(&disk.boot, &disk.root, 0).unwrap_err().to_string();
        assert!(error.contains(want) && error.contains("as the base"), "{error}");
    }
    let error = OsImage::read(&two_lines.boot, &two_lines.root, 0)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("more than one line") && error.contains("delete the others") && !error.contains("use an image"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_program_or_command_line_makes_it_panic(
        program in prop::collection::vec(any::<u8>(), 0..80),
        class in 0..4u8,
        cmdline in ".{0,60}",
    ) {
        let mut disk = trixie();
        let mut elf = vec![0x7f, b'E', b'L', b'F', class, 1];
        elf.extend(program);
        disk.root.file("/usr/bin/dpkg", elf);
        disk.boot.file("/cmdline.txt", cmdline.into_bytes());
        if let Ok(os) = OsImage::read(&disk.boot, &disk.root, 0) {
            prop_assert!(!os.cmdline.contains(char::is_control));
        }
    }
}
