//! Folders beside kraken.toml: which file takes precedence, and what cannot be on a card.

use kraken_flash::provision::{self, Assets};
use kraken_overlay::{EntryPath, Kind, Volume};
use testkit::images::{NodeOverlays, kraken, text, trixie};

#[test]
fn the_users_own_files_win() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for path in [
        "templates",
        "overlays/common/root/etc",
        "overlays/worker/boot",
        "mine/root/usr/bin",
        "mine/root/etc",
    ] {
        std::fs::create_dir_all(at(path)).unwrap();
    }
    std::fs::write(at("templates/user-data"), "#cloud-config\nhostname: {{ hostname }}\n").unwrap();
    std::fs::write(at("overlays/common/root/etc/motd"), "common").unwrap();
    std::fs::write(at("overlays/worker/boot/config.txt"), "worker").unwrap();
    std::fs::write(at("overlays/common/root/etc/timezone"), "common").unwrap();
    std::fs::write(at("mine/root/etc/hostname"), "mine\n").unwrap();
    std::fs::write(at("mine/root/usr/bin/tool"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(at("mine/root/usr/bin/tool"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::set_permissions(at("mine/root/etc/hostname"), std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink("../tool", at("mine/root/usr/bin/link")).unwrap();
    let assets = Assets::load(Some(folder.path()), Some(&at("mine"))).unwrap();
    let (disk, cluster) = (trixie(), kraken());
    let (common, node) = disk.with(&cluster, |ctx| {
        (
            provision::common(ctx, &assets).unwrap(),
            provision::node(ctx, &assets, &cluster.nodes[1]).unwrap(),
        )
    });
    assert_eq!(
        text(&node, Volume::Boot, "/user-data"),
        "#cloud-config\nhostname: \"kraken-2\"\n"
    );
    assert_eq!(text(&node, Volume::Boot, "/config.txt"), "worker");
    assert_eq!(text(&common, Volume::Root, "/etc/motd"), "common");
    assert_eq!(
        text(&common, Volume::Root, "/etc/timezone"),
        "common",
        "an overlay wins over what we make"
    );
    assert_eq!(text(&node, Volume::Root, "/etc/hostname"), "mine\n");
    let mode = |path: &str| common.get(Volume::Root, &EntryPath::new(path).unwrap()).unwrap().mode;
    assert_eq!((mode("/usr/bin/tool"), mode("/etc/hostname")), (0o755, 0o644));
    let link = common
        .get(Volume::Root, &EntryPath::new("/usr/bin/link").unwrap())
        .unwrap();
    assert_eq!(link.kind, Kind::Symlink(b"../tool".to_vec()));
}

#[test]
fn folders_that_cannot_go_on_a_card_are_refused() {
    type Prepare = fn(&std::path::Path);
    let cases: [(&str, Prepare); 7] = [
        ("this template is called `kraken-status` now", |at| {
            write(at, "templates/kraken-tell", "#!/bin/sh\n");
        }),
        ("there is no template of that name", |at| {
            write(at, "templates/userdata", "x")
        }),
        ("move it into one of them", |at| {
            write(at, "overlays/common/etc/motd", "x")
        }),
        ("named common, manager or worker", |at| {
            write(at, "overlays/node/root/x", "x")
        }),
        ("FAT", |at| {
            write(at, "overlays/common/boot/a", "x");
            std::os::unix::fs::symlink("a", at.join("overlays/common/boot/b")).unwrap();
        }),
        ("device, socket or pipe", |at| {
            write(at, "overlays/common/root/a", "x");
            std::os::unix::net::UnixListener::bind(at.join("overlays/common/root/s")).unwrap();
        }),
        ("rendering the template `hosts`", |at| {
            write(at, "templates/hosts", "{% if %}")
        }),
    ];
    for (want, prepare) in cases {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let error = Assets::load(Some(folder.path()), None)
            .err()
            .map(|error| error.to_string());
        assert!(
            error.as_ref().is_some_and(|error| error.contains(want)),
            "{want}: {error:?}"
        );
    }
}

fn write(folder: &std::path::Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_users_template_must_still_be_cloud_config() {
    for source in [
        "hostname: x\n",
        "#cloud-config\na: 1\na: 2\n",
        "#cloud-config\n- 1\n",
        "#cloud-config\n{{ nothing }}\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "templates/user-data", source);
        let assets = Assets::load(Some(folder.path()), None).unwrap();
        let (disk, cluster) = (trixie(), kraken());
        let result = disk.with(&cluster, |ctx| provision::node(ctx, &assets, &cluster.nodes[0]));
        assert!(result.is_err(), "{source:?} was taken");
    }
}

/// Returns the name that the `.link` files give to an interface with this driver and these udev
/// properties: the first file that matches decides (systemd.link(5)). Of patterns, only `[a-b]` at
/// the end occurs.
fn named(links: &[(String, String)], driver: &str, properties: &[(&str, &str)]) -> Option<String> {
    let values = |text: &str, key: &str| -> Vec<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.into_iter()
            .flat_map(str::split_ascii_whitespace)
            .map(str::to_owned)
            .collect()
    };
    let fits = |pattern: &str, value: &str| match pattern.split_once('[') {
        None => pattern == value,
        Some((start, range)) => value.strip_prefix(start).is_some_and(|rest| {
            let (low, high) = range.trim_end_matches(']').split_once('-').unwrap();
            rest.len() == 1 && (low..=high).contains(&rest)
        }),
    };
    let matching = links.iter().find(|(_, text)| {
        values(text, "Driver=").iter().any(|one| one == driver)
            && values(text, "Property=").iter().all(|property| {
                let (key, pattern) = property.split_once('=').unwrap();
                properties
                    .iter()
                    .any(|(name, value)| *name == key && fits(pattern, value))
            })
    });
    matching.map(|(_, text)| values(text, "Name=").remove(0))
}

#[test]
fn telephones_and_modems_get_no_name_and_adapters_do() {
    let common = testkit::images::make(&trixie(), &kraken(), 1).common;
    let links: Vec<(String, String)> = common
        .iter()
        .filter(|(_, path, _)| path.as_str().ends_with(".link"))
        .map(|(_, path, _)| (path.to_string(), text(&common, Volume::Root, path.as_str())))
        .collect();
    assert!(links.is_sorted() && links.len() == 6, "{links:?}");
    let usb = |vendor, model| {
        [
            ("ID_VENDOR_ID", vendor),
            ("ID_MODEL_ID", model),
            ("ID_VENDOR", "Vendor"),
        ]
    };
    for (driver, properties, name) in [
        ("r8152", usb("0bda", "8153"), Some("gigabit0")),
        ("r8152", usb("2357", "0601"), Some("gigabit0")),
        ("ax88179_178a", usb("0b95", "1790"), Some("gigabit0")),
        ("cdc_ncm", usb("0bda", "8156"), Some("gigabit0")),
        ("cdc_ncm", usb("0b95", "1790"), Some("gigabit0")),
        ("cdc_ncm", usb("0bda", "8151"), None),
        // An iPhone, a Samsung, a Pixel; sticks of Huawei and ZTE.
        ("cdc_ncm", usb("05ac", "12a8"), None),
        ("cdc_ncm", usb("04e8", "6863"), None),
        ("rndis_host", usb("18d1", "4eeb"), None),
        ("cdc_ether", usb("12d1", "14db"), None),
        ("cdc_ether", usb("19d2", "1405"), None),
        // The same numbers as QEMU's adapter: a Pi Zero as a gadget.
        ("cdc_ether", usb("0525", "a4a2"), None),
        (
            "cdc_ether",
            [("ID_VENDOR_ID", "0525"), ("ID_MODEL_ID", "a4a2"), ("ID_VENDOR", "QEMU")],
            Some("onboard0"),
        ),
        (
            "rndis_host",
            [("ID_VENDOR_ID", "0525"), ("ID_MODEL_ID", "a4a2"), ("ID_VENDOR", "QEMU")],
            Some("onboard0"),
        ),
        ("virtio_net", usb("", ""), Some("onboard0")),
        ("smsc95xx", usb("0424", "ec00"), Some("onboard0")),
        ("lan78xx", usb("0424", "7800"), Some("onboard0")),
        ("bcmgenet", usb("", ""), Some("onboard0")),
        ("macb", usb("", ""), Some("onboard0")),
        ("asix", usb("0b95", "772b"), Some("adapter0")),
        ("dm9601", usb("0a46", "9601"), Some("adapter0")),
        ("enc28j60", usb("", ""), Some("adapter0")),
        ("brcmfmac", usb("", ""), None),
        ("veth", usb("", ""), None),
    ] {
        assert_eq!(
            named(&links, driver, &properties).as_deref(),
            name,
            "{driver} {properties:?}"
        );
    }
}

/// A base with Debian's hook, as far as the program checks for it.
fn with_hook() -> testkit::images::Disk {
    let mut disk = trixie();
    disk.root
        .directory("/usr/lib/raspi-firmware")
        .file(
            "/etc/kernel/postinst.d/z50-raspi-firmware",
            *b"#!/bin/sh\ncmdline_custom=\"/etc/default/raspi-extra-cmdline\"\n",
        )
        .file("/etc/default/raspi-firmware", *b"# Debian's\n#CMA=64M\n");
    disk.boot.file(
        "/config.txt",
        *b"# Ours\narm_64bit=1\nauto_initramfs=1\ndtparam=audio=on\n",
    );
    disk
}

#[test]
fn a_new_kernel_keeps_the_words_of_the_command_line() {
    let mut disk = with_hook();
    let NodeOverlays { common, node } = testkit::images::make(&disk, &kraken(), 3);
    let root = |path: &str| text(&node, Volume::Root, path);
    // As in the hook: the settings are a shell script, and our assignment is the last one.
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "settings", &root("/etc/default/raspi-firmware"));
    let read = std::process::Command::new("dash")
        .args(["-c", "CONSOLES=auto; ROOTPART=; CMA=64M; . ./settings; for c in $CONSOLES; do printf 'console=%s ' $c; done; echo root=$ROOTPART rw fsck.repair=yes net.ifnames=0 cma=$CMA rootwait"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let written = String::from_utf8(read.stdout).unwrap().trim().to_owned()
        + " "
        + root("/etc/default/raspi-extra-cmdline").trim();
    let ours = text(&node, Volume::Boot, "/cmdline.txt");
    for word in ours.split_ascii_whitespace() {
        assert_eq!(
            written.split(' ').filter(|got| *got == word).count(),
            1,
            "{word} in {written:?}"
        );
    }
    let consoles: Vec<_> = written.split(' ').filter(|word| word.starts_with("console=")).collect();
    assert_eq!(
        consoles,
        ["console=serial0,115200", "console=tty1"],
        "the last one is the system's"
    );
    assert!(
        written.contains("root=PARTUUID=1-02 ") && written.contains("ds=nocloud;i=kraken-flash-kraken-3-"),
        "{written}"
    );
    assert_eq!(root("/etc/default/raspi-firmware-custom"), "# Ours\ndtparam=audio=on\n");
    // For the node's image everything is the same.
    disk.lay(&common);
    disk.lay(&node);
    assert_eq!(testkit::images::make(&disk, &kraken(), 3).node, node);
    // The user's own boot files are kept.
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "overlays/worker/boot/config.txt",
        "dtoverlay=disable-wifi\n",
    );
    write(
        folder.path(),
        "mine/boot/cmdline.txt",
        "console=tty7 root=LABEL=x quiet\n",
    );
    let assets = Assets::load(Some(folder.path()), Some(&folder.path().join("mine"))).unwrap();
    let cluster = kraken();
    let node = disk.with(&cluster, |ctx| {
        provision::node(ctx, &assets, &cluster.nodes[2]).unwrap()
    });
    let root = |path: &str| text(&node, Volume::Root, path);
    assert_eq!(root("/etc/default/raspi-extra-cmdline"), "quiet\n");
    assert!(root("/etc/default/raspi-firmware").contains("\nROOTPART=\"LABEL=x\"\nCONSOLES=\"tty7\"\n"));
    assert_eq!(root("/etc/default/raspi-firmware-custom"), "dtoverlay=disable-wifi\n");
}

#[test]
fn a_hook_that_leaves_the_command_line_alone_is_left_alone() {
    let mut disk = with_hook();
    disk.root.file(
        "/etc/kernel/postinst.d/z50-raspi-firmware",
        *b"#!/bin/sh\ncp /boot/vmlinuz /boot/firmware/kernel8.img\n",
    );
    let node = testkit::images::make(&disk, &kraken(), 3).node;
    assert!(
        node.iter()
            .all(|(_, path, _)| !path.as_str().starts_with("/etc/default/"))
    );
}

#[test]
fn forwarding_is_dockers_own_business() {
    let mut cluster = kraken();
    cluster.docker.source = kraken_spec::DockerSource::Debian;
    let common = testkit::images::make(&trixie(), &cluster, 1).common;
    let sysctl: Vec<_> = common
        .iter()
        .filter(|(_, path, _)| path.as_str().contains("/sysctl"))
        .collect();
    assert!(sysctl.is_empty(), "{sysctl:?}");
}

#[test]
fn the_handbook_lists_every_template() {
    let handbook = include_str!("../../docs/templates.md");
    for name in Assets::template_names() {
        assert!(
            handbook.contains(&format!("| `{name}` |")),
            "docs/templates.md does not list {name}"
        );
    }
}

#[test]
fn our_own_templates_never_switch_quoting_off() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.replace(' ', "").contains("|safe"), "{}", path.display());
    }
}

#[test]
fn names_that_are_one_on_fat_are_refused_whatever_overlays_they_come_from() {
    for (one, other, said) in [
        (
            "overlays/common/boot/README.TXT",
            "overlays/common/boot/Readme.txt",
            ["boot/README.TXT", "boot/Readme.txt"],
        ),
        (
            "overlays/common/boot/notes",
            "mine/boot/Notes",
            ["boot/notes", "boot/Notes"],
        ),
        (
            "overlays/worker/boot/CMDLINE.TXT",
            "mine/boot/other",
            ["boot/cmdline.txt", "boot/CMDLINE.TXT"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [(one, "1"), (other, "2")] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mine = folder.path().join("mine");
        std::fs::create_dir_all(&mine).unwrap();
        let error = Assets::load(Some(folder.path()), Some(&mine))
            .err()
            .unwrap()
            .to_string();
        assert!(said.iter().all(|name| error.contains(name)), "{error}");
        // On the root volume they are two files.
        let root = |path: &str| folder.path().join(path.replace("/boot/", "/root/"));
        for file in [one, other] {
            std::fs::create_dir_all(root(file).parent().unwrap()).unwrap();
            std::fs::rename(folder.path().join(file), root(file)).unwrap();
        }
        Assets::load(Some(folder.path()), Some(&mine)).unwrap();
    }
}
