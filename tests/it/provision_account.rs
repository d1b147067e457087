//! The account on a card: the image's own accounts stay, and the user's has what a login needs.

mod login;

use kraken_disk::FileTree;
use kraken_flash::provision::{self, Assets};
use kraken_overlay::{EntryPath, Volume};
use kraken_spec::{DockerSource, SecretText, Sudo};
use proptest::prelude::*;
use testkit::images::{HASH, bookworm, bullseye, kraken, make, text, trixie};

#[test]
fn the_group_docker_is_there_before_its_package_is_configured() {
    let mut cluster = kraken();
    for (source, joins) in [
        (DockerSource::None, false),
        (DockerSource::Debian, false),
        (DockerSource::DockerCe, false),
        (DockerSource::Debian, true),
    ] {
        cluster.docker.source = source;
        cluster.docker.user_in_group = joins;
        for disk in [trixie(), bookworm(), bullseye()] {
            let common = make(&disk, &cluster, 1).common;
            let line = |path: &str| {
                let groups = text(&common, Volume::Root, path);
                groups
                    .lines()
                    .find(|line| line.starts_with("docker:"))
                    .map(str::to_owned)
            };
            let member = if joins { "kraken" } else { "" };
            let wanted = source != DockerSource::None;
            // The number that a package's addgroup --system would use; `docker.socket` refers to
            // the name.
            assert_eq!(
                line("/etc/group"),
                wanted.then(|| format!("docker:x:999:{member}")),
                "{source:?}"
            );
            assert_eq!(
                line("/etc/gshadow"),
                wanted.then(|| format!("docker:!::{member}")),
                "{source:?}"
            );
        }
    }
}

