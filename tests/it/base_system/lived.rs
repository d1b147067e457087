//! Images that have run on a card: which traces are found, which are removed, and which are
//! reported.

use kraken_disk::FileTree;
use kraken_flash::base::Customised;
use kraken_overlay::{EntryPath, Kind, Volume};

use testkit::images::{Disk, MACHINES_OWN, NodeOverlays, bookworm, bullseye, kraken, make, pristine, text, trixie};

/// The three stand-ins, with files of a fresh Raspberry Pi OS that look like traces of use.
fn fresh() -> [Disk; 3] {
    [trixie(), bookworm(), bullseye()].map(|mut disk| {
        disk.root
            .file("/var/lib/systemd/timesync/clock", *b"")
            .file("/etc/fake-hwclock.data", *b"2024-07-04 00:00:00\n")
            .file(
                "/var/lib/NetworkManager/NetworkManager.state",
                *b"[main]\nWirelessEnabled=false\n",
            )
            .file(
                "/etc/wpa_supplicant/wpa_supplicant.conf",
                *b"country=GB\nupdate_config=1\n",
            )
            .file("/var/log/dpkg.log", *b"")
            .file("/etc/sudoers.d/010_pi-nopasswd", *b"pi ALL=(ALL) NOPASSWD: ALL\n")
            .file("/etc/sudoers.d/010_global-tty", *b"Defaults env_keep += \"NO_COLOR\"\n")
            .file("/etc/systemd/system/regenerate_ssh_host_keys.service", *b"[Unit]\n")
            .symlink(
                "/etc/systemd/system/multi-user.target.wants/regenerate_ssh_host_keys.service",
                "../regenerate_ssh_host_keys.service",
            )
            .directory("/var/log/journal")
            .directory("/var/lib/cloud/instances")
            .symlink("/var/lib/dbus/machine-id", "/etc/machine-id")
            .directory("/home/pi");
        disk.boot.file("/issue.txt", *b"x\n");
        disk
    })
}

#[test]
fn a_fresh_image_has_had_no_life() {
    for disk in fresh() {
        let os = disk.os();
        assert_eq!(os.lived.in_words(), "never booted");
        assert!(
            os.lived.leftovers.is_empty() && os.lived.stays.is_empty(),
            "{:?}",
            os.lived
        );
        assert!(pristine(&disk, &kraken()).is_empty());
    }
}

#[test]
fn an_image_of_ours_has_had_no_life() {
    for mut disk in fresh() {
        let NodeOverlays { common, node } = make(&disk, &kraken(), 2);
        disk.lay(&common);
        disk.lay(&node);
        let lived = disk.os().lived;
        assert_eq!(lived.in_words(), "never booted");
        let stays: Vec<&str> = lived.stays_beside("kraken").map(|stay| stay.what.as_str()).collect();
        assert!(
            matches!(stays[..], [what] if what.contains("node 2 of kraken")),
            "{stays:?}"
        );
    }
}

#[test]
fn what_belongs_to_one_machine_is_taken_out_and_nothing_else() {
    for disk in fresh() {
        let names = |disk: &Disk| -> Vec<&str> {
            let there = |path: &&&str| disk.root.metadata(path).unwrap().is_some();
            MACHINES_OWN.iter().filter(there).copied().collect()
        };
        let mut lived = disk.lived();
        assert_eq!(names(&lived), MACHINES_OWN);
        assert_eq!(lived.os().lived.in_words(), "booted before");
        assert!(lived.os().lived.stays.is_empty(), "{:?}", lived.os().lived.stays);
        let overlay = pristine(&lived, &kraken());
        for (volume, path, entry) in overlay.iter() {
            let removes = matches!(entry.kind, Kind::Absent | Kind::AbsentIfEmpty);
            let restores = path.as_str() == "/cmdline.txt" || path.as_str().contains("kraken-");
            assert!(
                removes || restores || path.as_str().contains("/grow"),
                "{volume}:{path}"
            );
        }
        lived.lay(&overlay);
        let NodeOverlays { common, node } = make(&lived, &kraken(), 1);
        lived.lay(&common);
        assert_eq!(names(&lived), Vec::<&str>::new());
        for kept in [
            "/var/lib/NetworkManager/NetworkManager.state",
            "/var/lib/docker",
            "/var/log/apt",
            "/var/lib/cloud/instances",
        ] {
            assert!(lived.root.metadata(kept).unwrap().is_some(), "{kept} is gone");
        }
        assert_eq!(lived.root.metadata("/var/lib/docker/swarm").unwrap(), None);
        assert_eq!(lived.os().lived.in_words(), "never booted");
        assert!(pristine(&lived, &kraken()).is_empty(), "a second pass finds more");
        lived.lay(&node);
        assert!(
            make(&lived, &kraken(), 1) == NodeOverlays { common, node },
            "provisioning stays a fixed point"
        );
    }
}

