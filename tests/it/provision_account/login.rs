//! Who may log in on a card, and with what: nothing secret is readable, an earlier owner is locked
//! out, and the first boot asks no question.

use kraken_flash::provision::{self, Assets};
use kraken_overlay::{EntryPath, Kind, Volume};
use kraken_spec::{SecretText, Sudo};
use testkit::images::{HASH, NodeOverlays, OptionCase, bookworm, bullseye, every_option, kraken, make, text, trixie};

use super::line;

#[test]
fn a_password_is_for_the_console_on_every_base() {
    let mut cluster = kraken();
    cluster.user.password_hash = Some(SecretText::new(HASH.to_owned()));
    let rule = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n";
    let include = "# The system's\nInclude /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n";
    for mut disk in [trixie(), bookworm(), bullseye()] {
        disk.root.file("/etc/ssh/sshd_config", include.as_bytes());
        let common = make(&disk, &cluster, 1).common;
        assert!(text(&common, Volume::Root, "/etc/ssh/sshd_config.d/60-kraken-flash.conf").ends_with(rule));
        assert!(
            common
                .get(Volume::Root, &EntryPath::new("/etc/ssh/sshd_config").unwrap())
                .is_none()
        );
        // A server that does not read such a folder has the settings at the top of its own file,
        // once.
        disk.root.file("/etc/ssh/sshd_config", *b"PasswordAuthentication yes\n");
        let common = make(&disk, &cluster, 1).common;
        let main = text(&common, Volume::Root, "/etc/ssh/sshd_config");
        assert!(
            main.starts_with("# BEGIN kraken-flash") && main.find(rule) < main.find("PasswordAuthentication yes"),
            "{main}"
        );
        disk.lay(&common);
        assert_eq!(
            text(&make(&disk, &cluster, 1).common, Volume::Root, "/etc/ssh/sshd_config"),
            main
        );
    }
}

#[test]
fn rules_that_an_earlier_owner_left_give_the_user_no_more_than_he_is_to_have() {
    let assets = Assets::embedded().unwrap();
    const RULES: &str = "/etc/sudoers.d/90-cloud-init-users";
    for sudo in [Sudo::Nopasswd, Sudo::Password, Sudo::None] {
        let mut cluster = kraken();
        cluster.user.sudo = sudo;
        let mut disk = trixie();
        disk.root
            .file(RULES, *b"# made by cloud-init\nkraken ALL=(ALL) NOPASSWD:ALL\n");
        let common = make(&disk, &cluster, 1).common;
        let gone = common
            .get(Volume::Root, &EntryPath::new(RULES).unwrap())
            .is_some_and(|entry| entry.kind == Kind::Absent);
        assert_eq!(gone, sudo != Sudo::Nopasswd, "{sudo:?}");
        disk.root
            .file(RULES, *b"kraken ALL=(ALL) NOPASSWD:ALL\nbob ALL=(ALL) ALL\n");
        let result = disk.with(&cluster, |ctx| provision::common(ctx, &assets));
        assert_eq!(result.is_ok(), sudo == Sudo::Nopasswd, "{sudo:?}");
    }
}

#[test]
fn pi_of_another_owner_is_locked_and_has_no_keys() {
    for mut disk in [bookworm(), bullseye()] {
        disk.root
            .file(
                "/etc/shadow",
                *b"root:*:20000:0:99999:7:::\npi:$6$x$y:20000:0:99999:7:::\n",
            )
            .file("/home/pi/.ssh/authorized_keys", *b"ssh-ed25519 AAAA him\n");
        assert!(disk.os().lived.stays.is_empty(), "it can be taken back");
        let common = make(&disk, &kraken(), 1).common;
        assert!(line(&common, "/etc/shadow", "pi").starts_with("pi:!$6$"));
        let keys = EntryPath::new("/home/pi/.ssh/authorized_keys").unwrap();
        assert_eq!(common.get(Volume::Root, &keys).unwrap().kind, Kind::Absent);
    }
}

#[test]
fn raspberry_pi_os_does_not_ask_for_a_user_name() {
    let mut with_cloud_init = trixie();
    with_cloud_init
        .root
        .file("/etc/rpi-issue", *b"Raspberry Pi reference 2026-06-18\n");
    for disk in [with_cloud_init, bookworm(), bullseye()] {
        let common = make(&disk, &kraken(), 1).common;
        let kind = |path: &str| {
            common
                .get(Volume::Root, &EntryPath::new(path).unwrap())
                .unwrap()
                .kind
                .clone()
        };
        let masked = Kind::Symlink(b"/dev/null".to_vec());
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
    for OptionCase { name, cluster } in every_option() {
        for disk in [trixie(), bookworm(), bullseye()] {
            let NodeOverlays { common: mut all, node } = make(&disk, &cluster, 2);
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