#[test]
fn the_account_is_added_and_nothing_is_lost() {
    let mut cluster = kraken();
    cluster.user.password_hash = Some(SecretText::new(HASH.to_owned()));
    let disk = bullseye();
    let common = make(&disk, &cluster, 1).common;
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
    let common = make(&bullseye(), &cluster, 1).common;
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

/// Returns the line of an account in one of the tables.
fn line(common: &kraken_overlay::Overlay, path: &str, name: &str) -> String {
    let table = text(common, Volume::Root, path);
    let mine = |line: &&str| line.split(':').next() == Some(name);
    table
        .lines()
        .find(mine)
        .unwrap_or_else(|| panic!("{name} is not in {table}"))
        .to_owned()
}

#[test]
fn an_account_of_the_image_gets_what_a_login_needs() {
    const TODAY: &str = "20454";
    let long = format!("pi:{HASH}:20000:0:99999:7:::");
    // The image's lines in passwd and shadow, and those that the card must have.
    for (passwd, shadow, want, want_shadow) in [
        // Raspberry Pi OS Trixie since April 2026.
        (
            "pi:x:1000:1000::/home/pi:/usr/sbin/nologin",
            "pi:!:20000:0:99999:7:::",
            "/home/pi:/bin/bash",
            "*:20000:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/home/pi:/bin/false",
            "pi:!$6$x$y:20000:0:99999:7:::",
            "/home/pi:/bin/bash",
            "*:20000:0:99999:7:::",
        ),
        // A shell that was removed since, one that exists, and none, which means /bin/sh.
        (
            "pi:x:1000:1000::/home/pi:/usr/bin/fish",
            "pi:*:20000:0:99999:7:::",
            "/home/pi:/bin/bash",
            "*:20000:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/home/pi:/usr/bin/zsh",
            "pi:*:20000:0:99999:7:::",
            "/home/pi:/usr/bin/zsh",
            "*:20000:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/home/pi:",
            "pi:*:20000:0:99999:7:::",
            "/home/pi:/bin/bash",
            "*:20000:0:99999:7:::",
        ),
        // A password that must be changed, that ages; an account that expired; a user's password.
        (
            "pi:x:1000:1000::/home/pi:/bin/bash",
            "pi:!:0:0:90:7:14:18000:",
            "/home/pi:/bin/bash",
            "*:TODAY:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/home/pi:/bin/bash",
            &long,
            "/home/pi:/bin/bash",
            "*:20000:0:99999:7:::",
        ),
        (
            "pi::1000:1000::/home/pi:/bin/bash",
            "pi:!:20000:0:99999:7:::",
            "/home/pi:/bin/bash",
            "*:20000:0:99999:7:::",
        ),
        // Homes that are not usable.
        (
            "pi:x:1000:1000:::/bin/bash",
            "",
            "/home/pi:/bin/bash",
            "*:TODAY:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/nonexistent:/bin/bash",
            "",
            "/home/pi:/bin/bash",
            "*:TODAY:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/usr/share/x:/bin/bash",
            "",
            "/home/pi:/bin/bash",
            "*:TODAY:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/srv/../etc:/bin/bash",
            "",
            "/home/pi:/bin/bash",
            "*:TODAY:0:99999:7:::",
        ),
        (
            "pi:x:1000:1000::/srv/people/pi:/bin/bash",
            "",
            "/srv/people/pi:/bin/bash",
            "*:TODAY:0:99999:7:::",
        ),
        // Another number.
        (
            "pi:x:1742:1742:Pi,,,:/home/pi:/usr/sbin/nologin",
            "",
            "/home/pi:/bin/bash",
            "*:TODAY:0:99999:7:::",
        ),
    ] {
        let mut cluster = kraken();
        cluster.user.name = "pi".to_owned();
        for mut disk in [trixie(), bookworm(), bullseye()] {
            disk.root
                .file("/usr/bin/bash", *b"#!")
                .file("/usr/bin/zsh", *b"#!")
                .file(
                    "/etc/passwd",
                    format!("root:x:0:0:root:/root:/bin/bash\n{passwd}\n").into_bytes(),
                )
                .file(
                    "/etc/shadow",
                    format!("root:*:20000:0:99999:7:::\n{shadow}\n").into_bytes(),
                );
            let common = make(&disk, &cluster, 1).common;
            let mut ids = passwd.split(':').skip(2).take(3).map(str::to_owned);
            let (uid, gid, gecos) = (ids.next().unwrap(), ids.next().unwrap(), ids.next().unwrap());
            assert_eq!(
                line(&common, "/etc/passwd", "pi"),
                format!("pi:x:{uid}:{gid}:{gecos}:{want}"),
                "{passwd}"
            );
            assert_eq!(
                line(&common, "/etc/shadow", "pi"),
                format!("pi:{}", want_shadow.replace("TODAY", TODAY)),
                "{shadow}"
            );
            assert!(line(&common, "/etc/group", "sudo").ends_with("pi"));
            let home = want.split(':').next().unwrap();
            let keys = EntryPath::new(&format!("{home}/.ssh/authorized_keys")).unwrap();
            let keys = common.get(Volume::Root, &keys).unwrap();
            assert_eq!((keys.uid.to_string(), keys.gid.to_string()), (uid, gid), "{passwd}");
            disk.lay(&common);
            assert!(
                make(&disk, &cluster, 1).common == common,
                "{passwd}: a second pass makes something else"
            );
        }
    }
}

#[test]
fn a_shell_is_one_that_the_image_has() {
    for (has, want) in [
        ("/usr/bin/sh", "/bin/sh"),
        ("/usr/bin/bash", "/bin/bash"),
        ("/usr/bin/none", "/bin/bash"),
    ] {
        let mut disk = bookworm();
        disk.root.file(has, *b"#!");
        let common = make(&disk, &kraken(), 1).common;
        assert!(line(&common, "/etc/passwd", "kraken").ends_with(want), "{has}");
    }
}

#[test]
fn a_home_that_leads_into_the_system_is_refused() {
    let assets = Assets::embedded().unwrap();
    for (to, good) in [
        ("/etc", false),
        ("/usr/share", false),
        ("/", false),
        ("/srv/home/kraken", true),
    ] {
        let mut disk = trixie();
        disk.root.symlink("/home/kraken", to);
        let result = disk.with(&kraken(), |ctx| provision::common(ctx, &assets));
        match result {
            Ok(common) => {
                assert!(good, "{to}");
                let keys = EntryPath::new(&format!("{to}/.ssh/authorized_keys")).unwrap();
                assert!(common.get(Volume::Root, &keys).is_some(), "{to}");
            }
            Err(error) => assert!(
                !good && error.to_string().contains("cannot be a user's home"),
                "{to}: {error}"
            ),
        }
    }
}

#[test]
fn accounts_of_the_system_are_refused_by_name() {
    let assets = Assets::embedded().unwrap();
    for name in ["www-data", "games", "nobody", "daemon", "systemd-timesync"] {
        let mut cluster = kraken();
        cluster.user.name = name.to_owned();
        for mut disk in [trixie(), bookworm(), bullseye()] {
            disk.append(
                "/etc/passwd",
                "www-data:x:33:33::/var/www:/usr/sbin/nologin\ngames:x:5:60::/usr/games:/usr/sbin/nologin\n\
                 nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
            );
            let error = disk
                .with(&cluster, |ctx| provision::common(ctx, &assets))
                .unwrap_err()
                .to_string();
            assert!(error.contains(name) && error.contains("choose another"), "{error}");
        }
    }
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
        // Either it can be repaired or it is reported; it never panics.
        let result = disk.with(&kraken(), |ctx| provision::common(ctx, &assets));
        assert!(result.is_err() || path == "/etc/shadow", "{path}: {content:?}");
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
            return Ok(()); // reported already: there is nothing to provision
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