#[test]
fn the_mark_of_a_first_boot_is_that_of_the_release() {
    const WAITS: &[u8] = b"[Unit]\nConditionFirstBoot=yes\n[Install]\nWantedBy=sysinit.target\n";
    const ID: &[u8] = b"0123456789abcdef0123456789abcdef\n";
    for (id, waits, want) in [
        (ID, true, "uninitialized\n"),
        (b"".as_slice(), true, "uninitialized\n"), // a Trixie that the user cleaned
        (b"uninitialized\n".as_slice(), true, "uninitialized\n"),
        (b"uninitialized\n".as_slice(), false, "uninitialized\n"),
        (ID, false, ""),
        (b"".as_slice(), false, ""),
    ] {
        for mut disk in [trixie(), bookworm(), bullseye()] {
            disk.root
                .file("/etc/machine-id", id.to_vec())
                .file("/usr/lib/systemd/system/systemd-firstboot.service", WAITS.to_vec());
            if waits {
                disk.root
                    .file("/usr/lib/systemd/system/rpi-resize.service", WAITS.to_vec());
            }
            assert_eq!(
                text(&make(&disk, &kraken(), 1).common, Volume::Root, "/etc/machine-id"),
                want
            );
        }
    }
}

#[test]
fn the_root_file_system_grows_again() {
    let at = |path: &str| EntryPath::new(path).unwrap();
    // Trixie: the word for the initramfs, and the unit where its own [Install] section puts it.
    let mut disk = trixie().lived();
    disk.boot.file(
        "/cmdline.txt",
        *b"root=PARTUUID=1-02 rootwait ds=nocloud;i=rpi-imager-1\n",
    );
    disk.root.file(
        "/usr/lib/systemd/system/rpi-resize.service",
        *b"[Unit]\nConditionFirstBoot=yes\n[Install]\nWantedBy=local-fs.target sysinit.target\n",
    );
    let overlay = pristine(&disk, &kraken());
    for target in ["local-fs", "sysinit"] {
        let link = at(&format!("/etc/systemd/system/{target}.target.wants/rpi-resize.service"));
        let want = Kind::Symlink(b"/usr/lib/systemd/system/rpi-resize.service".to_vec());
        assert_eq!(overlay.get(Volume::Root, &link).unwrap().kind, want);
    }
    disk.lay(&overlay);
    let NodeOverlays { common, node } = make(&disk, &kraken(), 1);
    let cmdline = text(&node, Volume::Boot, "/cmdline.txt");
    assert!(
        cmdline.starts_with("root=PARTUUID=1-02 rootwait resize cgroup_enable=memory ds=nocloud;i=kraken-flash"),
        "{cmdline}"
    );
    assert_eq!(text(&common, Volume::Root, "/etc/machine-id"), "uninitialized\n");
    // Bookworm: its own init again.
    let mut disk = bookworm().lived();
    disk.boot.file("/cmdline.txt", *b"root=PARTUUID=1-02 rootwait\n");
    disk.root
        .file("/usr/lib/raspberrypi-sys-mods/firstboot", *b"#!/bin/bash\n")
        .file(
            "/usr/share/initramfs-tools/scripts/local-premount/firstboot",
            *b"#!/bin/sh\n",
        );
    let overlay = pristine(&disk, &kraken());
    assert_eq!(
        text(&overlay, Volume::Boot, "/cmdline.txt"),
        "root=PARTUUID=1-02 rootwait init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
    );
    let grows = at("/etc/systemd/system/multi-user.target.wants/kraken-grow.service");
    assert!(overlay.get(Volume::Root, &grows).is_none());
    // Bullseye removed its script after use; a Debian with cloud-init has growpart.
    assert!(
        pristine(&bullseye().lived(), &kraken())
            .get(Volume::Root, &grows)
            .is_some()
    );
    let mut disk = trixie().lived();
    assert!(pristine(&disk, &kraken()).get(Volume::Root, &grows).is_some());
    disk.root.file("/usr/bin/growpart", *b"#!/bin/sh\n");
    assert!(pristine(&disk, &kraken()).get(Volume::Root, &grows).is_none());
    // A fresh image is not changed, even one without the word: its user wants a small root file
    // system.
    let mut disk = trixie();
    disk.boot.file("/cmdline.txt", *b"root=PARTUUID=1-02 rootwait\n");
    assert!(pristine(&disk, &kraken()).is_empty());
}

