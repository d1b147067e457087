//! The account on a card: nothing lost, nothing readable that must not be, nobody asked.

#[path = "common/images.rs"]
mod images;

use images::{HASH, bookworm, bullseye, every_option, kraken, make, text, trixie};
use kraken_flash::disk::FileTree;
use kraken_flash::overlay::{EntryPath, Kind, Volume};
use kraken_flash::provision::{self, Assets};
use kraken_flash::spec::{SecretText, Sudo};
use proptest::prelude::*;

#[test]
fn the_account_is_added_and_nothing_is_lost() {
    let mut cluster = kraken();
    cluster.user.password_hash = Some(SecretText::new(HASH.to_owned()));
    let disk = bullseye();
    let (common, _) = make(&disk, &cluster, 1);
    let root = |path: &str| text(&common, Volume::Root, path);
    let old = String::from_utf8(disk.root.read("/etc/passwd", 9999).unwrap().unwrap()).unwrap();
    assert_eq!(
        root("/etc/passwd"),
        old + "kraken:x:1001:1001::/home/kraken:/bin/bash\n"
    );
    let group = root("/etc/group");
    for line in [
        "adm:x:4:pi,kraken",
        "sudo:x:27:pi,kraken",
        "video:x:44:kraken",
        "dialout:x:20:",
        "kraken:x:1001:",
    ] {
        assert!(group.lines().any(|got| got == line), "{line} not in {group}");
    }
    let shadow = root("/etc/shadow");
    assert!(
        shadow.contains("pi:!$6$x$known:"),
        "the known password of pi still works: {shadow}"
    );
    assert!(
        shadow.contains(&format!("\nkraken:{HASH}:20454:0:99999:7:::\n")),
        "{shadow}"
    );
    assert!(root("/etc/subuid").ends_with("kraken:165536:65536\n"));
    let shadow = common
        .get(Volume::Root, &EntryPath::new("/etc/shadow").unwrap())
        .unwrap();
    assert_eq!(
        (shadow.mode, shadow.uid, shadow.gid),
        (0o640, 0, 42),
        "mode and owner stay"
    );
    let keys = common
        .get(
            Volume::Root,
            &EntryPath::new("/home/kraken/.ssh/authorized_keys").unwrap(),
        )
        .unwrap();
    assert_eq!((keys.mode, keys.uid, keys.gid), (0o600, 1001, 1001));
}

#[test]
fn an_account_that_is_there_keeps_its_ids() {
    let mut cluster = kraken();
    cluster.user.name = "pi".to_owned();
    cluster.user.sudo = Sudo::None;
    let (common, _) = make(&bullseye(), &cluster, 1);
    let passwd = text(&common, Volume::Root, "/etc/passwd");
    assert_eq!(passwd.matches("pi:x:1000:1000").count(), 1);
    assert!(
        text(&common, Volume::Root, "/etc/shadow").contains("pi:*:"),
        "the known password is gone"
    );
    assert!(
        common
            .get(
                Volume::Root,
                &EntryPath::new("/etc/sudoers.d/050_kraken-flash").unwrap()
            )
            .is_none()
    );
}

#[test]
fn a_broken_account_file_is_an_error_not_a_panic() {
    let assets = Assets::embedded().unwrap();
    for (path, content) in [
        ("/etc/passwd", "kraken:x\n"),
        ("/etc/passwd", "kraken:x:33:33::/usr/sbin:/bin/sh\n"),
        ("/etc/passwd", "kraken:x:a:b::/home/x:/bin/sh\n"),
        ("/etc/passwd", "kraken:x:1:1:::/bin/sh\n"),
        ("/etc/group", "kraken:\n"),
        ("/etc/shadow", "\u{fffd}"),
    ] {
        let mut disk = trixie();
        disk.root.file(path, content.as_bytes());
        // Either it can be mended or it is said; it never panics.
        let result = disk.with(&kraken(), |ctx| provision::common(ctx, &assets));
        assert!(result.is_err() || path == "/etc/shadow", "{path}: {content:?}");
    }
}

#[test]
fn raspberry_pi_os_does_not_ask_for_a_user_name() {
    let mut with_cloud_init = trixie();
    with_cloud_init
        .root
        .file("/etc/rpi-issue", *b"Raspberry Pi reference 2026-06-18\n");
    for disk in [with_cloud_init, bookworm(), bullseye()] {
        let (common, _) = make(&disk, &kraken(), 1);
        let kind = |path: &str| {
            common
                .get(Volume::Root, &EntryPath::new(path).unwrap())
                .unwrap()
                .kind
                .clone()
        };
        let masked = Kind::Symlink("/dev/null".to_owned());
        assert_eq!(kind("/etc/systemd/system/userconfig.service"), masked);
        assert_eq!(kind("/etc/ssh/sshd_config.d/rename_user.conf"), Kind::Absent);
        assert!(matches!(
            kind("/etc/systemd/system/getty.target.wants/getty@tty1.service"),
            Kind::Symlink(_)
        ));
    }
}

#[test]
fn no_secret_is_on_the_boot_volume_or_readable_by_all() {
    for (name, cluster) in every_option() {
        for disk in [trixie(), bookworm(), bullseye()] {
            let (mut all, node) = make(&disk, &cluster, 2);
            all.merge(node);
            let mut found = 0;
            for (volume, path, entry) in all.iter() {
                if let Kind::File(bytes) = &entry.kind
                    && String::from_utf8_lossy(&bytes.read().unwrap()).contains(HASH)
                {
                    found += 1;
                    assert_eq!((volume, path.as_str()), (Volume::Root, "/etc/shadow"), "{name}");
                    assert_eq!((entry.mode, entry.uid), (0o640, 0), "{name}");
                }
            }
            assert_eq!(found, usize::from(cluster.user.password_hash.is_some()), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_content_of_an_image_makes_provisioning_panic_or_drift(
        which in 0..11usize,
        text in "([a-z]{0,6}[:, =\n\r#0-9]{0,4}){0,12}",
        prefix in prop::sample::select(vec!["", "kraken:x:", "kraken:", "pi:x:4294967295:4294967295:", "a:99999999999999999999:1:\n"]),
    ) {
        const FILES: [&str; 11] = [
            "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/hosts", "/etc/dhcpcd.conf",
            "/etc/os-release", "/etc/fstab", "/var/lib/dpkg/status", "/etc/machine-id",
        ];
        let mut disk = bullseye();
        disk.root.file(FILES[which], format!("{prefix}{text}").into_bytes());
        if kraken_flash::base::OsImage::read(&disk.boot, &disk.root, 0).is_err() {
            return Ok(()); // said already: there is nothing to provision
        }
        let cluster = kraken();
        let assets = Assets::embedded().unwrap();
        if let Ok(first) = disk.with(&cluster, |ctx| provision::common(ctx, &assets)) {
            disk.lay(&first);
            let second = disk.with(&cluster, |ctx| provision::common(ctx, &assets)).unwrap();
            prop_assert!(first == second, "a second pass makes something else");
        }
    }
}