#[test]
fn what_imager_set_up_is_undone() {
    let old = "console=tty1 root=PARTUUID=1-02 rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot";
    let run = "systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target";
    for (files, words, want) in [
        (vec!["firstrun.sh"], run, Some(Customised::Imager1)),
        (vec!["custom.toml"], "", Some(Customised::Imager1)),
        (
            vec!["userconf.txt", "ssh", "wpa_supplicant.conf"],
            "",
            Some(Customised::Files),
        ),
        (vec!["USERCONF", "Ssh.txt"], "", Some(Customised::Files)),
        (vec![], "ds=nocloud;i=rpi-imager-1781000000", Some(Customised::Imager2)),
        (vec![], "", None),
    ] {
        let mut disk = bookworm();
        for name in &files {
            disk.boot.file(&format!("/{name}"), *b"x\n");
        }
        disk.boot.file("/cmdline.txt", format!("{old} {words}\n").into_bytes());
        let os = disk.os();
        assert_eq!((os.lived.customised, os.lived.booted), (want, false), "{files:?}");
        let overlay = pristine(&disk, &kraken());
        disk.lay(&overlay);
        for name in &files {
            assert_eq!(disk.boot.metadata(&format!("/{name}")).unwrap(), None, "{name}");
        }
        let node = make(&disk, &kraken(), 1).node;
        let cmdline = text(&node, Volume::Boot, "/cmdline.txt");
        assert!(cmdline.starts_with(old) && !cmdline.contains("systemd."), "{cmdline}");
    }
}

#[test]
fn what_cannot_be_taken_back_is_named() {
    const HASH: &str = "$6$x$y";
    let stays = |disk: &Disk| -> Vec<String> { disk.os().lived.stays.iter().map(|stay| stay.what.clone()).collect() };
    for (booted, change, want) in [
        (
            false,
            0,
            vec!["the account bob (user id 1001), with a password, root without being asked"],
        ),
        (false, 1, vec!["the account bob (user id 1001), with 2 SSH keys"]),
        (false, 2, vec![]),
        (false, 3, vec!["the account root (user id 0), with an SSH key"]),
        (
            false,
            4,
            vec!["/etc/sudoers.d/all: %sudo becomes root without a password"],
        ),
        (
            false,
            5,
            vec!["Docker's state in /var/lib/docker: 1 image, 0 containers, 2 volumes"],
        ),
        (false, 6, vec![]),
        (true, 6, vec!["the crontab of bob", "the service bot.service"]),
        (false, 7, vec!["the account toor (user id 0)"]),
        (
            false,
            8,
            vec!["the account bob (user id 1001), with no password to type at all"],
        ),
        (
            false,
            9,
            vec!["Docker's state in /srv/docker: 0 images, 1 container, 0 volumes"],
        ),
        (
            false,
            10,
            vec![
                "the mount of UUID=0a1b on /mnt/usb in /etc/fstab",
                "the line \"AllowUsers alice\" of /etc/ssh/sshd_config.d/hard.conf",
                "the firewall ufw, which is on",
            ],
        ),
    ] {
        let mut disk = trixie();
        if booted {
            disk.root
                .file("/etc/machine-id", *b"0123456789abcdef0123456789abcdef\n");
        }
        let bob = "bob:x:1001:1001::/home/bob:/bin/bash\n";
        match change {
            0 => {
                disk.append("/etc/passwd", bob)
                    .append("/etc/shadow", &format!("bob:{HASH}:20000:0:99999:7:::\n"));
                disk.root
                    .file("/etc/sudoers.d/90-cloud-init-users", *b"bob ALL=(ALL) NOPASSWD:ALL\n");
            }
            1 => {
                disk.append("/etc/passwd", bob)
                    .append("/etc/shadow", "bob:!:20000:0:99999:7:::\n");
                disk.root.file(
                    "/home/bob/.ssh/authorized_keys",
                    *b"# his\nssh-ed25519 A a\n\nssh-ed25519 B b\n",
                );
            }
            // No account can log in to it.
            2 => drop(
                disk.append("/etc/passwd", bob)
                    .append("/etc/shadow", "bob:!:20000:0:99999:7:::\n"),
            ),
            3 => drop(disk.root.file("/root/.ssh/authorized_keys", *b"ssh-ed25519 A a\n")),
            4 => drop(
                disk.root
                    .file("/etc/sudoers.d/all", *b"%sudo ALL=(ALL) NOPASSWD: ALL\n"),
            ),
            5 => drop(
                disk.root
                    .file("/var/lib/docker/image/overlay2/imagedb/content/sha256/0a", *b"{}")
                    .file("/var/lib/docker/volumes/a/_data/x", *b"x")
                    .file("/var/lib/docker/volumes/b/_data/x", *b"x")
                    .file("/var/lib/docker/volumes/metadata.db", *b"x"),
            ),
            6 => drop(
                disk.root
                    .file("/var/spool/cron/crontabs/bob", *b"* * * * * x\n")
                    .file("/etc/systemd/system/bot.service", *b"[Unit]\n")
                    .file("/etc/systemd/system/idle.service", *b"[Unit]\n")
                    .symlink(
                        "/etc/systemd/system/multi-user.target.wants/bot.service",
                        "../bot.service",
                    )
                    .symlink(
                        "/etc/systemd/system/multi-user.target.wants/ssh.service",
                        "/usr/lib/systemd/system/ssh.service",
                    ),
            ),
            7 => drop(
                disk.append("/etc/passwd", "toor:x:0:0::/root:/bin/bash\n")
                    .append("/etc/shadow", "toor:*:1::::::\n"),
            ),
            8 => drop(
                disk.append("/etc/passwd", bob)
                    .append("/etc/shadow", "bob::20000:0:99999:7:::\n"),
            ),
            10 => {
                disk.append("/etc/fstab", "UUID=0a1b /mnt/usb ext4 defaults 0 2\n");
                disk.root
                    .file("/etc/ssh/sshd_config", *b"#Port 22\nUsePAM yes\n")
                    .file("/etc/ssh/sshd_config.d/hard.conf", *b"AllowUsers alice\n")
                    .file("/etc/ufw/ufw.conf", *b"ENABLED=yes\n");
            }
            _ => drop(
                disk.root
                    .file("/etc/docker/daemon.json", *b"{\"data-root\": \"/srv/docker/\"}")
                    .file("/srv/docker/containers/0a/config.v2.json", *b"{}")
                    .file("/srv/docker/engine-id", *b"x"),
            ),
        }
        assert_eq!(stays(&disk), want, "{change}");
    }
}

#[test]
fn images_of_docker_stay_and_what_makes_it_one_engine_goes() {
    let mut disk = trixie();
    disk.root
        .file("/var/lib/docker/image/overlay2/imagedb/content/sha256/0a", *b"{}")
        .file("/var/lib/docker/overlay2/0a/diff/bin/x", *b"x")
        .file("/var/lib/docker/engine-id", *b"x")
        .file("/var/lib/docker/swarm/state.json", *b"x")
        .file("/var/lib/docker/network/files/local-kv.db", *b"x");
    disk.lay(&pristine(&disk, &kraken()));
    let there = |path: &str| disk.root.metadata(path).unwrap().is_some();
    assert!(there("/var/lib/docker/overlay2/0a/diff/bin/x"));
    for path in ["engine-id", "swarm/state.json", "network/files/local-kv.db"] {
        assert!(!there(&format!("/var/lib/docker/{path}")), "{path}");
    }
}

#[test]
fn state_that_is_a_link_is_not_followed_and_too_much_of_it_is_refused() {
    let mut disk = trixie().lived();
    for path in MACHINES_OWN.iter().filter(|path| path.starts_with("/var/lib/docker/")) {
        disk.root.remove(path);
    }
    for path in [
        "/var/lib/docker/swarm/raft/wal-v3-encrypted",
        "/var/lib/docker/swarm/raft",
        "/var/lib/docker/swarm",
        "/var/lib/docker",
    ] {
        disk.root.remove(path);
    }
    disk.root.symlink("/var/lib/docker", "/etc");
    let overlay = pristine(&disk, &kraken());
    assert!(
        overlay
            .get(Volume::Root, &EntryPath::new("/etc/passwd").unwrap())
            .is_none()
    );
    assert_eq!(
        overlay
            .get(Volume::Root, &EntryPath::new("/var/lib/docker").unwrap())
            .unwrap()
            .kind,
        Kind::Absent
    );
    for number in 0..20_001 {
        disk.root.file(&format!("/var/log/journal/a/{number}"), *b"x");
    }
    let assets = kraken_flash::provision::Assets::embedded().unwrap();
    let error = disk
        .with(&kraken(), |ctx| kraken_flash::provision::pristine(ctx, &assets))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/var/log/journal") && error.contains("fresh image"),
        "{error}"
    );
}
